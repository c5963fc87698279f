"""Give the standard library's `platform` a `__path__`, so that `platform.search` can live in this folder.

Our folder has the name of a standard module that Ray, torch, pip and pytest import, so it must never stand
in for it. The folder has no `__init__.py`, and one finder, in front of `sys.meta_path`, answers for the name
`platform` alone: with the standard library's own file, whose spec gained `submodule_search_locations`.
Everybody gets the genuine module; it merely has submodules now.

The build ships this file as the top-level module `transferable_memory_finder`, because a finder that lives
inside `platform` could not be imported before it works. `transferable_memory_finder.pth` calls `install` when
an interpreter starts; the name sorts after `_transferable_memory.pth`, by which an editable install puts the
checkout on `sys.path`. Every Python process pays for this file (0.1 ms), so it imports nothing that is not
loaded already.
"""

import os
import sys

TYPE_CHECKING = False  # checkers read it as True; importing `typing` would cost every interpreter start 2 ms
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec


class PlatformFinder:
    """Finds `platform` and nothing else: the standard library's module, its submodules in `folder`."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def find_spec(self, name: str, path: object = None, target: object = None) -> "ModuleSpec | None":
        if name != "platform" or not os.path.isdir(self.folder):
            return None
        from importlib.machinery import PathFinder

        # Only the standard library's folder is searched: a stray platform.py elsewhere must not be taken.
        spec = PathFinder.find_spec("platform", [os.path.dirname(os.__file__)])
        if spec is not None:
            spec.submodule_search_locations = [self.folder]
        return spec


def install() -> None:
    """Put the finder in place, once; do nothing where our folder is not on `sys.path` (deleted, moved).

    The folder is looked up here, when the interpreter starts, and then stays: the current folder is not on
    `sys.path` yet, so where one happens to stand does not choose which copy runs.
    """
    if any(isinstance(finder, PlatformFinder) for finder in sys.meta_path):
        return
    landmark = os.path.join("platform", "naming", "__init__.py")
    root = next((entry for entry in sys.path if os.path.isfile(os.path.join(entry, landmark))), None)
    if root is None:
        return
    folder = os.path.join(os.path.abspath(root), "platform")
    sys.meta_path.insert(0, PlatformFinder(folder))

    # Another tool's .pth that sorts before ours (subprocess coverage has one) may have imported it already.
    module = sys.modules.get("platform")
    if module is not None:
        module.__path__ = [folder]
        module.__package__ = "platform"
        if module.__spec__ is not None:
            module.__spec__.submodule_search_locations = [folder]
