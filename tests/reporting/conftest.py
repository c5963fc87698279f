"""A run to be confirmed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from platform.results.run_folder import RunFolder


@pytest.fixture
def search(tmp_path: Path, build_run: Callable[..., RunFolder]) -> RunFolder:
    return build_run(tmp_path / "run")
