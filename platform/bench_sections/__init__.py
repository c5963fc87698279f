"""What `python -m platform.bench` measures, a module a section: each prints its figures, and hands on what is promised.

Those that need Ray (search, nodes) are imported only when they are run.
"""
