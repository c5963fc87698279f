"""`videos.arrow` of a store: one row a stored video, read as whole columns.

A store may hold 200,000 videos. Opening one maps this file and decodes nothing; listing the clips of a split is
arithmetic on columns.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import NonNegativeInt, PositiveInt

from platform.benchmarks.arrow_file import ArrowFile
from platform.config.bounded import Refused
from platform.config.model import Model
from platform.config.splits import natural

VIDEOS_FILE = "videos.arrow"
LONGEST_NAME = 4096  # bytes of a group or category, as of a path

_SCHEMA = pa.schema(
    [
        ("name", pa.string()),
        ("group", pa.dictionary(pa.int32(), pa.string())),
        ("category", pa.dictionary(pa.int32(), pa.string())),
        ("num_frames", pa.int64()),
        ("ranges", pa.list_(pa.int64())),  # first, end, first, end, ...
        ("shard", pa.int32()),
        ("batch", pa.int32()),
        ("sha256", pa.string()),
    ]
)


class VideoEntry(Model):
    """One stored video: record batch `batch` of shard `shard`."""

    name: str
    group: str
    category: str
    num_frames: PositiveInt
    ranges: tuple[tuple[NonNegativeInt, PositiveInt], ...]  # half-open, 0-based; a clip never leaves one
    shard: NonNegativeInt
    batch: NonNegativeInt
    sha256: str  # of the frames' bytes


class VideoTable:
    """All videos of a store, in its order. Rows come as `VideoEntry`, columns as numpy arrays."""

    def __init__(self, table: pa.Table) -> None:
        """Raises ValueError where a column is missing, or holds what it cannot."""
        if table.schema != _SCHEMA:
            raise ValueError(f"it has columns {', '.join(table.schema.names)}, not {', '.join(_SCHEMA.names)}")
        self._table = table

    @classmethod
    def of(cls, entries: Iterable[VideoEntry]) -> "VideoTable":
        rows = [entry.model_dump() for entry in entries]
        for row in rows:
            row["ranges"] = [bound for stretch in row["ranges"] for bound in stretch]
        return cls(pa.Table.from_pylist(rows, schema=_SCHEMA).unify_dictionaries().combine_chunks())

    @classmethod
    def read(cls, file: Path) -> "VideoTable":
        """Map the file. Raises OSError, and Refused where it is no such table or contradicts itself."""
        stored = ArrowFile(file)
        stored.require(_SCHEMA)
        if stored.num_batches > 1:
            raise Refused("is in several pieces")
        batches = [stored.batch(number, full=True) for number in range(stored.num_batches)]
        table = cls(pa.Table.from_batches(batches, _SCHEMA))
        table._check()
        return table

    def _check(self) -> None:
        """Raises Refused where a row could not be one that `write` wrote."""
        if not len(self):
            return
        texts = [self._encoded(name).dictionary for name in ("group", "category")]
        ranges = self._table["ranges"].chunk(0)
        if any(column.null_count for column in (*self._table.columns, *texts, ranges.values)):
            raise Refused("is damaged: it lacks values")
        if any(_longest(each) > LONGEST_NAME for each in texts):
            raise Refused(f"is damaged: it has names of more than {LONGEST_NAME} bytes")
        numbers = [self.shards, _as_numpy(self._table["batch"]), self.num_frames - 1]
        if any(column.min() < 0 for column in numbers) or (np.diff(np.from_dlpack(ranges.offsets)) % 2).any():
            raise Refused("is damaged: it has numbers that cannot be")
        video, first, end = self.stretches.T
        after = np.concatenate([[0], np.where(video[1:] == video[:-1], end[:-1], 0)])[: len(end)]
        if not ((first >= after) & (first < end) & (end <= self.num_frames[video])).all():
            raise Refused("is damaged: it has stretches beyond their videos, or over each other")

    def write(self, file: Path) -> None:
        with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, _SCHEMA) as writer:
            writer.write_table(self._table)

    def __len__(self) -> int:
        return self._table.num_rows

    def __getitem__(self, number: int) -> VideoEntry:
        return self._entry(self._table.slice(number, 1).to_pylist()[0])

    def __iter__(self) -> Iterator[VideoEntry]:
        return map(self._entry, self._table.to_pylist())

    @staticmethod
    def _entry(row: dict[str, Any]) -> VideoEntry:
        bounds = row["ranges"]
        return VideoEntry(**{**row, "ranges": tuple(zip(bounds[::2], bounds[1::2], strict=True))})

    @property
    def names(self) -> Sequence[str]:
        """Of the videos, in the store's order."""
        return self._table["name"].to_pylist()

    @cached_property
    def num_frames(self) -> np.ndarray:
        return _as_numpy(self._table["num_frames"])

    @cached_property
    def shards(self) -> np.ndarray:
        return _as_numpy(self._table["shard"])

    def batch(self, number: int) -> int:
        """Which record batch of its shard a video is."""
        return self._table["batch"][number].as_py()

    def checksum(self, number: int) -> str:
        """The sha256 of a video's frames."""
        return self._table["sha256"][number].as_py()

    @property
    def groups(self) -> tuple[str, ...]:
        """Every group, numbers in their natural order."""
        return tuple(sorted(self._names("group"), key=natural))

    @property
    def categories(self) -> tuple[str, ...]:
        return tuple(sorted(self._names("category")))

    def of_groups(self, groups: Iterable[str]) -> np.ndarray:
        """Which videos belong to one of these: bool (videos,)."""
        return self._is_one_of("group", groups)

    def of_categories(self, categories: Iterable[str]) -> np.ndarray:
        return self._is_one_of("category", categories)

    def groups_of(self, which: np.ndarray) -> set[str]:
        """The groups of these videos, bool (videos,)."""
        names = self._names("group")
        return {names[code] for code in np.unique(self._codes("group")[which]).tolist()}

    def by_category(self, value: dict[str, int], default: int) -> np.ndarray:
        """`value` of each video's category: int64 (videos,)."""
        values = [value.get(name, default) for name in self._names("category")]
        return np.array(values or [default], np.int64)[self._codes("category")]

    @cached_property
    def stretches(self) -> np.ndarray:
        """Every usable stretch: int64 (stretches, 3) of video, first frame, end."""
        ranges = self._table["ranges"].combine_chunks()
        if isinstance(ranges, pa.ChunkedArray):  # a table without rows
            return np.empty((0, 3), np.int64)
        offsets = np.from_dlpack(ranges.offsets)
        counts = np.diff(offsets) // 2
        bounds = np.from_dlpack(ranges.values)[offsets[0] : offsets[-1]].reshape(-1, 2)
        return np.column_stack([np.repeat(np.arange(len(self)), counts), bounds])

    def _is_one_of(self, column: str, names: Iterable[str]) -> np.ndarray:
        wanted = set(names)
        hits = np.array([name in wanted for name in self._names(column)] or [False])
        return hits[self._codes(column)]

    def _names(self, column: str) -> list[str]:
        return self._encoded(column).dictionary.to_pylist()

    def _codes(self, column: str) -> np.ndarray:
        return np.from_dlpack(self._encoded(column).indices)

    def _encoded(self, column: str) -> pa.DictionaryArray:
        chunks = self._table[column]
        return chunks.chunk(0) if chunks.num_chunks else pa.array([], _SCHEMA.field(column).type)


def _longest(texts: pa.StringArray) -> int:
    """Bytes of the longest text."""
    if not len(texts):
        return 0
    offsets = np.frombuffer(texts.buffers()[1], np.int32)[texts.offset : texts.offset + len(texts) + 1]
    return int(np.diff(offsets).max())


def _as_numpy(column: pa.ChunkedArray) -> np.ndarray:
    """Without a copy where it lies in one piece, as it does when mapped. `to_numpy` would import pandas: 0.2 s."""
    pieces = [np.from_dlpack(piece) for piece in column.chunks]
    return pieces[0] if len(pieces) == 1 else np.concatenate([np.empty(0, np.int64), *pieces])
