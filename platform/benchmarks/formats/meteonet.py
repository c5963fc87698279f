"""Rain of MeteoNet (Météo-France 2020), a third of a month of one quarter of France a file.

`rainfall_NW_2016_08.3.npz` holds `data`, int16 (n, rows, columns) of 1/100 mm in 5 minutes with -1 where nothing was
measured, `dates`, a datetime for each, and `miss_dates` for the frames that are not there, which the dates tell too.
Rain is stored as the mean rate over the 5 minutes. Reflectivities and quality codes lie in files of other names.
The two quarters have other sizes, so each is prepared from a folder of its own.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from platform.benchmarks.encoding import RAIN
from platform.benchmarks.formats.events import found_in
from platform.benchmarks.formats.fields import ALL_INT16, by, looked_up, nothing_usable, require_folder
from platform.benchmarks.formats.files import files_below
from platform.benchmarks.formats.npz import Header, dated_series, read_frames
from platform.benchmarks.formats.pickled_times import pickled_times
from platform.benchmarks.recording import Found, UnusableFile, Wanted

VERSION = "1"
FILE_NAME = re.compile(r"rainfall_([A-Z]+)_([0-9]{4})_([0-9]{2})\.[0-9]\.npz", re.ASCII)
MM_A_UNIT = 0.01
FRAMES_AN_HOUR = 12

_LEVELS = RAIN.levels(MM_A_UNIT * FRAMES_AN_HOUR * ALL_INT16.astype(float), missing=ALL_INT16 < 0)


def find_meteonet(folder: Path, wanted: Wanted) -> Found:
    """Every file of rain in `folder` or below it, as rain in mm/h. A quarter (NW, SE) is a series and a category.

    Raises UserError when there is none, or when the fields are smaller than wanted.
    """
    require_folder(folder, "MeteoNet's rainfall_ZONE_YYYY_MM.PART.npz files")
    series, skipped = dated_series(
        folder, FILE_NAME, "rainfall_ZONE_YYYY_MM.PART.npz", frames="data", times="dates", parsed=_moments
    )
    if not series:
        archives, _ = files_below(folder, "*.tar", "*.tar.gz")
        hint = f"Unpack {archives[0].name} first." if archives else "Give the folder of rainfall_NW_2016_08.3.npz."
        raise nothing_usable("file of rain", folder, skipped, hint)
    return found_in(series, read_meteonet, folder=folder, wanted=wanted, encoding=RAIN, skipped=skipped)


def read_meteonet(file: Path, numbers: tuple[int, ...]) -> Iterator[np.ndarray]:
    """Some frames as RAIN levels, uint8 (H, W) each. Raises UnusableFile."""
    return (looked_up(_LEVELS, frame) for frame in read_frames(file, "data", numbers))


def _moments(content: bytes, header: Header) -> np.ndarray:
    """Datetimes, pickled as in the real files, or numpy's own, as somebody who saved them again may have them."""
    if len(header.shape) != 1:
        raise UnusableFile(f"dates are {by(header.shape)}, not one for each frame")
    if header.dtype.hasobject:
        return pickled_times(content, header.shape[0])
    if header.dtype.kind != "M":
        raise UnusableFile(f"dates are {header.dtype}, not datetimes")
    return np.frombuffer(content, header.dtype).astype("datetime64[s]")
