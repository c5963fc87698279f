"""Flying digits: one, two or three digits of 28x28 flying straight over 64x64, bouncing at the edges.

Nobody publishes these files, everybody generates them. Glyphs come from the MNIST IDX files, or, as a stand-in that
needs no download, from the 8x8 digits that scikit-learn brings along. Train, validation and test draw from pools of
glyphs that share none. A "video" is one generated sequence of 20 frames.
"""

import gzip
import hashlib
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, lru_cache, partial
from pathlib import Path

import numpy as np

from platform.benchmarks.formats.fields import require_folder
from platform.benchmarks.formats.files import files_below
from platform.benchmarks.recording import Found, NumClips, Recording, Wanted
from platform.benchmarks.resize import resize_area
from platform.config.errors import UserError

VERSION = "1"
NUM_FRAMES = 20
GLYPH, CANVAS = 28, 64  # pixels; other frame sizes scale the glyph along
SLOWEST, FASTEST = 2.0, 5.0  # pixels a frame on a canvas of 64
POOLS = ("train", "validation", "test")
IMAGES_MAGIC, LABELS_MAGIC = 2051, 2049
MNIST_IMAGES = {"train": "train-images", "test": "t10k-images"}
MOST_GLYPHS = 300_000  # of one file: 235 MB
MNIST_TRAIN_GLYPHS = 50_000  # of the 60,000; the rest is the validation pool
BUNDLED_ENDS = (1200, 1500)  # of scikit-learn's 1797


REAL_CLIPS = NumClips(4000, 500, 1000)
STAND_IN_CLIPS = NumClips(1500, 250, 400)


def find_mnist(folder: Path, wanted: Wanted, *, digits: int) -> Found:
    """Sequences of real digits. `folder` (or a folder below it) holds the MNIST image files, gzip or not."""
    glyphs_of, digest = mnist_glyphs(folder)
    found = _generated(glyphs_of, digest, wanted.size, digits, wanted.num_clips or REAL_CLIPS)
    return replace(found, provenance={"glyphs": "MNIST", "source": str(folder)})


def mnist_glyphs(folder: Path) -> tuple[Callable[[str], np.ndarray], str]:
    """What gives the glyphs of a pool, uint8 (N, 28, 28), and a digest of them all.

    Worker processes are handed the names of the files and read these once each. Raises UserError.
    """
    train_file, test_file = (_find_images(folder, stem) for stem in MNIST_IMAGES.values())
    train, test = read_idx_images(train_file), read_idx_images(test_file)
    if len(train) <= MNIST_TRAIN_GLYPHS:
        raise UserError(
            f"{train_file} has {len(train)} digits, MNIST has 60000. Get the complete train-images-idx3-ubyte.gz."
        )
    digest = hashlib.sha256(hashlib.sha256(train.data).digest() + hashlib.sha256(test.data).digest()).hexdigest()
    return partial(_mnist_pool, train_file, test_file, digest), digest


def find_bundled(wanted: Wanted, *, digits: int) -> Found:
    """The stand-in: the same flights with scikit-learn's bundled handwritten digits, loaded with the first sequence."""
    found = _generated(_bundled_pool, "bundled", wanted.size, digits, wanted.num_clips or STAND_IN_CLIPS)
    return replace(found, provenance={"glyphs": "scikit-learn load_digits", "source": "built-in digits"})


