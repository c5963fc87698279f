"""What readers import, imported once in the server that `limits.py` forks from."""

import platform.bank.imports
import platform.benchmarks.catalog
import platform.memory.blocks
import platform.reporting.comparison_page
import platform.reporting.page
import platform.training.checkpoint
import platform.training.lpips  # noqa: F401
from platform.config.load import load_run

load_run("kth", profile="laptop")
