"""The page that `--dry-run` prints: what a search would do, with what, and for how long."""

import os
from collections.abc import Iterator

import torch
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from platform.bank.bank import count_parameters
from platform.bank.networks import build_network
from platform.config.datasets import CHANNELS_UNTIL_KNOWN
from platform.config.errors import UserError
from platform.config.home import Home
from platform.config.run import RunConfig
from platform.config.space import Parameter
from platform.config.splits import SPLIT_NAMES
from platform.results.scores import readable_bytes, readable_time
from platform.training.precision import settled_precision
from platform.training.step_cost import StepCost
from platform.tuning.cluster.gpu_need import foretold
from platform.tuning.cluster.resources import trial_resources
from platform.tuning.plan import SearchPlan, what_the_store_holds


def print_plan(plan: SearchPlan, step: StepCost, home: Home, console: Console) -> None:
    """The plan as a page in the terminal. `step`: what a training step was just seen to take."""
    config = plan.config
    console.print(f"[bold]{config.name}[/] · profile {config.profile} · {escape(config.question)}")
    clips = Table("clips", *SPLIT_NAMES, "", box=None, header_style="bold", title_justify="left")
    for counts in (plan.target, *plan.sources.values()):
        note = "prepared" if counts.prepared else "would be made now"
        clips.add_row(counts.label, *(f"{counts.counts[split]:,}" for split in SPLIT_NAMES), note)
    console.print(clips, "")
    sources = Table("source", "from", "network", "", box=None, header_style="bold")
    for name, source in config.sources.items():
        origin = plan.sources[name].label if name in plan.sources else escape(f"bank entry {source.bank}")
        network, entry = plan.networks[name], plan.entries[name]
        sources.add_row(name, origin, f"{network.family} {list(network.hidden)}", escape(entry or "must be pretrained"))
    console.print(sources, "")
    space = Table("searched", "values", box=None, header_style="bold")
    for name, parameter in config.search.space.items():
        space.add_row(name, escape(describe(parameter)))
    console.print(space, "")
    for line in _cost_lines(plan, step, home):
        console.print(line, markup=False)


def _cost_lines(plan: SearchPlan, step: StepCost, home: Home) -> Iterator[str]:
    config = plan.config
    network = build_network(config.network, channels=CHANNELS_UNTIL_KNOWN, frame_size=config.benchmark.frame_size)
    pretraining_s = step.seconds / config.training.batch_size * plan.pretraining_clips
    search_s = step.seconds * plan.steps_per_trial * config.search.trials
    asha = "no trial is stopped early"
    if config.search.asha is not None:
        asha = f"ASHA stops weak ones from epoch {config.search.asha.grace_epochs}"
    benchmark, layers = config.benchmark, list(config.network.hidden)
    yield (
        f"target     {config.network.family} {layers}, {count_parameters(network):,} weights before gates; "
        f"frames of {benchmark.frame_size}, {benchmark.input_length} shown of {benchmark.total_length}"
    )
    yield (
        f"trials     {config.search.trials} of {config.training.epochs} epochs, {plan.steps_per_trial:,} steps each; "
        f"{asha}; judged by {', '.join(config.search.objectives)}"
    )
    resources = config.resources
    yield (
        f"resources  {resources.cpus_per_trial:g} CPU and {resources.gpus_per_trial} GPU a trial; memory servers take "
        f"{resources.server_cpus:g} CPU of a node and, where it has one, {resources.server_gpus:g} GPU"
    )
    if resources.gpus_per_trial == "auto":
        yield f"gpu        {_gpu_text(plan)}"
    yield (
        f"memory     at most {readable_bytes(plan.memory_bytes)} on disk below {home.memory}"
        f"{what_the_store_holds(config, home, plan.memory_bytes)}"
    )
    threads = config.resources.threads_per_trial
    measured = f"just measured, {threads} thread{'s' if threads > 1 else ''}"
    if step.timed_clips < config.training.batch_size:
        measured += f", a batch of {step.timed_clips}, scaled to {config.training.batch_size}"
    yield (
        f"cost       one step takes {step.seconds:.3g} s on this machine ({measured}): "
        f"about {readable_time(pretraining_s)} to pretrain and at most {readable_time(search_s)} to search, "
        "one trial at a time"
    )


def _gpu_text(plan: SearchPlan) -> str:
    """What a trial takes of a GPU, and which share of this machine's that is."""
    config, has_gpu = plan.config, torch.cuda.is_available()
    if has_gpu:
        settled = settled_precision(config.training.precision, torch.device("cuda"))
        config = config.model_copy(update={"training": config.training.model_copy(update={"precision": settled})})
    channels = plan.target.train.channels if plan.target.train else CHANNELS_UNTIL_KNOWN
    need_bytes, told = foretold(config, plan.networks, channels)
    if need_bytes is None:
        return told
    if not has_gpu:
        precision = "float32" if config.training.precision == "auto" else config.training.precision
        return f"{told} in {precision}; this machine has none"
    num = torch.cuda.device_count()
    gpu_bytes = min(torch.cuda.get_device_properties(n).total_memory for n in range(num))
    return f"{told}; {share_text(config, need_bytes, gpu_bytes, num_gpus=num, num_cpus=os.cpu_count() or 1)}"


def share_text(config: RunConfig, need_bytes: int, gpu_bytes: int, *, num_gpus: int, num_cpus: int) -> str:
    """`of each of 2 GPUs with 16 GB it gets 1/7, 14 trials at once`, or why none fits."""
    node = {
        "NodeID": "",
        "NodeManagerHostname": "this machine",
        "NodeManagerAddress": "here",
        "Alive": True,
        "Resources": {"CPU": float(num_cpus), "GPU": float(num_gpus)},
    }
    try:
        got = trial_resources(config.resources, [node], len(config.sources), need_bytes, {"": gpu_bytes})
    except UserError as error:
        return str(error)
    share = f"1/{round(1 / got.gpus)}" if got.gpus <= 0.5 else f"{got.gpus:g}"
    gpus = f"{'a GPU' if num_gpus == 1 else f'each of {num_gpus} GPUs'} with {readable_bytes(gpu_bytes)}"
    return f"of {gpus} it gets {share}, {got.at_once} trial{'s' if got.at_once > 1 else ''} at once"


def describe(parameter: Parameter) -> str:
    """`0.003 to 0.3, log` or `mean | softmax | sum`."""
    if parameter.subset is not None:
        text = "any of " + ", ".join(parameter.subset) + ", or none"
    elif parameter.choice is not None:
        text = " | ".join(str(list(value) if isinstance(value, tuple) else value) for value in parameter.choice)
    else:
        low, high = parameter.float_bounds or parameter.int_bounds or (0, 0)
        text = f"{low:g} to {high:g}" + (", log" if parameter.log else "")
    conditions = [f"{name} is {' or '.join(map(str, values))}" for name, values in parameter.when.items()]
    return text + (f" (when {' and '.join(conditions)})" if conditions else "")
