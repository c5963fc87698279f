"""What one training step of a target costs on this machine, timed."""

import math
import time
from dataclasses import dataclass

import torch

from platform.bank.networks import build_network
from platform.config.datasets import CHANNELS_UNTIL_KNOWN
from platform.config.run import RunConfig
from platform.training.precision import Computing
from tmu_models import distillation_loss, prediction_loss

MOST_TIMED_CLIPS = 8  # a step takes time in proportion to its clips: more would only keep the user waiting
LONG_S = 10.0  # a step that took longer is not timed a second time


@dataclass(frozen=True)
class StepCost:
    """Seconds of one training step, and on how many clips of its batch they were measured."""

    seconds: float
    timed_clips: int


def time_step(config: RunConfig) -> StepCost:
    """Times one training step of a target with every source, on random frames: the faster of two, or one long one.

    On the processor, with a trial's threads and precision; a long run is compiled, and takes less.
    """
    benchmark, batch_size = config.benchmark, config.training.batch_size
    network = build_network(config.network, channels=CHANNELS_UNTIL_KNOWN, frame_size=benchmark.frame_size)
    if config.sources:
        network.add_transfer([0], {name: config.network.hidden[0] for name in config.sources})
    timed_clips = min(batch_size, MOST_TIMED_CLIPS)
    shape = (timed_clips, benchmark.total_length, CHANNELS_UNTIL_KNOWN, benchmark.frame_size, benchmark.frame_size)
    frames = torch.rand(shape)
    computing = Computing.of(config.training, torch.device("cpu"), operations=0)
    fastest, threads = math.inf, torch.get_num_threads()
    torch.set_num_threads(config.resources.threads_per_trial)
    try:
        for _ in range(2):
            began = time.perf_counter()
            with computing():
                prediction = network(frames, input_length=benchmark.input_length)
                loss = prediction_loss(prediction, frames)
                if config.sources:
                    memories = {name: torch.zeros_like(memory) for (_, name), memory in prediction.distilled.items()}
                    loss = loss + distillation_loss(prediction, memories)
                loss.backward()
            fastest = min(fastest, time.perf_counter() - began)
            if fastest > LONG_S:
                break
    finally:
        torch.set_num_threads(threads)
    return StepCost(fastest * batch_size / timed_clips, timed_clips)
