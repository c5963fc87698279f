"""A trial that wants more memory than it may take fails by itself, and says what it needs."""

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from rich.console import Console

from platform.config.home import Home
from platform.config.run import RunConfig
from platform.config.trial import TrialSettings
from platform.results.record import read_results
from platform.results.run_folder import RunFolder
from platform.tuning.comparison import run_comparison
from platform.tuning.trials.memory_limit import GpuIsFull, MemoryLimit, TrialOutOfMemory, is_out_of_memory

Config = Callable[..., RunConfig]


@pytest.mark.usefixtures("local_ray")
@pytest.mark.timeout(900)  # pretrains two sources, and starts a new worker after each failure
def test_trials_that_want_too_much_fail_with_their_needs_and_the_others_finish(
    tiny_home: Home, tiny_config: Config, tmp_path: Path
) -> None:
    """`weights` is refused while it is built, `gradients` fits until its first step."""
    config = tiny_config(
        "resources.memory_per_trial=800MB",
        "compare.seeds=1",
        "compare.settings={before: {}, weights: {sources: [one], tmu: {kernel_size: 2001}},"
        " gradients: {sources: [one], tmu: {kernel_size: 501}}, after: {sources: [one, two]}}",
    )
    folder = RunFolder(tmp_path / "r")
    assert run_comparison(config, folder, tiny_home, Console(quiet=True)) == "whole"
    records = read_results(folder.results)
    assert [record.state for record in records] == ["finished", "failed", "failed", "finished"]
    for record, kernel_size in ((records[1], 2001), (records[2], 501)):
        assert record.reason is not None
        assert "the trial may take 800 MB, holds" in record.reason
        assert "asked for" in record.reason
        assert "training.batch_size 4, hidden [8, 8], 6 frames of 16x16, 1 sources (one)" in record.reason
        assert f"tmu.kernel_size {kernel_size}" in record.reason
        assert record.reason.endswith("Lower training.batch_size, or raise resources.memory_per_trial")
    assert (records[1].epochs, records[2].epochs) == (0, 0)


def told(error: BaseException, config: RunConfig, limit: MemoryLimit) -> str:
    with pytest.raises(TrialOutOfMemory) as raised, limit.told(config, TrialSettings()):
        raise error
    return str(raised.value)


def test_a_gpu_that_is_full_is_told_with_its_own_repair(tiny_config: Config) -> None:
    """The texts of PyTorch and cuBLAS; no GPU had a part in it."""
    full = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of ...")
    reason = told(full, tiny_config(), MemoryLimit(gpu_share=0.25))
    assert "the trial may take 0.25 of a GPU" in reason
    assert "asked for 2.00 GiB more" in reason
    assert reason.endswith("raise resources.gpus_per_trial")
    assert is_out_of_memory(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"))


def test_a_trial_that_may_be_given_more_of_a_gpu_is_not_to_blame_for_a_full_one(tiny_config: Config) -> None:
    limit = MemoryLimit(gpu_share=0.25, may_grow=True)
    full = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of ...")
    with (
        pytest.raises(GpuIsFull, match=r"may take 0\.25 of a GPU") as raised,
        limit.told(tiny_config(), TrialSettings()),
    ):
        raise full
    assert str(pickle.loads(pickle.dumps(raised.value))) == str(raised.value)  # it goes from process to process
    with pytest.raises(TrialOutOfMemory), limit.told(tiny_config(), TrialSettings()):
        raise MemoryError


def test_without_a_limit_of_its_own_a_trial_was_limited_by_the_machine(tiny_config: Config) -> None:
    assert "may take as much as the machine has" in told(MemoryError(), tiny_config(), MemoryLimit())


def test_other_errors_pass_as_they_are(tiny_config: Config) -> None:
    with pytest.raises(RuntimeError, match="shapes"), MemoryLimit().told(tiny_config(), TrialSettings()):
        raise RuntimeError("shapes do not match")
