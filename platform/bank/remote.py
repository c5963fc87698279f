"""Sources on storage that all machines reach: published by whoever made them, weights first, card last."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from platform.bank.card import CARD, WEIGHTS, Card, file_sha256
from platform.bank.networks import shapes_of_card
from platform.bank.weights import MOST_HEADER_BYTES
from platform.config.bounded import FILE_NAME, SMALL_BYTES, Refused, parse_json
from platform.config.errors import UserError
from platform.config.home import Home
from platform.storage.fetching import Published
from platform.storage.storage import Storage

BANK = "bank"  # below the remote folder, as below TMU_HOME
WIDEST_BYTES = 8  # of a weight


@dataclass(frozen=True)
class RemoteBank:
    """The folder `bank` of the storage that `TMU_REMOTE` names by its `uri`. Whatever asks it raises UserError where it
    is away; nobody asks for a source that is here."""

    uri: str

    @classmethod
    def of(cls, home: Home) -> "RemoteBank | None":
        """None where `TMU_REMOTE` is not set."""
        return cls(home.remote) if home.remote else None

    @cached_property
    def storage(self) -> Storage:
        return Storage(self.uri).below(BANK)

    def entries(self) -> list[str]:
        """Names of all sources that are whole, sorted."""
        return sorted(
            folder
            for path in self.storage.files()
            for folder, _, file in [path.partition("/")]
            if file == CARD and FILE_NAME.fullmatch(folder)
        )

    def card(self, entry: str) -> Card | None:
        """None where there is no such source. Raises UserError for a card that cannot be read."""
        try:
            return parse_json(self.storage.read(f"{entry}/{CARD}", SMALL_BYTES), Card)
        except FileNotFoundError:
            return None
        except Refused as fault:
            raise UserError(f"{self.storage}/{entry}/{CARD} {fault}; {_republish(entry)}.") from None

    def fetch(self, entry: str, card: Card, target: Path) -> None:
        """Copy the source of this card to the folder `target`, verified. Raises UserError where it is damaged."""
        num_bytes, shapes = self.storage.num_bytes(f"{entry}/{WEIGHTS}") or 0, shapes_of_card(card)
        if shapes is not None and num_bytes > _most_bytes(shapes):
            raise UserError(
                f"{self.storage}/{entry}/{WEIGHTS} has {num_bytes} bytes, more than its card says; {_republish(entry)}."
            )

        def verify(folder: Path) -> None:
            if (found := file_sha256(folder / WEIGHTS)) != card.weights_sha256:
                raise UserError(f"its weights have hash {found[:12]}, its card says {card.weights_sha256[:12]}.")
            (folder / CARD).write_text(card.model_dump_json(indent=2))

        there = Published(self.storage.below(entry), {WEIGHTS: num_bytes}, card.function_sha256, _republish(entry))
        there.fetch_to(target, verify)

    def publish(self, entry: str, folder: Path) -> None:
        """Copy the source in `folder` there, in place of one of that name."""
        self.storage.delete(f"{entry}/{CARD}")
        self.storage.upload(folder / WEIGHTS, f"{entry}/{WEIGHTS}")
        self.storage.write(f"{entry}/{CARD}", (folder / CARD).read_bytes())


def _most_bytes(shapes: Mapping[str, tuple[int, ...]]) -> int:
    return WIDEST_BYTES * sum(map(math.prod, shapes.values())) + MOST_HEADER_BYTES


def _republish(entry: str) -> str:
    return f"publish it again from where it is whole, `python -m platform.sources publish {entry} --replace`"
