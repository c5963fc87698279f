"""What a result was made with, so that it can be made again."""

import os
import sys
from importlib.metadata import PackageNotFoundError, version

import torch

RECORDED = (
    "transferable-memory",
    "torch",
    "ray",
    "optuna",
    "numpy",
    "pyarrow",
    "scikit-image",
    "safetensors",
)


def package_versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide numbers; what is not installed is left out."""
    versions = {"python": sys.version.split()[0]}
    for name in RECORDED:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def hardware() -> dict[str, str | int]:
    """Cores and accelerator of this machine."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    return {
        "cpu_cores": os.cpu_count() or 0,
        "gpu": gpu,
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
    }
