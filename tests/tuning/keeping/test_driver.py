"""Who holds a run folder, and how another terminal ends it."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from platform.config.errors import UserError
from platform.results.driven import is_driven
from platform.results.run_folder import RunFolder
from platform.tuning.keeping.driver import stop

DRIVES = """
import sys, time
from pathlib import Path
from platform.results.run_folder import RunFolder
from platform.tuning.keeping.driver import driving

folder = RunFolder(Path(sys.argv[1]))
folder.config.touch()
try:
    with driving(folder):
        print("drives", flush=True)
        time.sleep(100)
except KeyboardInterrupt:
    print("ended")
"""


@pytest.mark.parametrize("ignored", [False, True], ids=["in a terminal", "in the background of a script"])
def test_a_search_is_stopped_from_elsewhere(ignored: bool, tmp_path: Path) -> None:
    """A shell that runs a script has what it starts with `&` ignore Ctrl-C."""

    def begin() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN if ignored else signal.default_int_handler)

    command = [sys.executable, "-c", DRIVES, str(tmp_path)]
    driver = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=begin)
    assert driver.stdout is not None
    assert driver.stdout.readline() == "drives\n"
    assert is_driven(RunFolder(tmp_path))
    stop(RunFolder(tmp_path))
    assert driver.communicate(timeout=10)[0] == "ended\n"
    with pytest.raises(UserError, match="no search runs in"):
        stop(RunFolder(tmp_path))
