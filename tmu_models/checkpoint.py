"""Checkpoint files: read as plain tensors and nothing else, and the networks of one's own families in them.

A file is `torch.save` of a state dict, alone or under `net_param` (the TMU and PredRNN codes) or `state_dict`
(Lightning); keys may begin with `module.` or `model.`. Those of the public codes are taken by `reference.py`.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from tmu_models.errors import CheckpointError, ShapeError
from tmu_models.network import VideoPredictor
from tmu_models.torch_file import read_state_dict

OUTPUT = "conv_last.weight"  # the 1x1 convolution from the last layer to patches


def load_own_checkpoint(
    path: str | Path,
    *,
    family: str,
    patch_size: int,
    hidden: Sequence[int] | None = None,
    kernel_size: int = 5,
    layer_norm: bool = False,
    frame_size: tuple[int, int] | None = None,
) -> VideoPredictor:
    """A network of a registered family, saved as `VideoPredictor.state_dict()`, in evaluation mode.

    Channels and the number of layers are read from the weights; what only the family's cells know must be told.
    `hidden` None takes every layer to be as wide as the last. Raises CheckpointError for a file that cannot be read, a
    family that nobody registered, and weights that do not fit what was told.
    """
    weights = read_weights(Path(path))
    channels, last_width = output_sizes(Path(path), weights, patch_size)
    layers = {int(match[1]) for key in weights if (match := re.match(r"cell_list\.(\d+)\.", key))}
    try:
        network = VideoPredictor(
            channels=channels,
            frame_size=frame_size,
            patch_size=patch_size,
            hidden=(last_width,) * len(layers) if hidden is None else hidden,
            kernel_size=kernel_size,
            family=family,
            layer_norm=layer_norm,
            decoupling="adapter.weight" in weights,
        )
        network.load_state_dict(weights)
    except ShapeError as error:
        raise CheckpointError(f"{path} cannot be taken for a {family}: {error}") from None
    except RuntimeError as error:
        raise CheckpointError(
            f"{path}: weights do not fit a {family} of hidden {network.hidden}, kernel_size {kernel_size}, layer_norm "
            f"{layer_norm} ({str(error).splitlines()[-1].strip()}). Tell what it was built with: --hidden (once a "
            "layer), --kernel-size, --layer-norm."
        ) from None
    return network.eval()


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """The state dict in a checkpoint file, float32 and finite. Raises CheckpointError for any other file."""
    content = read_state_dict(path)
    weights = {re.sub(r"^(module\.|model\.)+", "", key): value.float() for key, value in content.items()}
    for name, value in weights.items():
        if not torch.isfinite(value).all():
            raise CheckpointError(f"{path}: weight {name} is not finite (NaN or infinity); train or copy it again")
    return weights


def output_sizes(path: Path, weights: Mapping[str, torch.Tensor], patch_size: int) -> tuple[int, int]:
    """Channels of a frame, and the width of the last layer. Raises CheckpointError for patches that cannot be."""
    output = weights.get(OUTPUT)
    if output is None or output.dim() != 4:
        raise CheckpointError(f"{path} has no {OUTPUT}, the 1x1 convolution to patches; is it a whole network?")
    patch_channels = output.shape[0]
    if patch_size < 1 or patch_channels % patch_size**2:
        fitting = [p for p in range(1, 17) if patch_channels % p**2 == 0]
        raise CheckpointError(
            f"{path} predicts {patch_channels} channels a patch, which patches of {patch_size} cannot have; "
            f"patch sizes that fit: {', '.join(map(str, fitting))}"
        )
    return patch_channels // patch_size**2, output.shape[1]
