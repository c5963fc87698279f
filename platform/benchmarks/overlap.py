"""Do two splits share frames? A hash of every stored frame answers, whatever the videos are called.

Groups (persons, days, events) keep splits apart only as far as names are right: the same recording under two names, or
two events cut from the same hours, would leak test frames into training.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from platform.benchmarks.arrow_file import ArrowFile
from platform.benchmarks.encoding import MISSING
from platform.config.bounded import Refused
from platform.config.errors import UserError

HASHES_FILE = "hashes.arrow"
BLANK = 0  # instead of a hash: a frame of one value, as a dry sky, tells nothing
_SCHEMA = pa.schema([("hash", pa.uint64())])


def hash_frames(frames_THWC: np.ndarray, *, field: bool) -> np.ndarray:
    """uint64 (T,): a hash of each frame; BLANK where it holds a single value, missing places of a field apart."""
    hashes = np.empty(len(frames_THWC), np.uint64)
    for t, frame in enumerate(frames_THWC):
        values = frame[frame != MISSING] if field else frame
        blank = not values.size or values.min() == values.max()
        digest = hashlib.blake2b(frame.tobytes(), digest_size=8).digest()
        hashes[t] = BLANK if blank else int.from_bytes(digest, "little")
    return hashes


def write_hashes(file: Path, hashes: np.ndarray) -> None:
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, _SCHEMA) as writer:
        writer.write_table(pa.table({"hash": hashes}, schema=_SCHEMA))


def read_hashes(file: Path) -> np.ndarray:
    """uint64 (frames,), of all videos one after the other, mapped. Raises OSError, and Refused for other files."""
    stored = ArrowFile(file)
    stored.require(_SCHEMA)
    if stored.num_batches > 1:
        raise Refused("is in several pieces")
    table = pa.Table.from_batches([stored.batch(number) for number in range(stored.num_batches)], _SCHEMA)
    if table["hash"].null_count:
        raise Refused("is damaged: it lacks values")
    return table["hash"].to_numpy()


def refuse_shared_frames(
    frames_of: Mapping[str, np.ndarray], hashes: np.ndarray, video_names: Sequence[str], first_frames: np.ndarray
) -> None:
    """Raises UserError naming the frames that two splits share.

    `frames_of` maps each split to the numbers of its frames, counted through all videos; `first_frames` is the number
    of each video's first.
    """
    names = list(frames_of)
    for position, one in enumerate(names):
        for other in names[position + 1 :]:
            numbers, others = frames_of[one], frames_of[other]
            shared, mine, theirs = np.intersect1d(hashes[numbers], hashes[others], return_indices=True)
            kept = shared != BLANK
            if not kept.any():
                continue
            pairs = sorted(zip(numbers[mine[kept]].tolist(), others[theirs[kept]].tolist(), strict=True))
            here, there = (_place(number, video_names, first_frames) for number in pairs[0])
            raise UserError(
                f"{one} and {other} share {kept.sum()} frames: {here} is {there}. Such a score would be of clips that "
                f"were trained on. Keep one of these videos out of `split` or `categories`, or take the copy away and "
                "prepare the data again."
            )


def _place(number: int, video_names: Sequence[str], first_frames: np.ndarray) -> str:
    video = int(np.searchsorted(first_frames, number, side="right")) - 1
    return f"{video_names[video]} frame {number - int(first_frames[video])}"
