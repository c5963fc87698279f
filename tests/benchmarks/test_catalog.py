"""A search gets the real benchmark where it is prepared, a stand-in only where allowed, and always a true label."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from platform.benchmarks.catalog import (
    estimate_clips,
    find_benchmark,
    list_prepared,
    open_benchmark,
    prepare_dataset,
)
from platform.benchmarks.recording import Found, NumClips, Wanted
from platform.benchmarks.store import FrameStore
from platform.benchmarks.store_writer import write_store
from platform.config.benchmark import BenchmarkConfig, MaxClips
from platform.config.errors import UserError
from platform.config.home import Home
from platform.config.splits import SPLIT_NAMES

FEW = NumClips(6, 4, 4)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def digits_config(**options: Any) -> BenchmarkConfig:
    return BenchmarkConfig(name="flying_digits", digits=2, **options)


def put_real(home: Home, recordings: Any, size: int) -> FrameStore:
    """A store of real frames, small, as `prepare kth` leaves it."""
    target, found = home.benchmarks / f"kth-{size}", Found(recordings(4, 30, size), frame_size=(size, size))
    return write_store(target, found, dataset="kth", synthetic=False, reader_version="1")


def kth_config(**options: Any) -> BenchmarkConfig:
    split = {"train": [1], "validation": [2], "test": [3]}
    return BenchmarkConfig.model_validate({"name": "kth", "frame_size": 16, "split": split} | options)


def test_the_stand_in_is_made_where_it_is_allowed_and_found_again(home: Home) -> None:
    config = digits_config(on_missing="synthetic", frame_size=16)
    assert find_benchmark(config, home) is None
    made = open_benchmark(config, home)
    assert made.synthetic
    assert made.label == "flying_digits_2 (synthetic)"
    assert made.store.path.name == "flying_digits_2-64-synthetic"
    assert made.blocks("train").frames(0).shape == (32, 20, 16, 16, 1)
    found = find_benchmark(config, home)
    assert found is not None
    assert found.blocks("test").fingerprint == made.blocks("test").fingerprint
    counts = {split: made.blocks(split).num_clips for split in ("train", "validation", "test")}
    assert counts == estimate_clips(config, home)


def test_a_missing_benchmark_is_an_error_with_the_exact_command(home: Home) -> None:
    with pytest.raises(UserError, match=r"`python -m platform\.prepare kth --from DIR`.*on_missing: synthetic"):
        open_benchmark(BenchmarkConfig(name="kth"), home)
    with pytest.raises(UserError, match=r"`python -m platform\.prepare flying_digits --digits 2 --from DIR --size 48`"):
        open_benchmark(digits_config(frame_size=48), home)


def test_finding_and_estimating_touch_nothing(home: Home) -> None:
    config = digits_config(on_missing="synthetic")
    find_benchmark(config, home)
    estimate_clips(config, home)
    with pytest.raises(UserError, match="--synthetic"):
        open_benchmark(config, home, make=False)
    assert list(home.root.iterdir()) == []


def test_a_stand_in_is_not_taken_where_it_is_not_allowed(home: Home) -> None:
    prepare_dataset("flying_digits_2", None, home.benchmarks, Wanted(64, FEW))
    assert find_benchmark(digits_config(on_missing="error"), home) is None
    assert find_benchmark(digits_config(on_missing="synthetic"), home) is not None


def test_the_real_store_goes_before_the_stand_in(home: Home, recordings: Any) -> None:
    put_real(home, recordings, 16)
    benchmark = open_benchmark(kth_config(on_missing="synthetic"), home)
    assert (benchmark.label, benchmark.synthetic) == ("kth", False)


def test_the_smallest_real_store_that_divides_is_taken(home: Home, recordings: Any) -> None:
    for size in (24, 64, 32):
        put_real(home, recordings, size)
    benchmark = open_benchmark(kth_config(), home)
    assert benchmark.store.path.name == "kth-32"
    assert benchmark.blocks("train").frames(0).shape[2:] == (16, 16, 1)


def test_a_real_store_that_does_not_divide_is_mentioned(home: Home, recordings: Any) -> None:
    put_real(home, recordings, 24)
    with pytest.raises(UserError, match="24 is there, which 16 does not divide"):
        open_benchmark(kth_config(), home)


def test_a_damaged_real_store_is_an_error_and_not_swapped_for_a_stand_in(home: Home, recordings: Any) -> None:
    store = put_real(home, recordings, 16)
    (store.path / "frames-00000.arrow").write_bytes(b"")
    with pytest.raises(UserError, match="cut off"):
        open_benchmark(kth_config(on_missing="synthetic"), home)


def test_a_stand_in_of_an_older_generator_is_made_anew(home: Home) -> None:
    old = prepare_dataset("flying_digits_2", None, home.benchmarks, Wanted(64, FEW))
    manifest = old.manifest.model_copy(update={"reader_version": "0", "inputs": "older"})
    (old.path / "manifest.json").write_text(manifest.model_dump_json())
    config = digits_config(on_missing="synthetic")
    assert find_benchmark(config, home) is None
    assert open_benchmark(config, home).blocks("train").num_clips == estimate_clips(config, home)["train"]


def test_the_kth_stand_in_is_counted_without_being_made(home: Home) -> None:
    counts = estimate_clips(BenchmarkConfig(name="kth", on_missing="synthetic", max_clips=MaxClips(test=50)), home)
    assert counts["test"] == 50
    assert counts["train"] > 300
    assert counts["validation"] > 40


def test_the_repair_of_a_damaged_store_is_the_command_that_made_it(home: Home) -> None:
    store = prepare_dataset("flying_digits_2", None, home.benchmarks, Wanted(64, FEW))
    (store.path / "frames-00000.arrow").unlink()
    command = rf"platform\.prepare flying_digits --digits 2 --synthetic --to {home.benchmarks} --clips 6,4,4 --replace"
    with pytest.raises(UserError, match=command):
        FrameStore.open(store.path)


def test_the_list_holds_every_store_and_names_the_damaged(home: Home, recordings: Any) -> None:
    put_real(home, recordings, 16)
    (put_real(home, recordings, 32).path / "frames-00000.arrow").unlink()
    listed = list_prepared(home.benchmarks)
    assert isinstance(listed["kth-16"], FrameStore)
    assert isinstance(listed["kth-32"], UserError)
    assert list_prepared(home.root / "nothing") == {}


@pytest.mark.real_data
def test_nine_real_videos_of_six_persons_can_be_split(home: Home, data_root: Path) -> None:
    prepare_dataset("kth", data_root / "kth", home.benchmarks, Wanted(32))
    split = {"train": "1,3,5,9", "validation": [8], "test": [10]}
    config = kth_config(frame_size=32, split=split, stride={"default": 20, "running": 3})
    benchmark = open_benchmark(config, home)
    counts = [benchmark.blocks(split).num_clips for split in ("train", "validation", "test")]
    assert min(counts) >= 5
    assert np.ptp(benchmark.blocks("train").frames(0)) > 100


def put_events(home: Home, recordings: Any, groups: list[str], copied: dict[int, int] | None = None) -> None:
    """A prepared own data set with one video a group; some hold the frames of another."""
    videos = recordings(len(groups), 30, 16)
    for number, of in (copied or {}).items():
        videos[number] = replace(videos[number], load=videos[of].load)
    videos = [replace(video, group=group) for video, group in zip(videos, groups, strict=True)]
    found = Found(videos, frame_size=(16, 16))
    write_store(home.benchmarks / "own_lab-16", found, dataset="own_lab", synthetic=False, reader_version="1")


def own_config(**options: Any) -> BenchmarkConfig:
    return BenchmarkConfig.model_validate(
        {"name": "own_lab", "frame_size": 16, "total_length": 10, "input_length": 5} | options
    )


def test_own_data_is_split_in_order_of_its_groups(home: Home, recordings: Any) -> None:
    put_events(home, recordings, ["a", "b", "c", "d", "e"])
    benchmark = open_benchmark(own_config(), home)
    assert [benchmark.blocks(split).groups for split in SPLIT_NAMES] == [("a", "b", "c"), ("d",), ("e",)]
    benchmark.refuse_leaks()


def test_the_same_frames_in_two_splits_are_refused_and_named(home: Home, recordings: Any) -> None:
    put_events(home, recordings, ["a", "b", "c", "d", "e"], copied={4: 1})
    with pytest.raises(UserError, match=r"train and test share 30 frames: video1 frame 0 is video4 frame 0\."):
        open_benchmark(own_config(), home).refuse_leaks()


def test_frames_that_no_clip_uses_may_be_shared(home: Home, recordings: Any) -> None:
    put_events(home, recordings, ["a", "b", "c", "d", "e"], copied={4: 1})
    open_benchmark(own_config(split={"train": "a", "validation": "d", "test": "e"}), home).refuse_leaks()


def test_ranges_that_overlap_are_refused_with_the_group_they_share(home: Home, recordings: Any) -> None:
    put_events(home, recordings, ["2019-01-01", "2019-02-01", "2019-03-01"])
    split = {"train": "..2019-02-01", "validation": "2019-02-01..2019-02-28", "test": "2019-03-01.."}
    with pytest.raises(UserError, match=r"2019-02-01 of own_lab stand in both train \(\.\.2019-02-01\) and validation"):
        open_benchmark(own_config(split=split), home).blocks("test")


def test_too_few_groups_to_share_out_name_the_way_to_more(home: Home, recordings: Any) -> None:
    put_events(home, recordings, ["a", "b"])
    with pytest.raises(UserError, match=r"holds 2 groups \(a, b\).*--group-by REGEX"):
        open_benchmark(own_config(), home).blocks("train")


@pytest.mark.parametrize(
    ("told", "step_s"), [("300", 300), ("300, 360", None), ("0", None), ("", None), ("³", None), ("9" * 5000, None)]
)
def test_frames_have_a_step_where_all_series_keep_to_one(told: str, step_s: int | None, make_store: Any) -> None:
    manifest = make_store(2).manifest
    assert manifest.step_s is None
    assert manifest.model_copy(update={"provenance": {"step_s": told}}).step_s == step_s


def test_what_has_no_stand_in_says_so(home: Home) -> None:
    config = BenchmarkConfig(name="weizmann", frame_size=16, on_missing="synthetic")
    with pytest.raises(UserError, match=r"prepare weizmann --from DIR`.*no stand-in"):
        open_benchmark(config, home)
    with pytest.raises(UserError, match="no stand-in"):
        estimate_clips(config, home)


def test_a_crop_of_several_prepared_sizes_says_which_are_there_and_asks(home: Home, recordings: Any) -> None:
    for size in (16, 32):
        put_real(home, recordings, size)
    crop = {"crop": {"side": 16}}
    with pytest.raises(UserError, match=r"kth in frames of 16 and 32 pixels.*Set benchmark\.stored_size to one"):
        find_benchmark(kth_config(**crop), home)
    found = find_benchmark(kth_config(**crop, stored_size=32), home)
    assert found is not None
    assert found.store.path.name == "kth-32"
    whole = find_benchmark(kth_config(), home)
    assert whole is not None
    assert whole.store.path.name == "kth-16"


def test_shares_are_of_groups_in_which_a_clip_fits(home: Home, recordings: Any) -> None:
    """The last of four events was cut off after a frame: it is no fifth of the data."""
    videos = recordings(4, 30, 16)
    videos[3] = replace(videos[3], load=lambda: np.zeros((1, 16, 16, 1), np.uint8))
    videos = [replace(video, group=f"2020-01-0{day}") for day, video in enumerate(videos, 1)]
    found = Found(videos, frame_size=(16, 16))
    write_store(home.benchmarks / "own_lab-16", found, dataset="own_lab", synthetic=False, reader_version="1")
    benchmark = open_benchmark(own_config(), home)
    assert [benchmark.blocks(split).groups for split in SPLIT_NAMES] == [
        ("2020-01-01",),
        ("2020-01-02",),
        ("2020-01-03",),
    ]


def test_the_dry_run_refuses_splits_that_the_run_would_refuse(home: Home) -> None:
    split = {"train": "..2019-02-01", "validation": "2019-01-01..2019-05-31", "test": "2019-06-01.."}
    config = BenchmarkConfig.model_validate({"name": "bom", "split": split, "on_missing": "synthetic"})
    with pytest.raises(UserError, match=r"of bom \(synthetic\) stand in both train"):
        estimate_clips(config, home)
