"""Only a trial that is silent while it could be heard counts as hanging."""

import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from platform.config.run import RunConfig
from platform.results.incidents import Journal, read_incidents
from platform.results.run_folder import RunFolder
from platform.tuning import watch
from platform.tuning.keeping.recorder import Recorder
from platform.tuning.watch import Watch


@pytest.mark.usefixtures("local_ray")
def test_a_driver_that_waits_itself_takes_no_trial_for_hanging(
    tiny_config: Callable[..., RunConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it waits for a study's database. `trial` is as much of Tune's as is looked at; it has no process to kill."""
    monkeypatch.setattr(watch, "HELD_UP_S", 0.5)
    folder = RunFolder(tmp_path)
    journal = Journal(folder.incidents)
    recorder = Recorder(tiny_config(), folder, journal=journal)
    watching = Watch(0.01, recorder, journal)  # 0.6 s
    trial = SimpleNamespace(config={"trial": 0, "settings": {}}, status="RUNNING")
    recorder.on_trial_start(0, [trial], trial)
    watching.on_trial_start(0, [trial], trial)
    time.sleep(0.8)
    watching.on_step_end(0, [trial])
    assert read_incidents(folder.incidents) == []

    for _ in range(7):
        time.sleep(0.1)
        watching._now()
    with pytest.raises(AttributeError, match="temporary_state"):
        watching.on_step_end(0, [trial])
    assert read_incidents(folder.incidents)[0].kind == "hung"
