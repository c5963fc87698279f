"""A byte budget that many processes keep together: a part stays, what is used is never evicted, and sums are exact."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from platform.benchmarks.blocks import ClipBlocks
from platform.memory.blocks import BlockStore
from platform.memory.compute import SourceRunner
from platform.memory.folders import folders, is_in_use
from platform.memory.in_process import InProcessMemory
from platform.memory.ledger import alone
from platform.memory.request import MemoryIdentity, Request
from platform.memory.room import RESERVED_BYTES, capacity, reserved_bytes

IDENTITY = MemoryIdentity(source_sha256="w", clips_fingerprint="c", input_length=3, grid=(2, 2))
MEMORIES = np.random.default_rng(0).standard_normal((4, 5, 8, 2, 2)).astype(np.float16)

Start = Callable[[str], "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Another process that has MEMORIES, IDENTITY and so on at hand; ended with the test, if it is still there."""
    started = []

    def begin(script: str) -> "subprocess.Popen[str]":
        head = """
            import time
            from pathlib import Path
            import numpy as np
            from platform.memory.blocks import BlockStore
            from platform.memory.request import MemoryIdentity, Request
            IDENTITY = MemoryIdentity(source_sha256="w", clips_fingerprint="c", input_length=3, grid=(2, 2))
            MEMORIES = np.random.default_rng(0).standard_normal((4, 5, 8, 2, 2)).astype(np.float16)
        """
        code = textwrap.dedent(head) + textwrap.dedent(script)
        started.append(subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def line_of(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def block_bytes(tmp_path: Path) -> int:
    """Size of the file of MEMORIES."""
    store = BlockStore(tmp_path / "measure")
    store.write(IDENTITY, Request("one", 0), MEMORIES)
    return store.path(IDENTITY, Request("one", 0)).stat().st_size


def on_disk(root: Path) -> int:
    return sum(path.stat().st_size for path in root.rglob("*.arrow*"))


def in_ledger(root: Path) -> int:
    return int((root / "ledger").read_text())


def test_blocks_are_taken_in_until_the_budget_is_full_and_then_stay(tmp_path: Path) -> None:
    root, size = tmp_path / "memory", block_bytes(tmp_path)
    store = BlockStore(root, budget_bytes=3 * size + size // 2)
    stored = [store.write(IDENTITY, Request("one", block), MEMORIES) for block in range(6)]
    assert stored == [True, True, True, False, False, False]
    assert {path.name for path in root.rglob("*.arrow")} == {"000000.arrow", "000001.arrow", "000002.arrow"}
    assert on_disk(root) == in_ledger(root) == 3 * size
    assert store.evicted_blocks == 0


def test_a_block_written_again_counts_once(tmp_path: Path) -> None:
    root, size = tmp_path / "memory", block_bytes(tmp_path)
    store = BlockStore(root)
    for _ in range(3):
        store.write(IDENTITY, Request("one", 0), MEMORIES)
    assert on_disk(root) == in_ledger(root) == size


def test_a_damaged_block_makes_room_for_itself(tmp_path: Path) -> None:
    root, size, request = tmp_path / "memory", block_bytes(tmp_path), Request("one", 0)
    store = BlockStore(root, budget_bytes=size)
    store.write(IDENTITY, request, MEMORIES)
    path = store.path(IDENTITY, request)
    content = bytearray(path.read_bytes())
    content[content.index(MEMORIES.tobytes())] ^= 1
    path.write_bytes(content)
    assert store.read(IDENTITY, request) is None
    assert in_ledger(root) == 0
    assert store.write(IDENTITY, request, MEMORIES)


def test_with_room_for_half_the_part_kept_is_found_ready_in_every_epoch(
    runners: dict[str, SourceRunner], clips: ClipBlocks, tmp_path: Path
) -> None:
    """Real sources, visited in the order that is worst for least recent use: there nothing would be found ready."""
    runner, num_epochs = runners["one"], 5
    visits = [
        Request("one", block, direction, feed, memory)
        for memory in ("cell/0", "cell/1")
        for feed in ("own", "truth")
        for direction in ("forward", "reverse")
        for block in range(clips.num_blocks)
    ]
    runner.store = BlockStore(tmp_path / "whole")
    for request in visits:
        runner.states(request)
    budget = on_disk(tmp_path / "whole") // 2

    root = tmp_path / "half"
    runner.store = BlockStore(root, budget_bytes=budget)
    memory = InProcessMemory(runners)
    for _ in range(num_epochs):
        for request in visits:
            memory.states(request)
            assert on_disk(root) <= budget
    num_kept = len(list(root.rglob("*.arrow")))
    assert len(visits) // 3 < num_kept <= len(visits) // 2
    assert memory.counters.ready == num_kept * (num_epochs - 1)
    assert memory.counters.computed == len(visits) + (len(visits) - num_kept) * (num_epochs - 1)
    assert on_disk(root) == in_ledger(root)


def store_of(root: Path, source: str, *, budget_bytes: int | None = None, blocks: int = 2) -> BlockStore:
    """A store object that has just stored some blocks of a source."""
    store = BlockStore(root, budget_bytes)
    for block in range(blocks):
        assert store.write(of(source), Request(source, block), MEMORIES)
    return store


def of(source: str) -> MemoryIdentity:
    return MemoryIdentity(source_sha256=source, clips_fingerprint="c", input_length=3, grid=(2, 2))


def folder_of(root: Path, source: str) -> Path:
    return root / of(source).folder(Request(source, 0))


def test_room_is_made_of_whole_unused_folders_the_one_not_used_for_longest_first(tmp_path: Path) -> None:
    root, size = tmp_path / "memory", block_bytes(tmp_path)
    for age, source in ((300, "middle"), (100, "young"), (900, "old")):
        store_of(root, source).close()
        then = time.time() - age
        os.utime(folder_of(root, source) / "in-use", (then, then))
    # Files differ by a few bytes, for the source's name is in them.
    store = store_of(root, "new", budget_bytes=6 * size + size // 2, blocks=1)
    assert folders(root) == sorted(folder_of(root, name) for name in ("new", "middle", "young"))
    assert store.evicted_blocks == 2
    BlockStore(root).read(of("middle"), Request("middle", 0))  # so it is younger than `young` now
    for block in (1, 2, 3):
        assert store.write(of("new"), Request("new", block), MEMORIES)
    assert folders(root) == sorted(folder_of(root, name) for name in ("new", "middle"))
    assert store.evicted_blocks == 4
    assert len(list(root.rglob("*.arrow"))) == 6
    assert in_ledger(root) == on_disk(root)


def test_what_a_process_uses_is_never_evicted(tmp_path: Path) -> None:
    root, size = tmp_path / "memory", block_bytes(tmp_path)
    using = store_of(root, "one")
    store = BlockStore(root, budget_bytes=3 * size)
    wrote = [store.write(of("two"), Request("two", block), MEMORIES) for block in range(3)]
    assert wrote == [True, False, False]
    using.close()
    assert store.write(of("two"), Request("two", 1), MEMORIES)
    assert store.evicted_blocks == 2


def test_reading_a_folder_is_using_it(tmp_path: Path) -> None:
    root = tmp_path / "memory"
    store_of(root, "one").close()
    assert not is_in_use(folder_of(root, "one"))
    reader = BlockStore(root)
    assert reader.read(of("one"), Request("one", 0)) is not None
    assert is_in_use(folder_of(root, "one"))
    del reader
    assert not is_in_use(folder_of(root, "one"))


def test_a_folder_is_kept_before_anything_lies_in_it(tmp_path: Path) -> None:
    store = BlockStore(tmp_path / "memory")
    store.keep(of("one"), Request("one", 0))
    assert is_in_use(folder_of(store.root, "one"))


def test_nothing_is_evicted_for_what_would_not_fit_all_the_same(tmp_path: Path) -> None:
    root, size = tmp_path / "memory", block_bytes(tmp_path)
    using = store_of(root, "used", blocks=3)
    store_of(root, "unused", blocks=1).close()
    store = BlockStore(root, budget_bytes=4 * size)
    assert not store.write(of("new"), Request("new", 0), np.concatenate([MEMORIES] * 2))
    assert store.evicted_blocks == 0
    using.close()


def test_a_killed_process_uses_nothing_any_more(tmp_path: Path, start: Start) -> None:
    root, size = tmp_path / "memory", block_bytes(tmp_path)
    user = start(f"""
        store = BlockStore(Path({str(root)!r}))
        store.write(IDENTITY, Request("one", 0), MEMORIES)
        print("stored", flush=True)
        time.sleep(60)
    """)
    assert line_of(user) == "stored"
    store = BlockStore(root, budget_bytes=size)
    assert not store.write(of("two"), Request("two", 0), MEMORIES)
    user.send_signal(signal.SIGKILL)
    user.wait()
    assert store.write(of("two"), Request("two", 0), MEMORIES)
    assert store.evicted_blocks == 1


def test_what_a_killed_writer_left_is_cleared_and_what_a_living_one_writes_is_not(tmp_path: Path, start: Start) -> None:
    root, size = tmp_path / "memory", block_bytes(tmp_path)
    writer = start(f"""
        store = BlockStore(Path({str(root)!r}))
        path = store.path(IDENTITY, Request("one", 0))
        store.keep(IDENTITY, Request("one", 0))
        with store._room.reserve(path, {size}) as file:
            file.write(b"half")
            file.flush()
            print("writing", flush=True)
            time.sleep(60)
    """)
    assert line_of(writer) == "writing"
    store_of(root, "two", blocks=1)
    [temporary] = folder_of(root, "w").glob(".*.arrow-*")
    assert temporary.stat().st_size == size, "its room is taken before it is written"
    assert on_disk(root) == in_ledger(root) == 2 * size
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    store_of(root, "three", blocks=1)
    assert not temporary.exists()
    assert on_disk(root) == in_ledger(root) == 2 * size


def test_files_deleted_by_hand_are_room_again(tmp_path: Path) -> None:
    root, size = tmp_path / "memory", block_bytes(tmp_path)
    first = store_of(root, "one", budget_bytes=2 * size)
    (folder_of(root, "one") / "000000.arrow").unlink()
    assert in_ledger(root) == 2 * size
    store = BlockStore(root, budget_bytes=2 * size)
    assert store.write(of("one"), Request("one", 2), MEMORIES)
    assert in_ledger(root) == on_disk(root) == 2 * size
    assert first.evicted_blocks == 0


@pytest.mark.parametrize("content", ["", "1", "not a number at all"])
def test_a_ledger_that_cannot_be_read_is_counted_anew(tmp_path: Path, content: str) -> None:
    root, size = tmp_path / "memory", block_bytes(tmp_path)
    store = store_of(root, "one", budget_bytes=3 * size)
    (root / "ledger").write_text(content)
    assert store.write(of("one"), Request("one", 2), MEMORIES)
    assert in_ledger(root) == on_disk(root) == 3 * size
    assert not store.write(of("one"), Request("one", 3), MEMORIES)


def test_processes_that_write_at_once_fill_the_budget_and_never_exceed_it(tmp_path: Path, start: Start) -> None:
    """Three writers, each the same 20 blocks of a source and 10 of its own, and room for 15. They start for seconds."""
    root, size = tmp_path / "memory", block_bytes(tmp_path)
    budget = 15 * size + size // 2
    script = f"""
        store = BlockStore(Path({str(root)!r}), {budget})
        own = MemoryIdentity("NUMBER", "c", 3, (2, 2))
        for block in range(20):
            for identity, request in ((IDENTITY, Request("one", block)), (own, Request("two", block // 2))):
                stored = store.write(identity, request, MEMORIES)
                read = store.read(identity, request)
                assert read is not None or not stored
                assert read is None or np.array_equal(read, MEMORIES)
        Path({str(tmp_path)!r}, "done-NUMBER").touch()
        time.sleep(60)  # uses what it wrote, or others could evict it
    """
    writers = [start(script.replace("NUMBER", str(number))) for number in range(3)]
    most = 0
    while len(list(tmp_path.glob("done-*"))) < 3:
        with alone(root):
            most = max(most, on_disk(root))
        assert all(writer.poll() is None for writer in writers)
    assert 0 < most <= budget
    assert len(list(root.rglob("*.arrow"))) == 15
    assert on_disk(root) == in_ledger(root) == 15 * size


def test_without_a_budget_other_programs_keep_their_part_of_the_disk(tmp_path: Path) -> None:
    assert reserved_bytes(100 * 10**9) == 5 * 10**9
    assert reserved_bytes(10**13) == RESERVED_BYTES
    root, size = tmp_path / "memory", block_bytes(tmp_path)
    before = capacity(root, None)
    store_of(root, "one")
    assert 0 < before < 10**15
    assert capacity(root, 5 * size) == 5 * size


def test_a_budget_of_nothing_stores_nothing(tmp_path: Path) -> None:
    assert not BlockStore(tmp_path / "memory", budget_bytes=0).write(IDENTITY, Request("one", 0), MEMORIES)
    assert on_disk(tmp_path) == 0
