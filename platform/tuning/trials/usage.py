"""What a search has used, and its end when the budget is used up."""

import math
import time
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune import Stopper

from platform.config.search import BudgetConfig
from platform.results.incidents import Journal
from platform.results.progress import Running
from platform.tuning.trials.living import Living

HOUR_S = 3600.0


class Usage(tune.Callback):
    """Counts by the clock, and GPUs for as long as they are held, from what earlier drivers have used on."""

    def __init__(self, before: Running, began: float, *, server_gpus: float) -> None:
        """`began`: this driver, by the monotonic clock. `server_gpus`: of memory servers, on all nodes together."""
        self.wall_s, self.gpu_s = before.wall_s, before.gpu_s
        self._server_gpus = server_gpus
        self._counted = began
        self._living = Living()

    def setup(self, stop: Any = None, num_samples: Any = None, total_num_samples: Any = None, **info: Any) -> None:
        """Tune begins. What came before took time, and no GPU for trials."""
        now = time.monotonic()
        self.wall_s += now - self._counted
        self._counted = now

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        now = time.monotonic()
        running = (trial for trial in self._living.of(trials) if trial.status == "RUNNING")
        held = sum(asked_of_ray(trial).get("GPU", 0.0) for trial in running)
        self.wall_s += now - self._counted
        self.gpu_s += (now - self._counted) * (held + self._server_gpus)
        self._counted = now

    def share(self, budget: BudgetConfig) -> float:
        """The part of the budget that is used, of what runs out first; 0 without one."""
        hours = 0.0 if budget.hours is None else self.wall_s / HOUR_S / budget.hours
        gpu_hours = 0.0 if budget.gpu_hours is None else self.gpu_s / HOUR_S / budget.gpu_hours
        return max(hours, gpu_hours)


def asked_of_ray(trial: Any) -> dict[str, float]:
    """What one of Tune's trials asks for, or holds: `{"CPU": 1.0, "GPU": 0.25}`."""
    return dict(trial.placement_group_factory.required_resources)


class WindDown(Stopper):
    """Ends a search whose budget is used up: no trial starts any more, and after the grace all that run are stopped.

    Trials look for the file at `sign`, and save themselves where they stand when it is there.
    """

    def __init__(self, budget: BudgetConfig, usage: Usage, sign: Path, journal: Journal) -> None:
        """Has begun already where earlier drivers have used up the budget."""
        self._budget = budget
        self._journal = journal
        self._usage = usage
        self._sign = sign
        self._began: float | None = None if usage.share(budget) < 1 else -math.inf
        sign.unlink(missing_ok=True)

    @property
    def has_begun(self) -> bool:
        return self._began is not None

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        """Tune asks at every step."""
        if self._began is None:
            if self._usage.share(self._budget) < 1:
                return False
            self._began = time.monotonic()
            self._sign.touch()
            self._journal.note(
                "budget",
                f"the budget is used up: no trial starts any more, and those that run have "
                f"{self._budget.grace_minutes:g} min to come to an end",
            )
        return time.monotonic() - self._began >= 60 * self._budget.grace_minutes
