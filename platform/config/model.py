"""The base of every configuration model: unknown keys are refused, and a built model never changes."""

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """A small promise, checked where it is built. See https://docs.pydantic.dev for the methods it inherits."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, validate_default=True)
