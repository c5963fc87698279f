"""Which prepared benchmark a search gets: the real one where it is on disk, a stand-in only where that is allowed.

Nothing is swapped silently: a stand-in's folder, manifest and label say *synthetic*, and `Benchmark.label` is what
every page and table prints.
"""

import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import replace as changed
from pathlib import Path

from platform.benchmarks.benchmark import Benchmark, split_groups
from platform.benchmarks.blocks import list_clips
from platform.benchmarks.loading import default_workers
from platform.benchmarks.progress import progress_bar
from platform.benchmarks.recording import DAY, Found, Recording, Wanted, usable_ranges
from platform.benchmarks.registry import READERS, Reader
from platform.benchmarks.remote import remote_of
from platform.benchmarks.store import FrameStore
from platform.benchmarks.store_writer import Report, write_store
from platform.benchmarks.videos import VideoEntry, VideoTable
from platform.benchmarks.views import num_tiles
from platform.config.benchmark import BenchmarkConfig
from platform.config.datasets import OWN
from platform.config.errors import UserError
from platform.config.home import Home
from platform.config.splits import SplitName

NATIVE_SIZE = 64  # stand-ins are made at this size where the wanted one divides it


def find_benchmark(config: BenchmarkConfig, home: Home) -> Benchmark | None:
    """The prepared benchmark, or None. Touches nothing. Raises UserError when what is there is damaged."""
    sizes = [size for size in _real_sizes(config, home) if _fits(config, size)]
    if sizes:
        size = _only_size(config, sizes, home.benchmarks)
        return Benchmark(config, FrameStore.open(store_folder(home.benchmarks, config.dataset, size)))
    folder = _stand_in_folder(config, home)
    if config.on_missing == "synthetic" and folder.exists():
        store = FrameStore.open(folder)
        if store.manifest.reader_version == reader_of(config.dataset).version:
            return Benchmark(config, store)
    return None


def open_benchmark(config: BenchmarkConfig, home: Home, *, make: bool = True) -> Benchmark:
    """The prepared benchmark; where it is missing and the configuration allows it, its stand-in.

    What others published (`remote.py`) is fetched before a stand-in is thought of. With `make` the stand-in is made on
    the spot, once: a second process waits for the first. Raises UserError naming the command that prepares what is
    missing.
    """
    found = find_benchmark(config, home)
    if found is not None and not found.synthetic:
        return found
    if (fetched := _fetched(config, home)) is not None:
        return fetched
    if found is not None:
        return found
    if config.on_missing == "synthetic" and make and reader_of(config.dataset).stand_in is not None:
        size = _size_for(config)
        with progress_bar(f"making the stand-in for {config.dataset}") as report:
            wanted = Wanted(size)
            store = prepare_dataset(
                config.dataset,
                None,
                home.benchmarks,
                wanted,
                replace=True,
                workers=default_workers(),
                report=report,
            )
        return Benchmark(config, store)
    raise UserError(_missing_text(config, home))


def published_name(config: BenchmarkConfig, home: Home) -> str | None:
    """The folder's name of the real benchmark on the storage that all machines reach, where it was published there."""
    if (remote := remote_of(home)) is None:
        return None
    sizes = [size for size in _sizes(config, remote.names()) if _fits(config, size)]
    if not sizes:
        return None
    return store_folder(home.benchmarks, config.dataset, _only_size(config, sizes, remote.uri)).name


def _fetched(config: BenchmarkConfig, home: Home) -> Benchmark | None:
    remote, name = remote_of(home), published_name(config, home)
    if remote is None or name is None:
        return None
    with progress_bar(f"fetching {name}") as report:
        remote.fetch(name, home.benchmarks, report)
    return Benchmark(config, FrameStore.open(home.benchmarks / name))


def estimate_clips(config: BenchmarkConfig, home: Home) -> dict[SplitName, int]:
    """How many clips each split of the stand-in has, exactly, without making it. Touches nothing.

    Raises UserError where the data set has no stand-in, or must not have one.
    """
    stand_in = reader_of(config.dataset).stand_in
    if stand_in is None or config.on_missing != "synthetic":
        raise UserError(_missing_text(config, home))
    found = stand_in(Wanted(_size_for(config)))
    videos, crop = _indexed(found.recordings), config.crop
    tiles = num_tiles(found.frame_size, crop.side) if crop is not None and crop.place == "grid" else 1
    counts: dict[SplitName, int] = {}
    for split, groups in split_groups(config, videos, f"{config.dataset} (synthetic)").items():
        clips = list_clips(
            videos,
            groups,
            categories=config.categories,
            stride=config.stride,
            total_length=config.total_length,
            frame_step=config.frame_step,
            scan=config.scan,
        )
        counts[split] = min(tiles * len(clips), getattr(config.max_clips, split) or tiles * len(clips))
    return counts


def _indexed(recordings: Sequence[Recording]) -> VideoTable:
    """The index that a store of these recordings will have, as far as clips depend on it."""
    return VideoTable.of(
        VideoEntry(
            name=recording.name,
            group=recording.group,
            category=recording.category,
            num_frames=recording.num_frames or 1,
            ranges=usable_ranges(recording.ranges, recording.num_frames or 1),
            shard=0,
            batch=number,
            sha256="",
        )
        for number, recording in enumerate(recordings)
    )


