"""Moving MNIST: two digits on 64x64, 20 frames, as the fixed test set and as the files of the PredRNN and TMU codes.

- `mnist_test_seq.npy`, (20, 10000, 64, 64) uint8, time first, is the test set that publications use.
- `moving-mnist-train.npz`, `-valid.npz`, `-test.npz`: `input_raw_data` (frames, 1, 64, 64) in [0, 1], `clips`
  (2, N, 2) with first frame and length of each clip's input and output, `dims` (1, 3), which is C, H, W.

Where the npz files of train and validation are missing, these are generated from MNIST's IDX files, as OpenSTL does:
digits of unseen glyphs that move a tenth of the free room a frame. OpenSTL generates anew in every epoch and validates
on the test set; here there are as many sequences as asked for, and glyphs of their own for validation.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from platform.benchmarks.formats.digits import (
    MNIST_IMAGES,
    NUM_FRAMES,
    POOLS,
    chosen_glyphs,
    draw,
    mnist_glyphs,
)
from platform.benchmarks.formats.fields import nothing_usable, require_folder, skip, stamp
from platform.benchmarks.formats.files import files_below
from platform.benchmarks.formats.npy import as_bytes, check_kind, check_shape, open_npy
from platform.benchmarks.formats.npz import DAMAGED, Header, open_member, open_npz, read_frames, read_list
from platform.benchmarks.formats.pictures import Fit, check_size, stack_frames
from platform.benchmarks.manifest import SkippedFile
from platform.benchmarks.recording import Found, NumClips, Recording, UnusableFile, Wanted
from platform.config.errors import UserError

VERSION = "1"
CATEGORY = "digits_2"
TEST_FILE = "mnist_test_seq.npy"
NPZ_NAME = re.compile(r"moving[-_]mnist[-_](train|valid|test)\.npz", re.IGNORECASE)
NPZ_POOLS = {"train": "train", "valid": "validation", "test": "test"}
FRAMES = "input_raw_data"
GENERATED = NumClips(10_000, 1_000, 0)  # OpenSTL counts 10,000 an epoch
STEP = 0.1  # of the room that a digit has, a frame

Spans = tuple[tuple[int, int], ...]  # first frame and how many


def find_moving_mnist(folder: Path, wanted: Wanted) -> Found:
    """What there is of train, validation and test, each a group. Raises UserError when there is nothing of them."""
    require_folder(folder, f"{TEST_FILE} or moving-mnist-train.npz")
    files, skipped = files_below(folder, "*.npy", "*.npz")
    fit = Fit(wanted.size)
    pools: dict[str, list[Recording]] = {}
    for file in sorted(files, key=_best_first):
        pool, read = _reader_of(file)
        if read is None:
            skipped.append(skip(file, folder, f"its name is neither {TEST_FILE} nor moving-mnist-train.npz, or so"))
        elif pool in pools:
            skipped.append(skip(file, folder, f"a file with the {pool} clips was found before"))
        else:
            try:
                recordings, faults = read(file, pool, fit)
            except UnusableFile as reason:
                skipped.append(skip(file, folder, reason))
            else:
                pools[pool] = recordings
                skipped += [skip(file, folder, fault) for fault in faults]
    if not pools:
        raise nothing_usable(
            "Moving MNIST", folder, skipped, f"Give the folder with {TEST_FILE} or moving-mnist-train.npz to --from."
        )
    made = {} if pools.keys() & {"train", "validation"} else _generated(folder, wanted, skipped)
    pools.update(made)
    skipped += [
        SkippedFile(file=f"moving-mnist-{word}.npz", reason=f"it is missing: there are no clips for {pool}")
        for word, pool in NPZ_POOLS.items()
        if pool not in pools
    ]
    return Found(
        [recording for pool in POOLS for recording in pools.get(pool, ())],
        frame_size=(wanted.size, wanted.size),
        fit=fit.stamp(),
        skipped=tuple(skipped),
        provenance={"source": str(folder), **({"generated_from_mnist": ", ".join(made)} if made else {})},
    )


def fly_as_test(glyphs: np.ndarray, rng: np.random.Generator, size: int) -> np.ndarray:
    """One sequence of these glyphs (K, G, G) as those of the test set move, uint8 (NUM_FRAMES, size, size, 1).

    A digit starts anywhere and moves a tenth of its room a frame; at an edge it is held, and turns back.
    """
    room = size - glyphs.shape[-1]
    corners = []
    for _ in glyphs:
        place = rng.uniform(0, 1, 2)  # of the room: down and right
        angle = rng.uniform(0, 2 * np.pi)
        velocity = STEP * np.array([np.sin(angle), np.cos(angle)])
        path = np.empty((NUM_FRAMES, 2))
        for number in range(NUM_FRAMES):
            place = np.clip(place + velocity, 0, 1)
            velocity = np.where((place == 0) | (place == 1), -velocity, velocity)
            path[number] = place
        corners.append((path * room).astype(int))
    return draw(glyphs, corners, size)


def _best_first(file: Path) -> tuple[bool, str, Path]:
    """The fixed test set before the test clips of an npz."""
    return file.name.lower() != TEST_FILE, file.name, file


Read = Callable[[Path, str, Fit], tuple[list[Recording], list[str]]]  # and what is wrong with some of its clips


def _reader_of(file: Path) -> tuple[str, Read | None]:
    if file.name.lower() == TEST_FILE:
        return "test", _read_test_set
    match = NPZ_NAME.fullmatch(file.name)
    return (NPZ_POOLS[match[1].lower()], _read_npz) if match else ("", None)


def _read_test_set(file: Path, pool: str, fit: Fit) -> tuple[list[Recording], list[str]]:
    clips = open_npy(file)
    check_shape(
        clips.shape,
        f"{NUM_FRAMES} frames x clips x rows x columns",
        clips.ndim == 4 and clips.shape[0] == NUM_FRAMES and clips.size > 0,
        "save it with time first, numpy.swapaxes(clips, 0, 1), or get it again",
    )
    if clips.dtype != np.uint8:
        raise UnusableFile(f"it has values of {clips.dtype}, not uint8; get it again")
    check_size((clips.shape[2], clips.shape[3]))
    changed = stamp(file)
    return [
        _recording(pool, index, f"{changed}-{index}", partial(_load_of_test_set, file, index, fit), NUM_FRAMES)
        for index in range(clips.shape[1])
    ], []


def _load_of_test_set(file: Path, index: int, fit: Fit) -> np.ndarray:
    return stack_frames((fit.frame(np.asarray(frame)) for frame in open_npy(file)[:, index]), fit)


def _read_npz(file: Path, pool: str, fit: Fit) -> tuple[list[Recording], list[str]]:
    """In the order in which the frames lie in the file, so that it is unpacked once."""
    try:
        with open_npz(file) as archive:
            handle, header = open_member(archive, FRAMES)
            handle.close()
            check_kind(header.dtype)
            repair = "save it as (frames, 1, 64, 64)"
            good = len(header.shape) == 4 and header.shape[1] == 1
            check_shape(header.shape, f"frames x 1 x rows x columns in {FRAMES}", good, repair)
            check_size((header.shape[2], header.shape[3]))
            content, listed = read_list(archive, "clips")
            if listed.dtype.kind not in "iu" or len(listed.shape) != 3 or (listed.shape[0], listed.shape[2]) != (2, 2):
                raise UnusableFile(
                    f"clips is {listed.dtype} {listed.shape}, not integers (2, clips, 2): "
                    "first frame and length of inputs, then of outputs"
                )
            spans = np.frombuffer(content, listed.dtype).reshape(listed.shape).astype(np.int64).transpose(1, 0, 2)
            if "dims.npy" in archive.namelist():
                _check_dims(*read_list(archive, "dims"), header.shape[1:])
    except DAMAGED as fault:
        raise UnusableFile(f"it is cut off or damaged ({fault}); copy it again") from fault
    except OSError as fault:
        raise UnusableFile(f"it cannot be read ({fault.strerror})") from fault
    firsts, lengths = spans[..., 0], spans[..., 1]
    good_clips = ((firsts >= 0) & (lengths > 0) & (lengths <= header.shape[0] - firsts)).all(axis=1)
    if not good_clips.any():
        raise UnusableFile(f"none of its {len(spans)} clips lies within its {header.shape[0]} frames; copy it again")
    bad = np.flatnonzero(~good_clips)
    faults = [f"{len(bad)} clips lie beyond its {header.shape[0]} frames, the first is {bad[0]}"] if len(bad) else []
    order = sorted(np.flatnonzero(good_clips).tolist(), key=lambda index: firsts[index, 0])
    changed = stamp(file)
    recordings = []
    for index in order:
        held: Spans = tuple((int(first), int(length)) for first, length in spans[index])
        num_frames = sum(length for _, length in held)
        load = partial(_load_of_npz, file, held, fit)
        recordings.append(_recording(pool, index, f"{changed}-{held}", load, num_frames))
    return recordings, faults


def _check_dims(content: bytes, listed: Header, shape: Sequence[int]) -> None:
    dims = np.frombuffer(content, listed.dtype).tolist() if listed.dtype.kind in "iu" else []
    if dims != list(shape):
        raise UnusableFile(f"dims says {dims}, its frames are {list(shape)}: C, H, W; copy it again")


def _load_of_npz(file: Path, spans: Spans, fit: Fit) -> np.ndarray:
    numbers = tuple(number for first, length in spans for number in range(first, first + length))
    return stack_frames(_fitted(read_frames(file, FRAMES, numbers), numbers, fit), fit)


def _fitted(frames: Iterable[np.ndarray], numbers: Sequence[int], fit: Fit) -> Iterator[np.ndarray]:
    for number, frame in zip(numbers, frames, strict=True):
        yield fit.frame(as_bytes(frame[0], number))


def _generated(folder: Path, wanted: Wanted, skipped: list[SkippedFile]) -> dict[str, list[Recording]]:
    """Sequences for train and validation, if MNIST is there."""
    try:
        glyphs_of, digest = mnist_glyphs(folder)
    except UserError as fault:
        reason = f"sequences to train on are made of MNIST's digits, and cannot be: {fault}"
        skipped.append(SkippedFile(file=f"{MNIST_IMAGES['train']}-idx3-ubyte.gz", reason=reason))
        return {}
    num_clips = wanted.num_clips or GENERATED
    return {
        pool: [
            _recording(
                pool, index, f"{digest}-{index}", partial(_made, glyphs_of, pool, index, wanted.size), NUM_FRAMES
            )
            for index in range(getattr(num_clips, pool))
        ]
        for pool in ("train", "validation")
    }


def _made(glyphs_of: Callable[[str], np.ndarray], pool: str, index: int, size: int) -> np.ndarray:
    rng = np.random.default_rng([2, POOLS.index(pool), index])
    return fly_as_test(chosen_glyphs(glyphs_of(pool), rng, 2, size), rng, size)


def _recording(pool: str, index: int, key: str, load: Callable[[], np.ndarray], num_frames: int) -> Recording:
    return Recording(
        name=f"{pool}_{index:05d}", group=pool, category=CATEGORY, key=key, load=load, num_frames=num_frames
    )
