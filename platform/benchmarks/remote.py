"""Prepared benchmarks on storage that all machines reach: published by one, fetched once by each that needs them.

The storage is whatever `pyarrow.fs` opens by a URI, S3 and its like above all; `TMU_REMOTE` names it. Training never
reads from it: a node maps its own copy. Credentials come from where the storage's own tools look for them.
"""

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from pyarrow import fs

from platform.benchmarks.disk_space import FULL, SPARE_BYTES
from platform.benchmarks.manifest import MANIFEST_FILE, Manifest, parse_manifest
from platform.benchmarks.store import FrameStore
from platform.benchmarks.store_writer import locked
from platform.config.bounded import LARGE_BYTES, Refused
from platform.config.errors import UserError
from platform.config.home import Home

BENCHMARKS = "benchmarks"  # below the remote folder, as below TMU_HOME
_NAME = re.compile(r"\w[\w.-]*")

Report = Callable[[int, int, str], None]  # bytes done, of how many, the file just done


class RemoteBenchmarks:
    """The folder `benchmarks` of the storage that `TMU_REMOTE` names."""

    def __init__(self, uri: str) -> None:
        """Connects to nothing yet. Raises UserError for a URI that cannot be understood or that holds a secret."""
        if "@" in urlsplit(uri).netloc:
            raise UserError(
                "TMU_REMOTE must not hold a password: it would stand in logs. Give it without, and set "
                "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or what your storage's tools read)."
            )
        self.uri = uri.partition("?")[0].rstrip("/")  # what is printed: where and how to connect is nobody's concern
        try:
            self._files, root = fs.FileSystem.from_uri(uri)
        except (ValueError, OSError) as fault:
            raise UserError(
                f"TMU_REMOTE={uri} is not understood ({fault}). Give for example s3://bucket/tmu."
            ) from fault
        self._root = f"{root.rstrip('/')}/{BENCHMARKS}"

    def names(self) -> list[str]:
        """Every benchmark published there, as its folder is called: `kth-64`."""
        with self._told("read"):
            there = self._files.get_file_info(fs.FileSelector(self._root, allow_not_found=True))
            folders = [info.base_name for info in there if info.type == fs.FileType.Directory]
            folders = [name for name in folders if _NAME.fullmatch(name)]  # what is fetched lies in a folder so named
            manifests = self._files.get_file_info([f"{self._root}/{name}/{MANIFEST_FILE}" for name in folders])
        whole = [info.type == fs.FileType.File for info in manifests]  # the manifest is published last
        return sorted(name for name, is_whole in zip(folders, whole, strict=True) if is_whole)

    def fetch(
        self, name: str, benchmarks: Path, report: Report, *, replace: bool = False, compare: bool = False
    ) -> bool:
        """Copy a published benchmark to this machine, verified; False where it is here already. Others wait meanwhile.

        Goes on where a fetch was interrupted. What is here is compared with what was published only where asked for:
        then another is replaced, or refused. Raises UserError where it is damaged or the disk is too small.
        """
        if not _NAME.fullmatch(name):
            raise UserError(f"{name!r} is no name of a benchmark. Give one that is published, as kth-64.")
        target = benchmarks / name
        benchmarks.mkdir(parents=True, exist_ok=True)
        with locked(target, lambda: report(0, 0, "another process fetches it; waiting")):
            if target.exists() and not compare:
                return False
            manifest = self._manifest(name)
            if target.exists():
                if FrameStore.open(target).manifest.fingerprint == manifest.fingerprint:
                    return False
                if not replace:
                    raise UserError(
                        f"{target} holds other frames than {self._place(name)}. Add --replace to fetch those instead."
                    )
            partial = target.with_name(f"{name}-{manifest.fingerprint[:8]}.fetching")  # of no other that was published
            partial.mkdir(exist_ok=True)
            self._fetch_files(name, manifest, partial, report)
            (partial / MANIFEST_FILE).write_text(manifest.model_dump_json(indent=1))
            try:
                FrameStore.open(partial).verify()
            except UserError as fault:
                shutil.rmtree(partial)
                raise UserError(
                    f"what was fetched from {self._place(name)} is not what was published ({fault}) "
                    "Run the same command again; if this stays, publish it again with --replace."
                ) from fault
            shutil.rmtree(target, ignore_errors=True)
            partial.replace(target)
            return True

    def publish(self, store: FrameStore, report: Report, *, replace: bool = False) -> bool:
        """Copy a store there, its manifest last; False where the same one is there already.

        Raises UserError where another of that name is there and `replace` is not set.
        """
        name, manifest = store.path.name, store.manifest
        if name in self.names():
            if self._manifest(name).fingerprint == manifest.fingerprint:
                return False
            if not replace:
                raise UserError(f"{self._place(name)} holds other frames. Add --replace to publish these instead.")
            with self._told("write"):
                self._files.delete_file(f"{self._root}/{name}/{MANIFEST_FILE}")
        done, total = 0, _num_bytes(manifest)
        with self._told("write"):
            self._files.create_dir(f"{self._root}/{name}", recursive=True)
            for stored in _files_of(manifest):
                self._copy(str(store.path / stored), fs.LocalFileSystem(), f"{self._root}/{name}/{stored}", self._files)
                done += (store.path / stored).stat().st_size
                report(done, total, stored)
            with self._files.open_output_stream(f"{self._root}/{name}/{MANIFEST_FILE}") as sink:
                sink.write((store.path / MANIFEST_FILE).read_bytes())
            for left in self._files.get_file_info(fs.FileSelector(f"{self._root}/{name}")):
                if left.type == fs.FileType.File and left.base_name not in (MANIFEST_FILE, *_files_of(manifest)):
                    self._files.delete_file(left.path)  # of what this replaced
        return True

    def _manifest(self, name: str) -> Manifest:
        with self._told("read"), self._files.open_input_stream(f"{self._root}/{name}/{MANIFEST_FILE}") as source:
            content = source.read(LARGE_BYTES + 1)
        try:
            if len(content) > LARGE_BYTES:
                raise Refused("is longer than any manifest")
            return parse_manifest(content)
        except Refused as fault:
            raise UserError(f"{self._place(name)}/{MANIFEST_FILE} {fault}. Publish it again with --replace.") from fault

    def _fetch_files(self, name: str, manifest: Manifest, partial: Path, report: Report) -> None:
        total, free = _num_bytes(manifest), shutil.disk_usage(partial).free
        files = _files_of(manifest)
        have = {stored for stored, size in files.items() if _size(partial / stored) == size}
        done = sum(files[stored] for stored in have)
        if total - done + SPARE_BYTES > free:
            raise self._no_room(name, partial, total - done + SPARE_BYTES, free)
        for stored in files:
            if stored in have:
                continue
            temporary = partial / f"{stored}.tmp"
            try:
                with self._told("read"):
                    self._check_size(name, stored, files[stored])
                    self._copy(f"{self._root}/{name}/{stored}", self._files, str(temporary), fs.LocalFileSystem())
            except UserError as fault:
                cause = fault.__cause__
                if isinstance(cause, OSError) and cause.errno in FULL:
                    raise self._no_room(name, partial, total - done, shutil.disk_usage(partial).free) from fault
                raise
            temporary.replace(partial / stored)
            done += files[stored]
            report(done, total, stored)

    def _check_size(self, name: str, stored: str, promised: int) -> None:
        """Room was looked for by the manifest: a longer file would fill the disk."""
        size = self._files.get_file_info(f"{self._root}/{name}/{stored}").size
        if size is not None and size != promised:
            raise UserError(
                f"{self._place(name)}/{stored} has {size} bytes, its manifest says {promised}. Publish it again with "
                "--replace."
            )

    @staticmethod
    def _copy(source: str, source_files: fs.FileSystem, target: str, target_files: fs.FileSystem) -> None:
        fs.copy_files(source, target, source_filesystem=source_files, destination_filesystem=target_files)

    def _no_room(self, name: str, partial: Path, needed: int, free: int) -> UserError:
        return UserError(
            f"no room for {name} in {partial.parent}: {free / 1e6:.0f} MB free, about {needed / 1e6:.0f} MB needed. "
            "Free some, or set TMU_HOME to another disk; what was fetched is kept."
        )

    @contextmanager
    def _told(self, verb: str) -> Iterator[None]:
        try:
            yield
        except OSError as fault:
            raise UserError(
                f"cannot {verb} {self.uri} ({fault}). Check TMU_REMOTE, the network, and the credentials in the "
                "environment."
            ) from fault

    def _place(self, name: str) -> str:
        return f"{self.uri}/{BENCHMARKS}/{name}"


def remote_of(home: Home) -> RemoteBenchmarks | None:
    """The storage that `TMU_REMOTE` names, or None. Raises UserError."""
    return RemoteBenchmarks(home.remote) if home.remote else None


def _files_of(manifest: Manifest) -> dict[str, int]:
    """Size of each file but the manifest, by name."""
    return {stored.file: stored.num_bytes for stored in (*manifest.shards, manifest.videos, manifest.hashes)}


def _num_bytes(manifest: Manifest) -> int:
    return sum(_files_of(manifest).values())


def _size(file: Path) -> int | None:
    return file.stat().st_size if file.is_file() else None
