"""Bytes of a measured field: levels with a unit, and one byte that is no level."""

import numpy as np
import pytest
from pydantic import ValidationError

from platform.benchmarks.encoding import MISSING, RAIN, TOP, Encoding, dbz_of_rain, rain_of_dbz

LIQUID = Encoding(unit="VIL", scale="linear", lowest=0, highest=TOP)


def test_rain_comes_back_within_half_a_level() -> None:
    rain = np.geomspace(0.05, 150, 400)
    half_a_level = 0.5 * 60 / TOP
    assert np.abs(dbz_of_rain(RAIN.values(RAIN.levels(rain))) - dbz_of_rain(rain)).max() <= half_a_level + 1e-9


def test_marshall_and_palmer_give_ten_millimetres_an_hour_39_dbz() -> None:
    assert dbz_of_rain(np.array(10.0)) == pytest.approx(39.01, abs=0.005)
    assert rain_of_dbz(np.array(39.01)) == pytest.approx(10.0, abs=0.01)


def test_no_rain_is_level_0_and_comes_back_as_none() -> None:
    assert RAIN.levels(np.array([0.0, 0.01])).tolist() == [0, 0]
    assert RAIN.values(np.array([0], np.uint8)) == 0.0


def test_missing_is_no_level_and_comes_back_as_nan() -> None:
    levels = LIQUID.levels(np.array([3.0, np.nan, 7.0, 1e9, -5.0]), np.array([False, False, True, False, False]))
    assert levels.tolist() == [3, MISSING, MISSING, TOP, 0]
    assert np.isnan(LIQUID.values(levels)).tolist() == [False, True, True, False, False]


def test_reflectivity_goes_by_the_same_levels_as_its_rain() -> None:
    rain = np.array([0.2, 1.0, 30.0])
    assert np.array_equal(RAIN.levels_of_dbz(dbz_of_rain(rain)), RAIN.levels(rain))
    with pytest.raises(ValueError, match="VIL has no reflectivity"):
        LIQUID.levels_of_dbz(rain)


def test_a_threshold_lies_where_its_level_does() -> None:
    assert LIQUID.fraction(133) == pytest.approx(133 / TOP)
    assert RAIN.fraction(10.0) == pytest.approx(39.01 / 60, abs=1e-4)
    assert RAIN.fraction(0.0) == 0.0


def test_an_encoding_that_spans_nothing_is_refused() -> None:
    with pytest.raises(ValidationError, match="lowest 3 is not below highest 3"):
        Encoding(unit="x", scale="linear", lowest=3, highest=3)
