"""Trials: their targets, workers and checkpoints, how they go on, and what all of them together use."""
