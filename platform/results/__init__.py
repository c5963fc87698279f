"""What a run leaves behind, and how it is read: the folder's paths, the table of trials, and what follows from them.

Trials write through one type (`record.TrialRecord`); everything else only reads. Nothing here imports Ray or torch, so
that a run is looked at on any machine.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from platform.results.opened import Run, open_run
else:

    def __getattr__(name: str) -> Any:
        """What opens a run imports a library of statistics, which trials and commands start sooner without."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from platform.results import opened

        return getattr(opened, name)


__all__ = ["Run", "open_run"]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
