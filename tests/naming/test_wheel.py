"""The wheel, in fresh environments: the name works from any folder, and goes without a trace."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import platform

ROOT = Path(__file__).parents[2]


def run(*command: str | Path, cwd: Path) -> str:
    """What the command printed; anything on stderr is a failure."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.strip()


def find_python(version: str) -> Path | None:
    """An interpreter of that version, on PATH or among pyenv's; None if there is none.

    One on PATH is tried out, because pyenv leaves stubs there that only say how to switch it on.
    """
    if sys.version_info[:2] == tuple(map(int, version.split("."))):
        return Path(sys.executable)
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    on_path = shutil.which(f"python{version}")
    candidates = [Path(on_path)] if on_path else []
    for candidate in [*candidates, *sorted(pyenv.glob(f"{version}.*/bin/python"))]:
        ask = "import sys; print('%d.%d' % sys.version_info[:2])"
        answer = subprocess.run([candidate, "-c", ask], capture_output=True, text=True)
        if answer.stdout.strip() == version:
            return candidate
    return None


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build: list[str | Path] = [sys.executable, "-m", "build", "--wheel", "--no-isolation"]
    subprocess.run([*build, "--outdir", folder, ROOT], check=True, capture_output=True, timeout=120)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module", params=["3.11", "3.12"])
def interpreter(request: pytest.FixtureRequest, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a fresh environment that holds the wheel alone, without what it depends on."""
    base = find_python(request.param)
    if base is None:
        pytest.skip(f"no Python {request.param} on this machine")
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([base, "-m", "venv", "--without-pip", folder], check=True, timeout=60)
    python = folder / "bin" / "python"
    pip(python, "install", "--no-deps", "--no-index", wheel)
    return python


def pip(python: Path, *arguments: str | Path) -> None:
    pip_of_this_environment = [sys.executable, "-m", "pip", "--quiet", "--python", python, *arguments]
    subprocess.run(pip_of_this_environment, check=True, capture_output=True, timeout=120)


def site_packages(python: Path) -> Path:
    return next((python.parents[1] / "lib").glob("python*/site-packages"))


def test_platform_is_the_standard_librarys(interpreter: Path, tmp_path: Path) -> None:
    code = """
import os, platform
print(platform.system(), platform.__file__ == os.path.join(os.path.dirname(os.__file__), "platform.py"))
"""
    assert run(interpreter, "-c", code, cwd=tmp_path) == f"{platform.system()} True"


def test_python_m_platform_prints_what_python_prints(interpreter: Path, tmp_path: Path) -> None:
    printed = run(interpreter, "-m", "platform", cwd=tmp_path)
    assert printed == run(interpreter, "-S", "-m", "platform", cwd=tmp_path) != ""


def test_the_commands_are_found_from_any_folder(interpreter: Path, tmp_path: Path) -> None:
    code = "from importlib.util import find_spec; print(find_spec('platform.search').origin)"
    expected = str(site_packages(interpreter) / "platform" / "search.py")

    assert run(interpreter, "-c", code, cwd=tmp_path) == expected
    assert run(interpreter, "-c", code, cwd=ROOT) == expected


def test_the_yaml_files_lie_beside_the_package(interpreter: Path) -> None:
    shipped = {path.name for path in (site_packages(interpreter) / "search_spaces").glob("*.yaml")}
    assert shipped == {path.name for path in (ROOT / "search_spaces").glob("*.yaml")}
    assert "kth.yaml" in shipped


def test_a_wheel_used_from_inside_a_checkout_is_refused_with_the_repair(interpreter: Path) -> None:
    code = "from platform.naming import check_single_copy; check_single_copy()"
    done = subprocess.run([interpreter, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)

    assert done.returncode == 1
    assert f"pip install -e {ROOT}" in done.stderr
    assert "Traceback" not in done.stderr


def test_another_tools_pth_may_import_platform_first(interpreter: Path, tmp_path: Path) -> None:
    early = site_packages(interpreter) / "a_tool_that_sorts_first.pth"
    early.write_text("import platform\n")
    try:
        assert run(interpreter, "-c", "import platform.naming as n; print(n.__name__)", cwd=tmp_path) == (
            "platform.naming"
        )
    finally:
        early.unlink()


def test_a_deleted_folder_leaves_python_as_it_was(interpreter: Path, tmp_path: Path) -> None:
    folder = site_packages(interpreter) / "platform"
    folder.rename(folder.with_name("moved_away"))
    code = "import platform; print(platform.system(), hasattr(platform, '__path__'))"
    try:
        assert run(interpreter, "-c", code, cwd=tmp_path) == f"{platform.system()} False"
    finally:
        folder.with_name("moved_away").rename(folder)


def test_uninstalling_leaves_nothing_behind(interpreter: Path, wheel: Path, tmp_path: Path) -> None:
    pip(interpreter, "uninstall", "--yes", "transferable-memory")
    left = [path for path in (interpreter.parents[1] / "lib").rglob("*") if path.is_file()]
    pip(interpreter, "install", "--no-deps", "--no-index", wheel)

    assert left == []
