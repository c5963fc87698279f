"""Which clips a stretch of frames gives, and which part of a stored frame a network sees."""

from typing import Literal

from pydantic import PositiveInt

from platform.config.model import Model

Scan = Literal["forward", "backward"]  # from which end of a stretch clips are counted off


class CropConfig(Model):
    """A square of `side` stored pixels, shrunk to the benchmark's frame_size.

    `centre`: in the middle. `grid`: a clip becomes as many as squares fit side by side, centred. `random`: anywhere,
    at a place of its own for each of the benchmark's numbered variants.
    """

    side: PositiveInt
    place: Literal["centre", "grid", "random"] = "centre"
