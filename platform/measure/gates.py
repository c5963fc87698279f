"""How large a target's memory becomes over many steps, for every way of merging: is it kept in scale?"""

import torch

from platform.bank.networks import add_gates, build_network
from platform.config.network import NetworkConfig
from platform.config.trial import GateConfig

MERGES = ("mean", "softmax", "sum", "released")


def memory_rms(network: NetworkConfig, merge: str, *, num_sources: int, frame_size: int, num_steps: int) -> list[float]:
    """Root mean square of layer 0's memory after each step of an untrained network on random frames, all shown.

    Two grey clips; the same seed for every merge. `released` warns as it always does.
    """
    torch.manual_seed(0)
    target = build_network(network, channels=1, frame_size=frame_size)
    gates = GateConfig.model_validate({"merge": merge})
    add_gates(target, gates, {f"source_{k}": network.hidden[0] for k in range(num_sources)})
    frames = torch.rand(2, num_steps + 1, 1, frame_size, frame_size)
    with torch.inference_mode():
        prediction = target(frames, input_length=num_steps, keep_memories=["cell/0"])
    return prediction.memories["cell/0"].square().mean(dim=(0, 2, 3, 4)).sqrt().tolist()
