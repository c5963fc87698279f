"""Importances of a long search take a processor many seconds. They are worked out in a process of their own: threads
share one interpreter, and pages would wait."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

from platform.results.importances import Importances, importances
from platform.results.run_folder import RunFolder


def importances_elsewhere(path: Path) -> Importances | None:
    """Those of the run; None where the process was ended."""
    command = [sys.executable, "-m", __name__, str(path)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    return Importances(**json.loads(done.stdout)) if done.returncode == 0 else None


if __name__ == "__main__":
    print(json.dumps(dataclasses.asdict(importances(RunFolder(Path(sys.argv[1]))))))