def prepare_dataset(
    name: str,
    source_dir: Path | None,
    target_dir: Path,
    wanted: Wanted,
    *,
    replace: bool = False,
    workers: int = 1,
    report: Report | None = None,
) -> FrameStore:
    """Convert the files in `source_dir`, or make the stand-in where it is None, into a store below `target_dir`.

    `name` is a key of READERS, or own_NAME. The store is verified. Raises UserError as readers and `write_store` do.
    """
    reader, synthetic = reader_of(name), source_dir is None
    if source_dir is not None:
        found = reader.find(source_dir.expanduser().absolute(), wanted)
    elif reader.stand_in is not None:
        found = reader.stand_in(wanted)
    else:
        raise UserError(f"{name} has no stand-in. Give the folder with {reader.files} to --from.")
    return write_store(
        store_folder(target_dir.expanduser().absolute(), name, wanted.size, synthetic),
        _with_command(found, name, source_dir, target_dir, wanted),
        dataset=name,
        synthetic=synthetic,
        reader_version=reader.version,
        replace=replace,
        workers=workers,
        report=report,
    )


def reader_of(dataset: str) -> Reader:
    """The reader of `kth`, `flying_digits_2`, `own_lab`."""
    return READERS["own" if dataset.startswith(OWN) else dataset]


def store_folder(benchmarks: Path, dataset: str, size: int, synthetic: bool = False) -> Path:
    """`kth-64`, `kth-64-synthetic`."""
    return benchmarks / f"{dataset}-{size}{'-synthetic' if synthetic else ''}"


def list_prepared(benchmarks: Path) -> dict[str, FrameStore | UserError]:
    """Every store in the folder by name; a damaged one as the error that names its repair."""
    listed: dict[str, FrameStore | UserError] = {}
    for folder in sorted(benchmarks.glob("*-*")) if benchmarks.is_dir() else ():
        if re.fullmatch(r"\w+-\d+(-synthetic)?", folder.name) and folder.is_dir():
            try:
                listed[folder.name] = FrameStore.open(folder)
            except UserError as fault:
                listed[folder.name] = fault
    return listed


def _real_sizes(config: BenchmarkConfig, home: Home) -> list[int]:
    folders = home.benchmarks.iterdir() if home.benchmarks.is_dir() else ()
    return _sizes(config, (folder.name for folder in folders))


def _sizes(config: BenchmarkConfig, folders: Iterable[str]) -> list[int]:
    """Of real frames, the smallest first."""
    name = re.compile(rf"{config.dataset}-(\d+)")
    return sorted(int(match[1]) for folder in folders if (match := name.fullmatch(folder)))


def _fits(config: BenchmarkConfig, size: int) -> bool:
    """Can clips be cut from stored frames of this size? Where a crop is asked for, its side is what is shrunk."""
    side = size if config.crop is None else config.crop.side
    return side <= size and side % config.frame_size == 0 and config.stored_size in (None, size)


def _only_size(config: BenchmarkConfig, sizes: Sequence[int], place: object) -> int:
    """Whole frames look alike from every size. A crop does not: it is a part of another extent of each."""
    if config.crop is not None and len(sizes) > 1:
        raise UserError(
            f"{place} has {config.dataset} in frames of {' and '.join(map(str, sizes))} pixels, of which a crop of "
            f"{config.crop.side} would be parts of another extent. Set benchmark.stored_size to one of them."
        )
    return min(sizes)


def _size_for(config: BenchmarkConfig) -> int:
    if config.stored_size is not None:
        return config.stored_size
    if config.crop is not None:
        return max(NATIVE_SIZE, config.crop.side)
    return NATIVE_SIZE if NATIVE_SIZE % config.frame_size == 0 else config.frame_size


def _stand_in_folder(config: BenchmarkConfig, home: Home) -> Path:
    return store_folder(home.benchmarks, config.dataset, _size_for(config), synthetic=True)


def prepare_command(name: str, source: str | None, wanted: Wanted, target: Path | None = None) -> str:
    """The line a user types to prepare `name`, from the folder `source` or, where it is None, as a stand-in."""
    base, _, number = name.partition("flying_digits_")
    words = ["python", "-m", "platform.prepare", base or "flying_digits"]
    words += ["--digits", number] if number else []
    words += ["--synthetic"] if source is None else ["--from", source]
    words += ["--to", str(target)] if target else []
    words += ["--size", str(wanted.size)] if wanted.size != NATIVE_SIZE else []
    if clips := wanted.num_clips:
        words += ["--clips", f"{clips.train},{clips.validation},{clips.test}"]
    words += ["--event-hours", str(wanted.event_hours)] if wanted.event_hours != DAY else []
    words += ["--group-by", wanted.group_by] if wanted.group_by else []
    words += ["--grey"] if wanted.grey else []
    return shlex.join(words)


def _with_command(found: Found, name: str, source_dir: Path | None, target_dir: Path, wanted: Wanted) -> Found:
    default = target_dir == Home.from_environment().benchmarks
    source = str(source_dir.expanduser().absolute()) if source_dir else None
    command = prepare_command(name, source, wanted, None if default else target_dir.absolute())
    return changed(found, provenance={**found.provenance, "command": command})


def _missing_text(config: BenchmarkConfig, home: Home) -> str:
    reader, wanted, there = reader_of(config.dataset), Wanted(_size_for(config)), _real_sizes(config, home)
    other = f" ({', '.join(map(str, there))} is there, which {config.frame_size} does not divide)" if there else ""
    if reader.stand_in is None:
        stand_in = " There is no stand-in for it."
    elif config.on_missing == "synthetic":
        stand_in = f" Or make the stand-in with `{prepare_command(config.dataset, None, wanted)}`."
    else:
        stand_in = " Or set on_missing: synthetic to try the built-in stand-in."
    return (
        f"benchmark {config.dataset} for frames of {config.frame_size} pixels is not in {home.benchmarks}{other}. Run "
        f"`{prepare_command(config.dataset, 'DIR', wanted)}`, DIR being the folder with {reader.files}.{stand_in}"
    )
