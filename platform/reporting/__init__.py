"""How runs are shown: pages with their charts, tables and pictures, and what a terminal is told.

It only reads what `results` gives. Nothing here imports Ray or torch, so that a run is looked at on any machine.
"""
