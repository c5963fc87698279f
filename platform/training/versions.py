"""What a result was made with, so that it can be made again."""

import contextlib
import hashlib
import os
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil
import torch

import tmu_models

PACKAGE = "transferable-memory"
RECORDED = (
    PACKAGE,
    "torch",
    "ray",
    "optuna",
    "numpy",
    "pyarrow",
    "scikit-image",
    "safetensors",
)
BUILT_INTO_TORCH = {  # as `torch.__config__.show()` words it
    "onednn": r"MKL-DNN v(\S+)",
    "mkl": r"Math Kernel Library Version ([\w.]+)",
    "cudnn": r"CuDNN (\S+)",
}
SOURCES = (Path(__file__).parents[1], Path(tmu_models.__file__).parent)
SOURCE_SUFFIXES = (".py", ".j2")
GIT_S = 10.0  # how long git may think


def package_versions() -> dict[str, str]:
    """Versions of Python, and of the packages and built-in libraries that decide numbers.

    What is not installed, or not built in, is left out.
    """
    versions = {"python": sys.version.split()[0]}
    for name in RECORDED:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    built = torch.__config__.show()
    return versions | {
        name: found[1] for name, pattern in BUILT_INTO_TORCH.items() if (found := re.search(pattern, built))
    }


def hardware() -> dict[str, str | int]:
    """Processor, memory, accelerator and system of this machine; what it does not tell is left out."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    told: dict[str, str | int] = {
        "cpu": _cpu_model(),
        "cpu_cores": os.cpu_count() or 0,
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9),
        "gpu": gpu,
        "system": " ".join([os.uname().sysname, os.uname().release, os.uname().machine]),
        "c_library": _c_library(),
    }
    return {name: value for name, value in told.items() if value != ""}


def code_version() -> dict[str, str | bool]:
    """The package's version, a hash of its source files and, in a git checkout, the commit and whether the sources
    have changed since. What cannot be told is left out."""
    told: dict[str, str | bool] = {}
    with contextlib.suppress(PackageNotFoundError):
        told["version"] = version(PACKAGE)
    with contextlib.suppress(OSError):
        told["sha256"] = sources_sha256(SOURCES)
    with contextlib.suppress(OSError, subprocess.SubprocessError, UnicodeDecodeError):
        root = SOURCES[0].parent
        if Path(_git(root, "rev-parse", "--show-toplevel")) == root.resolve():  # and not one that merely lies around it
            commit, names = _git(root, "rev-parse", "HEAD"), [folder.name for folder in SOURCES]
            told |= {"commit": commit, "has_changes": bool(_git(root, "status", "--porcelain", "--", *names))}
    return told


def sources_sha256(folders: tuple[Path, ...]) -> str:
    """Changes with any source file or template below the folders, its name or its place."""
    digest = hashlib.sha256()
    for folder in folders:
        found = (Path(inside) / name for inside, _, names in os.walk(folder) for name in names)
        for path in sorted(path for path in found if path.suffix in SOURCE_SUFFIXES):
            digest.update(f"{folder.name}/{path.relative_to(folder).as_posix()}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _git(root: Path, *words: str) -> str:
    """What it answers. Raises OSError where there is no git, SubprocessError where it refuses or hangs."""
    quiet = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    command = ["git", "-C", str(root), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=GIT_S, env=quiet)
    return done.stdout.strip()


def _cpu_model() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return ""


def _c_library() -> str:
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (OSError, ValueError, AttributeError):  # a system without confstr, or a C library that is not GNU's
        return ""
