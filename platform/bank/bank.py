"""Reading and writing the bank's folders. A source is written whole or not at all, and loaded only if its hash fits.

Where machines share storage (`remote.py`) one that is missing here is looked for there, and fetched when its weights
are needed.
"""

import math
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import torch
from safetensors.torch import save_file

from platform.bank.card import CARD, WEIGHTS, Card, file_sha256
from platform.bank.networks import build_from_card, shapes_of_card
from platform.bank.remote import RemoteBank
from platform.bank.weights import read_weights
from platform.config.bounded import FILE_NAME, Refused, check_stays_within, read_json
from platform.config.errors import UserError
from platform.config.home import Home
from platform.storage.fetching import locked
from tmu_models import VideoPredictor


@dataclass(frozen=True)
class Bank:
    """The folder of sources. `entry` names below are folder names in it, and in its `remote` counterpart."""

    root: Path
    remote: RemoteBank | None = None

    @classmethod
    def of(cls, home: Home) -> "Bank":
        """With what was published, where `TMU_REMOTE` is set."""
        return cls(home.bank, RemoteBank.of(home))

    def entries(self) -> list[str]:
        """Names of all sources that are whole, sorted."""
        if not self.root.is_dir():
            return []
        return sorted(path.parent.name for path in self.root.glob(f"*/{CARD}") if FILE_NAME.fullmatch(path.parent.name))

    def path(self, entry: str) -> Path:
        """Raises UserError for a name that could lead out of the bank."""
        if not FILE_NAME.fullmatch(entry):
            raise UserError(f"{entry!r} is no name of a source: use letters, digits, dash, underscore")
        return self.root / entry

    def published(self) -> list[str]:
        """Names of the sources on shared storage, sorted; none where there is no such storage."""
        return [] if self.remote is None else self.remote.entries()

    def __contains__(self, entry: str) -> bool:
        """Is there such a source, here or published?"""
        return (self.path(entry) / CARD).is_file() or self._published(entry) is not None

    def card(self, entry: str) -> Card:
        """Raises UserError where there is no such source, or its card cannot be read or promises what is not there."""
        path = self.path(entry) / CARD
        if not path.is_file():
            if (published := self._published(entry)) is not None:
                return published
            known = sorted({*self.entries(), *self.published()})
            near = get_close_matches(entry, known, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            place = self.root if self.remote is None else f"{self.root} and in {self.remote.storage}"
            raise UserError(f"no source {entry!r} in the bank {place}.{hint} It holds: {', '.join(known) or 'none'}")
        try:
            check_stays_within(path, path.parent)
            card = read_json(path, Card)
        except (OSError, Refused) as fault:
            raise UserError(
                f"{path}: not a card this version reads: {_told(fault)}. Delete {path.parent} to pretrain it again."
            ) from None

        self._refuse_larger(entry, card)
        return card

    def _refuse_larger(self, entry: str, card: Card) -> None:
        """Whoever has a card builds its network, which must not be larger than what was stored."""
        path, shapes = self.path(entry) / WEIGHTS, shapes_of_card(card)
        if not path.is_file():
            raise UserError(f"source {entry!r} has no {WEIGHTS}. Delete {path.parent} to pretrain it again.")
        if shapes is not None and sum(map(math.prod, shapes.values())) > path.stat().st_size:
            raise UserError(
                f"source {entry!r}: weights do not fit the card, which is of a larger network. Delete {path.parent}."
            )

    def find(self, recipe: str) -> str | None:
        """The entry that was pretrained by this recipe, if the bank has it, or it was published."""
        for entries in (self.entries, self.published):
            for entry in entries():
                if entry.endswith(recipe[:8]) and self.card(entry).recipe == recipe:
                    return entry
        return None

    def fetch(self, entry: str, *, replace: bool = False) -> bool:
        """Copy a published source to this machine, once: other processes wait meanwhile.

        False where it is here already, or was not published. Raises UserError where it is damaged.
        """
        target = self.path(entry)
        if self.remote is None or (target.exists() and not replace):
            return False
        self.root.mkdir(parents=True, exist_ok=True)
        with locked(self.root / f"{entry}.fetch", lambda: None):
            if (target.exists() and not replace) or (card := self._published(entry)) is None:
                return False
            self.remote.fetch(entry, card, target)
            return True

    def publish(self, entry: str, *, replace: bool = False) -> bool:
        """Copy a source of this machine to the shared storage; False where it is there already, or there is no such.

        Raises UserError where its weights are not the card's, or another of that name is there and not to be replaced.
        """
        if self.remote is None or self.is_published(entry):
            return False
        if self._published(entry) is not None and not replace:
            raise UserError(f"{self.remote.storage} has another source {entry!r}. Add --replace to publish this one.")
        Bank(self.root).load(entry)
        self.remote.publish(entry, self.path(entry))
        return True

    def share(self, entry: str) -> None:
        """Publish what was just pretrained. Where another machine was first, its weights take the place of these."""
        if self._published(entry) is None:
            self.publish(entry)
        elif not self.is_published(entry):
            self.fetch(entry, replace=True)

    def is_published(self, entry: str) -> bool:
        """Would another machine fetch the very source that this one has?"""
        there = self._published(entry)
        return there is not None and there.function_sha256 == self.card(entry).function_sha256

    def _published(self, entry: str) -> Card | None:
        self.path(entry)  # refuses what is no name
        return None if self.remote is None else self.remote.card(entry)

    def load(self, entry: str) -> VideoPredictor:
        """The frozen network, in float32 on the CPU. Raises UserError where its weights are not the card's."""
        self.fetch(entry)
        card, path = self.card(entry), self.path(entry) / WEIGHTS
        try:
            check_stays_within(path, path.parent)
            found = file_sha256(path)
        except (OSError, Refused) as fault:
            raise UserError(f"source {entry!r}: {path.name} {_told(fault)}. Restore {path}.") from None
        if found != card.weights_sha256:
            raise UserError(
                f"source {entry!r}: {path.name} has hash {found[:12]}, its card says {card.weights_sha256[:12]}. "
                f"The file was changed or damaged; restore it, or delete {path.parent} to pretrain it again."
            )
        try:
            weights = read_weights(path)
        except (OSError, Refused) as fault:
            raise UserError(f"source {entry!r}: {path.name} {_told(fault)}. Delete {path.parent}.") from None
        promised = shapes_of_card(card)
        if promised is not None and (differing := _first_difference(promised, weights)):
            raise UserError(f"source {entry!r}: weights do not fit the card ({differing}). Delete {path.parent}.")
        network = build_from_card(card)
        try:
            network.load_state_dict(weights)
        except RuntimeError as error:
            first = str(error).splitlines()[0]
            raise UserError(f"source {entry!r}: weights do not fit the card ({first}). Delete {path.parent}.") from None
        for name, weight in network.state_dict().items():
            if not weight.isfinite().all():
                raise UserError(
                    f"source {entry!r}: its weight {name} is NaN or infinite, so it cannot be served. "
                    f"Delete {path.parent} and pretrain or import it again."
                )
        return network.eval().requires_grad_(False)

    def add(self, entry: str, network: VideoPredictor, card: Card) -> Card:
        """Write a source, replacing one of the same name; returns the card with the hash of what was written."""
        self.root.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{entry}-", dir=self.root))
        try:
            weights = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
            save_file(weights, folder / WEIGHTS)
            card = card.model_copy(update={"weights_sha256": file_sha256(folder / WEIGHTS)})
            (folder / CARD).write_text(card.model_dump_json(indent=2))
            folder.chmod(0o755)
            final = self.path(entry)
            if final.exists():
                shutil.rmtree(final)
            os.rename(folder, final)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return card


def _first_difference(promised: Mapping[str, torch.Size], weights: Mapping[str, torch.Tensor]) -> str | None:
    for name in (*promised, *weights):
        one, other = promised.get(name), weights[name].shape if name in weights else None
        if one != other:
            return f"{name[:100]} is {_by(other)}, not {_by(one)}"
    return None


def _by(shape: torch.Size | None) -> str:
    return "x".join(map(str, shape)) or "a number" if shape is not None else "missing"


def _told(fault: OSError | Refused) -> str:
    return f"cannot be read ({fault.strerror})" if isinstance(fault, OSError) else str(fault)


def count_parameters(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())
