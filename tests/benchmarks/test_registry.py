"""What a YAML may name can be read, and every stand-in gives every split of its data set something."""

import pytest

from platform.benchmarks.catalog import estimate_clips, reader_of
from platform.benchmarks.registry import READERS
from platform.config.benchmark import BenchmarkConfig
from platform.config.datasets import DATASETS, MOST_DIGITS
from platform.config.home import Home

NAMES = [
    *(name for name in DATASETS if name != "flying_digits"),
    *(f"flying_digits_{digits}" for digits in range(1, MOST_DIGITS + 1)),
]


def test_every_benchmark_that_a_yaml_may_name_has_a_reader_and_no_reader_is_left_over() -> None:
    assert {"own", *NAMES} == set(READERS)


@pytest.mark.parametrize("name", [name for name in NAMES if reader_of(name).stand_in is not None])
def test_a_stand_in_has_clips_for_every_split_by_default(name: str) -> None:
    base, _, digits = name.partition("flying_digits_")
    named = {"name": base or "flying_digits", **({"digits": int(digits)} if digits else {})}
    config = BenchmarkConfig.model_validate({**named, "on_missing": "synthetic"})
    assert min(estimate_clips(config, Home.from_environment()).values()) > 20
