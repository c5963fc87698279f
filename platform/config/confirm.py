"""What is retrained after a search, to be sure of what it found."""

from typing import Annotated

from pydantic import Field, PositiveInt

from platform.config.model import Model


class ConfirmConfig(Model):
    """`platform.confirm`: the best settings of a search trained again beside what they must beat, with the same clips,
    steps and seeds, and then the test split once. In a search's YAML it is done when all trials have ended."""

    settings: PositiveInt = 3  # so many of the search's best
    seeds: Annotated[int, Field(ge=2)] = 5  # of each; one could not tell a difference from chance
    epochs: PositiveInt | None = None  # null: as long as the search trains a trial that it does not stop
