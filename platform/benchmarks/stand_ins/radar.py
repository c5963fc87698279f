"""The radar stand-in: seeded weather for a machine without any radar's files. It is not weather, and says *synthetic*.

Rain is patchy at every scale: large patches live for hours, small ones for minutes. So a field is a sum of bands, an
octave each, of noise with a power-law spectrum; within a band two fields turn into each other, the faster the finer
the band. The sum is carried along by a steady flow with shear and spin, on a torus so large that nothing comes round
into the picture again, and cut at a threshold: below it, where most of the picture is, there is no echo. Rain's
decibels grow with the height above it. The threshold moves, so that whole fields of rain grow and decay.

Only the last step, levels of a quarter of a decibel, is kept: where processors differ in the last bit of a
logarithm or a Fourier transform, one pixel in 10^13 could round another way, of the 20 million that there are.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial

import numpy as np
from scipy import ndimage

from platform.benchmarks.encoding import RAIN, Encoding
from platform.benchmarks.recording import Found, NumClips, Recording, Wanted
from platform.config.datasets import CIKM_HEIGHTS

FRAMES, STEP_S = 36, 300
CATEGORY = "radar"
TORUS = 2.5  # times the picture's side
ORDER = 3  # of the splines between grid cells: straight lines would blur every fine patch in step with the flow
BANDS = ((2, 4), (4, 8), (8, 16), (16, 32), (32, 64))  # waves across the picture
FINE = 3  # bands from here on make the cores of showers
EDGE_DBZ, HEAVY_DBZ, TOP_DBZ = 8.0, 44.0, 58.0  # the weakest echo; what few cells exceed; hail
SEEN_FROM = 4  # every fourth radar sees a circle only

# One event a date; SEVIR's split (train to 2018, validation to May 2019) finds about 70, 15 and 15 of a hundred here.
SPANS = (
    (date(2017, 1, 1), date(2018, 12, 31)),
    (date(2019, 1, 1), date(2019, 5, 31)),
    (date(2019, 6, 1), date(2019, 12, 31)),
)
NUM_EVENTS = NumClips(train=105, validation=23, test=22)
CIKM_POOLS = (("train_1", "train_5"), ("train_9", "train_10"), ("testA", "testB"))  # the groups of its split


@dataclass(frozen=True)
class Weather:
    """A kind of rain: how fast power falls towards finer bands, and what the decibels above the threshold are."""

    steepness: float  # amplitude ~ waves ** -steepness
    wet: tuple[float, float]  # share of the picture with rain
    gain: float  # dBZ for each standard deviation above the threshold
    cores: float  # dBZ that the finest bands add within the rain
    line: float  # how much rain gathers along a line


WEATHERS = (
    Weather(steepness=0.85, wet=(0.35, 0.6), gain=12.0, cores=2.5, line=0.0),  # a front's wide, even rain
    Weather(steepness=0.65, wet=(0.1, 0.25), gain=23.0, cores=6.0, line=0.0),  # showers and thunderstorms
    Weather(steepness=0.6, wet=(0.12, 0.25), gain=21.0, cores=6.0, line=1.8),  # a squall line
    Weather(steepness=0.4, wet=(0.05, 0.14), gain=21.0, cores=5.0, line=0.0),  # scattered small cells
)


def find_radar(wanted: Wanted, encoding: Encoding = RAIN) -> Found:
    """Events of 36 frames 5 minutes apart, a date each.

    `wanted.num_clips` says how many up to 2018, up to May 2019 and later; more than there are days share them. Levels
    are of rain or, where the scale of `encoding` is linear, of SEVIR's VIL.
    """
    counts = wanted.num_clips or NUM_EVENTS
    recordings: list[Recording] = []
    for (first, last), count in zip(SPANS, (counts.train, counts.validation, counts.test), strict=True):
        for position in range(count):
            day = first + timedelta(days=((last - first).days * position) // max(count - 1, 1))
            number = len(recordings)
            recordings.append(_recording(number, f"{day}-{number}", str(day), CATEGORY, wanted.size, encoding))
    return _found(recordings, wanted, encoding)


def find_radar_in_pools(wanted: Wanted) -> Found:
    """The same for CIKM, whose samples have no dates but files, and four heights: here a weather of its own each."""
    counts = wanted.num_clips or NUM_EVENTS
    recordings: list[Recording] = []
    for pools, count in zip(CIKM_POOLS, (counts.train, counts.validation, counts.test), strict=True):
        for position in range(count):
            number = len(recordings)
            group, height = pools[position * len(pools) // count], CIKM_HEIGHTS[position % len(CIKM_HEIGHTS)]
            recordings.append(_recording(number, f"{group}-{position}", group, height, wanted.size, RAIN))
    return _found(recordings, wanted, RAIN)


def _found(recordings: list[Recording], wanted: Wanted, encoding: Encoding) -> Found:
    provenance = {"source": "built-in weather", "step_s": str(STEP_S)}
    return Found(recordings, frame_size=(wanted.size, wanted.size), encoding=encoding, provenance=provenance)


def _recording(number: int, name: str, group: str, category: str, size: int, encoding: Encoding) -> Recording:
    load = partial(make_event, number, size, encoding)
    return Recording(name, group, category, key=f"weather-{number}", load=load, num_frames=FRAMES)


def make_event(number: int, size: int, encoding: Encoding = RAIN) -> np.ndarray:
    """One event, uint8 (FRAMES, size, size, 1) of levels; the same numbers for the same arguments."""
    rng = np.random.default_rng([1948, number])
    weather = WEATHERS[rng.choice(len(WEATHERS), p=[0.25, 0.35, 0.2, 0.2])]
    dbz_THW = _dbz(weather, rng, size)
    missing = np.broadcast_to(_out_of_range(number, rng, size), dbz_THW.shape)
    if encoding.scale == "rain":
        levels = encoding.levels_of_dbz(dbz_THW, missing)
    else:
        levels = encoding.levels(vil_of_dbz(dbz_THW), missing)
    return levels[..., None]


def vil_of_dbz(dbz: np.ndarray) -> np.ndarray:
    """SEVIR's level for a column of 5 km that has this reflectivity throughout; 0 below 15 dBZ.

    VIL = 3.44e-6 Z^(4/7) kg/m2 a metre (Greene and Clark 1972), and SEVIR's level 38.9 ln(VIL) + 83.9: a line in dBZ.
    """
    return np.maximum(0, 5.118 * dbz - 74.15)


def _dbz(weather: Weather, rng: np.random.Generator, size: int) -> np.ndarray:
    """float64 (FRAMES, size, size); 0 where there is no echo."""
    bands = _bands(weather, rng, round(TORUS * size))
    places = _places(rng, size)
    squall = _squall(weather, rng, places, size)
    # The coarsest band has changed wholly after 5 hours, the finest after 20 minutes.
    lifetimes = 300.0 * np.array([low / BANDS[0][0] for low, _ in BANDS]) ** -1.0
    turns = rng.uniform(0, 2 * np.pi, len(BANDS)) + np.pi / 2 * np.arange(FRAMES)[:, None] * STEP_S / 60 / lifetimes
    wet, swing, since = rng.uniform(*weather.wet), rng.uniform(0.05, 0.3), rng.uniform(0, 2 * np.pi)
    swings = swing * (np.sin(since + 2 * np.pi * np.arange(FRAMES) / 48) - np.sin(since))
    frames = np.empty((FRAMES, size, size))
    threshold = 0.0
    for step in range(FRAMES):
        turned = np.cos(turns[step])[:, None, None] * bands[0] + np.sin(turns[step])[:, None, None] * bands[1]
        fine = _seen(turned[FINE:].sum(axis=0), places[step])
        field = _seen(turned[:FINE].sum(axis=0), places[step]) + fine + squall[step]
        if step == 0:  # what makes the first picture as wet as wanted
            threshold = float(np.quantile(field, 1 - wet))
        above = field - threshold + swings[step]
        echo = EDGE_DBZ + weather.gain * np.maximum(above, 0) ** 0.75 + weather.cores * fine * np.clip(above, 0, 1)
        echo = np.minimum(echo, HEAVY_DBZ + (echo - HEAVY_DBZ) / 2)
        frames[step] = np.where(above > 0, np.clip(echo, EDGE_DBZ, TOP_DBZ), 0)
    return frames


def _seen(coefficients: np.ndarray, places: np.ndarray) -> np.ndarray:
    return ndimage.map_coordinates(coefficients, places, order=ORDER, mode="grid-wrap", prefilter=False)


def _bands(weather: Weather, rng: np.random.Generator, torus: int) -> np.ndarray:
    """Spline coefficients of two independent fields for each band, float64 (2, bands, torus, torus)."""
    waves_y = np.fft.fftfreq(torus)[:, None] * torus / TORUS
    waves_x = np.fft.rfftfreq(torus)[None] * torus / TORUS
    waves = np.hypot(waves_y, waves_x)
    fields = np.empty((2, len(BANDS), torus, torus))
    for turn in range(2):
        noise = np.fft.rfft2(rng.standard_normal((torus, torus)))
        for number, (low, high) in enumerate(BANDS):
            inside = (waves >= (low if number else 0.6)) & (waves < high)
            shaped = np.where(inside, noise * np.maximum(waves, 0.6) ** -(1 + weather.steepness), 0)
            fields[turn, number] = np.fft.irfft2(shaped, (torus, torus))
        fields[turn] /= fields[turn].sum(axis=0).std()
    return ndimage.spline_filter1d(
        ndimage.spline_filter1d(fields, order=ORDER, axis=-1, mode="grid-wrap"), order=ORDER, axis=-2, mode="grid-wrap"
    )


def _squall(weather: Weather, rng: np.random.Generator, places: np.ndarray, size: int) -> np.ndarray:
    """How much a bowed line that is carried along adds, float64 (FRAMES, size, size)."""
    angle, offset, bow = rng.uniform(0, np.pi), rng.normal(0, 0.1), rng.uniform(-0.5, 0.5)
    across, along = np.cos(angle), np.sin(angle)
    y, x = (places[:, axis] / size - TORUS / 2 for axis in (0, 1))
    distance = across * y + along * x + bow * (across * x - along * y) ** 2 - offset
    return weather.line * np.maximum(1 - np.abs(distance) / 0.22, -0.5)


def _places(rng: np.random.Generator, size: int) -> np.ndarray:
    """Where on the torus each pixel of each frame was when the event began, float64 (FRAMES, 2, size, size).

    The flow is uniform motion, a spin and a shear about the picture's middle: traced back it is one matrix a frame.
    """
    speed, course = size * rng.uniform(0.004, 0.022), rng.uniform(0, 2 * np.pi)
    wind = speed * np.array([np.sin(course), np.cos(course)])
    spin, shear, tilt = rng.normal(0, 0.004), rng.normal(0, 0.003), rng.uniform(0, np.pi)
    stretch = shear * np.array([[np.cos(tilt), np.sin(tilt)], [np.sin(tilt), -np.cos(tilt)]])
    back = -(stretch + spin * np.array([[0.0, -1.0], [1.0, 0.0]]))
    here = np.mgrid[0:size, 0:size].reshape(2, -1) - (size - 1) / 2
    places = np.empty((FRAMES, 2, size * size))
    for step in range(FRAMES):
        places[step] = here
        here = here + back @ here - wind[:, None]
    return places.reshape(FRAMES, 2, size, size) + TORUS * size / 2


def _out_of_range(number: int, rng: np.random.Generator, size: int) -> np.ndarray:
    """bool (size, size): what one radar alone does not reach; nothing where many are put together."""
    if number % SEEN_FROM:
        return np.zeros((size, size), bool)
    middle, reach = size / 2 + size * rng.uniform(-0.05, 0.05, 2), size * rng.uniform(0.5, 0.58)
    y, x = np.mgrid[0:size, 0:size] + 0.5
    return np.hypot(y - middle[0], x - middle[1]) > reach
