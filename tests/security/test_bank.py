"""What a bank, or a checkpoint to be imported, can do: be refused in a sentence, soon, and in little memory."""

import json
import os
import pickle
import shutil
import struct
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from platform.bank.bank import Bank
from platform.bank.card import Card, TrainingData, Transfer, file_sha256
from platform.bank.imports import import_checkpoint
from platform.bank.networks import build_network
from platform.config.errors import UserError
from platform.config.network import NetworkConfig
from platform.config.trial import GateConfig
from tests.given import REFERENCE
from tests.security.limits import ending_of, refusal

NETWORK = NetworkConfig(hidden=(4,), kernel_size=3, patch_size=4)
ENTRY = "one"


@pytest.fixture
def bank(tmp_path: Path) -> Bank:
    bank = Bank(tmp_path / "bank")
    data = TrainingData(label="digits", synthetic=False)
    card = Card(
        name="one",
        network=NETWORK,
        channels=1,
        frame_size=16,
        weights_sha256="",
        data=data,
        parameters=1,
        created="2026-01-01",
    )
    torch.manual_seed(0)
    bank.add(ENTRY, build_network(NETWORK, channels=1, frame_size=16), card)
    return bank


def change_card(bank: Bank, change: Callable[[dict[str, Any]], None]) -> None:
    path = bank.path(ENTRY) / "card.json"
    card = json.loads(path.read_text())
    change(card)
    path.write_text(json.dumps(card))


def put_weights(bank: Bank, content: bytes) -> None:
    """With the hash that the card then says."""
    path = bank.path(ENTRY) / "weights.safetensors"
    path.write_bytes(content)
    change_card(bank, lambda card: card.update(weights_sha256=file_sha256(path)))


