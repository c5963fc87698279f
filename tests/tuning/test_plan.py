"""The plan counts what training will do, before anything is done, and prints what the user wrote as it was written."""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from io import StringIO

import pytest
import torch
from rich.console import Console

from platform.bank.bank import Bank
from platform.bank.card import Card, TrainingData
from platform.bank.networks import build_network
from platform.benchmarks.catalog import open_benchmark
from platform.config.benchmark import BenchmarkConfig
from platform.config.errors import UserError
from platform.config.home import Home
from platform.config.network import NetworkConfig
from platform.config.run import RunConfig
from platform.config.training import TrainingConfig
from platform.training.run import num_steps
from platform.training.step_cost import MOST_TIMED_CLIPS, time_step
from platform.tuning.plan import ClipCounts, SearchPlan, clip_counts
from platform.tuning.plan_page import print_plan, share_text
from tmu_models import VideoPredictor

MakeConfig = Callable[..., RunConfig]


def printed(config: RunConfig, home: Home) -> str:
    console = Console(file=StringIO(), width=160)
    print_plan(SearchPlan.make(config, home), time_step(config), home, console)
    return console.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize("batch_size", [1, 3, 4, 8])
@pytest.mark.parametrize("block_clips", [3, 7, 8, 20, 50])
def test_a_stand_in_not_yet_made_is_counted_as_training_will_count_it(
    tiny_home: Home, tiny_config: MakeConfig, batch_size: int, block_clips: int
) -> None:
    """20 clips, so that last blocks are short, and last batches of every block are."""
    config = tiny_config(f"benchmark.block_clips={block_clips}", "training.batch_size=1").benchmark
    prepared = clip_counts(config, tiny_home)
    assert prepared.train is not None
    stand_in = replace(prepared, train=None)
    for plan in (
        TrainingConfig(epochs=2, batch_size=batch_size),
        TrainingConfig(epochs=3, batch_size=batch_size, steps_per_epoch=4, reverse=False),
    ):
        expected = num_steps(plan, open_benchmark(config, tiny_home).blocks("train"))
        assert prepared.num_steps(plan) == stand_in.num_steps(plan) == expected


def test_the_plan_has_the_steps_of_trials_and_of_pretraining(tiny_home: Home, tiny_config: MakeConfig) -> None:
    """20 clips in blocks of 8, 8 and 4: with batches of 3 that is 3 + 3 + 2 steps, and not 20 / 3."""
    plan = SearchPlan.make(tiny_config("training.batch_size=3", "sources.two.pretraining.batch_size=3"), tiny_home)
    assert plan.steps_per_trial == 3 * (3 + 3 + 2) * 2
    by_batch = {4: 1 * 5 * 2, 3: 2 * 7 * 2}  # the sources' 20 clips lie in one block of 32
    wanted = {"one": by_batch[4], "two": by_batch[3]}
    missing = [name for name in wanted if plan.entries[name] is None]
    assert plan.pretraining_steps == sum(wanted[name] for name in missing)
    assert plan.pretraining_clips == sum({"one": 4, "two": 3}[name] * wanted[name] for name in missing)


def test_a_stand_in_is_planned_without_making_it(home: Home) -> None:
    config = BenchmarkConfig(name="flying_digits", digits=1, on_missing="synthetic")
    counts = clip_counts(config, home)
    assert not counts.prepared
    assert counts.counts["train"] > 0
    assert counts.num_steps(TrainingConfig(epochs=1)) > 0
    assert not home.root.exists()


def test_what_the_user_wrote_is_printed_as_it_was_written(tiny_home: Home, tiny_config: MakeConfig) -> None:
    config = tiny_config("search.asha=null").model_copy(update={"question": "does [/x] help, or [red]not[/red]?"})
    assert "does [/x] help, or [red]not[/red]?" in printed(config, tiny_home)


