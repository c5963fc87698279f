"""`look.npz` of a trial: its predictions for a few validation clips, its scores over the horizon, and its gates.

All trials of a run are looked at on the same clips, so that they stand side by side. Read without trust.
"""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field, FiniteFloat, field_validator

from platform.config.bounded import Refused, parse_json
from platform.config.model import Model
from platform.results.arrays import read_arrays
from platform.results.predictions import Predictions, as_predictions
from platform.results.record import TrialNumber
from platform.results.replacing import replacing

SCHEMA_VERSION = 1

# N clips kept, T frames, K sources, L layers, h w grid cells


class SourceLook(Model):
    """What one source was worth to a trained target, on all validation clips that were looked at."""

    # In the order of the look's layers, over clips, steps and places: the gate, from 0 to 1, and the share of the
    # memory carried on that would be another with the gate shut.
    openness: tuple[FiniteFloat, ...]
    drawn: tuple[FiniteFloat, ...]
    # The mse of each clip with the gate shut, minus that with it open.
    worth: tuple[FiniteFloat, ...]


class MeasuredField(Model):
    """What the pictures of a radar show: the value in `unit` of each byte, and how far apart frames are."""

    unit: Annotated[str, Field(max_length=40)]  # mm/h, dBZ, VIL level
    values: Annotated[tuple[Annotated[float, Field(ge=-1e6, le=1e6)], ...], Field(min_length=256, max_length=256)]
    step_s: Annotated[int, Field(gt=0, lt=1 << 62)] | None = None  # seconds from frame to frame; None: not known

    @field_validator("values")
    @classmethod
    def _rise(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        if values[0] == values[-1] or any(one > other for one, other in pairwise(values)):
            raise ValueError("the values of bytes 0 to 255 do not rise")
        return values


class LookFacts(Model):
    """All of a look that is not an array."""

    schema_version: int = SCHEMA_VERSION
    trial: TrialNumber
    benchmark: str
    input_length: Annotated[int, Field(ge=1)]
    clips: tuple[str, ...]  # the names of all that were looked at
    kept: tuple[str, ...]  # of those whose frames are kept
    mse: tuple[FiniteFloat, ...]  # of each of `clips`
    # A score of each predicted frame, mean over clips; csi_T of all clips pooled, None where nothing was an event.
    horizon: dict[str, tuple[FiniteFloat | None, ...]]
    floor: dict[str, tuple[FiniteFloat | None, ...]]  # the same for copying the last observed frame
    layers: tuple[int, ...] = ()  # that are TMUs
    sources: dict[str, SourceLook] = {}
    all_shut: tuple[FiniteFloat, ...] = ()  # the mse of each clip with every gate shut, minus that with all open
    field: MeasuredField | None = None  # None: pictures, or a look of an earlier release


@dataclass(frozen=True)
class Look:
    """`openness` is the gate of each source in each layer for the clips kept, uint8 (L, K, N, T-1, h, w), 255 is open;
    `steps` the mean over all clips and places of openness and of the share drawn, float32 (2, L, K, T-1)."""

    facts: LookFacts
    predictions: Predictions
    openness: np.ndarray
    steps: np.ndarray


def write_look(path: Path, look: Look) -> None:
    """A reader sees the old file or the new one."""
    arrays: dict[str, Any] = {
        "clips": look.predictions.clips,
        "predicted": look.predictions.predicted,
        "openness": look.openness,
        "steps": look.steps,
        "facts": np.frombuffer(look.facts.model_dump_json().encode(), np.uint8),
    }
    if look.predictions.valid is not None:
        arrays["valid"] = look.predictions.valid
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as unfinished, unfinished.open("wb") as file:
        np.savez_compressed(file, **arrays)


def read_look(path: Path) -> Look:
    """Raises FileNotFoundError as it comes, and Refused for anything but a look."""
    arrays = read_arrays(path, ("clips", "predicted", "openness", "steps", "facts"), optional=["valid"])
    told = arrays["facts"]
    if told.dtype != np.uint8 or told.ndim != 1:
        raise Refused("cannot be read")
    facts = parse_json(told.tobytes(), LookFacts)
    if facts.schema_version > SCHEMA_VERSION:
        raise Refused("was written by a later release")
    predictions = as_predictions({**arrays, "input_length": np.array(facts.input_length)})
    look = Look(facts, predictions, arrays["openness"], arrays["steps"])
    if (reason := _disagreement(look)) is not None:
        raise Refused(f"does not fit together ({reason})")
    return look


def _disagreement(look: Look) -> str | None:
    """What of a look is not as the rest of it says."""
    facts, (num_kept, num_frames) = look.facts, look.predictions.clips.shape[:2]
    num_layers, num_sources, num_clips = len(facts.layers), len(facts.sources), len(facts.clips)
    steps = num_frames - 1
    grid = look.openness.shape[4:]
    if look.openness.dtype != np.uint8 or len(grid) != 2:
        return f"openness {look.openness.shape} {look.openness.dtype}"
    if look.openness.shape[:4] != (num_layers, num_sources, num_kept, steps):
        return f"openness {look.openness.shape}"
    if look.steps.dtype != np.float32 or look.steps.shape != (2, num_layers, num_sources, steps):
        return f"steps {look.steps.shape} {look.steps.dtype}"
    if not np.isfinite(look.steps).all():
        return "steps that are no numbers"
    if len(facts.kept) != num_kept or len(facts.mse) != num_clips or not set(facts.kept) <= set(facts.clips):
        return "clips"
    of_clips = [source.worth for source in facts.sources.values()] + ([facts.all_shut] if facts.all_shut else [])
    if any(len(values) != num_clips for values in of_clips):
        return "what sources are worth"
    of_layers = [values for source in facts.sources.values() for values in (source.openness, source.drawn)]
    if any(len(values) != num_layers for values in of_layers):
        return "layers"
    predicted = num_frames - facts.input_length
    if any(len(values) != predicted for values in (*facts.horizon.values(), *facts.floor.values())):
        return "the horizon"
    return None
