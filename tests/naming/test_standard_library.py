"""Everybody who imports `platform` gets the standard library's module, in every process."""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import platform

STANDARD_FILE = str(Path(os.__file__).with_name("platform.py"))
OUR_FOLDER = Path(__file__).parents[2] / "platform"

DESCRIBE = """
import json, platform
print(json.dumps([platform.system(), platform.__file__, list(platform.__path__)]))
"""


def python(*arguments: str, cwd: Path) -> str:
    """Run this interpreter elsewhere; returns what it printed. What it says on stderr is a failure."""
    done = subprocess.run([sys.executable, *arguments], cwd=cwd, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_platform_is_the_standard_librarys_module_and_has_our_folder_as_its_path() -> None:
    assert platform.__file__ == STANDARD_FILE
    assert platform.system() == os.uname().sysname
    assert list(platform.__path__) == [str(OUR_FOLDER)]


@pytest.mark.parametrize("inside_checkout", [False, True])
def test_platform_is_the_standard_librarys_in_a_new_process(inside_checkout: bool, tmp_path: Path) -> None:
    printed = python("-c", DESCRIBE, cwd=OUR_FOLDER.parent if inside_checkout else tmp_path)

    assert json.loads(printed) == [os.uname().sysname, STANDARD_FILE, [str(OUR_FOLDER)]]


def test_platform_is_the_standard_librarys_in_a_ray_worker_too(local_ray: None) -> None:
    import ray

    def describe() -> tuple[int, str, str, str]:
        import platform.naming

        return os.getpid(), platform.system(), platform.__file__, platform.naming.__file__

    pid, system, file, ours = ray.get(ray.remote(describe).remote())

    assert pid != os.getpid()
    assert (system, file) == (os.uname().sysname, STANDARD_FILE)
    assert Path(ours).parent == OUR_FOLDER / "naming"


@pytest.mark.parametrize("arguments", [(), ("terse",), ("nonaliased",)])
def test_python_m_platform_prints_what_python_prints(arguments: tuple[str, ...], tmp_path: Path) -> None:
    ours = python("-m", "platform", *arguments, cwd=tmp_path)
    without_site_and_so_without_our_finder = python("-S", "-m", "platform", *arguments, cwd=tmp_path)

    assert ours == without_site_and_so_without_our_finder != ""


def test_no_submodule_is_named_like_an_attribute_of_the_standard_module() -> None:
    """Importing `platform.x` sets `x` on the module that everybody shares."""
    standard = runpy.run_path(STANDARD_FILE, run_name="not as a program")
    ours = {path.stem for path in OUR_FOLDER.iterdir() if path.suffix == ".py" or path.is_dir()}

    assert "naming" in ours
    assert "system" in standard
    assert not {name for name in ours & set(standard) if not name.startswith("__")}
