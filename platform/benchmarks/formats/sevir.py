"""SEVIR's vertically integrated liquid: storms over the United States, four hours each, in HDF5 files and a catalogue.

`data/vil/<year>/SEVIR_VIL_STORMEVENTS_2018_0101_0630.h5` (or all files in one folder) hold `id` (N,) and `vil`
(N, 384, 384, 49) uint8, a frame every 5 minutes, time last. `CATALOG.csv` has a line for each event and kind of
picture; it alone knows when an event was. Events are told by their `id`, wherever the catalogue says they lie: people
pack some of them into files of their own. What an HDF5 file only points to, in other files, is not read.
"""

import csv
import hashlib
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import product, repeat
from math import prod
from pathlib import Path

import h5py
import numpy as np

from platform.benchmarks.encoding import TOP, Encoding
from platform.benchmarks.formats.events import parsed_times
from platform.benchmarks.formats.fields import (
    Size,
    by,
    listed,
    nothing_usable,
    printable,
    require_folder,
    skip,
    stacked,
    stamp,
    stored_size,
    unreadable,
)
from platform.benchmarks.formats.files import files_below
from platform.benchmarks.manifest import SkippedFile
from platform.benchmarks.recording import Found, Recording, UnusableFile, Wanted
from platform.config.errors import UserError

VERSION = "1"
LIQUID = Encoding(unit="VIL level", scale="linear", lowest=0, highest=TOP)  # SEVIR's bytes as they are: 255 is missing
CATALOG, FILES, KIND = "CATALOG.csv", "SEVIR_VIL_*.h5", "vil"
COLUMNS = ("id", "img_type", "time_utc", "event_type")
TIME = "%Y-%m-%d %H:%M:%S"
RANDOM = "random"  # category of an event that no storm report led to
STEP_S = 300
MOST_CATALOG_BYTES = 256 << 20
MOST_EVENTS = 1 << 20  # of a file: what a header may promise before it counts as damaged. All of SEVIR has 20,393
MOST_EVENT_BYTES = 256 << 20  # a real one has 7 MB
MOST_CHUNKS = 1 << 20  # of what is read at once
LONGEST_ID = 64  # bytes; real ones have 7 to 17
REPAIR = "Give the folder with CATALOG.csv and SEVIR_VIL_*.h5 (data/vil/<year>/) to --from."

KNOWN_FILTERS = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32}
_DAMAGED = (OSError, RuntimeError, KeyError, ValueError, zlib.error)  # what HDF5 raises, by where it finds the damage


@dataclass(frozen=True)
class Listed:
    """What the catalogue knows of an event."""

    date: str
    category: str


@dataclass(frozen=True)
class Storms:
    """What one file holds."""

    file: Path
    stamp: str
    ids: list[str]
    shape: Size
    num_frames: int


def find_sevir(folder: Path, wanted: Wanted) -> Found:
    """Every event of VIL that the catalogue dates. Its group is its date, its category the kind of storm.

    Raises UserError without a catalogue, without any event, or when frames are smaller than wanted.
    """
    require_folder(folder, "SEVIR's CATALOG.csv and .h5 files")
    files, skipped = files_below(folder, FILES)
    catalog, faults = _catalog(folder)
    skipped += faults
    storms = []
    for file in files:
        try:
            storms.append(_listed(file))
        except UnusableFile as reason:
            skipped.append(skip(file, folder, reason))
    counts: Counter[Size] = Counter()
    for one in storms:
        counts[one.shape] += len(one.ids)
    if not counts.total():
        raise nothing_usable("events", folder, skipped, REPAIR)
    shape = counts.most_common(1)[0][0]
    size = stored_size(shape, wanted, str(folder))
    recordings: dict[str, Recording] = {}
    for one in storms:
        if one.shape != shape:
            sizes = f"its frames are {by(one.shape)}, most here are {by(shape)}"
            skipped.append(skip(one.file, folder, f"{sizes}; prepare them from a folder of their own"))
            continue
        undated, repeated = [], []
        for number, event in enumerate(one.ids):
            if event not in catalog:
                undated.append(event)
            elif event in recordings:
                repeated.append(event)
            else:
                recordings[event] = _recording(one, number, catalog[event], size)
        skipped += _named(one.file, folder, undated, "no date in the catalogue; add their lines to it")
        skipped += _named(one.file, folder, repeated, "a twin of the same id before them, which is used")
    if not recordings:
        raise nothing_usable("events", folder, skipped, REPAIR)
    provenance = {"source": printable(folder), "step_s": str(STEP_S)}
    return Found(list(recordings.values()), size, encoding=LIQUID, skipped=tuple(skipped), provenance=provenance)


