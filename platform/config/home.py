"""Where prepared benchmarks, sources and memories live on this machine.

Every path below `TMU_HOME` is a property here, so that nobody else glues paths together.
"""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Home:
    """The folder `TMU_HOME` (default `~/.cache/tmu`). Nothing is created by asking for a path.

    `remote`, from `TMU_REMOTE`, is the folder's counterpart on storage that all machines reach (`s3://bucket/tmu`):
    what is prepared there and missing here is fetched.
    """

    root: Path
    remote: str | None = None

    @classmethod
    def from_environment(cls) -> "Home":
        root = Path(os.environ.get("TMU_HOME") or Path.home() / ".cache" / "tmu").expanduser().absolute()
        return cls(root, os.environ.get("TMU_REMOTE") or None)

    @property
    def benchmarks(self) -> Path:
        """One folder a prepared benchmark (`kth-64`, `flying_digits_2-64-synthetic`)."""
        return self.root / "benchmarks"

    @property
    def bank(self) -> Path:
        """One folder a frozen source: `weights.safetensors` and `card.json`."""
        return self.root / "bank"

    @property
    def compiled(self) -> Path:
        """What torch compiled for this machine's processor or GPU; safe to delete."""
        return self.root / "compiled"

    @property
    def runs(self) -> Path:
        """Working copies of the runs whose own place is storage that all machines reach."""
        return self.root / "runs"

    @property
    def lpips(self) -> Path:
        """The two public weight files of LPIPS, where the user put them there."""
        return self.root / "lpips"

    @property
    def memory(self) -> Path:
        """Memory blocks that servers stored; safe to delete, they are computed again."""
        return self.root / "memory"
