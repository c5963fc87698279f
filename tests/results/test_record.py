"""The table of trials: what is written is read again exactly, and a bad file is refused with its repair."""

import datetime
import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from platform.config.errors import UserError
from platform.config.trial import TrialSettings
from platform.results.record import GpuUse, TrialRecord, read_results, write_results


def record(trial: int = 0, **changes: Any) -> TrialRecord:
    values: dict[str, Any] = {
        "trial": trial,
        "id": f"trial-{trial:03d}",
        "state": "finished",
        "seed": 7,
        "settings": TrialSettings(sources=("digits_1",)).model_dump(),
        "metrics": {"mse": 32.5, "psnr": math.inf, "parameters": 83_000},
        "last_frame": {"mse": 45.0},
        "curve": ({"epoch": 1, "train_loss": 0.5, "mse": 40.0}, {"epoch": 2, "train_loss": 0.25, "mse": 32.5}),
        "epochs": 2,
        "started": datetime.datetime(2026, 11, 20, 9, 30, 1, 123456, tzinfo=datetime.UTC),
        "duration_s": 12.5,
        "memory": {"ready": 30, "computed": 2, "waited_s": 0.25, "bytes": 4e9},
    }
    return TrialRecord(**{**values, **changes})


def test_what_is_read_equals_what_was_written(tmp_path: Path) -> None:
    scratch = TrialSettings().model_dump()
    written = [
        record(0),
        record(1, settings=scratch, state="stopped", reason="stopped by ASHA"),
        record(2, state="failed", reason="out of memory", metrics={}, curve=(), started=None, memory={}),
        record(
            3,
            settings={
                "start": "digits_9",
                "tmu": {"layers": [0, 1], "bias": 0},
                "distil": {"source_weights": {"a": 0.5}},
            },
        ),
    ]
    write_results(tmp_path / "results.parquet", written)

    assert read_results(tmp_path / "results.parquet") == written


def test_an_empty_table_is_a_table(tmp_path: Path) -> None:
    write_results(tmp_path / "results.parquet", [])

    assert read_results(tmp_path / "results.parquet") == []


def test_rows_stand_in_the_order_of_the_trials(tmp_path: Path) -> None:
    write_results(tmp_path / "results.parquet", [record(2), record(0), record(1)])

    assert [r.trial for r in read_results(tmp_path / "results.parquet")] == [0, 1, 2]


def test_other_tools_find_settings_scores_and_sources_in_columns_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "results.parquet"
    used = GpuUse(taken_bytes=3e9, foretold_bytes=2e9)
    second = record(1, settings=TrialSettings().model_dump(), gpu=used)
    write_results(path, [record(0), second], sources=["digits_1", "digits_9"])
    table = pq.read_table(path)

    assert table["settings.tmu.merge"].to_pylist() == ["mean", "mean"]
    assert table["metric.mse"].to_pylist() == [32.5, 32.5]
    assert table["memory.ready"].to_pylist() == [30, 30]
    assert table["gpu.taken_bytes"].to_pylist() == [None, 3e9]
    assert table["source.digits_1"].to_pylist() == [True, False]
    assert table["source.digits_9"].to_pylist() == [False, False]  # offered, never drawn
    assert table["started"].type == pa.timestamp("us", tz="UTC")


def test_a_setting_of_several_types_becomes_text_in_its_column(tmp_path: Path) -> None:
    path = tmp_path / "results.parquet"
    write_results(path, [record(0, settings={"depth": 3}), record(1, settings={"depth": "full"})])

    assert pq.read_table(path)["settings.depth"].to_pylist() == ["3", '"full"']


def test_a_number_that_is_none_is_left_out_and_infinity_is_kept() -> None:
    diverged = record(metrics={"mse": math.nan, "psnr": math.inf}, curve=({"epoch": 1, "mse": math.nan},))

    assert diverged.metrics == {"psnr": math.inf}
    assert diverged.curve == ({"epoch": 1},)


def test_an_unknown_field_or_state_is_refused() -> None:
    with pytest.raises(ValidationError, match="mood"):
        record(mood="good")
    with pytest.raises(ValidationError, match="finished"):
        record(state="done")


def test_writing_replaces_the_whole_file_and_leaves_no_other(tmp_path: Path) -> None:
    path = tmp_path / "run" / "results.parquet"
    write_results(path, [record(0)])
    write_results(path, [record(0), record(1)])

    assert len(read_results(path)) == 2
    assert list(path.parent.iterdir()) == [path]


def test_a_missing_table_says_which_folder_to_give(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"does not exist; give the folder that platform.search printed"):
        read_results(tmp_path / "results.parquet")


def test_a_truncated_table_is_refused_with_a_way_out(tmp_path: Path) -> None:
    path = tmp_path / "results.parquet"
    write_results(path, [record(0)])
    path.write_bytes(path.read_bytes()[:-100])

    with pytest.raises(UserError, match="Copy it again from where the search ran"):
        read_results(path)


def test_a_table_of_another_program_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"record": ["{}"]}), tmp_path / "results.parquet")

    with pytest.raises(UserError, match=r"carries no schema version. Give a run folder"):
        read_results(tmp_path / "results.parquet")


def test_a_table_of_a_later_release_says_how_to_update(tmp_path: Path) -> None:
    path = tmp_path / "results.parquet"
    write_results(path, [record(0)])
    later = pq.read_table(path).replace_schema_metadata({b"tmu.results.schema_version": b"99"})
    pq.write_table(later, path)

    with pytest.raises(UserError, match=r"schema version 99, this release reads up to 1. Update with `pip install -U"):
        read_results(path)
