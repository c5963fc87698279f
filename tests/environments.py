"""Python environments that lack something."""

import subprocess
import sys
import sysconfig
from pathlib import Path

OURS = ("transferable_memory", "_transferable_memory", "tmu_models", "platform")


def environment_without_us(path: Path) -> Path:
    """Its Python: everything that is installed here, but for this package."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", path], check=True)
    others = path / "others"
    others.mkdir()
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if not entry.name.startswith((*OURS, "__editable__")) and entry.suffix != ".pth":
            (others / entry.name).symlink_to(entry)
    (site,) = path.glob("lib/*/site-packages")
    (site / "others.pth").write_text(f"{others}\n")
    return path / "bin" / "python"
