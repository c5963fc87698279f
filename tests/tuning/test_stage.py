"""What a run says before its first trial."""

from collections.abc import Callable
from io import StringIO

import pytest
from rich.console import Console

from platform.benchmarks.catalog import open_benchmark
from platform.config.home import Home
from platform.config.run import RunConfig
from platform.tuning.stage import note_small_store


@pytest.mark.parametrize(("budget", "said"), [("0", "the store holds 0 % of it"), ("1GB", "")])
def test_a_store_too_small_for_the_memories_is_told_with_what_would_help(
    tiny_home: Home, tiny_config: Callable[..., RunConfig], budget: str, said: str
) -> None:
    config, text = tiny_config(f"resources.memory_budget={budget}"), StringIO()
    note_small_store(config, tiny_home, open_benchmark(config.benchmark, tiny_home), Console(file=text, width=1000))
    assert said in text.getvalue()
    assert bool(text.getvalue()) == bool(said)
    assert ("raise resources.memory_budget" in text.getvalue()) == bool(said)
