"""What a run leaves behind, and how it is read: the table of trials, the folder's paths, figures and the page.

Trials write through one type (`record.TrialRecord`); reports only read. Nothing here imports Ray or torch,
so that a run is looked at on any machine.
"""
