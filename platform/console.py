"""What every command shares: one console, and errors that end in a sentence instead of a traceback."""

import os
import sys
import threading
from collections.abc import Callable
from typing import Any, NoReturn

import typer
from rich.console import Console

from platform.config.errors import DiskFull, UserError, is_full_disk

WIDTH_OF_LOGS = 140  # where no terminal tells its own

console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH_OF_LOGS)
errors = Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else WIDTH_OF_LOGS)

EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130  # as a shell reports Ctrl-C


class Interrupted(Exception):
    """The user pressed Ctrl-C and what could be kept was kept; the text says what and how to go on."""


def run(command: Callable[..., Any] | typer.Typer, *, epilog: str | None = None) -> NoReturn:
    """Run a command's function (or typer application) on the program's arguments, then leave the interpreter.

    `epilog` stands under the function's --help.
    """
    from platform.naming import check_single_copy

    if not isinstance(command, typer.Typer):
        application = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
        application.command(epilog=epilog)(command)
        command = application
    threading.excepthook = _thread_died
    try:
        check_single_copy()
        # typer turns Ctrl-C into the number 130 and returns it, as it does with the code of a typer.Exit.
        code = command(standalone_mode=False)
        if code == EXIT_INTERRUPTED:
            raise KeyboardInterrupt
    except UserError as error:
        _fail(str(error))
    except (typer.Abort, KeyboardInterrupt, Interrupted) as error:
        kept = str(error) or "What was finished is kept, nothing is half-written; the same command goes on from there."
        errors.print(f"interrupted. {kept}", markup=False, soft_wrap=True)
        sys.exit(EXIT_INTERRUPTED)
    except Exception as error:
        if is_full_disk(error):
            go_on = str(error) if isinstance(error, DiskFull) else "Run the command again."
            _tell(f"the disk is full. What was finished is kept. Free some space. {go_on}")
            os._exit(EXIT_USER_ERROR)  # writers that flush at exit would each add a traceback
        if not _is_usage_error(error):
            raise
        error.show()  # type: ignore[attr-defined]
        sys.exit(EXIT_USER_ERROR)
    sys.exit(code if isinstance(code, int) else 0)


def _fail(message: str) -> NoReturn:
    _tell(message)
    sys.exit(EXIT_USER_ERROR)


def _tell(message: str) -> None:
    errors.print("[bold red]error:[/]", end=" ")
    errors.print(message, markup=False, soft_wrap=True)


def _thread_died(failure: threading.ExceptHookArgs) -> None:
    """A log writer's thread that finds the disk full is silent: the main thread finds it too, and says so once."""
    if not is_full_disk(failure.exc_value):
        threading.__excepthook__(failure)


def _is_usage_error(error: Exception) -> bool:
    """A misspelt option or missing argument, which click words well itself."""
    return hasattr(error, "show") and hasattr(error, "format_message")
