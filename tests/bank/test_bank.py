"""The bank: what is stored comes back, and what was changed is refused."""

from pathlib import Path

import pytest
import torch

from platform.bank.bank import Bank
from platform.bank.card import Card, TrainingData, recipe_hash
from platform.bank.networks import build_network
from platform.config.errors import UserError
from platform.config.network import NetworkConfig
from platform.config.training import PretrainingConfig

NETWORK = NetworkConfig(hidden=(4,), kernel_size=3, patch_size=4)


@pytest.fixture
def bank(tmp_path: Path) -> Bank:
    bank = Bank(tmp_path / "bank")
    data = TrainingData(label="digits", synthetic=False, fingerprint="f", input_length=3, total_length=6)
    card = Card(
        name="one",
        network=NETWORK,
        channels=1,
        frame_size=16,
        weights_sha256="",
        recipe="0123456789abcdef",
        data=data,
        parameters=1,
        created="2026-01-01",
    )
    torch.manual_seed(0)
    bank.add("one-01234567", build_network(NETWORK, channels=1, frame_size=16), card)
    return bank


def test_a_source_comes_back_frozen_and_equal(bank: Bank) -> None:
    torch.manual_seed(0)
    made = build_network(NETWORK, channels=1, frame_size=16).state_dict()
    loaded = bank.load("one-01234567")
    assert all(torch.equal(made[name], weight) for name, weight in loaded.state_dict().items())
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    assert bank.find("0123456789abcdef") == "one-01234567"
    assert bank.find("0123456700000000") is None


def test_a_recipe_is_what_it_was_before_there_were_readers_however_many_help() -> None:
    data = TrainingData(label="digits", synthetic=False, fingerprint="f", input_length=3, total_length=6)
    hashes = {recipe_hash(NETWORK, PretrainingConfig(readers=readers), data, 16) for readers in (0, 1, 4)}
    assert hashes == {"bd23204665202516"}


def test_changed_weights_are_refused_by_their_hash(bank: Bank) -> None:
    path = bank.path("one-01234567") / "weights.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(UserError, match=r"its card says .* restore it, or delete"):
        bank.load("one-01234567")


def test_a_missing_source_is_told_with_the_nearest_name(bank: Bank) -> None:
    with pytest.raises(UserError, match="Did you mean 'one-01234567'"):
        bank.card("one-01234568")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema_version": 9}'])
def test_a_card_that_cannot_be_read_is_refused_with_its_repair(bank: Bank, text: str) -> None:
    (bank.path("one-01234567") / "card.json").write_text(text)
    with pytest.raises(UserError, match="to pretrain it again"):
        bank.card("one-01234567")


def test_nothing_half_written_is_listed(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    card = bank.card("one-01234567")

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("platform.bank.bank.save_file", full)
    with pytest.raises(OSError, match="No space left"):
        bank.add("two", build_network(NETWORK, channels=1, frame_size=16), card)
    assert bank.entries() == ["one-01234567"]
    assert [path.name for path in bank.root.iterdir()] == ["one-01234567"]


def test_weights_that_are_no_numbers_are_refused(bank: Bank) -> None:
    network, card = bank.load("one-01234567"), bank.card("one-01234567")
    network.conv_last.weight.data[0] = float("nan")
    bank.add("broken", network, card)
    with pytest.raises(UserError, match=r"'broken': its weight conv_last\.weight is NaN or infinite"):
        bank.load("broken")


def test_a_source_of_a_family_that_is_not_installed_is_named(bank: Bank) -> None:
    card = bank.card("one-01234567")
    path = bank.path("one-01234567") / "card.json"
    path.write_text(card.model_dump_json().replace('"convlstm"', '"mim"'))
    with pytest.raises(UserError, match=r"source 'one' cannot be built: .*mim"):
        bank.load("one-01234567")
