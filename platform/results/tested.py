"""`test.json` of a confirmed trial: what it scored on each clip of the test split."""

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field, FiniteFloat, NonNegativeFloat

from platform.config.bounded import LARGE_BYTES, Refused, parse_json, read_bounded
from platform.config.errors import UserError
from platform.config.model import Model
from platform.results.paired import videos_of
from platform.results.record import TrialNumber
from platform.results.replacing import replacing

SCHEMA_VERSION = 1
MOST_CLIPS = 200_000


class TestedTrial(Model):
    """Scores by their protocol. `clips` are named `<video>@<first frame>`, and may be followed by `#<place>`."""

    __test__ = False  # pytest: no test class

    schema_version: int = SCHEMA_VERSION
    trial: TrialNumber
    setting: str
    seed: int
    benchmark: str
    synthetic: bool
    clips: Annotated[tuple[str, ...], Field(max_length=MOST_CLIPS)]
    per_clip: dict[str, tuple[FiniteFloat | None, ...]]  # none where all of a clip's pixels are missing, or of no error
    scores: dict[str, FiniteFloat | None]  # means over the clips; events over all clips together
    last_frame: dict[str, FiniteFloat | None]
    not_scored: dict[str, str] = {}  # the protocol, and what it lacks
    seconds_per_clip: NonNegativeFloat

    @cached_property
    def videos(self) -> np.ndarray:
        """The video of each clip, (num_clips,) of text: clips of one are no independent observations."""
        return videos_of(self.clips)

    def values(self, name: str) -> np.ndarray:
        """A score of each clip, (num_clips,); NaN where it has none. Raises KeyError for a score that was not taken."""
        return np.array([np.nan if value is None else value for value in self.per_clip[name]])


def read_tested(path: Path) -> TestedTrial | None:
    """None where the trial has not been tested. Raises UserError for a file that is damaged."""
    try:
        tested = parse_json(read_bounded(path, LARGE_BYTES), TestedTrial)
        if any(len(values) != len(tested.clips) for values in tested.per_clip.values()):
            raise Refused("has scores of other clips than it names")
    except FileNotFoundError:
        return None
    except (OSError, Refused) as fault:
        raise UserError(
            f"{path} cannot be read ({fault}). Delete it and run platform.confirm again, which tests the trial again."
        ) from None
    return tested


def write_tested_table(path: Path, tested: Iterable[TestedTrial]) -> None:
    """A row a setting, seed and clip: setting, seed, trial, clip, video, and a column a score."""
    tables = [
        pa.table(
            {
                "setting": [each.setting] * len(each.clips),
                "seed": [each.seed] * len(each.clips),
                "trial": [each.trial] * len(each.clips),
                "clip": each.clips,
                "video": each.videos,
                **{name: pa.array(values, pa.float64()) for name, values in each.per_clip.items()},
            }
        )
        for each in tested
    ]
    with replacing(path) as unfinished:
        pq.write_table(pa.concat_tables(tables, promote_options="default"), unfinished)
