"""Prepared benchmarks on storage that all machines reach: published by one, fetched once by each that needs them.

`TMU_REMOTE` names it. Training never reads from it: a node maps its own copy.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from pyarrow import fs

from platform.benchmarks.manifest import MANIFEST_FILE, Manifest, parse_manifest
from platform.benchmarks.store import FrameStore
from platform.config.bounded import LARGE_BYTES, Refused
from platform.config.errors import UserError
from platform.config.home import Home
from platform.storage.fetching import Published, Report, locked
from platform.storage.storage import Storage

BENCHMARKS = "benchmarks"  # below the remote folder, as below TMU_HOME
REPUBLISH = "publish it again with --replace"
_NAME = re.compile(r"\w[\w.-]*")


class RemoteBenchmarks:
    """The folder `benchmarks` of the storage that `TMU_REMOTE` names."""

    def __init__(self, uri: str) -> None:
        """Raises UserError for a URI that cannot be understood or that holds a secret."""
        remote = Storage(uri)
        self.uri = str(remote)
        self._storage = remote.below(BENCHMARKS)

    def names(self) -> list[str]:
        """Every benchmark published there, as its folder is called: `kth-64`."""
        folders = [name for name in self._storage.folders() if _NAME.fullmatch(name)]  # a fetched folder is so named
        with self._storage.told("read"):
            paths = [self._storage.at(f"{name}/{MANIFEST_FILE}") for name in folders]
            manifests = self._storage.filesystem.get_file_info(paths)
        whole = [info.type == fs.FileType.File for info in manifests]  # the manifest is published last
        return [name for name, is_whole in zip(folders, whole, strict=True) if is_whole]

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
            there = self._storage.below(name)
            manifest = _manifest(there)
            if target.exists():
                if FrameStore.open(target).manifest.fingerprint == manifest.fingerprint:
                    return False
                if not replace:
                    raise UserError(f"{target} holds other frames than {there}. Add --replace to fetch those instead.")

            def verify(folder: Path) -> None:
                (folder / MANIFEST_FILE).write_text(manifest.model_dump_json(indent=1))
                FrameStore.open(folder).verify()

            Published(there, _files_of(manifest), manifest.fingerprint, REPUBLISH).fetch_to(target, verify, report)
            return True

    def publish(self, store: FrameStore, report: Report, *, replace: bool = False) -> bool:
        """Copy a store there, its manifest last; False where the same one is there already.

        Raises UserError where another of that name is there and `replace` is not set.
        """
        name, manifest = store.path.name, store.manifest
        there, files = self._storage.below(name), _files_of(manifest)
        if name in self.names():
            if _manifest(there).fingerprint == manifest.fingerprint:
                return False
            if not replace:
                raise UserError(f"{there} holds other frames. Add --replace to publish these instead.")
            there.delete(MANIFEST_FILE)
        done, total = 0, sum(files.values())
        for stored in files:
            there.upload(store.path / stored, stored)
            done += (store.path / stored).stat().st_size
            report(done, total, stored)
        there.write(MANIFEST_FILE, (store.path / MANIFEST_FILE).read_bytes())
        for left in there.files().keys() - {MANIFEST_FILE, *files}:
            there.delete(left)  # of what this replaced
        return True


def remote_of(home: Home) -> RemoteBenchmarks | None:
    """The storage that `TMU_REMOTE` names, or None. Raises UserError."""
    return RemoteBenchmarks(home.remote) if home.remote else None


def _manifest(there: Storage) -> Manifest:
    try:
        return parse_manifest(there.read(MANIFEST_FILE, LARGE_BYTES))
    except FileNotFoundError:
        raise UserError(f"{there} is not published. `python -m platform.prepare --list` tells what is.") from None
    except Refused as fault:
        raise UserError(f"{there}/{MANIFEST_FILE} {fault}. P{REPUBLISH[1:]}.") from fault


def _files_of(manifest: Manifest) -> Mapping[str, int]:
    """Size of each file but the manifest, by name."""
    return {stored.file: stored.num_bytes for stored in (*manifest.shards, manifest.videos, manifest.hashes)}
