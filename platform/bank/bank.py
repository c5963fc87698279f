"""Reading and writing the bank's folders. A source is written whole or not at all, and loaded only if its hash fits."""

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

from platform.bank.card import Card, file_sha256
from platform.bank.networks import build_from_card, shapes_of_card
from platform.bank.weights import read_weights
from platform.config.bounded import Refused, check_stays_within, read_json
from platform.config.errors import UserError
from platform.config.run import ENTRY_NAME
from tmu_models import VideoPredictor

WEIGHTS = "weights.safetensors"
CARD = "card.json"


@dataclass(frozen=True)
class Bank:
    """The folder of sources. `entry` names below are folder names in it."""

    root: Path

    def entries(self) -> list[str]:
        """Names of all sources that are whole, sorted."""
        if not self.root.is_dir():
            return []
        return sorted(
            path.parent.name for path in self.root.glob(f"*/{CARD}") if ENTRY_NAME.fullmatch(path.parent.name)
        )

    def path(self, entry: str) -> Path:
        """Raises UserError for a name that could lead out of the bank."""
        if not ENTRY_NAME.fullmatch(entry):
            raise UserError(f"{entry!r} is no name of a source: use letters, digits, dash, underscore")
        return self.root / entry

    def card(self, entry: str) -> Card:
        """Raises UserError where there is no such source, or its card cannot be read or promises what is not there."""
        path = self.path(entry) / CARD
        if not path.is_file():
            near = get_close_matches(entry, self.entries(), n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise UserError(
                f"no source {entry!r} in the bank {self.root}.{hint} It holds: {', '.join(self.entries()) or 'none'}"
            )
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
        """The entry that was pretrained by this recipe, if the bank has it."""
        for entry in self.entries():
            if entry.endswith(recipe[:8]) and self.card(entry).recipe == recipe:
                return entry
        return None

    def load(self, entry: str) -> VideoPredictor:
        """The frozen network, in float32 on the CPU. Raises UserError where its weights are not the card's."""
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
