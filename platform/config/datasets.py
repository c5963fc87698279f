"""What a YAML may call a benchmark, and what is known of each before anything is on disk.

Readers of their files are in `platform/benchmarks/registry.py`; here is what a configuration is checked against and
what it is given where it says nothing.
"""

from dataclasses import dataclass

from platform.config.errors import nearest

OWN = "own_"  # before the name that users give to their own data: own_lab
MOST_DIGITS = 3
CHANNELS_UNTIL_KNOWN = 1  # most data sets are grey; a prepared one tells

KTH_ACTIONS = ("boxing", "handclapping", "handwaving", "jogging", "running", "walking")
WEIZMANN_ACTIONS = ("bend", "jack", "jump", "pjump", "run", "side", "skip", "walk", "wave1", "wave2")
CIKM_HEIGHTS = ("height_1", "height_2", "height_3", "height_4")

RAIN_THRESHOLDS = (0.5, 2.0, 5.0, 10.0, 30.0)  # mm/h, as HKO-7 is scored
VIL_THRESHOLDS = (16.0, 74.0, 133.0, 160.0, 181.0, 219.0)  # of SEVIR's levels, as it is scored


@dataclass(frozen=True)
class Dataset:
    """`split` and `thresholds` hold where a YAML gives none; `categories` are all there are, None where any may be."""

    origin: str  # who publishes it, under which name: what to search for
    split: str  # a name of `splits.SPLIT_PRESETS`
    categories: tuple[str, ...] | None = None
    thresholds: tuple[float, ...] = ()  # above which it rains, in the unit of the field; pictures have none


DATASETS = {
    "kth": Dataset(
        "KTH, Recognition of human actions (2004): six zip files, 00sequences.txt", "persons_1_16", KTH_ACTIONS
    ),
    "weizmann": Dataset(
        "Weizmann Institute, Actions as Space-Time Shapes (2005): ten zip files", "weizmann_actors", WEIZMANN_ACTIONS
    ),
    "human36m": Dataset("Human3.6M (2014): frames, after registration; not to be passed on", "subjects_9_11"),
    "flying_digits": Dataset("MNIST (1998): the two IDX files of images", "pools"),
    "moving_mnist": Dataset(
        "University of Toronto, mnist_test_seq.npy (2015); PredRNN's moving-mnist-{train,valid,test}.npz", "pools"
    ),
    "sevir": Dataset(
        "SEVIR (2020), in AWS's registry of open data: CATALOG.csv and data/vil",
        "sevir_dates",
        thresholds=VIL_THRESHOLDS,
    ),
    "cikm": Dataset(
        "CIKM AnalytiCup 2017, at Tianchi: train.txt, testA.txt, testB.txt", "cikm_files", CIKM_HEIGHTS, RAIN_THRESHOLDS
    ),
    "meteonet": Dataset("Météo-France, MeteoNet (2020): rainfall", "in_order", thresholds=RAIN_THRESHOLDS),
    "fmi": Dataset(
        "Finnish Meteorological Institute, open data; samples in pysteps-data", "in_order", thresholds=RAIN_THRESHOLDS
    ),
    "bom": Dataset(
        "Australian Bureau of Meteorology, 10-minute accumulations; samples in pysteps-data",
        "in_order",
        thresholds=RAIN_THRESHOLDS,
    ),
    "radar_pictures": Dataset("any radar as dated PNG files; so are HKO-7's", "in_order", thresholds=RAIN_THRESHOLDS),
}
OWN_DATASET = Dataset("your own videos, folders of frames, or .npy arrays", "in_order")


def dataset_named(name: str) -> Dataset:
    """Raises ValueError for a name that is none, with the nearest one."""
    word = name.removeprefix(OWN)
    if name.startswith(OWN) and word.isidentifier() and word.isascii():
        return OWN_DATASET
    if name in DATASETS:
        return DATASETS[name]
    known = f"{', '.join(DATASETS)}, and {OWN}NAME for your own data"
    raise ValueError(f"no benchmark {name!r}{nearest(name, DATASETS)}; known: {known}")
