"""The dashboard's web server, on this machine alone unless asked."""

import contextlib
import errno
import os
import socket
import webbrowser
from collections.abc import Sequence
from pathlib import Path

import psutil
import waitress
from rich.console import Console

from platform.config.errors import UserError
from platform.viewing.app import build_app
from platform.viewing.runs import Runs
from platform.viewing.tools import Tools

NICENESS = 10  # a search on this machine comes first
THREADS = 8


def serve(folders: Sequence[Path], host: str, port: int, console: Console, *, open_browser: bool) -> None:
    """Until Ctrl-C or the end of the process. Raises UserError where the port is taken."""
    os.nice(NICENESS)
    runs, tools = Runs(folders), Tools()
    app = build_app(runs, tools, ("localhost", host, socket.gethostname(), socket.getfqdn()))
    try:
        server = waitress.create_server(app.server, host=host, port=port, threads=THREADS, ident=None)
    except OSError as error:
        why = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
        raise UserError(f"port {port} of {host} {why}. Give another: --port {port + 1}, or 0 for any.") from None
    url = f"http://{f'[{host}]' if ':' in host else host}:{server.effective_port}"
    count = len(runs.all())
    console.print(f"{url}  shows {count} run{'' if count == 1 else 's'}; Ctrl-C ends it", markup=False, soft_wrap=True)
    if open_browser:
        webbrowser.open(url)
    try:
        server.run()
    finally:
        server.close()
        runs.close()
        _end_children()


def _end_children() -> None:
    """Tools that were opened, and what works in the background."""
    children = psutil.Process().children(recursive=True)
    for child in children:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.terminate()
    for child in psutil.wait_procs(children, timeout=5)[1]:
        child.kill()
