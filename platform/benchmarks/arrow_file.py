"""Arrow files that somebody else may have written, mapped: nothing in them is unpacked, and no place leads out.

Arrow itself sets aside whatever a packed buffer says to hold, and hands out an array whose buffers are shorter than it.
Here a batch is looked at first in the file's own index (`Footer`, `Message` and `RecordBatch` of Arrow's format), and
checked before anybody has it. Files of ours are never packed, or they could not be mapped.
"""

import contextlib
import struct
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from platform.config.bounded import Refused, check_is_file

_END = struct.Struct("<i6s")  # the length of the index, and the magic
_BLOCK = struct.Struct("<qi4xq")  # where a message stands, how long its head is, and its body
_CONTINUATION = 0xFFFFFFFF  # stands before a message of today's format
_VERSION_5 = 4  # as its number is written
_DICTIONARIES, _BATCHES = 2, 3  # fields of a footer, and kinds of messages


class ArrowFile:
    """One file. Whatever is asked of it raises OSErrors as they come, and Refused for what is damaged or packed."""

    def __init__(self, path: Path) -> None:
        check_is_file(path)
        with _told():
            self.content = pa.memory_map(str(path)).read_buffer()
            self._reader = pa.ipc.open_file(self.content)
            self._index = _Index(memoryview(self.content))
            for number in range(self._index.count(_DICTIONARIES)):  # Arrow reads all of them with the first batch
                self._index.check(_DICTIONARIES, number)

    def require(self, schema: pa.Schema) -> None:
        """Raises Refused where its columns are others. Their names are not told: they may be no text."""
        if self.schema != schema:
            raise Refused(f"has other columns than {', '.join(schema.names)}, or of other types")

    @property
    def schema(self) -> pa.Schema:
        return self._reader.schema

    @property
    def num_batches(self) -> int:
        return self._reader.num_record_batches

    def batch(self, number: int, *, full: bool = False) -> pa.RecordBatch:
        """Mapped. `full` looks at every value, where some say where others stand; else at the lengths alone."""
        if not 0 <= number < self.num_batches:
            raise Refused(f"has {self.num_batches} videos, not {number + 1}")
        with _told():
            self._index.check(_BATCHES, number)
            batch = self._reader.get_batch(number)
            batch.validate(full=full)
            return batch


@contextlib.contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except Refused:
        raise
    except (pa.ArrowException, OSError, ValueError, LookupError, TypeError, struct.error) as fault:
        if getattr(fault, "errno", None) is not None:
            raise  # not the file's fault: too many open files, no permission
        raise Refused(f"is damaged, or no Arrow file ({str(fault).splitlines()[0][:200]})") from None


class _Index:
    """What stands where in a file: flatbuffers, in which every table says where its fields are."""

    def __init__(self, content: memoryview) -> None:
        self._content = content
        num_bytes, _ = _END.unpack_from(content, self._within(len(content) - _END.size))
        self._footer = self._follow(len(content) - _END.size - num_bytes)

    def count(self, kind: int) -> int:
        blocks = self._field(self._footer, kind)
        return 0 if blocks is None else self._number("<I", self._follow(blocks))

    def check(self, kind: int, number: int) -> None:
        """Raises Refused where the message is packed, and struct.error or ValueError where it is damaged."""
        blocks = self._field(self._footer, kind)
        if blocks is None:
            raise Refused("is damaged: it lacks what its index names")
        block = self._within(self._follow(blocks) + 4 + _BLOCK.size * number)
        place, _, _ = _BLOCK.unpack_from(self._content, block)
        message = self._follow(place + (8 if self._number("<I", place) == _CONTINUATION else 4))
        version = self._field(message, 0)
        if version is None or self._number("<h", version) != _VERSION_5:
            raise Refused("is of an older version of Arrow, which says elsewhere that it is packed")
        batch = self._table(message, 2)
        if kind == _DICTIONARIES:
            batch = self._table(batch, 1)
        if self._field(batch, 3) is not None:
            raise Refused("is packed, which files of ours never are")

    def _table(self, table: int, number: int) -> int:
        field = self._field(table, number)
        if field is None:
            raise Refused("is damaged: it lacks what its index names")
        return self._follow(field)

    def _field(self, table: int, number: int) -> int | None:
        """Where a table's field stands; None where it is left out."""
        fields = table - self._number("<i", table)
        if 6 + 2 * number > self._number("<H", fields):
            return None
        offset = self._number("<H", fields + 4 + 2 * number)
        return table + offset if offset else None

    def _follow(self, place: int) -> int:
        return place + self._number("<I", place)

    def _number(self, kind: str, place: int) -> int:
        found: int = struct.unpack_from(kind, self._content, self._within(place))[0]
        return found

    def _within(self, place: int) -> int:
        if place < 0:  # which would count from the end
            raise ValueError("a place before its beginning")
        return place
