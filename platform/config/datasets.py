"""What a YAML may call a benchmark, and what is known of each before anything is on disk.

Readers of their files are in `platform/benchmarks/registry.py`; here is what a configuration is checked against and
what it is given where it says nothing.
"""

from dataclasses import dataclass

from platform.config.errors import nearest

OWN = "own_"  # before the name that users give to their own data: own_lab
MOST_DIGITS = 3

KTH_ACTIONS = ("boxing", "handclapping", "handwaving", "jogging", "running", "walking")
WEIZMANN_ACTIONS = ("bend", "jack", "jump", "pjump", "run", "side", "skip", "walk", "wave1", "wave2")
CIKM_HEIGHTS = ("height_1", "height_2", "height_3", "height_4")

RAIN_THRESHOLDS = (0.5, 2.0, 5.0, 10.0, 30.0)  # mm/h, as HKO-7 is scored
VIL_THRESHOLDS = (16.0, 74.0, 133.0, 160.0, 181.0, 219.0)  # of SEVIR's levels, as it is scored


@dataclass(frozen=True)
class Dataset:
    """`split` and `thresholds` hold where a YAML gives none; `categories` are all there are, None where any may be."""

    split: str  # a name of `splits.SPLIT_PRESETS`
    categories: tuple[str, ...] | None = None
    thresholds: tuple[float, ...] = ()  # above which it rains, in the unit of the field; pictures have none


DATASETS = {
    "kth": Dataset("persons_1_16", KTH_ACTIONS),
    "weizmann": Dataset("weizmann_actors", WEIZMANN_ACTIONS),
    "human36m": Dataset("subjects_9_11"),
    "flying_digits": Dataset("pools"),
    "moving_mnist": Dataset("pools"),
    "sevir": Dataset("sevir_dates", thresholds=VIL_THRESHOLDS),
    "cikm": Dataset("cikm_files", CIKM_HEIGHTS, RAIN_THRESHOLDS),
    "meteonet": Dataset("in_order", thresholds=RAIN_THRESHOLDS),
    "fmi": Dataset("in_order", thresholds=RAIN_THRESHOLDS),
    "bom": Dataset("in_order", thresholds=RAIN_THRESHOLDS),
    "radar_pictures": Dataset("in_order", thresholds=RAIN_THRESHOLDS),
}
OWN_DATASET = Dataset("in_order")


def dataset_named(name: str) -> Dataset:
    """Raises ValueError for a name that is none, with the nearest one."""
    word = name.removeprefix(OWN)
    if name.startswith(OWN) and word.isidentifier() and word.isascii():
        return OWN_DATASET
    if name in DATASETS:
        return DATASETS[name]
    known = f"{', '.join(DATASETS)}, and {OWN}NAME for your own data"
    raise ValueError(f"no benchmark {name!r}{nearest(name, DATASETS)}; known: {known}")
