"""Stored memories: what is read is what was written, mapped, and never half a file nor another one."""

import os
import pickle
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from platform.memory.block_file import BlockKey, read_label
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


def test_no_flipped_bit_is_ever_served(tmp_path: Path) -> None:
    """One bit of every byte of the file in turn: padding may differ, numbers and their shape may not."""
    store, request = BlockStore(tmp_path), Request("one", 0)
    store.write(IDENTITY, request, IDENTITY.rounded(memories()[:1, :2, :2]))
    path = store.path(IDENTITY, request)
    whole, wanted, num_refused = path.read_bytes(), memories()[:1, :2, :2].astype(np.float16), 0
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 1 << place % 8
        path.write_bytes(changed)
        read = store.read(IDENTITY, request)
        if read is None:
            num_refused += 1
            assert not path.exists(), "it would be looked at again each time"
        else:
            np.testing.assert_array_equal(read, wanted)
    assert num_refused > wanted.nbytes + len(read_label(written_again(store, request)).model_dump_json())


def written_again(store: BlockStore, request: Request) -> Path:
    store.write(IDENTITY, request, IDENTITY.rounded(memories()[:1, :2, :2]))
    return store.path(IDENTITY, request)


def test_a_file_of_another_key_is_never_served(tmp_path: Path) -> None:
    store, other = BlockStore(tmp_path), MemoryIdentity("x", "c", 3, (2, 2))
    for stranger in (
        (IDENTITY, Request("one", 1)),
        (other, Request("one", 0)),
        (IDENTITY, Request("one", 0, variant=1)),
    ):
        store.write(*stranger, IDENTITY.rounded(memories()))
        foreign = store.path(*stranger).read_bytes()
        path = store.path(IDENTITY, Request("one", 0))
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(foreign)
        assert store.read(IDENTITY, Request("one", 0)) is None
        assert not path.exists()


def test_a_file_of_before_there_were_labels_is_computed_again(tmp_path: Path) -> None:
    store, request = BlockStore(tmp_path), Request("one", 0)
    path = store.path(IDENTITY, request)
    path.parent.mkdir()
    column = pa.FixedShapeTensorArray.from_numpy_ndarray(IDENTITY.rounded(memories()))
    batch = pa.record_batch([column], names=["cell/0"])
    with pa.ipc.new_file(str(path), batch.schema) as writer:
        writer.write_batch(batch)
    assert store.read(IDENTITY, request) is None


def test_numbers_are_compared_once_an_object_and_again_when_the_file_has_changed(tmp_path: Path) -> None:
    """So that later reads only map it. That nothing is compared shows with a change that a file system never makes."""
    request = Request("one", 0)
    store, other = BlockStore(tmp_path), BlockStore(tmp_path)
    path = written_again(store, request)
    os.utime(path, (1e9, 1e9))  # old enough to be remembered
    first = store.read(IDENTITY, request)
    assert first is not None
    content, numbers = bytearray(path.read_bytes()), first.tobytes()
    content[content.index(numbers)] ^= 1
    path.write_bytes(content)
    os.utime(path, (1e9, 1e9))
    read = store.read(IDENTITY, request)
    assert read is not None
    assert read.tobytes() != numbers
    assert other.read(IDENTITY, request) is None
    path = written_again(store, request)
    content = bytearray(path.read_bytes())
    content[content.index(numbers)] ^= 1
    path.write_bytes(content)
    assert store.read(IDENTITY, request) is None


def test_a_file_says_what_it_is(tmp_path: Path) -> None:
    identity = MemoryIdentity("w", "c", 3, (2, 2), entry="flow-1a2b", clips="kth (synthetic)")
    store, request = BlockStore(tmp_path), Request("flow", 7, "reverse", "truth", "frames", 2)
    store.write(identity, request, identity.rounded(memories()))
    label = read_label(store.path(identity, request))
    assert (label.source, label.entry, label.clips) == ("flow", "flow-1a2b", "kth (synthetic)")
    assert label.key == BlockKey.of(identity, request)
    assert (label.key.direction, label.key.feed, label.key.memory) == ("reverse", "truth", "frames")
    assert (label.key.variant, label.key.block, label.shape) == (2, 7, (4, 5, 8, 2, 2))


