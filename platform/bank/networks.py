"""From a validated geometry to a network: the one place where config meets `tmu_models`."""

from collections.abc import Mapping

import torch

from platform.bank.card import Card
from platform.config.errors import UserError
from platform.config.network import NetworkConfig
from platform.config.trial import GateConfig, TrialSettings
from tmu_models import ShapeError, VideoPredictor
from tmu_models.families import cell_class


def shapes_of_card(card: Card) -> dict[str, torch.Size] | None:
    """The weights of the network that a card describes, by name, of whatever size: nothing is set aside for them.

    None of a family that is not installed, or cannot be built without memory. Raises UserError as `build_from_card`.
    """
    try:
        cell_class(card.network.family)
    except ShapeError:
        return None
    try:
        with torch.device("meta"):
            return {name: weight.shape for name, weight in build_from_card(card).state_dict().items()}
    except NotImplementedError:
        return None


def build_from_card(card: Card) -> VideoPredictor:
    """The untrained network that a card describes. Raises UserError where this installation cannot build it."""
    try:
        network = build_network(card.network, channels=card.channels, frame_size=card.frame_size)
        if card.transfer is not None:
            add_gates(network, card.transfer.gates, card.transfer.sources, trained=True)
    except NotImplementedError:
        raise
    except (ShapeError, RuntimeError, OverflowError, TypeError) as error:  # all but the first for sizes beyond 64 bits
        raise UserError(f"source {card.name!r} cannot be built: {str(error).splitlines()[0]}") from None
    return network


def add_gates(
    network: VideoPredictor, gates: GateConfig, memories: Mapping[str, int], *, trained: bool = False
) -> None:
    """Turn layers of `network` into TMUs that distil `memories` (source -> channels); `trained`: it was one before."""
    network.add_transfer(
        gates.layers,
        memories,
        kernel_size=gates.kernel_size,
        gate=gates.gate,
        merge=gates.merge,
        bias=gates.bias,
        trained=trained,
    )


def add_sources(network: VideoPredictor, settings: TrialSettings, memories: Mapping[str, int]) -> None:
    """Let `network` draw on `memories` (source -> channels) in the way of a trial's settings."""
    if settings.transfer == "knowledge_flow":
        network.add_knowledge_flow(settings.tmu.layers, memories)
    else:
        add_gates(network, settings.tmu, memories)


def build_network(config: NetworkConfig, *, channels: int, frame_size: int | None) -> VideoPredictor:
    """A fresh network for square frames of `frame_size` pixels (None: any), drawn from torch's global generator."""
    return VideoPredictor(
        channels=channels,
        frame_size=None if frame_size is None else (frame_size, frame_size),
        patch_size=config.patch_size,
        hidden=config.hidden,
        kernel_size=config.kernel_size,
        family=config.family,
        layer_norm=config.layer_norm,
        decoupling=config.decoupling,
    )
