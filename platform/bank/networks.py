"""From a validated geometry to a network: the one place where config meets `tmu_models`."""

from platform.config.network import NetworkConfig
from tmu_models import VideoPredictor


def build_network(config: NetworkConfig, *, channels: int, frame_size: int) -> VideoPredictor:
    """A fresh network for square frames of `frame_size` pixels, initialised from torch's global generator."""
    return VideoPredictor(
        channels=channels,
        frame_size=(frame_size, frame_size),
        patch_size=config.patch_size,
        hidden=config.hidden,
        kernel_size=config.kernel_size,
        family=config.family,
        layer_norm=config.layer_norm,
        decoupling=config.decoupling,
    )
