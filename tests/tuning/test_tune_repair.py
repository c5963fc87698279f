"""What is repaired of Tune, with a real one."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from pyarrow.fs import AwsStandardS3RetryStrategy, S3FileSystem
from ray import tune
from ray.train._internal.storage import StorageContext
from ray.tune.execution.experiment_state import _ExperimentCheckpointManager
from ray.tune.search import ConcurrencyLimiter, Searcher

from platform.config.home import Home
from platform.results.stored_run import run_at
from platform.tuning.trials.checkpoints import SavedTrials
from platform.tuning.tune_repair import repaired_tune
from tests.object_storage import BreakingStorage


class Ended(tune.Callback):
    """What trials came to."""

    def __init__(self) -> None:
        self.scores: list[int] = []
        self.errors = 0

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self.scores.append(trial.last_result["score"])

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self.errors += 1


@pytest.fixture
def ended() -> Ended:
    return Ended()


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
def test_a_trial_whose_reused_worker_dies_is_tried_again(
    ended: Ended, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = tmp_path / "mark"
    written = []
    write = _ExperimentCheckpointManager.sync_up_experiment_state

    def noted(self: Any, save_fn: Any, force: bool = False, wait: bool = False) -> None:
        written.append(force)
        write(self, save_fn, force, wait)

    monkeypatch.setattr(_ExperimentCheckpointManager, "sync_up_experiment_state", noted)
    tuner = tune.Tuner(
        tune.with_resources(KilledInReset, {"cpu": 1}),
        param_space={"number": tune.grid_search([0, 1, 2]), "mark": str(mark)},
        tune_config=tune.TuneConfig(max_concurrent_trials=1, reuse_actors=True),
        run_config=tune.RunConfig(
            name="trials",
            storage_path=str(tmp_path),
            verbose=0,
            callbacks=[ended],
            failure_config=tune.FailureConfig(max_failures=2),
        ),
    )
    before = signal.getsignal(signal.SIGINT)
    with repaired_tune():
        tuner.fit()
    assert signal.getsignal(signal.SIGINT) == before  # the next Ctrl-C is not Tune's
    assert mark.exists()
    assert ended.errors == 0
    assert sorted(ended.scores) == [0, 1, 2]
    assert written == [False, True], "all trials are written down again and again"


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

    def place(self, trial: Any, *, waits: bool) -> tune.PlacementGroupFactory:
        self.asked.append({"CPU": 1.0} if waits else {"CPU": 1.0, "nowhere": 1.0})
        return tune.PlacementGroupFactory([self.asked[-1]])

    def told(self, trial: Any, error: Exception) -> Exception:
        return error


@pytest.mark.usefixtures("local_ray")
def test_a_trial_that_waits_where_nothing_comes_is_sent_elsewhere(ended: Ended, tmp_path: Path) -> None:
    run = tune.RunConfig(storage_path=str(tmp_path), verbose=0, callbacks=[ended])
    tuner = tune.Tuner(tune.with_resources(Waits, {"cpu": 1}), run_config=run)
    placing = ElsewhereFirst()
    with repaired_tune(placing):
        tuner.fit()
    assert ended.scores == [1]
    assert placing.asked[:2] == [{"CPU": 1.0, "nowhere": 1.0}, {"CPU": 1.0}]


class WaitsForOthers(Waits):
    """Begins when two are there."""

    def setup(self, config: dict[str, Any]) -> None:
        (config["here"] / str(os.getpid())).touch()
        ends = time.monotonic() + 30
        while len(list(config["here"].iterdir())) < 2:
            assert time.monotonic() < ends
            time.sleep(0.05)


class Widening(tune.Callback):
    """Allows two trials at once when the first has been drawn."""

    def __init__(self, limiter: ConcurrencyLimiter) -> None:
        self._limiter = limiter

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        self._limiter.max_concurrent = 2


class Draws(Searcher):
    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(metric="score", mode="max")
        self._config = config

    def suggest(self, trial_id: str) -> dict[str, Any]:
        return self._config

    def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None: ...


class Anywhere:
    def place(self, trial: Any, *, waits: bool) -> tune.PlacementGroupFactory:
        return tune.PlacementGroupFactory([{"CPU": 0.5}])

    def told(self, trial: Any, error: Exception) -> Exception:
        return error


@pytest.mark.usefixtures("local_ray")
def test_trials_begin_beside_each_other_when_there_is_room_for_more(ended: Ended, tmp_path: Path) -> None:
    (here := tmp_path / "here").mkdir()
    limiter = ConcurrencyLimiter(Draws({"here": here}), max_concurrent=1)
    tuner = tune.Tuner(
        WaitsForOthers,
        tune_config=tune.TuneConfig(num_samples=2, search_alg=limiter),
        run_config=tune.RunConfig(storage_path=str(tmp_path), verbose=0, callbacks=[Widening(limiter), ended]),
    )
    with repaired_tune(Anywhere()):
        tuner.fit()
    assert (len(ended.scores), ended.errors) == (2, 0)
    assert len(list(here.iterdir())) == 2


class GoesAway(tune.Callback):
    """The storage, when the last trial has ended."""

    def __init__(self, storage: BreakingStorage) -> None:
        self._storage = storage

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def on_experiment_end(self, trials: list[Any], **info: Any) -> None:
        self._storage.end()


@pytest.mark.usefixtures("local_ray")
def test_storage_that_is_away_when_trials_begin_is_waited_for_and_not_asked_when_they_have_ended(
    breaking: BreakingStorage, ended: Ended, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = SavedTrials(run_at(breaking.uri, Home(tmp_path / "home")))
    once = S3FileSystem(
        endpoint_override=breaking.address,
        scheme="http",
        region="us-east-1",
        retry_strategy=AwsStandardS3RetryStrategy(max_attempts=1),  # Arrow's own take 12 s
    )
    run = tune.RunConfig(
        name="trials",
        storage_path=saved.root,
        storage_filesystem=once,
        verbose=0,
        callbacks=[ended, GoesAway(breaking)],
    )
    tuner = tune.Tuner(tune.with_resources(Waits, {"cpu": 1}), run_config=run)
    looked: list[str] = []
    look = StorageContext._create_validation_file

    def comes_back_after_a_look(context: StorageContext) -> None:
        try:
            look(context)
        except OSError:
            looked.append("away")
            breaking.start()
            raise
        looked.append("there")

    monkeypatch.setattr(StorageContext, "_create_validation_file", comes_back_after_a_look)
    breaking.end()
    with repaired_tune(saved=saved):
        tuner.fit()
    assert looked == ["away", "there"]
    assert ended.scores == [1]
