"""What a target drew from each of its sources, from a look at it."""

from dataclasses import dataclass

import numpy as np

from platform.results.look import Look
from platform.results.paired import interval_over_videos, videos_of


@dataclass(frozen=True)
class DrawnSource:
    """`openness` and `drawn`: means over layers, steps, places and clips, from 0 to 1. `worth`: by how much the mse
    rises when the source's gate is shut at evaluation, with its 95 % interval over videos (None below two)."""

    source: str
    openness: float
    drawn: float
    worth: float
    interval: tuple[float, float] | None

    @property
    def is_clear(self) -> bool:
        """The interval leaves out zero."""
        return self.interval is not None and (self.interval[0] > 0 or self.interval[1] < 0)


def drawn_sources(look: Look) -> list[DrawnSource]:
    """What was drawn from most, first."""
    videos = videos_of(look.facts.clips)
    found = [
        DrawnSource(
            source=name,
            openness=float(np.mean(source.openness)),
            drawn=float(np.mean(source.drawn)),
            worth=float(np.mean(source.worth)),
            interval=interval_over_videos(np.array(source.worth), videos),
        )
        for name, source in look.facts.sources.items()
    ]
    return sorted(found, key=lambda source: -source.drawn)