def test_a_large_batch_is_timed_on_a_few_clips_and_the_plan_says_so(tiny_home: Home, tiny_config: MakeConfig) -> None:
    large = tiny_config("training.batch_size=512", "benchmark.block_clips=512")
    shapes: list[int] = []

    def note_clips(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        if isinstance(module, VideoPredictor):
            shapes.append(len(inputs[0]))

    hook = torch.nn.modules.module.register_module_forward_pre_hook(note_clips)
    try:
        cost = time_step(large)
    finally:
        hook.remove()
    assert max(shapes) == cost.timed_clips == MOST_TIMED_CLIPS
    assert f"a batch of {MOST_TIMED_CLIPS}, scaled to 512" in printed(large, tiny_home)


def test_a_small_batch_is_timed_as_it_is(tiny_home: Home, tiny_config: MakeConfig) -> None:
    assert time_step(tiny_config()).timed_clips == 4
    assert "scaled" not in printed(tiny_config(), tiny_home)


def test_the_plan_tells_what_a_trial_takes_of_a_gpu(tiny_home: Home, tiny_config: MakeConfig) -> None:
    auto = printed(tiny_config("training.precision=bfloat16"), tiny_home)
    assert re.search(r"gpu +a trial takes about \d+ MB of a GPU's memory", auto)
    assert "of a GPU's memory" not in printed(tiny_config("resources.gpus_per_trial=0.5"), tiny_home)


def test_the_share_of_this_machines_gpus_is_told_with_how_many_trials_run_at_once(tiny_config: MakeConfig) -> None:
    """With sources, and so with memory servers on each node."""
    told = partial(share_text, tiny_config(), 5_000_000_000, num_cpus=64)
    assert told(gpu_bytes=16_000_000_000, num_gpus=1) == "of a GPU with 16 GB it gets 1/3, 3 trials at once"
    assert told(gpu_bytes=80_000_000_000, num_gpus=2) == "of each of 2 GPUs with 80 GB it gets 1/16, 32 trials at once"
    assert told(gpu_bytes=6_000_000_000, num_gpus=1) == "of a GPU with 6 GB it gets 1, 1 trial at once"
    assert "no node has so much: this machine (here) has 4 GB. Lower" in told(gpu_bytes=4_000_000_000, num_gpus=1)


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(tmp_path_factory.mktemp("empty") / "home")


def test_counts_are_told_with_where_they_come_from(tiny_home: Home, tiny_config: MakeConfig) -> None:
    counts: ClipCounts = clip_counts(tiny_config().benchmark, tiny_home)
    assert (counts.label, counts.prepared) == ("flying_digits_2", True)
    assert counts.counts == {"train": 20, "validation": 6, "test": 6}


@pytest.fixture
def with_imported(tiny_home: Home, tiny_config: MakeConfig) -> Callable[..., RunConfig]:
    """A run beside whose recipe `one` the bank's entry `flow` is a source, unlike the target."""
    network = NetworkConfig(family="predrnn", hidden=(6, 6, 6), kernel_size=3, patch_size=2)
    card = Card(
        name="flow",
        network=network,
        channels=1,
        frame_size=32,
        weights_sha256="",
        data=TrainingData(label="nothing", synthetic=True),
        parameters=1,
        created="2026-01-01",
    )
    bank = Bank(tiny_home.bank)
    if "imported-flow" not in bank.entries():
        bank.add("imported-flow", build_network(network, channels=1, frame_size=32), card)
    both = ("sources.flow={bank: imported-flow}", "search.space.sources.subset=[one, flow]")
    return lambda *overrides: tiny_config(*both, *overrides)


def test_a_source_of_the_bank_is_shown_as_its_card_says(tiny_home: Home, with_imported: MakeConfig) -> None:
    assert re.search(r"flow +bank entry imported-flow +predrnn \[6, 6, 6\]", printed(with_imported(), tiny_home))


@pytest.mark.parametrize(
    ("overrides", "channels", "frames"),
    [
        ((), 8 + 6, 0),
        (("search.space.sources.subset=[one]",), 8, 0),
        (("search.space.memory.choice=[cell/0, cell/1, null]",), 2 * 8 + 2 * 6, 0),
        (("search.space.sources.flow.memory.choice=[cell/0, spatiotemporal/2]",), 8 + 2 * 6, 0),
        (("search.space.feed.choice=[own, truth]",), 2 * (8 + 6), 0),
        (("trial.distil.what=frames",), 0, 2),
        (("search.space.distil.what.choice=[memory, frames]",), 8 + 6, 2),
    ],
)
def test_the_plan_counts_every_memory_that_may_be_asked_for(
    tiny_home: Home, with_imported: MakeConfig, overrides: tuple[str, ...], channels: int, frames: int
) -> None:
    """Of 20 clips in both directions, each of 5 steps, on the target's 4x4 grid, and frames of 16x16, in float16."""
    plan = SearchPlan.make(with_imported(*overrides), tiny_home)
    assert plan.memory_bytes == 2 * 20 * 2 * 5 * (channels * 4 * 4 + frames * 16 * 16)


def test_memories_stored_in_float32_take_twice_the_bytes(tiny_home: Home, tiny_config: MakeConfig) -> None:
    half, full = (
        SearchPlan.make(tiny_config(f"resources.memory_dtype={dtype}"), tiny_home).memory_bytes
        for dtype in ("float16", "float32")
    )
    assert full == 2 * half


def test_the_plan_says_which_part_of_the_memories_the_store_holds(tiny_home: Home, tiny_config: MakeConfig) -> None:
    wanted = SearchPlan.make(tiny_config(), tiny_home).memory_bytes
    for budget, said in ((wanted // 4, "25 %"), (0, "0 %"), (wanted + 1, None)):
        plan = printed(tiny_config(f"resources.memory_budget={budget}"), tiny_home)
        assert ("the store holds" in plan) == (said is not None)
        assert said is None or f"the store holds {said} of it: the rest is computed each time" in plan


def test_a_budget_is_written_as_people_write_bytes(tiny_config: MakeConfig) -> None:
    assert tiny_config("resources.memory_budget=200GB").resources.memory_budget == 200 * 10**9
    assert tiny_config().resources.memory_budget is None
    with pytest.raises(UserError, match=r"resources\.memory_budget"):
        tiny_config("resources.memory_budget=plenty")


@pytest.mark.parametrize(
    "override",
    [
        "search.space.sources.flow.memory.choice=[cell/0, cell/77, banana]",
        "compare.settings.a={sources: [flow], distil: {memories: {flow: banana}}}",
        "sources.flow.memory=banana",
    ],
)
def test_a_memory_that_a_source_of_the_bank_lacks_is_refused_before_anything_starts(
    tiny_home: Home, with_imported: MakeConfig, override: str
) -> None:
    with pytest.raises(UserError, match=r"source 'flow' has no memory .*'banana'; it has cell/0, .*spatiotemporal/2"):
        SearchPlan.make(with_imported(override), tiny_home)
    SearchPlan.make(with_imported("search.space.sources.flow.memory.choice=[cell/2, spatiotemporal/2]"), tiny_home)


def test_a_drawn_start_of_the_bank_of_another_geometry_is_refused_before_anything_starts(
    tiny_home: Home, with_imported: MakeConfig
) -> None:
    config = with_imported("search.space.start={choice: [scratch, flow]}")
    with pytest.raises(UserError, match=r"start from source 'flow', whose network is .*predrnn.* Take it out of"):
        SearchPlan.make(config, tiny_home)


def test_the_released_cell_and_a_source_of_the_bank_of_another_width_are_refused_before_anything_starts(
    tiny_home: Home, with_imported: MakeConfig
) -> None:
    config = with_imported("compare.settings.a={sources: [flow], tmu: {merge: released}}")
    with pytest.raises(UserError, match=r"compare.settings.a.tmu.merge: 'released' needs equal widths: .* 'flow' has"):
        SearchPlan.make(config, tiny_home)


def test_a_source_of_the_bank_that_cannot_be_shown_the_clips_is_refused_by_the_dry_run(
    tiny_home: Home, with_imported: MakeConfig
) -> None:
    """Its patches of 5 do not divide frames of 16, and its card names no frame size to resize to."""
    bank, network = Bank(tiny_home.bank), NetworkConfig(hidden=(6,), kernel_size=3, patch_size=5)
    card = bank.card("imported-flow").model_copy(update={"name": "fives", "network": network, "frame_size": None})
    bank.add("imported-fives", build_network(network, channels=1, frame_size=None), card)
    config = with_imported("sources.fives={bank: imported-fives}")
    with pytest.raises(UserError, match=r"source 'fives' reads patches of 5, which do not divide frames of 16\."):
        SearchPlan.make(config, tiny_home)
