"""Published protocols by name, so that `benchmark: {preset: kth64_10_20}` is all a YAML need say.

A preset is what the YAML would have written out; any key beside it counts instead of the preset's. Sources: the TMU
and PredRNN codes (KTH, 64 and 128 pixels, starts of clips by action), OpenSTL (Moving MNIST), SEVIR's nowcasting task.
"""

from collections.abc import Mapping
from typing import Any

from platform.config.errors import nearest

ELSEWHERE = ("frame_size", "input_length", "total_length", "frame_step")  # what a preset says of other data too

# Clips of the slow actions touch; those of the fast ones, of which there are few frames, start every third frame.
KTH_STRIDES = {"jogging": 3, "running": 3}


def _kth(size: int, predicted: int, split: str) -> dict[str, Any]:
    return {
        "name": "kth",
        "frame_size": size,
        "input_length": 10,
        "total_length": 10 + predicted,
        "split": split,
        "stride": {"default": 10 + predicted, **KTH_STRIDES},
        "scan": "backward",
    }


PRESETS: dict[str, dict[str, Any]] = {
    **{
        f"kth{size}_10_{predicted}{suffix}": _kth(size, predicted, split)
        for size in (64, 128)
        for predicted in (10, 20)
        for suffix, split in (("", "persons_1_16"), ("_persons_1_20", "persons_1_20"))
    },
    "moving_mnist_10_10": {"name": "moving_mnist", "frame_size": 64, "input_length": 10, "total_length": 20},
    "human36m_walking_4_4": {
        "name": "human36m",
        "categories": ["walking"],
        "frame_size": 128,
        "input_length": 4,
        "total_length": 8,
        "frame_step": 2,  # of stored frames, which are every fifth raw one
        "stride": {"default": 10},
        "split": "subjects_9_11",
    },
    "sevir_13_12": {
        "name": "sevir",
        "frame_size": 128,
        "input_length": 13,
        "total_length": 25,
        "stride": {"default": 12},
        "split": "sevir_dates",
    },
    "cikm_5_10": {"name": "cikm", "categories": ["height_3"], "input_length": 5, "total_length": 15},
}


def with_preset(benchmark: Mapping[str, Any]) -> dict[str, Any]:
    """What the benchmark's `preset` says, with its own keys over that. Raises ValueError for a name that is none.

    Beside the `name` of another data set only the preset's lengths and sizes count: its splits and starts are of its
    own.
    """
    name = benchmark.get("preset")
    if name is None:
        return dict(benchmark)
    if not isinstance(name, str) or name not in PRESETS:
        raise ValueError(f"no benchmark preset {name!r}{nearest(str(name), PRESETS)}; known: {', '.join(PRESETS)}")
    preset = PRESETS[name]
    if benchmark.get("name", preset["name"]) != preset["name"]:
        preset = {key: value for key, value in preset.items() if key in ELSEWHERE}
    return {**preset, **benchmark}
