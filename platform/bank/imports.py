"""Bringing a checkpoint of a public code into the bank, with a card that says where it came from."""

import datetime
from collections.abc import Mapping
from pathlib import Path

from platform.bank.bank import Bank, count_parameters
from platform.bank.card import Card, TrainingData, Transfer, file_sha256
from platform.config.errors import UserError
from platform.config.network import NetworkConfig
from platform.config.run import PLAIN_NAME
from platform.config.trial import GateConfig
from tmu_models import CheckpointError, load_own_checkpoint, load_reference_checkpoint
from tmu_models.families import ENTRY_POINTS, known_families
from tmu_models.reference import REFERENCE_FAMILIES
from tmu_models.released import ReleasedTMUCell


def import_checkpoint(
    bank: Bank,
    path: Path,
    *,
    family: str,
    patch_size: int,
    name: str,
    hidden: tuple[int, ...] | None = None,
    kernel_size: int | None = None,
    layer_norm: bool = False,
    frame_size: int | None = None,
    trained_on: str = "unknown data",
    replace: bool = False,
) -> Card:
    """Add the network in `path` to `bank` as `name`; returns its card.

    The weights of a public code tell their sizes. Of a family of one's own, that an entry point registers, `hidden`,
    `kernel_size` and `layer_norm` say how it was built, see `tmu_models.load_own_checkpoint`.
    `frame_size` is the side of the frames it was trained on, where the weights do not tell it (networks without layer
    norm); without it such a source runs at the size of the clips it is shown. Raises UserError for a file that is not
    what it is said to be, a name that is taken or not plain, and a frame size that contradicts the weights.
    """
    if not PLAIN_NAME.fullmatch(name):
        raise UserError(f"{name!r} is no name for a source: use letters, digits, dash, underscore")
    if name in bank.entries() and not replace:
        raise UserError(f"the bank has a source {name!r} already. Choose another --name, or give --replace.")
    try:
        if family in REFERENCE_FAMILIES:
            _check_needless(family, {"--hidden": hidden, "--kernel-size": kernel_size, "--layer-norm": layer_norm})
            network = load_reference_checkpoint(path, family=family, patch_size=patch_size)
        elif family in known_families():
            network = load_own_checkpoint(
                path,
                family=family,
                patch_size=patch_size,
                hidden=hidden,
                kernel_size=kernel_size or NetworkConfig().kernel_size,
                layer_norm=layer_norm,
                frame_size=None if frame_size is None else (frame_size, frame_size),
            )
        else:
            known = dict.fromkeys((*REFERENCE_FAMILIES, *known_families()))
            raise UserError(
                f"no family {family!r}; known: {', '.join(known)}. One of your own joins by the entry point "
                f"{ENTRY_POINTS} of an installed package (README, Networks)."
            )
    except CheckpointError as error:
        raise UserError(str(error)) from None
    own_size = network.frame_size
    if own_size is not None and own_size[0] != own_size[1]:
        raise UserError(f"{path} is for frames of {own_size[0]}x{own_size[1]}; only square frames are served")
    if own_size is not None and frame_size not in (None, own_size[0]):
        raise UserError(f"{path} is for frames of {own_size[0]}, not {frame_size}; leave --frame-size out")
    size = own_size[0] if own_size is not None else frame_size
    if size is not None and size % patch_size:
        raise UserError(f"--patch-size {patch_size} does not divide --frame-size {size}")
    first, transfer = network.cells[0], None
    if isinstance(first, ReleasedTMUCell):
        channels = dict.fromkeys(first.sources, first.hidden_channels)
        transfer = Transfer(gates=GateConfig(layers=(0,), merge="released"), sources=channels)
    card = Card(
        name=name,
        network=NetworkConfig(
            family=network.family,
            hidden=network.hidden,
            kernel_size=network.kernel_size,
            patch_size=patch_size,
            layer_norm=network.layer_norm,
            decoupling=network.adapter is not None,
        ),
        transfer=transfer,
        channels=network.channels,
        frame_size=size,
        weights_sha256="",
        imported_from=f"{path.name} (sha256 {file_sha256(path)[:16]})",
        data=TrainingData(label=f"imported, {trained_on}", synthetic=False),
        parameters=count_parameters(network),
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )
    return bank.add(name, network, card)


def _check_needless(family: str, told: Mapping[str, object]) -> None:
    if needless := [option for option, value in told.items() if value]:
        raise UserError(f"the weights of a {family} tell its sizes; leave {' and '.join(needless)} out")
