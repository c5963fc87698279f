"""Colours of charts and pictures are told apart by everybody, and read on the paper of both themes."""

import re
from pathlib import Path

import numpy as np
import pytest
from skimage.color import rgb2lab

import platform.reporting
from platform.reporting.charts.drawing import BEST, FAILED, FINISHED, INK, STOPPED
from platform.reporting.charts.gates import LINES
from platform.reporting.charts.pairs import BETTER, DARK, NEITHER, PALE, WORSE
from platform.reporting.radar_colours import MISSING_GREY, PRODUCTS, FieldColours
from platform.results.look import MeasuredField

CSS = (Path(platform.reporting.__file__).parent / "page.css").read_text()
THEMES = ("light", "dark")
# n colours; red, green and blue from 0 to 255

# Machado, Oliveira and Fernandes 2009: what is left of linear red, green and blue without one kind of cone.
SEEN_BY = {
    "everybody": np.eye(3),
    "protanopes": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopes": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopes": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}


def linear(rgb_n3: np.ndarray) -> np.ndarray:
    """Light, from 0 to 1."""
    part_n3 = rgb_n3 / 255
    return np.where(part_n3 <= 0.04045, part_n3 / 12.92, ((part_n3 + 0.055) / 1.055) ** 2.4)


def least_apart(rgb_n3: np.ndarray, eyes: str) -> float:
    """The distance of the two that are most alike, in steps of CIELAB, of which one or two are just seen."""
    seen_n3 = np.clip(linear(rgb_n3) @ SEEN_BY[eyes].T, 0, 1)
    lab_n3 = rgb2lab(np.where(seen_n3 <= 0.0031308, 12.92 * seen_n3, 1.055 * seen_n3 ** (1 / 2.4) - 0.055))
    apart_nn = np.linalg.norm(lab_n3[:, None] - lab_n3[None], axis=-1)
    return float((apart_nn + 1000 * np.eye(len(lab_n3))).min())


def contrast(one: np.ndarray, other: np.ndarray) -> float:
    """As WCAG 2.2 counts it: 4.5 is for letters, 3 for lines and marks."""
    darker, lighter = sorted(float(linear(rgb) @ np.array([0.2126, 0.7152, 0.0722])) for rgb in (one, other))
    return (lighter + 0.05) / (darker + 0.05)


def from_hex(text: str) -> np.ndarray:
    return np.array(list(bytes.fromhex(text.removeprefix("#"))))


def of_page(name: str, theme: str) -> np.ndarray:
    """`var(--best)` in one of the themes."""
    found = re.search(rf"{name.removeprefix('var(').removesuffix(')')}: light-dark\((#\w+), (#\w+)\)", CSS)
    assert found is not None, f"page.css has no {name}"
    return from_hex(found[1 + THEMES.index(theme)])


@pytest.mark.parametrize("eyes", SEEN_BY)
@pytest.mark.parametrize("unit", [*PRODUCTS, "K"])
def test_classes_of_a_radar_are_told_apart_with_colour_blindness(eyes: str, unit: str) -> None:
    colours = FieldColours.of(MeasuredField(unit=unit, values=tuple(n / 4 for n in range(256))))
    for scale in colours.scales:
        assert least_apart(np.vstack([scale.colours, [[MISSING_GREY] * 3]]), eyes) > 5


@pytest.mark.parametrize("eyes", SEEN_BY)
@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("names", [(BEST, FINISHED, STOPPED, FAILED, INK), LINES], ids=["marks", "lines"])
def test_colours_of_a_chart_are_told_apart_with_colour_blindness(names: tuple[str, ...], theme: str, eyes: str) -> None:
    assert least_apart(np.array([of_page(name, theme) for name in names]), eyes) > 18


@pytest.mark.parametrize("theme", THEMES)
def test_every_line_and_mark_stands_out_from_the_paper(theme: str) -> None:
    for name in (BEST, FINISHED, STOPPED, FAILED, *LINES):
        assert contrast(of_page(name, theme), of_page("var(--paper)", theme)) >= 3, name


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("rgb", [BETTER, NEITHER, WORSE])
def test_numbers_of_pairs_are_read_on_every_cell(rgb: str, theme: str) -> None:
    full, paper = np.array([int(part) for part in rgb.split(",")]), of_page("var(--paper)", theme)
    assert contrast(from_hex(DARK), full) >= 4.5
    assert contrast(of_page(INK, theme), PALE * full + (1 - PALE) * paper) >= 4.5
    assert contrast(of_page(INK, theme), of_page("var(--panel)", theme)) >= 4.5
