"""Frames on disk and the stream of blocks: readers of real formats, built-in stand-ins, the Arrow store.

The way in is `catalog.open_benchmark`. A new format is one file in `formats/` and one line in `registry.py`.
"""
