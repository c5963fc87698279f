"""The tensors in a file of `torch.save`, without an unpickler: nothing that the file names is looked up or called.

What the file says is read by `torch_program.py`; here the numbers are found that lie beside it. No tensor is larger
than the file is. Both layouts are read: the zip archive, since torch 1.6, and the one before.
"""

import io
import mmap
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from tmu_models.errors import CheckpointError
from tmu_models.torch_program import Idle, Machine, Storage, View

MOST_TIMES_THE_FILE = 4  # of tensors that share their numbers, all together

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LOCAL_HEADER = struct.Struct("<26x2H")  # of a zip entry: the lengths of its name and of what follows that

_DAMAGED = (
    ValueError,
    LookupError,
    TypeError,
    RuntimeError,
    OverflowError,
    MemoryError,
    EOFError,
    struct.error,
    zipfile.BadZipFile,
)


def read_state_dict(path: Path) -> dict[str, torch.Tensor]:
    """The mapping in the file, alone or under `net_param` or `state_dict`, in the types that it was saved in.

    Raises CheckpointError.
    """
    try:
        if not path.is_file() and path.exists():
            raise CheckpointError(f"{path} is a folder, a pipe or a device; give the path of a checkpoint file")
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            read = _read_zip if content[:2] == b"PK" else _read_legacy
            return _read(path, *read(path, content), most_bytes=MOST_TIMES_THE_FILE * len(content))
    except CheckpointError:
        raise
    except FileNotFoundError:
        raise CheckpointError(f"{path} does not exist; give the path of a checkpoint file") from None
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror}). Copy it again.") from None
    except _DAMAGED as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise CheckpointError(
            f"{path} is cut off, damaged or holds more than plain tensors, which is not loaded for safety ({reason}). "
            "Copy it again, or save it as torch.save(model.state_dict(), path)."
        ) from None


Numbers = Callable[[Storage], torch.Tensor]


def _read(path: Path, saved: Any, numbers: Numbers, *, most_bytes: int) -> dict[str, torch.Tensor]:
    for wrapper in ("net_param", "state_dict"):
        if isinstance(saved, dict) and isinstance(saved.get(wrapper), dict):
            saved = saved[wrapper]
    if not isinstance(saved, dict) or not saved:
        raise CheckpointError(f"{path} holds no mapping of names to tensors; save model.state_dict()")
    views: dict[str, View] = {}
    for name, view in saved.items():
        if isinstance(view, Idle):
            raise CheckpointError(f"{path}: weight {name} is no plain array of real numbers; save model.state_dict()")
        if not isinstance(name, str) or not isinstance(view, View):
            raise CheckpointError(f"{path} holds no mapping of names to tensors; save model.state_dict()")
        views[name] = view
    if sum(view.num_bytes for view in views.values()) > most_bytes:
        raise ValueError("it describes larger tensors than it holds")
    stored = {storage: numbers(storage) for storage in {view.storage for view in views.values()}}
    return {name: view.of(stored[view.storage]) for name, view in views.items()}


def _read_zip(path: Path, content: mmap.mmap) -> tuple[Any, Numbers]:
    """Nothing in such an archive is packed, so that nothing can grow."""
    with zipfile.ZipFile(path) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
    (program,) = [name for name in entries if name.endswith("/data.pkl") and name.count("/") == 1]
    folder, left = program.removesuffix("data.pkl"), len(content)

    def entry(name: str) -> bytes:
        found = entries[folder + name]
        if found.compress_type != zipfile.ZIP_STORED:
            raise ValueError(f"{name} is packed")
        begin = found.header_offset + 30 + sum(_LOCAL_HEADER.unpack_from(content, found.header_offset))
        if begin + found.file_size > len(content):
            raise EOFError(f"{name} is cut off")
        return content[begin : begin + found.file_size]

    def numbers(storage: Storage) -> torch.Tensor:
        nonlocal left
        left -= entries[f"{folder}data/{storage.key}"].file_size
        if left < 0:
            raise ValueError("its arrays lie over each other")
        return _as_tensor(storage, entry(f"data/{storage.key}"))

    if folder + "byteorder" in entries and entry("byteorder") != b"little":
        raise ValueError("its numbers are big-endian")
    return Machine().run(io.BytesIO(entry("data.pkl"))), numbers


def _read_legacy(path: Path, content: mmap.mmap) -> tuple[Any, Numbers]:
    """Five programs one after the other, then the numbers of each storage behind their count."""
    if Machine().run(content) != _LEGACY_MAGIC:
        raise ValueError("it does not begin as a file of torch.save")
    if Machine().run(content) != 1001 or not isinstance(Machine().run(content), dict):
        raise ValueError("it is of an unknown version")
    machine = Machine()
    saved, keys = machine.run(content), Machine().run(content)
    places: dict[str, tuple[int, int]] = {}
    for key in keys if isinstance(keys, list) else ():
        storage = machine.storages[key]
        (count,) = struct.unpack("<q", content.read(8))
        begin, num_bytes = content.tell(), count * storage.dtype.itemsize
        if count != storage.count or not 0 <= num_bytes <= len(content) - begin:
            raise EOFError("its numbers are cut off")
        places[key] = (begin, num_bytes)
        content.seek(begin + num_bytes)

    def numbers(storage: Storage) -> torch.Tensor:
        begin, num_bytes = places[storage.key]
        return _as_tensor(storage, content[begin : begin + num_bytes])

    return saved, numbers


def _as_tensor(storage: Storage, content: bytes) -> torch.Tensor:
    if len(content) != storage.count * storage.dtype.itemsize:
        raise EOFError("its numbers are cut off")
    if not content:
        return torch.empty(0, dtype=storage.dtype)
    return torch.frombuffer(bytearray(content), dtype=storage.dtype)
