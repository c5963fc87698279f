"""Every kind of target that a search can draw, built and trained an epoch, from sources unlike it."""

from collections.abc import Callable

import pytest
import torch

from platform.bank.bank import Bank, count_parameters
from platform.bank.card import Card, TrainingData, Transfer
from platform.bank.networks import add_gates, build_network
from platform.benchmarks.catalog import open_benchmark
from platform.benchmarks.tensors import clips_to_float
from platform.config.errors import UserError
from platform.config.home import Home
from platform.config.network import NetworkConfig
from platform.config.run import RunConfig, SourceConfig
from platform.config.trial import GateConfig, TrialSettings
from platform.memory.blocks import BlockStore
from platform.memory.compute import SourceRunner
from platform.memory.fit import fit_frames, resize
from platform.memory.in_process import InProcessMemory
from platform.memory.request import MemoryIdentity
from platform.tuning.trials.target import Target, TargetPlan

Config = Callable[..., RunConfig]
SAME = NetworkConfig(hidden=(8, 8), kernel_size=3, patch_size=4)
OTHER = NetworkConfig(family="predrnn", hidden=(5, 5), kernel_size=3, patch_size=2)


@pytest.fixture
def plan(tiny_home: Home, tiny_config: Config) -> TargetPlan:
    """Two sources with random weights: `same` has the target's geometry, `other` shares nothing with it."""
    bank = Bank(tiny_home.bank)
    for name, network, channels, size in (("same", SAME, 1, 16), ("other", OTHER, 3, 32)):
        torch.manual_seed(len(name))
        card = Card(
            name=name,
            network=network,
            channels=channels,
            frame_size=size,
            weights_sha256="",
            data=TrainingData(label="nothing", synthetic=True),
            parameters=1,
            created="2026-01-01",
        )
        bank.add(f"plan-{name}", build_network(network, channels=channels, frame_size=size), card)
    config = tiny_config(
        "sources={same: {bank: plan-same}, other: {bank: plan-other, memory: spatiotemporal/0}}",
        "search.space={}",
        "training.epochs=2",
    )
    return TargetPlan(config, tiny_home, {"same": "plan-same", "other": "plan-other"})


def target(plan: TargetPlan, **settings: object) -> Target:
    bank, clips = Bank(plan.home.bank), open_benchmark(plan.config.benchmark, plan.home).blocks("train")
    runners = {}
    for name, entry in plan.entries.items():
        identity = MemoryIdentity(bank.card(entry).function_sha256, clips.fingerprint, 3, (4, 4))
        runners[name] = SourceRunner(bank.load(entry), clips, identity, BlockStore(plan.home.memory))
    chosen = TrialSettings.model_validate({"learning_rate": 1e-3, **settings})
    return Target(plan, chosen, seed=0, memory=InProcessMemory(runners))


BOTH = ["other", "same"]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"start": "same"},
        {"start": "same", "l2_sp": 0.01},
        {"sources": BOTH},
        {"sources": BOTH, "start": "same", "tmu": {"layers": [0, 1]}},
        {"sources": BOTH, "tmu": {"merge": "softmax", "gate": "channel"}},
        {"sources": BOTH, "tmu": {"merge": "sum", "gate": "none"}},
        {"sources": BOTH, "distil": {"weight": 0}},
        {"sources": BOTH, "distil": {"schedule": "cosine", "until": 0.5, "normalise": False}},
        {"sources": BOTH, "distil": {"what": "frames"}},
        {"sources": BOTH, "transfer": "knowledge_flow"},
        {"sources": ["same"], "tmu": {"merge": "released"}, "distil": {"added": False}},
        {"sources": ["same"], "memory": "cell/1", "feed": "truth"},
        {"sources": BOTH, "feed": "scheduled"},
        {"sources": BOTH, "feed": "scheduled", "distil": {"what": "frames"}},
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:merge 'released':UserWarning")
def test_every_kind_of_target_trains(plan: TargetPlan, settings: dict) -> None:
    trained = target(plan, **settings)
    before = trained.evaluate().scores["mse"]
    row = [trained.epoch() for _ in range(2)][-1]
    assert row["mse"] != before
    assert ("distillation_loss" in row) == bool(settings.get("sources") and settings.get("distil") != {"weight": 0})


def test_the_control_has_the_same_cell_and_asks_nothing_of_a_source(plan: TargetPlan) -> None:
    control = target(plan, sources=BOTH, distil={"weight": 0})
    with_sources = target(plan, sources=BOTH)
    control.epoch()
    assert count_parameters(control.network) == count_parameters(with_sources.network)
    assert control.memory.counters.ready + control.memory.counters.computed == 0


def test_a_loss_that_is_computed_but_not_added_trains_like_the_control(plan: TargetPlan) -> None:
    """As the public code does it: the number is logged, the weights never feel it."""
    told, silent = (target(plan, sources=["same"], distil=d) for d in ({"added": False}, {"weight": 0}))
    told.epoch()
    silent.epoch()
    for name, weight in told.network.state_dict().items():
        assert torch.equal(weight, silent.network.state_dict()[name]), name


