"""What a run leaves behind, and how it is read: the folder's paths, the table of trials, and what follows from them.

Trials write through one type (`record.TrialRecord`); everything else only reads. Nothing here imports Ray or torch, so
that a run is looked at on any machine.
"""

from platform.results.opened import Run, open_run

__all__ = ["Run", "open_run"]
