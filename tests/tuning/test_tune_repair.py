"""A reused worker that is killed while it is made ready for its next trial."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from ray import tune

from platform.tuning.tune_repair import repaired_tune


class KilledInReset(tune.Trainable):
    """The second trial's worker kills itself in `reset_config`, once."""

    def setup(self, config: dict[str, Any]) -> None:
        self._config = config

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._config = new_config
        mark = Path(new_config["mark"])
        if not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(10)
        return True

    def step(self) -> dict[str, Any]:
        return {"score": self._config["number"], "done": True}

    def save_checkpoint(self, checkpoint_dir: str) -> None: ...

    def load_checkpoint(self, checkpoint_dir: Any) -> None: ...


@pytest.mark.usefixtures("local_ray")
def test_a_trial_whose_reused_worker_dies_is_tried_again(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    tuner = tune.Tuner(
        tune.with_resources(KilledInReset, {"cpu": 1}),
        param_space={"number": tune.grid_search([0, 1, 2]), "mark": str(mark)},
        tune_config=tune.TuneConfig(max_concurrent_trials=1, reuse_actors=True),
        run_config=tune.RunConfig(
            name="trials", storage_path=str(tmp_path), verbose=0, failure_config=tune.FailureConfig(max_failures=2)
        ),
    )
    before = signal.getsignal(signal.SIGINT)
    with repaired_tune():
        results = tuner.fit()
    assert signal.getsignal(signal.SIGINT) == before  # the next Ctrl-C is not Tune's
    assert mark.exists()
    assert results.errors == []
    assert sorted(result.metrics["score"] for result in results) == [0, 1, 2]


class Waits(tune.Trainable):
    """Ends after its first step."""

    def step(self) -> dict[str, Any]:
        return {"score": 1, "done": True}

    def save_checkpoint(self, checkpoint_dir: str) -> None: ...

    def load_checkpoint(self, checkpoint_dir: Any) -> None: ...


class ElsewhereFirst:
    """Sends a trial to where there is nothing, and thinks better of it."""

    def __init__(self) -> None:
        self.asked: list[dict[str, float]] = []

    def place(self, trial: Any) -> None:
        self.asked.append({"CPU": 1.0, "nowhere": 1.0} if not self.asked else {"CPU": 1.0})
        trial.update_resources(tune.PlacementGroupFactory([self.asked[-1]]))

    def is_misplaced(self, trial: Any) -> bool:
        return "nowhere" in trial.placement_group_factory.required_resources

    def told(self, trial: Any, error: Exception) -> Exception:
        return error


@pytest.mark.usefixtures("local_ray")
def test_a_trial_that_waits_where_nothing_comes_is_sent_elsewhere(tmp_path: Path) -> None:
    tuner = tune.Tuner(
        tune.with_resources(Waits, {"cpu": 1}), run_config=tune.RunConfig(storage_path=str(tmp_path), verbose=0)
    )
    placing = ElsewhereFirst()
    with repaired_tune(placing):
        results = tuner.fit()
    assert [result.metrics["score"] for result in results] == [1]
    assert placing.asked == [{"CPU": 1.0, "nowhere": 1.0}, {"CPU": 1.0}]
