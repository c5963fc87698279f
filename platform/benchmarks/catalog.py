"""Which prepared benchmark a search gets: the real one where it is on disk, a stand-in only where that is allowed.

Nothing is swapped silently: a stand-in's folder, manifest and label say *synthetic*, and `Benchmark.label` is what
every page and table prints.
"""

import re
import shlex
from collections.abc import Sequence
from dataclasses import replace as changed
from pathlib import Path
from typing import get_args

from platform.benchmarks.blocks import ClipBlocks, list_clips
from platform.benchmarks.progress import progress_bar
from platform.benchmarks.recording import Found, Recording, Wanted, usable_ranges
from platform.benchmarks.registry import READERS
from platform.benchmarks.store import FrameStore
from platform.benchmarks.store_writer import Report, write_store
from platform.benchmarks.videos import VideoEntry, VideoTable
from platform.config.benchmark import BenchmarkConfig, SplitName
from platform.config.errors import UserError
from platform.config.home import Home

NATIVE_SIZE = 64  # stand-ins are made at this size where the wanted one divides it


class Benchmark:
    """A prepared data set with the splits of one configuration."""

    def __init__(self, config: BenchmarkConfig, store: FrameStore) -> None:
        self.config = config
        self.store = store
        self._blocks: dict[SplitName, ClipBlocks] = {}

    @property
    def synthetic(self) -> bool:
        return self.store.manifest.synthetic

    @property
    def label(self) -> str:
        """`kth`, or `kth (synthetic)`: print this and never the bare name."""
        return f"{self.config.dataset} (synthetic)" if self.synthetic else self.config.dataset

    @property
    def channels(self) -> int:
        return self.store.manifest.channels

    def blocks(self, split: SplitName) -> ClipBlocks:
        """The clips of a split. Raises UserError when it has none, naming what the store does have."""
        if split not in self._blocks:
            config = self.config
            self._blocks[split] = ClipBlocks(
                self.store,
                config.split.groups(split),
                categories=config.categories,
                stride=config.stride,
                input_length=config.input_length,
                total_length=config.total_length,
                frame_step=config.frame_step,
                frame_size=config.frame_size,
                block_clips=config.block_clips,
                max_clips=getattr(config.max_clips, split),
            )
        return self._blocks[split]


def find_benchmark(config: BenchmarkConfig, home: Home) -> Benchmark | None:
    """The prepared benchmark, or None. Touches nothing. Raises UserError when what is there is damaged."""
    sizes = [size for size in _real_sizes(config, home) if size % config.frame_size == 0]
    if sizes:
        return Benchmark(config, FrameStore.open(store_folder(home.benchmarks, config.dataset, min(sizes))))
    folder = _stand_in_folder(config, home)
    if config.on_missing == "synthetic" and folder.exists():
        store = FrameStore.open(folder)
        if store.manifest.reader_version == READERS[config.dataset].version:
            return Benchmark(config, store)
    return None


def open_benchmark(config: BenchmarkConfig, home: Home, *, make: bool = True) -> Benchmark:
    """The prepared benchmark; where it is missing and the configuration allows it, its stand-in.

    With `make` the stand-in is made on the spot, once: a second process waits for the first. Raises UserError naming
    the command that prepares what is missing.
    """
    if (found := find_benchmark(config, home)) is not None:
        return found
    size = _size_for(config.frame_size)
    if config.on_missing == "synthetic" and make:
        with progress_bar(f"making the stand-in for {config.dataset}") as report:
            wanted = Wanted(size)
            store = prepare_dataset(config.dataset, None, home.benchmarks, wanted, replace=True, report=report)
        return Benchmark(config, store)
    raise UserError(_missing_text(config, home, size))


def estimate_clips(config: BenchmarkConfig) -> dict[SplitName, int]:
    """How many clips each split of the stand-in has, exactly, without making it. Touches nothing."""
    videos = _indexed(READERS[config.dataset].stand_in(Wanted(_size_for(config.frame_size))).recordings)
    counts: dict[SplitName, int] = {}
    splits: tuple[SplitName, ...] = get_args(SplitName)
    for split in splits:
        clips = list_clips(
            videos,
            config.split.groups(split),
            categories=config.categories,
            stride=config.stride,
            total_length=config.total_length,
            frame_step=config.frame_step,
        )
        counts[split] = len(clips[: getattr(config.max_clips, split)])
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
    report: Report | None = None,
) -> FrameStore:
    """Convert the files in `source_dir`, or make the stand-in where it is None, into a store below `target_dir`.

    `name` is a key of READERS. The store is verified. Raises UserError as readers and `write_store` do.
    """
    synthetic = source_dir is None
    if source_dir is None:
        found = READERS[name].stand_in(wanted)
    else:
        found = READERS[name].find(source_dir.expanduser().absolute(), wanted)
    return write_store(
        store_folder(target_dir.expanduser().absolute(), name, wanted.size, synthetic),
        _with_command(found, name, source_dir, target_dir, wanted),
        dataset=name,
        synthetic=synthetic,
        reader_version=READERS[name].version,
        replace=replace,
        report=report,
    )


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
    name = re.compile(rf"{config.dataset}-(\d+)")
    folders = home.benchmarks.iterdir() if home.benchmarks.is_dir() else ()
    return sorted(int(match[1]) for folder in folders if (match := name.fullmatch(folder.name)))


def _size_for(frame_size: int) -> int:
    return NATIVE_SIZE if NATIVE_SIZE % frame_size == 0 else frame_size


def _stand_in_folder(config: BenchmarkConfig, home: Home) -> Path:
    return store_folder(home.benchmarks, config.dataset, _size_for(config.frame_size), synthetic=True)


def prepare_command(name: str, source: str | None, size: int, target: Path | None = None) -> str:
    """The line a user types to prepare `name`."""
    base, _, number = name.partition("flying_digits_")
    words = ["python", "-m", "platform.prepare", base or "flying_digits"]
    words += ["--digits", number] if number else []
    words += ["--synthetic"] if source is None else ["--from", source]
    words += ["--to", str(target)] if target else []
    words += ["--size", str(size)] if size != NATIVE_SIZE else []
    return shlex.join(words)


def _with_command(found: Found, name: str, source_dir: Path | None, target_dir: Path, wanted: Wanted) -> Found:
    default = target_dir == Home.from_environment().benchmarks
    source = str(source_dir.expanduser().absolute()) if source_dir else None
    command = prepare_command(name, source, wanted.size, None if default else target_dir.absolute())
    if num_clips := wanted.num_clips:
        command += f" --clips {num_clips.train},{num_clips.validation},{num_clips.test}"
    return changed(found, provenance={**found.provenance, "command": command})


def _missing_text(config: BenchmarkConfig, home: Home, size: int) -> str:
    there = _real_sizes(config, home)
    other = f" ({', '.join(map(str, there))} is there, which {config.frame_size} does not divide)" if there else ""
    command = prepare_command(config.dataset, "DIR", size)
    stand_in = (
        f"make the stand-in with `{prepare_command(config.dataset, None, size)}`"
        if config.on_missing == "synthetic"
        else "set on_missing: synthetic to try the built-in stand-in"
    )
    return (
        f"benchmark {config.dataset} for frames of {config.frame_size} pixels "
        f"is not in {home.benchmarks}{other}. Run `{command}`, "
        f"DIR being the folder with {READERS[config.dataset].files}, or {stand_in}."
    )
