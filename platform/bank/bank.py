"""Reading and writing the bank's folders. A source is written whole or not at all, and loaded only if its hash fits."""

import os
import shutil
import tempfile
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from platform.bank.card import Card, file_sha256
from platform.bank.networks import build_from_card
from platform.config.errors import UserError
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
        return sorted(path.parent.name for path in self.root.glob(f"*/{CARD}") if not path.parent.name.startswith("."))

    def path(self, entry: str) -> Path:
        return self.root / entry

    def card(self, entry: str) -> Card:
        """Raises UserError where there is no such source or its card cannot be read."""
        path = self.path(entry) / CARD
        if not path.is_file():
            near = get_close_matches(entry, self.entries(), n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise UserError(
                f"no source {entry!r} in the bank {self.root}.{hint} It holds: {', '.join(self.entries()) or 'none'}"
            )
        try:
            return Card.model_validate_json(path.read_bytes())
        except (ValidationError, OSError) as error:
            detail = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
            raise UserError(
                f"{path}: not a card this version reads ({detail}). Delete {path.parent} to pretrain it again."
            ) from None

    def find(self, recipe: str) -> str | None:
        """The entry that was pretrained by this recipe, if the bank has it."""
        for entry in self.entries():
            if entry.endswith(recipe[:8]) and self.card(entry).recipe == recipe:
                return entry
        return None

    def load(self, entry: str) -> VideoPredictor:
        """The frozen network, in float32 on the CPU. Raises UserError where its weights are not the card's."""
        card, path = self.card(entry), self.path(entry) / WEIGHTS
        if not path.is_file():
            raise UserError(f"source {entry!r} has no {WEIGHTS}. Delete {path.parent} to pretrain it again.")
        found = file_sha256(path)
        if found != card.weights_sha256:
            raise UserError(
                f"source {entry!r}: {path.name} has hash {found[:12]}, its card says {card.weights_sha256[:12]}. "
                f"The file was changed or damaged; restore it, or delete {path.parent} to pretrain it again."
            )
        network = build_from_card(card)
        try:
            network.load_state_dict(load_file(path))
        except (SafetensorError, RuntimeError) as error:
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


def count_parameters(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())
