"""Stored memories: what is read is what was written, mapped, and never half a file."""

from pathlib import Path

import numpy as np
import pytest

from platform.memory.blocks import BlockStore
from platform.memory.request import MemoryIdentity, Request

IDENTITY = MemoryIdentity(source_sha256="w", clips_fingerprint="c", input_length=3, grid=(2, 2))


def memories() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((4, 5, 8, 2, 2))


def test_a_block_reads_back_as_it_was_stored_rounded_and_read_only(tmp_path: Path) -> None:
    store, request = BlockStore(tmp_path), Request("one", 7)
    handed_out = IDENTITY.rounded(memories())
    store.write(IDENTITY, request, handed_out)
    read = store.read(IDENTITY, request)
    assert read is not None
    np.testing.assert_array_equal(read, handed_out)
    np.testing.assert_array_equal(read, memories().astype(np.float16))
    assert not read.flags.writeable
    assert not handed_out.flags.writeable


def test_reading_does_not_copy(tmp_path: Path) -> None:
    store, request = BlockStore(tmp_path), Request("one", 0)
    store.write(IDENTITY, request, IDENTITY.rounded(memories()))
    read = store.read(IDENTITY, request)
    assert read is not None
    path = str(store.path(IDENTITY, request))
    maps = [line.split() for line in Path("/proc/self/maps").read_text().splitlines() if line.endswith(path)]
    spans = [tuple(int(end, 16) for end in line[0].split("-")) for line in maps]
    address = read.__array_interface__["data"][0]
    assert any(first <= address < last for first, last in spans)


@pytest.mark.parametrize("keep", [0, 10, 100, -20])
def test_a_short_file_is_never_served(tmp_path: Path, keep: int) -> None:
    store, request = BlockStore(tmp_path), Request("one", 0)
    store.write(IDENTITY, request, IDENTITY.rounded(memories()))
    path = store.path(IDENTITY, request)
    path.write_bytes(path.read_bytes()[:keep])
    assert store.read(IDENTITY, request) is None


def test_what_is_not_stored_is_not_found(tmp_path: Path) -> None:
    assert BlockStore(tmp_path).read(IDENTITY, Request("one", 0)) is None


@pytest.mark.parametrize(
    "other",
    [
        MemoryIdentity("x", "c", 3, (2, 2)),
        MemoryIdentity("w", "d", 3, (2, 2)),
        MemoryIdentity("w", "c", 4, (2, 2)),
        MemoryIdentity("w", "c", 3, (2, 4)),
        MemoryIdentity("w", "c", 3, (2, 2), "float32"),
    ],
)
def test_all_that_decides_the_numbers_is_in_the_key(other: MemoryIdentity) -> None:
    assert other.folder(Request("one", 0)) != IDENTITY.folder(Request("one", 0))


def test_variant_0_lies_where_it_lay_before_there_were_variants() -> None:
    assert IDENTITY.folder(Request("one", 0)) == "cb7b83c278c1ea6b1e5f30b1a35142f2"


def test_direction_feed_memory_and_variant_are_in_the_key_and_the_name_in_a_run_is_not() -> None:
    requests = [
        Request("one", 0, direction, feed, memory, variant)
        for direction in ("forward", "reverse")
        for feed in ("own", "truth")
        for memory in ("cell/0", "frames")
        for variant in (0, 1, 2)
    ]
    assert len({IDENTITY.folder(request) for request in requests}) == 24
    assert IDENTITY.folder(Request("one", 0)) == IDENTITY.folder(Request("another", 0))
