"""Which groups a split means: names, ranges, shares; and what is refused."""

import pytest

from platform.config.benchmark import BenchmarkConfig
from platform.config.presets import PRESETS
from platform.config.splits import SPLIT_PRESETS, SplitConfig, matching, parse_groups

DAYS = ("2018-06-01", "2018-12-31T18", "2019-01-01", "2019-05-31T06", "2019-06-01T00")


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("1-3, 7", ("1", "2", "3", "7")),
        ([1, 2, 2], ("1", "2")),
        (5, ("5",)),
        ("daria, moshe", ("daria", "moshe")),
        ("2019-01-01..2019-05-31", ("2019-01-01..2019-05-31",)),
        ("2019-01-01", ("2019-01-01",)),
        ("60%..80%", ("60%..80%",)),
    ],
)
def test_groups_are_written_as_people_write_them(given: object, names: tuple[str, ...]) -> None:
    assert parse_groups(given) == names


@pytest.mark.parametrize("given", ["3-1", "2019-06..2018-01", "..", "a..b..c", "80%..60%", "50%", "0%..120%", "10%..x"])
def test_what_is_no_range_is_refused_with_an_example(given: str) -> None:
    with pytest.raises(ValueError, match="write"):
        parse_groups(given)


def test_ranges_of_dates_hold_both_ends_and_the_hours_of_the_last_day() -> None:
    split = SplitConfig.model_validate(SPLIT_PRESETS["sevir_dates"])
    assert matching(split.train, DAYS) == ("2018-06-01", "2018-12-31T18")
    assert matching(split.validation, DAYS) == ("2019-01-01", "2019-05-31T06")
    assert matching(split.test, DAYS) == ("2019-06-01T00",)


def test_ranges_of_numbers_count_as_numbers() -> None:
    persons = [str(person) for person in range(1, 26)]
    assert matching(("2..10",), persons) == tuple(persons[1:10])
    assert matching(("1..2",), persons) == ("1", "2")
    mice = [f"mouse{number}" for number in range(1, 26)]
    assert matching(("mouse9..mouse12",), mice) == ("mouse9", "mouse10", "mouse11", "mouse12")
    assert matching(("mouse1..mouse2",), mice) == ("mouse1", "mouse2")


def test_shares_may_count_some_groups_only() -> None:
    assert matching(("0%..50%", "9"), "123459", shared="2345") == ("2", "3", "9")


def test_shares_that_overlap_are_refused() -> None:
    with pytest.raises(ValueError, match=r"0%\.\.60% of train and 50%\.\.80% of validation overlap"):
        SplitConfig.model_validate({"train": "0%..60%", "validation": "50%..80%", "test": "80%..100%"})


@pytest.mark.parametrize("count", range(3, 40))
def test_shares_give_every_split_a_group_and_every_group_a_split(count: int) -> None:
    groups = [str(number) for number in range(count)]
    split = SplitConfig.model_validate(SPLIT_PRESETS["in_order"])
    parts = [matching(split.groups(name), groups) for name in ("train", "validation", "test")]
    assert all(parts)
    assert sum(parts, ()) == tuple(groups)


def test_a_group_in_two_splits_is_refused() -> None:
    with pytest.raises(ValueError, match="3 stand in both train and test"):
        SplitConfig.model_validate({"train": "1-3", "validation": "4", "test": "3, 5"})


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_a_whole_benchmark(name: str) -> None:
    config = BenchmarkConfig.model_validate({"preset": name})
    assert config.name == PRESETS[name]["name"]
    assert config.input_length < config.total_length


def test_what_stands_beside_a_preset_counts_instead_of_it() -> None:
    config = BenchmarkConfig.model_validate({"preset": "kth128_10_20", "frame_size": 64, "split": "persons_1_20"})
    assert (config.frame_size, config.total_length, config.stride) == (
        64,
        30,
        {"default": 30, "jogging": 3, "running": 3},
    )
    assert config.split.test == ("21", "22", "23", "24", "25")


def test_a_measured_field_has_thresholds_and_pictures_have_none() -> None:
    assert BenchmarkConfig(name="sevir").thresholds == (16, 74, 133, 160, 181, 219)
    assert BenchmarkConfig(name="bom", thresholds=(1.0,)).thresholds == (1.0,)
    assert BenchmarkConfig(name="own_lab").thresholds == ()


@pytest.mark.parametrize(
    ("given", "repair"),
    [
        ({"name": "kht"}, "did you mean 'kth'"),
        ({"name": "own_"}, "own_NAME for your own data"),
        ({"name": "own_../x"}, "own_NAME for your own data"),
        ({"preset": "kth64_10_2"}, "did you mean 'kth64_10_20'"),
        ({"name": "kth", "split": "person_1_16"}, "did you mean 'persons_1_16'"),
        ({"name": "weizmann", "categories": ["walks"]}, "'walks' is no category of weizmann; known: bend"),
        ({"name": "sevir", "augment": "mirror"}, "set variants to 2 or more"),
        ({"name": "sevir", "variants": 4}, "set augment or crop.place: random"),
    ],
)
def test_names_and_choices_that_fit_nothing_are_refused_with_the_repair(given: dict[str, object], repair: str) -> None:
    with pytest.raises(ValueError, match=repair):
        BenchmarkConfig.model_validate(given)


def test_a_preset_of_another_data_set_gives_its_lengths_and_sizes_only() -> None:
    config = BenchmarkConfig.model_validate({"preset": "sevir_13_12", "name": "bom"})
    assert (config.frame_size, config.input_length, config.total_length) == (128, 13, 25)
    assert (config.stride, config.split.train) == ({}, ("0%..60%",))
    assert config.thresholds == (0.5, 2.0, 5.0, 10.0, 30.0)


@pytest.mark.parametrize(
    ("given", "repair"),
    [
        ({"frame_size": 32, "crop": {"side": 48}}, "set crop.side to 32, or frame_size to a divisor"),
        ({"frame_size": 32, "stored_size": 100}, "set stored_size to 96"),
        ({"frame_size": 32, "stored_size": 64, "crop": {"side": 96}}, "does not fit into stored_size 64"),
    ],
)
def test_sizes_that_do_not_fit_are_refused_before_anything_is_on_disk(given: dict[str, object], repair: str) -> None:
    with pytest.raises(ValueError, match=repair):
        BenchmarkConfig.model_validate({"name": "bom", **given})
