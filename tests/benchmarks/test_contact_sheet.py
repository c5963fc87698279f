"""The contact sheet shows what a split holds: each clip, its missing places, where it was cut."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from platform.benchmarks.catalog import open_benchmark
from platform.benchmarks.contact_sheet import CHEQUERS, OBSERVED, PREDICTED, contact_sheet
from platform.benchmarks.encoding import MISSING, RAIN
from platform.benchmarks.recording import Found, Recording
from platform.benchmarks.store_writer import write_store
from platform.config.benchmark import BenchmarkConfig
from platform.config.home import Home


def put_radar(home: Home, missing: bool) -> BenchmarkConfig:
    """Three events of 6 frames, of one level; in the second half of a frame nothing was seen where `missing`."""

    def event(number: int) -> Callable[[], np.ndarray]:
        def load() -> np.ndarray:
            frames = np.full((6, 16, 16, 1), 200 + number, np.uint8)
            frames[:, 0, 0] = np.arange(6)[:, None]
            frames[:, 8:] = MISSING if missing else 0
            return frames

        return load

    days = [f"2020-01-0{day}" for day in (1, 2, 3)]
    recordings = [Recording(day, day, "radar", day, event(number)) for number, day in enumerate(days)]
    write_store(
        home.benchmarks / "bom-16",
        Found(recordings, frame_size=(16, 16), encoding=RAIN),
        dataset="bom",
        synthetic=False,
        reader_version="1",
    )
    return BenchmarkConfig(name="bom", frame_size=16, input_length=2, total_length=4)


def share_of(colour: tuple[int, int, int], picture: np.ndarray) -> float:
    return float((picture == np.array(colour)).all(axis=-1).mean())


@pytest.mark.parametrize("missing", [True, False])
def test_missing_places_are_chequered_and_nothing_else_is(tmp_path: Path, missing: bool) -> None:
    home = Home(tmp_path)
    benchmark = open_benchmark(put_radar(home, missing), home)
    picture = np.asarray(contact_sheet(benchmark))
    assert (share_of(CHEQUERS[0], picture) > 0.01) is missing
    assert (share_of(CHEQUERS[1], picture) > 0.01) is missing


def test_observed_and_predicted_frames_have_edges_of_their_own(tmp_path: Path) -> None:
    home = Home(tmp_path)
    picture = np.asarray(contact_sheet(open_benchmark(put_radar(home, True), home)))
    assert share_of(OBSERVED, picture) > 0
    assert share_of(PREDICTED, picture) > 0
