"""Sources on S3: published by one machine, found and fetched once by the next, against a real server."""

import json
import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from platform.bank.bank import Bank
from platform.bank.card import CARD, WEIGHTS, Card, TrainingData
from platform.bank.networks import build_network
from platform.config.errors import UserError
from platform.config.home import Home
from platform.config.network import NetworkConfig
from platform.storage.storage import Storage

NETWORK = NetworkConfig(hidden=(4,), kernel_size=3, patch_size=4)
RECIPE = "0123456789abcdef"
ENTRY = f"digits-{RECIPE[:8]}"
MakeSource = Callable[..., Card]


def add_source(home: Home, entry: str = ENTRY) -> Card:
    """One with weights of its own, pretrained by RECIPE."""
    card = Card(
        name="digits",
        network=NETWORK,
        channels=1,
        frame_size=16,
        weights_sha256="",
        recipe=RECIPE,
        data=TrainingData(label="digits", synthetic=False),
        parameters=0,
        created="2026-01-01",
    )
    return Bank.of(home).add(entry, build_network(NETWORK, channels=1, frame_size=16), card)


@pytest.fixture
def published(remote: str, tmp_path: Path) -> Card:
    """A source that another machine has published."""
    there = Home(tmp_path / "there", remote)
    card = add_source(there)
    assert Bank.of(there).publish(ENTRY)
    return card


@pytest.fixture
def here(remote: str, tmp_path: Path) -> Bank:
    return Bank.of(Home(tmp_path / "here", remote))


def test_a_published_source_is_found_by_its_recipe_and_fetched_when_it_is_loaded(here: Bank, published: Card) -> None:
    assert here.find(RECIPE) == ENTRY
    assert here.find("f" * 16) is None
    assert here.card(ENTRY) == published
    assert not here.root.exists()  # so far only looked at
    here.load(ENTRY)
    assert here.entries() == [ENTRY]
    assert Bank(here.root).card(ENTRY) == published


def test_what_is_here_is_used_where_the_storage_is_gone(here: Bank, published: Card) -> None:
    here.fetch(ENTRY)
    gone = Bank.of(Home(here.root.parent, "s3://bucket/lab?scheme=http&endpoint_override=127.0.0.1:9&region=x"))
    gone.load(ENTRY)
    assert gone.find(RECIPE) == ENTRY


def test_two_processes_of_a_node_fetch_once(here: Bank, published: Card, remote: str) -> None:
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[tuple[bool, int]] = context.Queue()
    workers = [context.Process(target=_fetch, args=(remote, here.root.parent, results)) for _ in range(2)]
    for worker in workers:
        worker.start()
    fetched = [results.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join()
    assert sorted(was_fetched for was_fetched, _ in fetched) == [False, True]
    assert len({inode for _, inode in fetched}) == 1


def _fetch(remote: str, home: Path, results: "multiprocessing.Queue[tuple[bool, int]]") -> None:
    bank = Bank.of(Home(home, remote))
    results.put((bank.fetch(ENTRY), os.stat(bank.path(ENTRY) / WEIGHTS).st_ino))


def test_damaged_weights_are_refused_with_the_repair(here: Bank, published: Card, remote: str) -> None:
    storage = Storage(remote).below(f"bank/{ENTRY}")
    content = bytearray(storage.read(WEIGHTS, 1 << 20))
    content[-1] ^= 0xFF
    storage.write(WEIGHTS, bytes(content))
    with pytest.raises(UserError, match=rf"not what was published.*platform\.sources publish {ENTRY} --replace"):
        here.load(ENTRY)
    storage.write(WEIGHTS, bytes(content) * 1000)
    with pytest.raises(UserError, match="more than its card says"):
        here.load(ENTRY)
    assert here.entries() == []


def test_a_half_published_source_is_not_there(here: Bank, published: Card, remote: str) -> None:
    Storage(remote).delete(f"bank/{ENTRY}/{CARD}")
    assert here.published() == []
    assert here.find(RECIPE) is None
    with pytest.raises(UserError, match=f"no source '{ENTRY}'"):
        here.load(ENTRY)


def test_another_of_the_same_name_is_published_only_with_replace(
    here: Bank, published: Card, remote: str, tmp_path: Path
) -> None:
    other = Home(tmp_path / "other", remote)
    card = add_source(other)
    assert card.weights_sha256 != published.weights_sha256
    with pytest.raises(UserError, match=r"another source .* Add --replace"):
        Bank.of(other).publish(ENTRY)
    assert Bank.of(other).publish(ENTRY, replace=True)
    assert not Bank.of(other).publish(ENTRY)
    here.load(ENTRY)
    assert here.card(ENTRY) == card


def test_who_pretrained_the_same_at_the_same_time_takes_what_was_published_first(
    here: Bank, published: Card, remote: str
) -> None:
    add_source(Home(here.root.parent, remote))
    assert not here.is_published(ENTRY)
    here.share(ENTRY)
    assert here.is_published(ENTRY)
    assert here.card(ENTRY) == published


def test_a_card_on_storage_is_read_within_bounds(here: Bank, published: Card, remote: str) -> None:
    storage = Storage(remote).below(f"bank/{ENTRY}")
    storage.write(CARD, json.dumps({"name": "x" * (2 << 20)}).encode())
    with pytest.raises(UserError, match="has more than 1 MiB"):
        here.card(ENTRY)