def test_l2_sp_keeps_weights_nearer_to_where_they_began(plan: TargetPlan) -> None:
    distances = []
    for strength in (0.0, 1.0):
        trained = target(plan, start="same", l2_sp=strength)
        began = [parameter.detach().clone() for parameter in trained.network.parameters()]
        trained.epoch()
        moved = zip(trained.network.parameters(), began, strict=True)
        distances.append(sum((now - then).square().sum().item() for now, then in moved))
    assert distances[1] < 0.5 * distances[0]


def test_every_source_is_imitated_in_its_own_standard_form_unless_asked_not_to(plan: TargetPlan) -> None:
    trained = target(plan, sources=BOTH)
    assert trained.run.imitation is not None
    for name, (mean, variance) in trained.run.imitation.moments().items():
        memory = trained.run.imitation.fetch(0, "forward")[name].astype("float32")
        assert (mean, variance) == pytest.approx((memory.mean(), memory.var()))
    plain = target(plan, sources=BOTH, distil={"normalise": False})
    assert plain.run.imitation is not None
    assert plain.run.imitation.moments() == {}


def test_knowledge_flow_is_weaned_off_its_teachers(plan: TargetPlan) -> None:
    trained = target(plan, sources=BOTH, transfer="knowledge_flow", learning_rate=3e-2, distil={"weight": 10.0})
    losses = [trained.epoch()["distillation_loss"] for _ in range(2)]
    assert losses[1] < losses[0]


def test_a_start_of_another_geometry_is_refused_with_both(plan: TargetPlan) -> None:
    with pytest.raises(UserError, match=r"cannot start from source 'other', whose network is .*predrnn.* Take it out"):
        target(plan, start="other")


def test_a_start_that_was_itself_a_target_is_refused(plan: TargetPlan) -> None:
    """Its network has the target's geometry; its layers do not."""
    bank = Bank(plan.home.bank)
    network, card = build_network(SAME, channels=1, frame_size=16), bank.card("plan-same")
    transfer = Transfer(gates=GateConfig(layers=(1,)), sources={"elsewhere": 8})
    add_gates(network, transfer.gates, transfer.sources)
    bank.add("plan-target", network, card.model_copy(update={"name": "target", "transfer": transfer}))
    config = plan.config.model_copy(update={"sources": {"target": SourceConfig(bank="plan-target")}})
    with pytest.raises(UserError, match=r"its layers \[1\] are TMUs of elsewhere. Take it out of `start`"):
        target(TargetPlan(config, plan.home, {"target": "plan-target"}), start="target")


def test_a_start_that_runs_at_any_frame_size_fits(plan: TargetPlan) -> None:
    bank = Bank(plan.home.bank)
    card = bank.card("plan-same").model_copy(update={"frame_size": None})
    bank.add("plan-any", build_network(SAME, channels=1, frame_size=None), card)
    config = plan.config.model_copy(update={"sources": {"any": SourceConfig(bank="plan-any")}})
    wanted = bank.load("plan-any").state_dict()
    network, _ = TargetPlan(config, plan.home, {"any": "plan-any"}).build(TrialSettings(start="any"), 0, 1)
    assert all(torch.equal(weight, wanted[name]) for name, weight in network.state_dict().items())


def test_each_source_is_imitated_in_the_memory_that_was_named_for_it(plan: TargetPlan) -> None:
    """Its own setting goes before that of all sources, and that before the source's."""
    own = {"other": "spatiotemporal/1"}
    for settings, expected in (
        ({}, {"other": "spatiotemporal/0", "same": "cell/0"}),
        ({"memory": "cell/1"}, {"other": "cell/1", "same": "cell/1"}),
        ({"distil": {"memories": own}}, {"other": "spatiotemporal/1", "same": "cell/0"}),
        ({"memory": "cell/1", "distil": {"memories": own}}, {"other": "spatiotemporal/1", "same": "cell/1"}),
    ):
        imitation = target(plan, sources=BOTH, **settings).run.imitation
        assert imitation is not None
        assert imitation.memories == expected


def test_a_trial_is_given_the_numbers_of_the_memory_named_for_a_source(plan: TargetPlan) -> None:
    network = Bank(plan.home.bank).load(plan.entries["other"])
    blocks = open_benchmark(plan.config.benchmark, plan.home).blocks("train")
    frames = fit_frames(clips_to_float(blocks.frames(0), field=False), 3, (32, 32))
    losses = set()
    for memory in ("cell/0", "spatiotemporal/0", "spatiotemporal/1"):
        trained = target(plan, sources=BOTH, distil={"memories": {"other": memory}})
        assert trained.run.imitation is not None
        served = trained.run.imitation.fetch(0, "forward")["other"]
        with torch.inference_mode():
            computed = resize(network(frames, input_length=3).memories[memory], (4, 4)).numpy()
        assert served == pytest.approx(computed, abs=1e-3)
        losses.add(trained.epoch()["distillation_loss"])
    assert len(losses) == 3


def test_a_memory_that_a_source_lacks_is_refused_with_those_it_has(plan: TargetPlan) -> None:
    with pytest.raises(UserError, match="no memory 'spatiotemporal/0'; it has cell/0, cell/1"):
        target(plan, sources=["same"], memory="spatiotemporal/0")
