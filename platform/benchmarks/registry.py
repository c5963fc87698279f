"""The registry: which reader finds the files of a data set, which stand-in replaces them; a line each."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from platform.benchmarks.formats import (
    bom,
    cikm,
    digits,
    fmi,
    human36m,
    kth,
    meteonet,
    moving_mnist,
    own,
    radar_pictures,
    sevir,
    weizmann,
)
from platform.benchmarks.recording import Found, Wanted
from platform.benchmarks.stand_ins import figures, radar


@dataclass(frozen=True)
class Reader:
    """How one data set is found: `find(folder, wanted)`, `stand_in(wanted)`. Both answer at once; frames come later."""

    version: str  # of the reader and the stand-in; part of every stored input
    find: Callable[[Path, Wanted], Found]
    stand_in: Callable[[Wanted], Found] | None  # None: nothing replaces it
    files: str  # what the folder given to --from holds


def _flying_digits(number: int) -> Reader:
    find, stand_in = partial(digits.find_mnist, digits=number), partial(digits.find_bundled, digits=number)
    return Reader(digits.VERSION, find, stand_in, "the MNIST IDX files")


READERS: dict[str, Reader] = {
    "kth": Reader(
        kth.VERSION,
        kth.find_kth,
        figures.find_figures,
        "KTH's AVI files or folders of frames, and 00sequences.txt",
    ),
    "weizmann": Reader(weizmann.VERSION, weizmann.find_weizmann, None, "Weizmann's AVI files"),
    "human36m": Reader(
        human36m.VERSION, human36m.find_human36m, None, "Human3.6M's pictures, with or without the list files"
    ),
    "flying_digits_1": _flying_digits(1),
    "flying_digits_2": _flying_digits(2),
    "flying_digits_3": _flying_digits(3),
    "moving_mnist": Reader(
        moving_mnist.VERSION,
        moving_mnist.find_moving_mnist,
        partial(digits.find_bundled, digits=2),
        "mnist_test_seq.npy, moving-mnist-{train,valid,test}.npz, or the first with the MNIST IDX files",
    ),
    "own": Reader(own.VERSION, own.find_own, None, "your videos, folders of frames, or .npy arrays"),
    "sevir": Reader(
        sevir.VERSION,
        sevir.find_sevir,
        partial(radar.find_radar, encoding=sevir.LIQUID),
        "CATALOG.csv and SEVIR_VIL_....h5, or data/vil/ with them",
    ),
    "cikm": Reader(cikm.VERSION, cikm.find_cikm, radar.find_radar_in_pools, "train.txt, testA.txt, testB.txt"),
    "meteonet": Reader(
        meteonet.VERSION, meteonet.find_meteonet, radar.find_radar, "rainfall_NW_2016_08.3.npz and others of one zone"
    ),
    "fmi": Reader(fmi.VERSION, fmi.find_fmi, radar.find_radar, "FMI's composites, YYYYMMDDHHMM_fmi.radar....pgm.gz"),
    "bom": Reader(bom.VERSION, bom.find_bom, radar.find_radar, "accumulations, bom_RADAR_YYYYMMDD_10min.npz"),
    "radar_pictures": Reader(
        radar_pictures.VERSION,
        radar_pictures.find_radar_pictures,
        radar.find_radar,
        "pictures named NAME_YYYYmmddHHMMSS.png",
    ),
}
