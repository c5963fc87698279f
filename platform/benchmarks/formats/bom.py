"""Rain accumulations of the Australian Bureau of Meteorology, a radar and day a file: `bom_66_20201031_10min.npz`.

`frames` is int16 (n, 512, 512), `timestamps` (n,) are texts `20201031_000000`. Each value is what fell in 10 minutes;
it is stored as the mean rate over them, so that it compares with other radars.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from platform.benchmarks.encoding import RAIN
from platform.benchmarks.formats.events import found_in, parsed_times
from platform.benchmarks.formats.fields import ALL_INT16, looked_up, nothing_usable, require_folder
from platform.benchmarks.formats.npz import Header, dated_series, read_frames
from platform.benchmarks.recording import Found, UnusableFile, Wanted

VERSION = "1"
FILE_NAME = re.compile(r"bom_([0-9]+)_([0-9]{4})([0-9]{2})([0-9]{2})_10min\.npz", re.ASCII)
TIME = "%Y%m%d_%H%M%S"
MM_A_UNIT = 0.05
FRAMES_AN_HOUR = 6

_LEVELS = RAIN.levels(MM_A_UNIT * FRAMES_AN_HOUR * ALL_INT16.astype(float), missing=ALL_INT16 < 0)


def find_bom(folder: Path, wanted: Wanted) -> Found:
    """Every accumulation in `folder` or below it, as rain in mm/h. A radar is a series and a category.

    Raises UserError when there is none, or when the fields are smaller than wanted.
    """
    require_folder(folder, "bom_RADAR_YYYYMMDD_10min.npz files")
    series, skipped = dated_series(
        folder, FILE_NAME, "bom_RADAR_YYYYMMDD_10min.npz", frames="frames", times="timestamps", parsed=_moments
    )
    if not series:
        raise nothing_usable(
            "accumulation", folder, skipped, "Give the folder with bom_66_20201031_10min.npz to --from."
        )
    return found_in(series, read_bom, folder=folder, wanted=wanted, encoding=RAIN, skipped=skipped)


def read_bom(file: Path, numbers: tuple[int, ...]) -> Iterator[np.ndarray]:
    """Some frames as RAIN levels, uint8 (H, W) each. Raises UnusableFile."""
    return (looked_up(_LEVELS, frame) for frame in read_frames(file, "frames", numbers))


def _moments(content: bytes, header: Header) -> np.ndarray:
    if header.dtype.kind != "U" or len(header.shape) != 1 or not header.dtype.itemsize:
        raise UnusableFile(f"timestamps are {header.dtype}, not texts as 20201031_000000")
    return parsed_times(np.frombuffer(content, header.dtype).tolist(), TIME)
