"""What a Ray says, and where: in the run's log, never between the rows of a live table."""

import subprocess
import sys
from pathlib import Path

SCRIPT = """
import os, signal, sys
from pathlib import Path
from platform.tuning.cluster.connecting import cluster, log_libraries_to
import ray, time, logging

@ray.remote
def dies():
    os.kill(os.getpid(), signal.SIGKILL)

with cluster(None):
    log_libraries_to(Path(sys.argv[1]))
    try:
        ray.get(dies.options(max_retries=0).remote())
    except ray.exceptions.WorkerCrashedError:
        logging.getLogger("ray.tune.tune").error("a trial died")
    time.sleep(2)
"""


def test_the_death_of_a_worker_is_told_by_the_log_and_not_by_the_terminal(tmp_path: Path) -> None:
    log = tmp_path / "search.log"
    done = subprocess.run([sys.executable, "-c", SCRIPT, str(log)], capture_output=True, text=True, timeout=400)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert "a trial died" in log.read_text()
