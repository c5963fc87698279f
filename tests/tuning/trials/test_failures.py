"""What is told of a trial that failed."""

import os
import signal
import time
from typing import Any

import pytest
import ray
from ray.exceptions import ActorDiedError, OutOfMemoryError, RayTaskError

from platform.training.run import TrainingDiverged
from platform.tuning.trials.failures import failure_reason

DIED = "its process died (killed, out of memory, or its node was lost)"


def task_error(cause: Exception) -> RayTaskError:
    """What Ray makes of an exception that a worker raises."""
    frames = 'ray::TargetTrial.train() (pid=4, ip=192.0.2.2)\n  File "target.py", line 9, in epoch\n    run()\n'
    name = f"{type(cause).__module__}.{type(cause).__qualname__}".removeprefix("builtins.")
    return RayTaskError("train", f"{frames}{name}: {cause}" if str(cause) else f"{frames}{name}", cause)


@pytest.mark.parametrize(
    ("cause", "reason"),
    [
        (TrainingDiverged("the loss became nan: lower learning_rate"), "the loss became nan: lower learning_rate"),
        (ValueError("boom [/x] [red]"), "boom [/x] [red]"),
        (AssertionError(), "AssertionError"),
        (RuntimeError("it broke\nip: 192.0.2.2\nhint: none"), "it broke"),
    ],
)
def test_the_reason_is_what_the_trial_raised(cause: Exception, reason: str) -> None:
    assert failure_reason(f"Failure # 1 (occurred at now)\n{task_error(cause)}\n") == reason


def test_a_trial_that_cannot_even_begin_says_why() -> None:
    died = ActorDiedError.from_task_error(task_error(ValueError("no such layer")))
    assert failure_reason(str(died)) == "no such layer"


def test_a_node_without_memory_is_said_to_have_killed_the_trial() -> None:
    text = str(OutOfMemoryError("Task was killed due to the node running low on memory.\nMemory on node (IP: 1): 9"))
    assert failure_reason(text) == DIED
    assert failure_reason(f"ray.exceptions.OutOfMemoryError: {text}") == DIED


def test_a_gpu_without_memory_keeps_its_own_words() -> None:
    text = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB."
    assert failure_reason(text) == "CUDA out of memory. Tried to allocate 2.00 GiB."


@pytest.mark.usefixtures("local_ray")
def test_a_killed_worker_is_said_to_have_died() -> None:
    @ray.remote(num_cpus=0)
    class Worker:
        def pid(self) -> int:
            return os.getpid()

        def sleep(self) -> None:
            time.sleep(60)

    worker: Any = Worker.remote()  # type: ignore[attr-defined]
    pid = ray.get(worker.pid.remote())
    asleep = worker.sleep.remote()
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(ActorDiedError) as died:
        ray.get(asleep, timeout=60)
    assert "ip: " in str(died.value)  # what used to be taken for the reason
    assert failure_reason(f"Failure # 1 (occurred at now)\n{died.value}\n") == DIED