def safetensors(header: Any, content: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + content


def weight(shape: list[int], begin: int, end: int) -> dict[str, Any]:
    return {"dtype": "F32", "shape": shape, "data_offsets": [begin, end]}


@pytest.mark.parametrize(
    ("network", "told"),
    [
        ({"hidden": [200_000]}, "weights do not fit the card"),
        ({"hidden": [8] * 16}, "weights do not fit the card"),
        ({"hidden": [10**12]}, "cannot be built"),
        ({"hidden": [10**30]}, "cannot be built"),
        ({"kernel_size": 10**6 + 1}, "weights do not fit the card"),
        ({"kernel_size": 10**12 + 1}, "cannot be built"),
        ({"patch_size": 2**14}, "cannot be built"),
        ({"family": "predrnn", "hidden": [4]}, "weights do not fit the card"),
        ({"family": "os:system"}, "no family"),
    ],
)
def test_a_card_of_a_network_that_no_memory_holds_is_refused_unbuilt(
    bank: Bank, network: dict[str, Any], told: str
) -> None:
    change_card(bank, lambda card: card["network"].update(network))
    assert told in refusal(partial(bank.load, ENTRY))


def test_whoever_has_a_card_can_build_its_network(bank: Bank) -> None:
    change_card(bank, lambda card: card["network"].update(hidden=[20_000]))
    assert "which is of a larger network" in refusal(partial(bank.card, ENTRY))
    (bank.path(ENTRY) / "weights.safetensors").unlink()
    assert "has no weights.safetensors" in refusal(partial(bank.card, ENTRY))


@pytest.mark.parametrize("field", ["channels", "frame_size"])
@pytest.mark.parametrize("value", [4 * 10**6, 4 * 10**18])
def test_a_card_of_frames_that_no_memory_holds_is_refused(bank: Bank, field: str, value: int) -> None:
    change_card(bank, lambda card: card["network"].update(layer_norm=True))
    change_card(bank, lambda card: card.update({field: value}))
    assert ENTRY in refusal(partial(bank.load, ENTRY))


@pytest.mark.parametrize(("count", "told"), [(5_000, "transfer.sources"), (40_000, "more than 10,000 keys")])
def test_a_card_that_distils_from_thousands_is_refused(bank: Bank, count: int, told: str) -> None:
    transfer = Transfer(gates=GateConfig(), sources={"a": 1}).model_dump(mode="json")
    transfer["sources"] = {f"s{n}": 1 for n in range(count)}
    change_card(bank, lambda card: card.update(transfer=transfer))
    assert told in refusal(partial(bank.load, ENTRY))


@pytest.mark.parametrize(
    "content",
    [
        b'{"versions": ' + b"[" * 1_000_000,
        b'{"versions": ' + b'{"a":' * 100_000,
        b"[" + b"[]," * 300_000 + b"0]",
        b'{"channels": ' + b"9" * 1_000_000 + b"}",
        b" " * (2 << 20),
        b"\xff" * 1000,
    ],
    ids=["lists within lists", "mappings within mappings", "many lists", "a long number", "too long", "no text"],
)
def test_a_hostile_card_is_refused_within_bounds(bank: Bank, content: bytes) -> None:
    (bank.path(ENTRY) / "card.json").write_bytes(content)
    assert "not a card this version reads" in refusal(partial(bank.card, ENTRY))


@pytest.mark.parametrize(
    "content",
    [
        struct.pack("<Q", 1 << 62),
        struct.pack("<Q", 90_000_000) + b" " * 90_000_000,
        safetensors({"a": weight([1 << 40], 0, 4 << 40)}),
        safetensors({"a": weight([1 << 40], 0, 16)}, bytes(16)),
        safetensors({"a": weight([4], 0, 16), "b": weight([4], 0, 16)}, bytes(16)),
        safetensors({"a": weight([4], 8, 24)}, bytes(24)),
        safetensors({"a": weight([1 << 62, 1 << 62], 0, 16)}, bytes(16)),
        safetensors({"a": weight([0, 1 << 62, 1 << 62], 0, 0)}),
        safetensors({"a": weight([4], 16, 0)}, bytes(16)),
        safetensors(b'{"a":' * 100_000),
        safetensors({"a": weight([4], 0, 16)}, bytes(15)),
        b"",
    ],
    ids=[
        "a header of an exabyte",
        "a header of 90 MB",
        "terabytes",
        "more than its place",
        "overlapping",
        "a hole",
        "overflow",
        "nothing of an overflow",
        "backwards",
        "deep",
        "cut off",
        "empty",
    ],
)
def test_hostile_weights_are_refused_within_bounds(bank: Bank, content: bytes) -> None:
    put_weights(bank, content)
    assert f"source {ENTRY!r}: weights" in refusal(partial(bank.load, ENTRY))


@pytest.mark.parametrize("name", ["../elsewhere", "/etc", "..", ".", "", ".hidden", "a/b", "one\n", "a\0b"])
def test_no_name_leads_out_of_the_bank(bank: Bank, name: str) -> None:
    with pytest.raises(UserError, match="is no name of a source"):
        bank.card(name)


@pytest.mark.parametrize("file", ["card.json", "weights.safetensors"])
def test_a_link_out_of_a_source_is_refused(bank: Bank, tmp_path: Path, file: str) -> None:
    (bank.path(ENTRY) / file).rename(tmp_path / file)
    (bank.path(ENTRY) / file).symlink_to(tmp_path / file)
    with pytest.raises(UserError, match=r"leads out of its folder.*(Restore|Delete)"):
        bank.load(ENTRY)


def test_a_source_that_is_itself_a_link_is_read(bank: Bank, tmp_path: Path) -> None:
    bank.path(ENTRY).rename(tmp_path / "shared")
    bank.path(ENTRY).symlink_to(tmp_path / "shared")
    assert bank.load(ENTRY).hidden == (4,)


@pytest.mark.parametrize("file", ["card.json", "weights.safetensors"])
def test_a_pipe_in_the_bank_is_not_waited_for(bank: Bank, file: str) -> None:
    (bank.path(ENTRY) / file).unlink()
    os.mkfifo(bank.path(ENTRY) / file)
    assert ENTRY in refusal(partial(bank.load, ENTRY))


# --- checkpoints of public codes, which are pickles: their instructions are read, and none is followed ---


def imported(bank: Bank, path: Path) -> Callable[[], object]:
    return partial(import_checkpoint, bank, path, family="convlstm", patch_size=4, name="new")


def repacked(path: Path, program: bytes, numbers: dict[str, bytes], kind: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", kind) as archive:
        archive.writestr("archive/data.pkl", program)
        for key, content in numbers.items():
            archive.writestr(f"archive/data/{key}", content)
    return path


def program(shape: str, stride: str, count: int, key: str = "0") -> bytes:
    """What torch.save writes of one tensor, as instructions of protocol 0."""
    storage = f"(Vstorage\nctorch\nFloatStorage\nV{key}\nVcpu\nI{count}\ntQ"
    tensor = f"ctorch._utils\n_rebuild_tensor_v2\n({storage}I0\n{shape}{stride}I00\nNtR"
    return f"(dVconv_last.weight\n{tensor}s.".encode()


def sizes(*numbers: int) -> str:
    return "(" + "".join(f"I{number}\n" for number in numbers) + "t"


class Hostile:
    def __init__(self, opened: Path) -> None:
        self.opened = opened

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.opened,))


@pytest.mark.parametrize("zipped", [True, False])
def test_what_a_checkpoint_would_call_is_never_called(bank: Bank, tmp_path: Path, zipped: bool) -> None:
    hostile = {"net_param": {"a": torch.zeros(3)}, "epoch": Hostile(tmp_path / "opened")}
    torch.save(hostile, tmp_path / "file", _use_new_zipfile_serialization=zipped)
    with pytest.raises(UserError, match="more than plain tensors, which is not loaded for safety"):
        imported(bank, tmp_path / "file")()
    assert not (tmp_path / "opened").exists()


