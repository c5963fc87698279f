"""A training run in a folder: weights, the optimiser and where it stands, as safetensors and JSON; no pickle.

What is written last vouches for the rest, so that half a copy is never taken for a whole.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import BaseModel, Field, NonNegativeInt
from safetensors.torch import save_file

from platform.bank.weights import read_weights
from platform.config.bounded import Refused, check_is_file, read_json
from platform.config.errors import UserError
from platform.training.run import TrainingRun

WEIGHTS = "target.safetensors"
OPTIMIZER = "optimizer.safetensors"
STATE = "training.json"
MANIFEST = "manifest.json"
MOST_FILES = 64


@dataclass(frozen=True, order=True)
class Progress:
    """How far a run had come: whole epochs, and steps of the one after them."""

    epochs: NonNegativeInt
    steps: NonNegativeInt


class _Manifest(BaseModel):
    """`manifest.json`: the hash of each file that was saved."""

    progress: Progress
    files: Annotated[dict[str, str], Field(min_length=1, max_length=MOST_FILES)]


class _Epoch(BaseModel):
    """Sums over the steps of the epoch that has begun."""

    steps: NonNegativeInt
    loss: float
    imitation: float


class _State(BaseModel):
    """`training.json`."""

    epochs_done: NonNegativeInt
    steps_done: NonNegativeInt
    epoch: _Epoch


def save_run(run: TrainingRun, folder: Path) -> None:
    """Everything to go on from where it stands, which may be between any two steps, into a folder that is there."""
    state = run.state()
    moments = {
        f"{parameter}.{name}": _plain(tensor)
        for parameter, of_parameter in state.pop("optimizer")["state"].items()
        for name, tensor in of_parameter.items()
    }
    save_file({name: _plain(tensor) for name, tensor in state.pop("network").items()}, folder / WEIGHTS)
    save_file(moments, folder / OPTIMIZER)
    (folder / STATE).write_text(json.dumps(state))
    files = {path.name: _sha256(path) for path in sorted(folder.iterdir()) if path.is_file()}
    progress = {"epochs": state["epochs_done"], "steps": state["epoch"]["steps"]}
    for name in files:
        _to_disk(folder / name)
    (folder / MANIFEST).write_text(json.dumps({"progress": progress, "files": files}))
    _to_disk(folder / MANIFEST)
    _to_disk(folder)


def load_run(run: TrainingRun, folder: Path) -> None:
    """Go on from there. Raises UserError for what was not saved of such a run; it is of no use any more then."""
    device = str(run.device)
    try:
        state = read_json(folder / STATE, _State)
        moments = read_weights(folder / OPTIMIZER, device)
        run.restore(
            {
                **state.model_dump(),
                "network": read_weights(folder / WEIGHTS, device),
                "optimizer": _optimizer_state(run.optimizer, moments),
            }
        )
    except (OSError, Refused, RuntimeError, LookupError, ValueError, TypeError) as fault:
        reason = (str(fault).splitlines() or [type(fault).__name__])[0][:200]
        raise UserError(f"{folder} cannot be gone on from ({reason}). Delete it to begin anew.") from None


def saved_progress(folder: Path) -> Progress | None:
    """How far the run had come that was saved there; None where anything is missing, cut short or changed."""
    try:
        manifest = read_json(folder / MANIFEST, _Manifest)
        hashes = {name: _sha256(folder / Path(name).name) for name in manifest.files}
    except (OSError, ValueError):  # a name may hold a zero byte
        return None
    return manifest.progress if hashes == manifest.files else None


def newest_saved(folders: Iterable[Path]) -> tuple[Path, Progress] | None:
    """The whole one among them that had come farthest."""
    whole = [(folder, progress) for folder in folders if (progress := saved_progress(folder)) is not None]
    return max(whole, key=lambda found: found[1], default=None)


def save_newest(run: TrainingRun, parent: Path) -> None:
    """Into a folder of its own below `parent`; what was saved there before goes when it is whole."""
    saved = parent / f"step_{run.steps_done}"
    shutil.rmtree(saved, ignore_errors=True)
    saved.mkdir(parents=True)
    save_run(run, saved)
    for older in parent.iterdir():
        if older != saved:
            shutil.rmtree(older, ignore_errors=True)


def _optimizer_state(optimizer: torch.optim.Optimizer, moments: dict[str, torch.Tensor]) -> dict[str, Any]:
    """What `load_state_dict` takes. Moments lie in memory as their parameters do, which safetensors does not keep and
    fused kernels rely on."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, tensor in moments.items():
        number, name = key.split(".")
        like = parameters[int(number)]
        if tensor.shape == like.shape:
            tensor = torch.empty_like(like).copy_(tensor)
        state.setdefault(int(number), {})[name] = tensor
    return {"state": state, "param_groups": optimizer.state_dict()["param_groups"]}


def _to_disk(path: Path) -> None:
    """A table that says that a trial has ended may outlive a loss of power, and so must its weights."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _plain(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().cpu().contiguous()


def _sha256(path: Path) -> str:
    check_is_file(path)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