def read_event(file: Path, number: int, event: str, shape: Size, size: Size) -> np.ndarray:
    """One event's levels, uint8 (T, *size, 1). Only this event is read. Raises UnusableFile."""
    try:
        with _opened(file) as (ids, vil):
            held = _text(ids[number]) if number < len(ids) else None
            if held != event:
                raise UnusableFile(f"its event {number} is {held} now, it was {event}; prepare again")
            _check_chunks(vil, range(number, number + 1))
            vil_HWT = vil[number]
    except UnusableFile as reason:
        raise UnusableFile(f"{file.name}: {reason}") from None
    return stacked(np.moveaxis(vil_HWT, -1, 0), vil_HWT.shape[-1], shape, size)


def _recording(storms: Storms, number: int, known: Listed, size: Size) -> Recording:
    event = storms.ids[number]
    key = repr((storms.file.name, storms.stamp, number, event))
    return Recording(
        name=event,
        group=known.date,
        category=known.category,
        key=hashlib.sha256(key.encode()).hexdigest()[:32],
        load=partial(read_event, storms.file, number, event, storms.shape, size),
        num_frames=storms.num_frames,
    )


def _catalog(folder: Path) -> tuple[dict[str, Listed], list[SkippedFile]]:
    """Events of VIL by id; the first line of an id counts. Raises UserError when no catalogue can be used."""
    files, skipped = files_below(folder, CATALOG)
    if not files:
        raise UserError(f"no {CATALOG} in {folder} or below: it alone says when events were. {REPAIR}")
    known: dict[str, Listed] = {}
    for file in files:
        lines = _lines(file)
        times = parsed_times([line["time_utc"] for line in lines], TIME)
        undated = []
        for line, time in zip(lines, times, strict=True):
            if np.isnat(time):
                undated.append(f"{line['id']} ({line['time_utc']})")
            else:
                known.setdefault(line["id"], Listed(str(time)[:10], line["event_type"] or RANDOM))
        skipped += _named(file, folder, undated, "no time_utc as 2018-06-21 15:35:00")
    return known, skipped


def _lines(file: Path) -> list[dict[str, str]]:
    """Lines of VIL with all columns, "" where one is empty. Raises UserError."""
    try:
        if (num_bytes := file.stat().st_size) > MOST_CATALOG_BYTES:
            raise UserError(f"{file} has {num_bytes} bytes, SEVIR's own {CATALOG} 20 million. Copy it again.")
        with file.open(newline="", encoding="utf-8-sig", errors="replace") as handle:
            reader = csv.DictReader(handle)
            if absent := [column for column in COLUMNS if column not in (reader.fieldnames or ())]:
                begin = ", ".join((reader.fieldnames or ["nothing"])[:4])
                raise UserError(
                    f"{file} has no column {', '.join(absent)}; its first line begins {begin[:80]!r}. "
                    f"Put SEVIR's own {CATALOG} there: commas between columns, their names first."
                )
            lines = [{column: (line[column] or "").strip() for column in COLUMNS} for line in reader]
    except (OSError, csv.Error) as fault:
        raise UserError(f"{file} cannot be read ({fault}). Copy it again.") from fault
    return [line for line in lines if line["img_type"] == KIND]


def _listed(file: Path) -> Storms:
    """The file's events, no frame of which is read. Raises UnusableFile."""
    try:
        changed = stamp(file)
    except OSError as fault:
        raise UnusableFile(unreadable(fault)) from fault
    with _opened(file) as (ids, vil):
        height, width, num_frames = vil.shape[1:]
        _check_chunks(ids, range(len(ids)))
        return Storms(file, changed, [_text(one) for one in ids[:]], (height, width), num_frames)


