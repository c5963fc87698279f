"""How a score is called, which way is better, and how it is written: one place, so that every figure agrees.

Scores are named by protocol (`mse`: squared error summed over a frame's pixels in [0, 1]). A name not listed
here is shown as it is, and taken as better when smaller unless the run says otherwise.
"""

import math
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

NARROW = "\u00a0"  # a number and its unit stay on one line


@dataclass(frozen=True)
class Score:
    """One protocol. `unit` completes a sentence: "32.1 squared error per frame"."""

    name: str
    label: str
    unit: str = ""
    higher_is_better: bool = False

    @property
    def better(self) -> str:
        return "higher" if self.higher_is_better else "lower"

    @property
    def axis(self) -> str:
        """What, in which unit, which way is good."""
        unit = f", {self.unit}" if self.unit else ""
        return f"{self.label}{unit}, {self.better} is better"

    @property
    def suffix(self) -> str:
        """What a number is followed by: ` dB`."""
        return f"{NARROW}{self.unit}" if self.unit in ("dB", "s") else ""

    @property
    def is_ratio(self) -> bool:
        """It has a zero that nothing is better than, so that a share of it can be told."""
        return self.name == "mse"

    def signed(self, value: float) -> float:
        """The value with the sign that makes smaller better."""
        return -value if self.higher_is_better else value

    def is_better(self, one: float, other: float) -> bool:
        return self.signed(one) < self.signed(other)

    def text(self, value: float | None) -> str:
        """`32.1`, `0.894`, `27.0 dB`; `infinite` for the psnr of identical frames; `–` where there is none."""
        if value is None or math.isnan(value):
            return "–"
        if math.isinf(value):
            return "infinite"
        if self.name == "parameters":
            return readable_count(value)
        if self.unit == "0 to 1":
            return f"{value:.3f}"
        return score_number(value) + self.suffix

    def against(self, value: float, floor: float) -> str:
        """`29 % lower than copying the last frame (45.2)`: the sentence that every score is shown with."""
        name = f"copying the last frame ({self.text(floor)})"
        if not (math.isfinite(value) and math.isfinite(floor)) or value == floor:
            return f"the same as {name}" if value == floor else f"beside {name}"
        side = "higher" if value > floor else "lower"
        if self.is_ratio and floor > 0:
            return f"{percent(abs(value - floor) / floor)} {side} than {name}"
        return f"{self.text(abs(value - floor))} {side} than {name}"


_KNOWN = {
    score.name: score
    for score in (
        Score("mse", "error (MSE)", "squared error per frame"),
        Score("mse_openstl", "error (MSE as OpenSTL)", "squared error per frame"),
        Score("ssim", "similarity (SSIM)", "0 to 1", higher_is_better=True),
        Score("psnr", "signal to noise (PSNR)", "dB", higher_is_better=True),
        Score("lpips", "perceptual distance (LPIPS)"),
        Score("parameters", "parameters"),
        Score("seconds_per_clip", "time per clip", "s"),
    )
}
SHOWN_FIRST = ("mse", "ssim", "psnr", "lpips")
# Of a measured field, above a threshold: how many events were foretold, or wrongly so.
EVENTS = {
    "csi": ("critical success index", True),
    "pod": ("probability of detection", True),
    "far": ("false alarm ratio", False),
}
_EVENT = re.compile(rf"({'|'.join(EVENTS)})_(-?[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?)", re.ASCII)


def summed_up(names: Iterable[str]) -> list[str]:
    """`shown` without pod and far, which csi sums up: for sentences."""
    return [name for name in shown(names) if not name.startswith(("pod_", "far_"))]


def shown(names: Iterable[str]) -> list[str]:
    """Those of `names` that are scores of predictions, in the order in which they are told."""
    there = list(names)
    events = [
        (list(EVENTS).index(event[1]), float(event[2]), event[0]) for event in map(_EVENT.fullmatch, there) if event
    ]
    return [name for name in SHOWN_FIRST if name in there] + [name for *_, name in sorted(events)]


def score(name: str, *, higher_is_better: bool | None = None) -> Score:
    """The protocol of that name; `higher_is_better` overrides where the run's study knows."""
    known = _KNOWN.get(name) or Score(name, name)
    if event := _EVENT.fullmatch(name):
        label, higher = EVENTS[event[1]]
        known = Score(name, f"{label} at {event[2]} ({event[1].upper()})", "0 to 1", higher_is_better=higher)
    return known if higher_is_better is None else replace(known, higher_is_better=higher_is_better)


def as_number(value: Any) -> float | None:
    """What a file says, if it is a number, and none that is too large for a float."""
    is_number = type(value) is float or (type(value) is int and abs(value) <= sys.float_info.max)
    return float(value) if is_number else None


def p_text(p: float) -> str:
    """What follows the letter p: `= 0.031`, `< 0.001`."""
    return f"={NARROW}{p:.2g}" if p >= 1e-3 else f"<{NARROW}0.001"


def percent(share: float) -> str:
    return f"{share * 100:.0f}{NARROW}%"


def score_number(value: float) -> str:
    """Three significant digits, zeros kept, so that 36.0 beside 37.3 does not look exact."""
    return f"{value:#.3g}" if value and 1e-3 <= abs(value) < 1000 and not abs(value) >= 100 else plain_number(value)


def signed_number(value: float) -> str:
    """`score_number` with its sign, of a difference: `+0.306`, `−3.92`."""
    return f"{'−' if value < 0 else '+'}{score_number(abs(value))}"


def plain_number(value: float) -> str:
    """Three or four significant digits, as people write them: `0.0003`, `0.12`, `3.46`, `32.1`, `1,240`."""
    if not math.isfinite(value):
        return "infinite" if math.isinf(value) else "–"
    size = abs(value)
    if value == 0 or (float(value).is_integer() and size < 1e5):
        return f"{value:,.0f}"
    if size >= 1000:
        return f"{value:,.0f}" if size < 1e7 else f"{value:.3g}"
    if size >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}" if size >= 1e-3 else f"{value:.1e}".replace("e-0", "e-")


def readable_count(value: float) -> str:
    """`1,204`, `83.2 thousand`, `3.1 million`."""
    if abs(value) < 1e4:
        return f"{value:,.0f}"
    return f"{value / 1e3:.3g} thousand" if abs(value) < 1e6 else f"{value / 1e6:.3g} million"


def readable_time(seconds: float) -> str:
    """`41 s`, `3 min 20 s`, `2 h 5 min`."""
    if not math.isfinite(seconds):
        return "–"
    if seconds < 1:
        return f"{seconds:.2g} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def readable_bytes(count: float) -> str:
    """`812 bytes`, `20.4 MB`, `3.1 GB`; powers of 1000."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count:.0f} bytes"
