"""Two nodes are two: each has its own core and servers, and nobody else's Ray is touched."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from platform.config.home import Home
from platform.config.network import NetworkConfig
from platform.measure.processes import in_fresh_process
from platform.measure.setting import Setting
from platform.sizing.trials import make_ready, timed_config
from platform.sizing.two_nodes import on_nodes, own_nodes

TINY = Setting(
    NetworkConfig(hidden=(8,), kernel_size=3),
    batch_size=4,
    block_clips=8,
    frame_size=16,
    input_length=3,
    total_length=6,
)


def test_trials_are_dealt_out_to_both_nodes(tiny_home: Home, tmp_path: Path) -> None:
    """Slow: a Ray of two raylets, and workers that import torch."""
    home = Home(tmp_path)
    home.benchmarks.symlink_to(tiny_home.benchmarks)
    make_ready(TINY, home, 2)
    ran = on_nodes(timed_config(TINY, 2, trials=2, epochs=1), home, 2)
    assert (ran.num_trials, ran.at_once) == (2, 2)  # a trial takes a core, and a node has one
    assert ran.source_passes == 0  # all was stored before
    assert "RAY_TMPDIR" not in os.environ


def test_a_users_own_cluster_is_not_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`ray start` notes its address in the default folder; `Cluster` would write its own there, then delete it."""
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    note = tmp_path / "ray" / "ray_current_cluster"
    note.parent.mkdir()
    note.write_text("192.0.2.1:6379")
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    seen, refused = in_fresh_process(_seen_and_refused)
    assert seen == [1.0]
    assert "AuthToken" in refused or "Unauthenticated" in refused
    assert note.read_text() == "192.0.2.1:6379"


def _seen_and_refused() -> tuple[list[float], str]:
    """The cores of its nodes, and what somebody is told who joins without its token."""
    import ray

    with own_nodes(1):
        joins = f"import ray; ray.init({ray.get_runtime_context().gcs_address!r})"
        environment = os.environ | {"RAY_AUTH_MODE": "disabled"}
        stranger = subprocess.Popen([sys.executable, "-c", joins], env=environment, stderr=subprocess.PIPE, text=True)
        assert stranger.stderr is not None
        refused = next((line for line in stranger.stderr if "AuthToken" in line or "Unauthenticated" in line), "")
        stranger.kill()
        stranger.wait()
        return [node["Resources"]["CPU"] for node in ray.nodes()], refused
