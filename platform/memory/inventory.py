"""What lies in the store of memories, for people: listed by folder, and removed where nobody uses it."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from platform.memory.block_file import BlockLabel, DamagedBlock, read_label
from platform.memory.folders import block_sizes, folder_bytes, folders, is_in_use, last_used, remove_folder
from platform.memory.ledger import alone


@dataclass(frozen=True)
class StoredFolder:
    """The blocks of one source, memory, direction, feed and variant."""

    path: Path
    label: BlockLabel | None  # of its first block; None where none can be read
    num_blocks: int
    num_bytes: int  # what is being written included
    last_used: float  # seconds since 1970
    in_use: bool


def stored_folders(root: Path) -> list[StoredFolder]:
    """Every folder that holds a block, the latest used first. Nothing is used, checked or changed by asking."""
    if not root.is_dir():
        return []
    with alone(root):
        found = [_look_at(folder) for folder in folders(root)]
    return sorted((each for each in found if each.num_bytes), key=lambda each: -each.last_used)


def _look_at(folder: Path) -> StoredFolder:
    blocks = sorted(block_sizes(folder))
    labels = (_readable_label(folder / block) for block in blocks)
    label = next((label for label in labels if label is not None), None)
    return StoredFolder(folder, label, len(blocks), folder_bytes(folder), last_used(folder), is_in_use(folder))


def _readable_label(block: Path) -> BlockLabel | None:
    try:
        return read_label(block)
    except DamagedBlock:
        return None


def clear(root: Path, chosen: Iterable[StoredFolder]) -> list[StoredFolder]:
    """Remove these folders; returns those that are left, because a process uses them."""
    left = []
    with alone(root) as ledger:
        for each in chosen:
            if is_in_use(each.path):
                left.append(each)
                continue
            _, num_bytes = remove_folder(each.path)
            ledger.add(-num_bytes)
    return left