HOSTILE_PROGRAMS: dict[str, tuple[bytes, dict[str, bytes]]] = {
    "an exabyte": (program(sizes(1 << 40, 1 << 20), sizes(1 << 20, 1), 1 << 60), {"0": bytes(4)}),
    "one number, a terabyte of times": (program(sizes(1 << 38), sizes(0), 1), {"0": bytes(4)}),
    "beyond its numbers": (program(sizes(4), sizes(1000), 4), {"0": bytes(16)}),
    "backwards": (program(sizes(4), sizes(-1), 4), {"0": bytes(16)}),
    "a hundred sides": (program(sizes(*[1] * 100), sizes(*[1] * 100), 1), {"0": bytes(4)}),
    "another folder": (program(sizes(1), sizes(1), 1, key="../../../etc/passwd"), {"0": bytes(4)}),
    "instructions without end": (b"(" * 3_000_000 + b".", {}),
    "lists within lists": (b"]" + b"2a" * 10, {}),
    "tuples that double": (b"(" + b"t2".join([b""] * 5), {}),
    "the same list again and again": (
        b"]q\x00(" + b"K\x00" * 100_000 + b"e" + (b"ctorch\nSize\nh\x00\x85R0" * 20_000) + b".",
        {},
    ),
    "keys that double": (b"}(K\x01\x85q\x00" + b"".join(b"h\x00h\x00\x86q\x00" for _ in range(100)) + b"K\x02u.", {}),
    "a text of four gigabytes": (b"X\xff\xff\xff\xff" + b"a" * 100, {}),
    "a number of a million digits": (b"I" + b"9" * 1_000_000 + b"\n.", {}),
    "an instruction for persons": (pickle.dumps(print, protocol=0), {}),
    "empty": (b"", {}),
    "only an end": (b".", {}),
}


@pytest.mark.parametrize("kind", HOSTILE_PROGRAMS)
def test_a_hostile_checkpoint_is_refused_within_bounds(bank: Bank, tmp_path: Path, kind: str) -> None:
    path = repacked(tmp_path / "file", *HOSTILE_PROGRAMS[kind])
    assert str(path) in refusal(imported(bank, path))


def test_a_checkpoint_that_grows_when_unpacked_is_refused(bank: Bank, tmp_path: Path) -> None:
    count = 1 << 28
    path = repacked(
        tmp_path / "file", program(sizes(count), sizes(1), count), {"0": bytes(4 * count)}, zipfile.ZIP_DEFLATED
    )
    assert path.stat().st_size < 2 << 20
    assert "is packed" in refusal(imported(bank, path))


def test_arrays_that_lie_over_each_other_are_refused(bank: Bank, tmp_path: Path) -> None:
    """A thousand entries of the archive's index name the same megabyte."""
    tensors = {f"w{n}": torch.full((1 << 18,), float(n)) for n in range(3)}
    torch.save(tensors, tmp_path / "file")
    content = bytearray((tmp_path / "file").read_bytes())
    with zipfile.ZipFile(tmp_path / "file") as archive:
        entries = [entry for entry in archive.infolist() if "/data/" in entry.filename]
    index = content.index(b"PK\x01\x02")
    for entry in entries[1:]:
        place = content.index(entry.filename.encode(), index) - 46
        content[place + 42 : place + 46] = struct.pack("<I", entries[0].header_offset)
    (tmp_path / "file").write_bytes(bytes(content))
    ending = ending_of(imported(bank, tmp_path / "file"))
    assert ending.error == "UserError"


def test_a_folder_or_a_pipe_is_no_checkpoint(bank: Bank, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        assert "give the path of a checkpoint file" in refusal(imported(bank, path))


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_layout_of_a_checkpoint_is_read(tmp_path: Path, zipped: bool, protocol: int) -> None:
    from tmu_models.torch_file import read_state_dict

    base = torch.arange(24.0).reshape(4, 6)
    saved = {
        "plain": base,
        "turned": base.T,
        "part": base[1:3, ::2],
        "half": base.half(),
        "brain": base.bfloat16(),
        "whole": base.long(),
        "truth": base > 3,
        "alone": torch.tensor(3.0),
        "none": torch.zeros(0, 3),
        "parameter": torch.nn.Parameter(base.clone()),
    }
    optimizer = torch.optim.Adam([torch.nn.Parameter(base.clone())])
    content = {"epoch": 3, "state_dict": saved, "optimizer": optimizer.state_dict(), "size": base.shape, "x": {1, 2}}
    torch.save(content, tmp_path / "file", pickle_protocol=protocol, _use_new_zipfile_serialization=zipped)
    read = read_state_dict(tmp_path / "file")
    assert all(torch.equal(read[name], tensor) and read[name].dtype == tensor.dtype for name, tensor in saved.items())
    assert list(read) == list(saved)


def test_the_recorded_checkpoint_is_read_in_the_older_layout_too(bank: Bank, tmp_path: Path) -> None:
    path = REFERENCE / "convlstm_source_a" / "model.ckpt-20"
    torch.save(torch.load(path, weights_only=True), tmp_path / "old", _use_new_zipfile_serialization=False)
    shutil.copy(path, tmp_path / "new")
    cards = [
        import_checkpoint(bank, tmp_path / name, family="convlstm", patch_size=4, name=name) for name in ("old", "new")
    ]
    assert cards[0].weights_sha256 == cards[1].weights_sha256
