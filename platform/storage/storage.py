"""A folder on storage, by its URI: whatever `pyarrow.fs` opens, S3 and its like above all.

Credentials come from where the storage's own tools look for them, on every machine by itself. A fault is told with what
to check, and never with a secret.
"""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pyarrow import fs

from platform.config.bounded import Refused
from platform.config.errors import UserError

MOVED_BYTES = 8 << 20  # at a time


def is_uri(text: str) -> bool:
    """`s3://bucket/runs/kth` and `file:///mnt/lab`, but not `runs/kth`."""
    return "://" in text


def without_slash(place: str) -> str:
    """A path or URI without a slash at its end, before what a URI says of how to connect: one place, one name."""
    path, mark, how = place.partition("?")
    return f"{path.rstrip('/')}{mark}{how}"


@dataclass(frozen=True)
class Storage:
    """The folder at `uri`. Paths below are within it, with `/` between their parts; "" is the folder itself.

    `setting` is where the user gave the URI, for what is told. All that reads or writes raises UserError where the
    storage cannot be reached. It may be pickled: whoever receives it connects anew. `superseded` are calls that delete
    what is of use until something newer has been uploaded; whoever uploads makes them then.
    """

    uri: str
    setting: str = "TMU_REMOTE"
    superseded: deque[Callable[[], None]] = field(default_factory=deque, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Raises UserError for a URI that cannot be understood or that holds a secret.

        S3 is asked for the bucket's region where the URI does not tell it.
        """
        if "@" in urlsplit(self.uri).netloc:
            raise UserError(
                f"{self.setting} must not hold a password: it would stand in logs. Give it without, and set "
                "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or what your storage's tools read)."
            )
        try:
            with self.told("reach"):
                self._opened  # noqa: B018
        except ValueError as fault:
            raise UserError(
                f"{self.setting}={self} is not understood ({fault}). Give for example s3://bucket/tmu."
            ) from fault

    def __reduce__(self) -> tuple[Any, ...]:
        return _connected_later, (self.uri, self.setting)

    def __str__(self) -> str:
        """As it is told: how to connect is nobody's concern."""
        return self.uri.partition("?")[0].rstrip("/")

    @cached_property
    def _opened(self) -> tuple[fs.FileSystem, str]:
        filesystem, root = fs.FileSystem.from_uri(self.uri)
        return filesystem, root.rstrip("/")

    @property
    def filesystem(self) -> fs.FileSystem:
        """Which takes the paths that `at` gives."""
        return self._opened[0]

    def at(self, path: str = "") -> str:
        """A path below this folder, as the file system takes it."""
        root = self._opened[1]
        return f"{root}/{path}" if path else root

    def below(self, folder: str) -> "Storage":
        """A folder in this one."""
        place, mark, how = self.uri.partition("?")
        return Storage(f"{place.rstrip('/')}/{folder}{mark}{how}", self.setting, self.superseded)

    def folders(self) -> list[str]:
        """Names of what lies directly in this folder and is one itself."""
        with self.told("read"):
            there = self.filesystem.get_file_info(fs.FileSelector(self.at(), allow_not_found=True))
        return sorted(info.base_name for info in there if info.type == fs.FileType.Directory)

    def files(self, path: str = "") -> dict[str, fs.FileInfo]:
        """Every file below `path`, at any depth, by its path within this folder."""
        root = self.at()
        with self.told("read"):
            there = self.filesystem.get_file_info(fs.FileSelector(self.at(path), allow_not_found=True, recursive=True))
        return {info.path[len(root) + 1 :]: info for info in there if info.type == fs.FileType.File}

    def num_bytes(self, path: str) -> int | None:
        """The size of a file; None where there is none."""
        with self.told("read"):
            info = self.filesystem.get_file_info(self.at(path))
        return int(info.size) if info.type == fs.FileType.File else None

    def read(self, path: str, most_bytes: int) -> bytes:
        """The whole file. Raises FileNotFoundError where there is none, and Refused for a larger one."""
        with self.told("read"), self.filesystem.open_input_stream(self.at(path)) as source:
            content = bytes(source.read(most_bytes + 1))
        if len(content) > most_bytes:
            raise Refused(f"has more than {most_bytes >> 20} MiB, which no such file has")
        return content

    def write(self, path: str, content: bytes) -> None:
        """The whole file anew. Who reads an object of S3 meanwhile gets the old one or the new one."""
        with self.told("write"):
            self._make_parent(path)
            with self.filesystem.open_output_stream(self.at(path)) as sink:
                sink.write(content)

    def upload(self, file: Path, path: str) -> None:
        """Raises FileNotFoundError where there is no such file here."""
        file.stat()
        with self.told("write"):
            self._make_parent(path)
            _copy(fs.LocalFileSystem(), str(file), self.filesystem, self.at(path))

    def download(self, path: str, file: Path) -> None:
        with self.told("read"):
            _copy(self.filesystem, self.at(path), fs.LocalFileSystem(), str(file))

    def delete(self, path: str) -> None:
        """A file; nothing where there is none."""
        with self.told("write"):
            if self.filesystem.get_file_info(self.at(path)).type == fs.FileType.File:
                self.filesystem.delete_file(self.at(path))

    def delete_folder(self, path: str) -> None:
        """With all that is in it; nothing where there is none."""
        with self.told("write"):
            if self.filesystem.get_file_info(self.at(path)).type == fs.FileType.Directory:
                self.filesystem.delete_dir(self.at(path))

    @contextmanager
    def told(self, verb: str) -> Iterator[None]:
        """What the storage raises becomes a UserError, but for a file to be read that is not there."""
        try:
            yield
        except OSError as fault:
            if verb == "read" and isinstance(fault, FileNotFoundError):
                raise
            raise UserError(
                f"cannot {verb} {self} ({_shortened(fault)}). Check {self.setting}, the network, and the credentials "
                "in the environment."
            ) from fault

    def _make_parent(self, path: str) -> None:
        """Object storage has no folders, and would make an empty object for each."""
        if isinstance(self.filesystem, fs.LocalFileSystem):
            self.filesystem.create_dir(self.at(path).rpartition("/")[0], recursive=True)


def _connected_later(uri: str, setting: str) -> Storage:
    """One that was understood where it was made; whether it can be reached here shows when it is used."""
    storage = object.__new__(Storage)
    storage.__dict__.update(uri=uri, setting=setting, superseded=deque())
    return storage


def _copy(source: fs.FileSystem, path: str, target: fs.FileSystem, to: str) -> None:
    fs.copy_files(path, to, source_filesystem=source, destination_filesystem=target, chunk_size=MOVED_BYTES)


def _shortened(fault: OSError) -> str:
    return str(fault).strip().splitlines()[0][:300] if str(fault).strip() else type(fault).__name__
