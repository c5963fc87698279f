"""What `training.precision: auto` means on a cluster: its nodes are asked, and no wait is without an end."""

import subprocess
import sys
import tempfile
from collections.abc import Callable

import pytest

from platform.config.errors import UserError
from platform.config.run import RunConfig
from platform.tuning.cluster import nodes, precision
from platform.tuning.cluster.precision import settle_precision
from tests.given import TINY

HELD = """
import sys
import ray
from platform.config.load import load_run
from platform.tuning.cluster.precision import settle_precision

class Holds:
    def there(self):
        return True

yaml, temporary = sys.argv[1:]
ray.init(address="local", num_cpus=1, num_gpus=1, include_dashboard=False, log_to_driver=False, _temp_dir=temporary)
holds = ray.remote(num_cpus=0, num_gpus=1)(Holds).remote()
assert ray.get(holds.there.remote())
config = load_run(yaml, profile="laptop", overrides=["training.precision=auto"])
print(settle_precision(config, on_gpu=True).training.precision)
"""


@pytest.mark.timeout(900)  # a Ray of another shape, in a process of its own
def test_a_gpu_that_trials_of_another_search_hold_is_asked_all_the_same() -> None:
    """The GPU is pretended."""
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True) as temporary:
        arguments = [sys.executable, "-c", HELD, str(TINY), temporary]
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() in ("float32", "bfloat16")


@pytest.mark.usefixtures("local_ray")
def test_a_node_that_does_not_answer_is_named_with_the_repair(
    tiny_config: Callable[..., RunConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody answers at once."""
    for module in (nodes, precision):
        monkeypatch.setattr(module, "ANSWER_S", 0.0)
    monkeypatch.setattr(precision, "nodes_for_work", with_gpus)
    with pytest.raises(UserError, match=r"node .+ does not answer within 0 s.* training\.precision=float32"):
        settle_precision(tiny_config("training.precision=auto"), on_gpu=True)


def with_gpus() -> list[dict[str, object]]:
    """The nodes there are, with GPUs that are pretended."""
    return [{**node, "Resources": {**node["Resources"], "GPU": 1.0}} for node in nodes.nodes_for_work()]


@pytest.mark.usefixtures("local_ray")
def test_a_node_that_is_lost_before_it_answers_has_no_say(
    tiny_config: Callable[..., RunConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = [{**node, "NodeID": "a" * 56} for node in with_gpus()]
    monkeypatch.setattr(precision, "nodes_for_work", lambda: lost)
    config = settle_precision(tiny_config("training.precision=auto"), on_gpu=True)
    assert config.training.precision == "float32"
