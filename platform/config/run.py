"""A whole run, resolved: what `config.yaml` in a run folder says."""

import re
from typing import Annotated, Literal

from pydantic import Field, PositiveInt, field_validator, model_validator

from platform.config.benchmark import BenchmarkConfig
from platform.config.bounded import FILE_NAME
from platform.config.confirm import ConfirmConfig
from platform.config.model import Model
from platform.config.network import NetworkConfig
from platform.config.search import ResourcesConfig, SearchConfig
from platform.config.study import StudyConfig
from platform.config.training import PretrainingConfig, TrainingConfig
from platform.config.trial import SCRATCH, TrialSettings

PLAIN_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")
MOST_SOURCES = 256


class SourceConfig(Model):
    """A frozen network of the bank: one that is there (`bank`), or the recipe to pretrain it when it is not.

    What a recipe leaves out (network, frame size, lengths) it takes from the run, so that memories fit.
    """

    # The name of an entry of the bank; then nothing else is given but `memory`.
    bank: Annotated[str, Field(pattern=FILE_NAME.pattern)] | None = None
    benchmark: BenchmarkConfig | None = None
    network: NetworkConfig | None = None
    pretraining: PretrainingConfig | None = None
    memory: str = "cell/0"  # which of its memories is served

    @model_validator(mode="after")
    def _one_origin(self) -> "SourceConfig":
        if (self.bank is None) == (self.benchmark is None):
            raise ValueError("a source needs either `bank: NAME` or a `benchmark` to be pretrained on")
        if self.bank is not None and (self.network is not None or self.pretraining is not None):
            raise ValueError(
                f"the card of bank entry {self.bank!r} tells its network and how it was made; drop `network` and "
                "`pretraining`, or replace `bank` by a `benchmark` to pretrain it on"
            )
        return self


class CompareConfig(Model):
    """Named settings trained with the same clips, steps and seeds: `platform.compare`. No choice is made among them."""

    seeds: PositiveInt = 5
    settings: dict[str, TrialSettings] = {}  # what an entry leaves out it takes from `trial`

    @field_validator("settings")
    @classmethod
    def _plain_names(cls, value: dict[str, TrialSettings]) -> dict[str, TrialSettings]:
        for name in value:
            if not PLAIN_NAME.fullmatch(name):
                raise ValueError(f"setting name {name!r}: use letters, digits, dash, underscore")
        return value


class RunConfig(Model):
    """One search, every choice made. Built by `platform.config.load.load_run`."""

    name: Annotated[str, Field(pattern=PLAIN_NAME.pattern)]
    question: str = ""
    profile: Literal["laptop", "full"] = "full"
    benchmark: BenchmarkConfig
    network: NetworkConfig = NetworkConfig()  # the target's
    sources: Annotated[dict[str, SourceConfig], Field(max_length=MOST_SOURCES)] = {}
    training: TrainingConfig = TrainingConfig()
    trial: TrialSettings = TrialSettings()  # what a trial is where the space says nothing
    search: SearchConfig = SearchConfig()
    study: StudyConfig = StudyConfig()
    compare: CompareConfig = CompareConfig()
    confirm: ConfirmConfig | None = None  # null: only when `python -m platform.confirm RUN` asks for it
    resources: ResourcesConfig = ResourcesConfig()

    @field_validator("sources")
    @classmethod
    def _plain_source_names(cls, value: dict[str, SourceConfig]) -> dict[str, SourceConfig]:
        for name in value:
            if not PLAIN_NAME.fullmatch(name) or name == SCRATCH:
                raise ValueError(f"source name {name!r}: use letters, digits, dash, underscore (not {SCRATCH!r})")
        return value