@contextmanager
def _opened(file: Path) -> Iterator[tuple[h5py.Dataset, h5py.Dataset]]:
    """`id` and `vil` of a file, checked against each other. Raises UnusableFile, also for what goes wrong within."""
    try:
        with h5py.File(file, "r", locking=False) as handle:  # network file systems often have no locks
            ids, vil = (_dataset(handle, name) for name in ("id", "vil"))
            if h5py.check_string_dtype(ids.dtype) is None or ids.ndim != 1 or ids.dtype.itemsize > LONGEST_ID:
                raise UnusableFile(f"id is {by(ids.shape)} of {ids.dtype}, not a list of texts")
            if vil.dtype != np.uint8:
                raise UnusableFile(f"vil has values of {vil.dtype}, not uint8")
            if vil.ndim != 4 or vil.shape[1] != vil.shape[2]:
                raise UnusableFile(
                    f"vil is {by(vil.shape)}, not events x rows x as many columns x frames; time is last"
                )
            if len(ids) != len(vil):
                raise UnusableFile(f"vil has {len(vil)} events but id {len(ids)}; copy it again")
            if len(ids) > MOST_EVENTS or not 0 < np.prod(vil.shape[1:], dtype=object) <= MOST_EVENT_BYTES:
                raise UnusableFile(f"its header promises {by(vil.shape)} values; copy it again")
            yield ids, vil
    except _DAMAGED as fault:
        raise UnusableFile(f"it is cut off, damaged or no HDF5 file ({fault}); copy it again") from fault


def _dataset(handle: h5py.File, name: str) -> h5py.Dataset:
    """Raises UnusableFile."""
    link = handle.get(name, getlink=True)
    if link is None:
        raise UnusableFile(f"it has no {name!r} but {listed(list(handle)) or 'nothing'}")
    found = handle[name] if isinstance(link, h5py.HardLink) else None
    if not isinstance(found, h5py.Dataset) or found.external or found.is_virtual:
        raise UnusableFile(f"{name!r} is no array of its own, it may lie in another file; copy it into this one")
    return found


def _check_chunks(data: h5py.Dataset, rows: range) -> None:
    """Raises UnusableFile where a compressed chunk with one of these rows holds more than it should.

    HDF5 sets aside whatever comes out of one, up to a thousand times what went in. SEVIR itself is not compressed.
    """
    if data.chunks is None:
        return
    settings = data.id.get_create_plist()
    filters = [settings.get_filter(number)[0] for number in range(settings.get_nfilters())]
    if len(set(filters)) < len(filters) or not set(filters) <= KNOWN_FILTERS:
        raise UnusableFile(f"{data.name} is packed by HDF5's filters {filters}; store it with gzip, or unpacked")
    most = int(np.prod(data.chunks, dtype=object)) * data.dtype.itemsize
    begin = rows.start // data.chunks[0] * data.chunks[0]
    sides = (range(begin, rows.stop, data.chunks[0]), *map(range, repeat(0), data.shape[1:], data.chunks[1:]))
    if most > MOST_EVENT_BYTES or prod(map(len, sides)) > MOST_CHUNKS:
        raise UnusableFile(f"{data.name} lies in chunks of {by(data.chunks)}; store it in chunks of an event")
    if h5py.h5z.FILTER_DEFLATE not in filters:
        return
    for corner in product(*sides):
        info = data.id.get_chunk_info_by_coord(corner)
        if not info.size or info.filter_mask:  # never written, or written as it is
            continue
        if info.size > most + most // 100 + 1024:
            raise UnusableFile(f"a chunk of {data.name} at {corner} takes {info.size} bytes to hold {most}")
        _, packed = data.id.read_direct_chunk(corner)
        if len(zlib.decompressobj().decompress(packed, most + 1)) > most:
            raise UnusableFile(f"a chunk of {data.name} at {corner} unpacks to more than its {most} bytes")


def _text(value: bytes | str) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def _named(file: Path, folder: Path, events: list[str], fault: str) -> list[SkippedFile]:
    """One entry for all events of a file with this fault: thousands may have it."""
    return [skip(file, folder, f"{len(events)} of its events have {fault}: {listed(events)}")] if events else []
