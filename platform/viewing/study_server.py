"""`python -m platform.viewing.study_server RUN HOST PORT`: optuna-dashboard on a run's study, read only if a file.

The database's URL stands in no command, where everybody on this machine could read its password.
"""

import sys
from pathlib import Path

from optuna_dashboard import run_server

from platform.results.read_study import read_storage
from platform.results.run_folder import RunFolder

if __name__ == "__main__":
    storage, _ = read_storage(RunFolder(Path(sys.argv[1])))
    run_server(storage, host=sys.argv[2], port=int(sys.argv[3]))