def test_names_that_people_use_are_not_part_of_the_key(tmp_path: Path) -> None:
    store = BlockStore(tmp_path)
    store.write(
        MemoryIdentity("w", "c", 3, (2, 2), entry="a", clips="b"), Request("x", 0), IDENTITY.rounded(memories())
    )
    assert store.read(IDENTITY, Request("y", 0)) is not None


def test_what_finds_no_room_on_the_disk_is_not_stored_and_leaves_nothing(tmp_path: Path) -> None:
    """A file larger than the process may write stands for a disk that is full: the store treats both alike."""
    script = f"""
        import resource
        from pathlib import Path
        import numpy as np
        from platform.memory.blocks import BlockStore
        from platform.memory.request import MemoryIdentity, Request
        store, identity = BlockStore(Path({str(tmp_path)!r})), MemoryIdentity("w", "c", 3, (2, 2))
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
        assert not store.write(identity, Request("one", 0), np.zeros((10, 10, 10, 10, 10), np.float16))
        assert store.write(identity, Request("one", 1), np.zeros((10, 10, 10, 2, 2), np.float16))
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True, timeout=60)
    [block] = tmp_path.rglob("*.arrow*")
    assert block.name == "000001.arrow"
    assert int((tmp_path / "ledger").read_text()) == block.stat().st_size


def test_another_users_memories_are_read_and_what_cannot_be_stored_has_a_repair(tmp_path: Path) -> None:
    """Read-only files stand for those of another user; root, who may write everything, becomes nobody first."""
    store = BlockStore(tmp_path / "memory")
    written_again(store, Request("one", 0))
    store.close()
    tmp_path.chmod(0o755)
    for path in (store.root, *store.root.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    script = f"""
        import os
        from pathlib import Path
        import numpy as np
        import numpy.ma  # pyarrow does so when it first writes; the other user may not be able to read packages
        from platform.config.errors import UserError
        from platform.memory.blocks import BlockStore
        from platform.memory.folders import is_in_use
        from platform.memory.request import MemoryIdentity, Request
        os.chdir({str(tmp_path)!r})
        if os.getuid() == 0:
            os.setuid(65534)
        store, identity = BlockStore(Path("memory")), MemoryIdentity("w", "c", 3, (2, 2))
        assert store.read(identity, Request("one", 0)).shape == (1, 2, 2, 2, 2)
        assert is_in_use(store.path(identity, Request("one", 0)).parent)
        for request in (Request("one", 1), Request("one", 0, "reverse")):
            try:
                store.write(identity, request, np.zeros((4, 5, 8, 2, 2), np.float16))
            except UserError as error:
                print(error)
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=60)
    assert done.stdout.count("writable for your group") == 2, done.stdout


def test_memories_that_are_not_rounded_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="are float64, to be stored as float16"):
        BlockStore(tmp_path).write(IDENTITY, Request("one", 0), memories())


def test_a_folder_deleted_by_hand_is_made_again(tmp_path: Path) -> None:
    store, request = BlockStore(tmp_path), Request("one", 0)
    path = written_again(store, request)
    for file in path.parent.iterdir():
        file.unlink()
    path.parent.rmdir()
    assert store.read(IDENTITY, request) is None
    written_again(store, request)
    assert store.read(IDENTITY, request) is not None


def test_a_store_is_sent_to_another_process_by_its_place_and_budget(tmp_path: Path) -> None:
    store = BlockStore(tmp_path, budget_bytes=10_000)
    written_again(store, Request("one", 0))
    copied = pickle.loads(pickle.dumps(store))
    assert (copied.root, copied.budget_bytes) == (tmp_path, 10_000)
    assert copied.read(IDENTITY, Request("one", 0)) is not None


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