def read_idx_images(file: Path) -> np.ndarray:
    """Images of an IDX file, gzip or not, as uint8 (N, rows, columns). Raises UserError naming what is wrong.

    No more is unpacked than the header promises, and no header is believed that promises five times MNIST.
    """
    again = f"Get {file.name} again."
    try:
        with file.open("rb") as plain:
            packed = plain.read(2) == b"\x1f\x8b"
            plain.seek(0)
            with gzip.open(plain) if packed else plain as content:
                head = content.read(16)
                if len(head) < 16:
                    raise UserError(f"{file} is cut off: {len(head)} bytes do not hold an IDX header. {again}")
                magic, count, rows, columns = struct.unpack(">4I", head)
                if magic != IMAGES_MAGIC:
                    what = "a file of labels" if magic == LABELS_MAGIC else f"no IDX file of images (magic {magic})"
                    raise UserError(f"{file} is {what}; {IMAGES_MAGIC} begins one of images. {again}")
                if (rows, columns) != (GLYPH, GLYPH):
                    raise UserError(
                        f"{file} holds images of {rows}x{columns}; flying digits are made of {GLYPH}x{GLYPH}. {again}"
                    )
                if count > MOST_GLYPHS:
                    raise UserError(f"{file} says to hold {count} images; MNIST has 60000. {again}")
                promised = count * rows * columns
                pixels = content.read(promised + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as fault:
        raise UserError(f"{file} is cut off or damaged ({fault}). {again}") from fault
    except OSError as fault:
        raise UserError(f"{file} cannot be read ({fault.strerror}).") from fault
    if len(pixels) != promised:
        held = f"{16 + len(pixels)} bytes" if len(pixels) < promised else "more bytes"
        raise UserError(f"{file} is cut off or damaged: {held}, its header promises {16 + promised}. {again}")
    return np.frombuffer(pixels, np.uint8).reshape(count, rows, columns)


def fly(glyphs: np.ndarray, rng: np.random.Generator, size: int) -> np.ndarray:
    """One sequence of these glyphs (K, G, G), uint8 (NUM_FRAMES, size, size, 1).

    Every glyph starts anywhere at a speed and direction of its own, keeps both, and is mirrored at the edges.
    """
    room = size - glyphs.shape[-1]
    corners = []
    for _ in glyphs:
        angle = rng.uniform(0, 2 * np.pi)
        speed = rng.uniform(SLOWEST, FASTEST) * size / CANVAS
        start = rng.uniform(0, room, 2)
        path = start + speed * np.arange(NUM_FRAMES)[:, None] * np.array([np.sin(angle), np.cos(angle)])
        corners.append(np.rint(room - np.abs(path % (2 * room) - room)).astype(int))  # a triangle wave is a bounce
    return draw(glyphs, corners, size)


def draw(glyphs: np.ndarray, corners: Sequence[np.ndarray], size: int) -> np.ndarray:
    """Frames of glyphs (K, G, G) whose tops and lefts are `corners`, K times int (T, 2), overlapping by maximum."""
    frames = np.zeros((len(corners[0]), size, size, 1), np.uint8)
    for glyph, places in zip(glyphs, corners, strict=True):
        for frame, (top, left) in zip(frames, places, strict=True):
            window = frame[top : top + len(glyph), left : left + len(glyph), 0]
            np.maximum(window, glyph, out=window)
    return frames


def chosen_glyphs(glyphs: np.ndarray, rng: np.random.Generator, digits: int, size: int) -> np.ndarray:
    """Some of a pool, uint8 (digits, G, G), G being 28 on frames of 64."""
    chosen = glyphs[rng.integers(len(glyphs), size=digits)]
    side = round(GLYPH * size / CANVAS)
    return chosen if side == GLYPH else np.stack([resize_area(glyph, side, side) for glyph in chosen])


def _generated(
    glyphs_of: Callable[[str], np.ndarray], digest: str, size: int, digits: int, num_clips: NumClips
) -> Found:
    recordings = [
        Recording(
            name=f"{pool}_{index:05d}",
            group=pool,
            category=f"digits_{digits}",
            key=f"{digest}-{digits}-{index}",
            load=partial(_sequence, glyphs_of, pool, digits, index, size),
            ranges=((0, NUM_FRAMES),),
            num_frames=NUM_FRAMES,
        )
        for pool in POOLS
        for index in range(getattr(num_clips, pool))
    ]
    return Found(recordings, frame_size=(size, size))


def _sequence(glyphs_of: Callable[[str], np.ndarray], pool: str, digits: int, index: int, size: int) -> np.ndarray:
    rng = np.random.default_rng([digits, POOLS.index(pool), index])
    return fly(chosen_glyphs(glyphs_of(pool), rng, digits, size), rng, size)


def _mnist_pool(train_file: Path, test_file: Path, digest: str, pool: str) -> np.ndarray:
    return _mnist_pools(train_file, test_file, digest)[POOLS.index(pool)]


@lru_cache(maxsize=1)
def _mnist_pools(train_file: Path, test_file: Path, digest: str) -> list[np.ndarray]:
    """The digest tells other files under the same names apart."""
    return [*np.split(read_idx_images(train_file), [MNIST_TRAIN_GLYPHS]), read_idx_images(test_file)]


def _bundled_pool(pool: str) -> np.ndarray:
    return np.split(_bundled_glyphs(), BUNDLED_ENDS)[POOLS.index(pool)]


@cache
def _bundled_glyphs() -> np.ndarray:
    """scikit-learn's 1797 digits of 8x8 enlarged to 20x20 in the middle of 28x28, as MNIST places its own."""
    from PIL import Image
    from sklearn.datasets import load_digits

    small = (load_digits().images / 16).astype(np.float32)
    enlarged = [Image.fromarray(glyph).resize((20, 20), Image.Resampling.BICUBIC) for glyph in small]
    large = np.stack([np.asarray(glyph) for glyph in enlarged])
    ink = np.clip((large - 0.25) / 0.5, 0, 1)  # the enlarged strokes are blurred; pen strokes have firm edges
    return np.pad(np.rint(255 * ink).astype(np.uint8), ((0, 0), (4, 4), (4, 4)))


def _find_images(folder: Path, stem: str) -> Path:
    require_folder(folder, "the MNIST files")
    files, _ = files_below(folder, f"{stem}*")
    wanted = {f"{stem}{dash}idx3-ubyte{end}" for dash in "-." for end in ("", ".gz")}
    for file in files:
        if file.name in wanted:
            return file
    raise UserError(f"no {stem}-idx3-ubyte.gz in {folder} or below. Put the four MNIST files there, gzip or not.")
