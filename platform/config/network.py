"""The geometry of a network: plain numbers, handed to `tmu_models` as they are."""

from typing import Annotated

from pydantic import AfterValidator, Field, PositiveInt

from platform.config.model import Model


def odd(value: int) -> int:
    """An odd kernel keeps the grid's size."""
    if value % 2 == 0:
        raise ValueError(f"{value} is even; an odd kernel keeps the grid's size (try {value + 1})")
    return value


class NetworkConfig(Model):
    """A recurrent video-prediction network. Defaults are the released sizes."""

    family: str = "convlstm"  # a key of tmu_models.families.FAMILIES, or one that an entry point adds
    hidden: Annotated[tuple[PositiveInt, ...], Field(min_length=1, max_length=16)] = (64, 64, 64, 64)
    kernel_size: Annotated[PositiveInt, AfterValidator(odd)] = 5
    patch_size: PositiveInt = 4
    layer_norm: bool = False
    decoupling: bool = False  # PredRNN-v2: keep the two memories apart; its weight is training.decoupling_weight
