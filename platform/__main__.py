"""`python -m platform` keeps printing what Python prints.

A module with a `__path__` is run through its `__main__`, so without this file the command would be refused.
"""

import runpy

import platform

runpy.run_path(platform.__file__, run_name="__main__")
