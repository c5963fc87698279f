"""What a trial takes of a GPU, for `resources.gpus_per_trial: auto`: foretold, and corrected by what was seen.

One number for all trials of a run, that of the largest which it may draw: trials that ask for the same can hand their
processes on to each other. A trial that did not get along with it is given more.
"""

from collections.abc import Mapping

from platform.config.network import NetworkConfig
from platform.config.reach import heaviest, imitated_memories, network_memories
from platform.config.run import RunConfig
from platform.results.scores import readable_bytes
from platform.training.footprint import trial_bytes
from platform.tuning.trials.resuming import Past
from tmu_models.pointwise import first_line

DOUBLED = 2


def largest_trial_bytes(config: RunConfig, networks: Mapping[str, NetworkConfig], channels: int) -> int:
    """Of a GPU. `networks` are the sources', `channels` those of the clips. Raises as `trial_bytes` does."""
    memories = {
        name: max(network_memories(networks[name])[memory] for memory in each)
        for name, each in imitated_memories(config).items()
    }
    return max(
        trial_bytes(config, settings, {name: memories[name] for name in settings.sources}, channels)
        for settings in heaviest(config)
    )


def foretold(config: RunConfig, networks: Mapping[str, NetworkConfig], channels: int) -> tuple[int | None, str]:
    """The same with a sentence that tells it. None where the network of another package cannot be asked."""
    try:
        num_bytes = largest_trial_bytes(config, networks, channels)
    except Exception as error:  # whatever that network raises
        return None, (
            f"how much of a GPU's memory a trial takes cannot be foretold of family {config.network.family} "
            f"({first_line(error)}): it gets a whole GPU. Set resources.gpus_per_trial"
        )
    return num_bytes, f"a trial takes about {readable_bytes(num_bytes)} of a GPU's memory"


class GpuNeed:
    """Bytes of a GPU, with the process that uses them."""

    def __init__(self, foretold_bytes: int) -> None:
        self.foretold_bytes = foretold_bytes
        self.factor = 1.0  # by which trials were seen to take more, or less, than was foretold of them
        self._seen = 0.0
        self._more: dict[int, int] = {}

    @classmethod
    def after(cls, past: Past, foretold_bytes: int) -> "GpuNeed":
        """Corrected by what trials of earlier drivers took."""
        need = cls(foretold_bytes)
        used = [*(record.gpu for record in past.ended.values()), *(trial.gpu for trial in past.used.trials)]
        for each in used:
            if each is not None:
                need.saw(each.taken_bytes, each.foretold_bytes)
        return need

    def of(self, trial: int | None = None) -> int:
        """What this trial is given; None: any that has had no lack."""
        usual = int(self.foretold_bytes * self.factor)
        return usual if trial is None else max(usual, self._more.get(trial, 0))

    def is_unusual(self, trial: int) -> bool:
        """Is it given more than others?"""
        return self.of(trial) > self.of()

    def saw(self, taken_bytes: float, foretold_bytes: float) -> None:
        """What a trial took at the most so far, and what was foretold of it, which may be smaller than the largest."""
        self._seen = max(self._seen, taken_bytes / foretold_bytes)
        self.factor = self._seen

    def was_too_small(self, trial: int, had_bytes: int) -> int:
        """The trial lacked memory with `had_bytes`. Gives what it gets now: twice its need, and more than it had."""
        self._more[trial] = max(DOUBLED * self.of(trial), had_bytes + 1)
        return self._more[trial]
