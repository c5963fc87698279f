"""Runs shown in a browser while they run and afterwards; nothing of a run is ever written."""
