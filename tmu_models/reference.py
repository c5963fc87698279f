"""Checkpoints of the public codes, as networks of ours.

All sizes are read from the weights; the patch size is not in them and must be told. How a file is read, and a network
of a family of one's own: `checkpoint.py`.
"""

import math
import re
from collections.abc import Mapping
from pathlib import Path

import torch

from tmu_models.checkpoint import output_sizes, read_weights
from tmu_models.errors import CheckpointError, ShapeError
from tmu_models.network import VideoPredictor

REFERENCE_FAMILIES = ("convlstm", "tmu", "predrnn", "convlstm_openstl")
# Keys that OpenSTL's cells carry and never use.
_UNUSED_BY_OPENSTL = re.compile(r"^cell_list\.\d+\.(conv_o\.\d+|conv_last)\.")


def load_reference_checkpoint(path: str | Path, *, family: str, patch_size: int) -> VideoPredictor:
    """The network in a checkpoint of a public code, in evaluation mode.

    `family` is convlstm (the TMU code's or OpenSTL's, told apart by their keys), tmu (its sources are named source_1,
    source_2), or predrnn (with or without layer norm or decoupling, told apart likewise). Raises CheckpointError for a
    file that cannot be read, another family, sizes that contradict each other, or weights that are not finite.
    """
    if family not in REFERENCE_FAMILIES:
        raise CheckpointError(
            f"no public code's checkpoints of family {family!r} are known, only {', '.join(REFERENCE_FAMILIES)}; "
            "a network of your own is loaded by load_own_checkpoint"
        )
    weights = read_weights(Path(path))
    found = _family_of(weights)
    if found != family and not (family == "convlstm" and found == "convlstm_openstl"):
        raise CheckpointError(
            f"{path} holds a {found or 'network of no known family'}, not a {family}; set family to fit"
        )
    if found == "convlstm_openstl":
        weights = {key: value for key, value in weights.items() if not _UNUSED_BY_OPENSTL.match(key)}
    try:
        network = _network_for(Path(path), found, weights, patch_size)
        network.load_state_dict(weights)
    except ShapeError as error:
        raise CheckpointError(f"{path} holds no {family} of ours: {error}") from None
    except RuntimeError as error:
        raise CheckpointError(f"{path}: weights do not fit a {family}: {str(error).splitlines()[-1].strip()}") from None
    return network.eval()


def _family_of(weights: Mapping[str, torch.Tensor]) -> str | None:
    if "cell_list.0.distiller1.0.weight" in weights:
        return "tmu"
    if "cell_list.0.conv.0.weight" in weights:
        return "convlstm"
    if "cell_list.0.conv_m.0.weight" in weights:
        return "predrnn"
    if "cell_list.0.conv_x.0.weight" in weights and "cell_list.0.conv_h.0.weight" in weights:
        return "convlstm_openstl"
    return None


def _network_for(path: Path, family: str, weights: Mapping[str, torch.Tensor], patch_size: int) -> VideoPredictor:
    """An untrained network of the checkpoint's sizes."""
    channels, _ = output_sizes(path, weights, patch_size)
    layers = 1 + max(int(match[1]) for key in weights if (match := re.match(r"cell_list\.(\d+)\.", key)))
    name, share = ("conv", 4) if family in ("convlstm", "tmu") else ("conv_h", 4)
    kernels = [weights.get(f"cell_list.{layer}.{name}.0.weight") for layer in range(layers)]
    if any(kernel is None or kernel.dim() != 4 for kernel in kernels):
        raise CheckpointError(f"{path}: not every one of its {layers} layers has {name}.0.weight; is the file whole?")
    sizes = [kernel.shape for kernel in kernels if kernel is not None]
    sources = 0
    if family == "tmu":
        sources = sum(bool(re.fullmatch(r"cell_list\.0\.distiller\d+\.0\.weight", key)) for key in weights)
    hidden = [size[0] // (share + (sources if layer == 0 else 0)) for layer, size in enumerate(sizes)]
    norm_name = "conv" if family in ("convlstm", "tmu") else "conv_x"
    norm = weights.get(f"cell_list.0.{norm_name}.1.weight")
    if (norm is None and family == "tmu") or (norm is not None and norm.dim() != 3):
        raise CheckpointError(f"{path}: cell_list.0.{norm_name}.1.weight is no layer norm over channels and grid")
    network = VideoPredictor(
        channels=channels,
        frame_size=None if norm is None else (norm.shape[1] * patch_size, norm.shape[2] * patch_size),
        patch_size=patch_size,
        hidden=hidden,
        kernel_size=math.isqrt(sizes[0][2] * sizes[0][3]),
        family="convlstm" if family == "tmu" else family,
        layer_norm=norm is not None and family != "tmu",
        decoupling="adapter.weight" in weights,
    )
    if family == "tmu":
        names = {f"source_{k}": hidden[0] for k in range(1, sources + 1)}
        network.add_transfer((0,), names, merge="released", trained=True)
    return network
