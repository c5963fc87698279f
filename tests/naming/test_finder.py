"""The finder starts with every interpreter, costs next to nothing, and never gets in the way."""

import importlib
import shutil
import site
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
NAMING = ROOT / "platform" / "naming"
PTH = NAMING / "transferable_memory_finder.pth"


def python(code: str, *paths: Path) -> str:
    """Run code in an interpreter without site-packages, so without the installed finder."""
    prologue = f"import sys; sys.path[:0] = {[str(path) for path in paths]!r}\n"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", prologue + code], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.strip()


def test_platform_imported_before_the_finder_gets_its_path_at_once() -> None:
    code = """
import platform, finder
before = platform
finder.install()
import platform.naming
print(platform is before, platform.__path__[0], platform.__spec__.submodule_search_locations[0])
"""
    assert python(code, ROOT, NAMING) == f"True {ROOT}/platform {ROOT}/platform"


def test_a_reloaded_platform_keeps_its_path() -> None:
    code = """
import importlib, finder
finder.install()
import platform
importlib.reload(platform)
print(platform.__path__[0])
"""
    assert python(code, ROOT, NAMING) == f"{ROOT}/platform"


def test_installing_twice_leaves_one_finder() -> None:
    code = """
import finder
finder.install()
finder.install()
print(sum(isinstance(each, finder.PlatformFinder) for each in sys.meta_path))
"""
    assert python(code, ROOT, NAMING) == "1"


def test_without_our_folder_platform_is_as_ever() -> None:
    code = """
import finder
finder.install()
import platform
print(bool(platform.system()), hasattr(platform, "__path__"), len(sys.meta_path))
"""
    assert python(code, NAMING) == "True False 3"


def test_a_folder_that_vanishes_later_is_met_with_silence(tmp_path: Path) -> None:
    (tmp_path / "platform").mkdir()
    shutil.copytree(NAMING, tmp_path / "platform" / "naming")
    code = f"""
import finder, shutil
finder.install()
shutil.rmtree({str(tmp_path / "platform")!r})
import platform
print(bool(platform.system()), hasattr(platform, "__path__"))
"""
    assert python(code, tmp_path, NAMING) == "True False"


def test_a_stray_platform_file_is_not_taken_for_the_standard_librarys(tmp_path: Path) -> None:
    (tmp_path / "platform.py").write_text("raise SystemExit('the stray file ran')")
    code = """
import finder
finder.install()
import platform
print(bool(platform.system()))
"""
    assert python(code, tmp_path, ROOT, NAMING) == "True"


def test_the_finder_imports_nothing_that_an_interpreter_has_not_loaded_already() -> None:
    code = """
import os
before = set(sys.modules)
import finder
finder.install()
print(sorted(set(sys.modules) - before))
"""
    assert python(code, ROOT, NAMING) == "['finder']"


def test_our_pth_sorts_after_the_editable_installs_own() -> None:
    """Python runs them in order, and the finder looks for the checkout on `sys.path`."""
    folders = [Path(folder) for folder in site.getsitepackages() if (Path(folder) / PTH.name).exists()]
    assert folders, "not installed: pip install -e .[test]"
    names = [path.name for path in folders[0].glob("*.pth")]
    own = "_transferable_memory.pth"

    assert own in names, "these tests belong to an editable install: pip install -e .[test]"
    assert sorted([PTH.name, own]) == [own, PTH.name]


def test_the_installed_finder_is_the_one_in_this_checkout() -> None:
    installed = Path(str(importlib.import_module(PTH.stem).__file__))
    repair = "the installed finder is out of date; install again: pip install -e .[test]"
    assert installed.read_text() == (NAMING / "finder.py").read_text(), repair


def test_git_does_not_ignore_the_pth(tmp_path: Path) -> None:
    """Lists of patterns for PyTorch projects often leave out *.pth; ours must not."""
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    shutil.copy(ROOT / ".gitignore", tmp_path)
    (tmp_path / "platform" / "naming").mkdir(parents=True)
    (tmp_path / "runs").mkdir()

    def ignored(path: str) -> bool:
        return subprocess.run(["git", "-C", tmp_path, "check-ignore", "--quiet", path]).returncode == 0

    assert ignored("runs/")
    assert not ignored(str(PTH.relative_to(ROOT)))
