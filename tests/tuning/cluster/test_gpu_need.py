"""What a trial takes of a GPU, corrected by what was seen; and which nodes it waits for."""

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.exceptions import RayTaskError

from platform.config.errors import UserError
from platform.config.run import RunConfig
from platform.config.search import ResourcesConfig
from platform.results.incidents import Journal, read_incidents
from platform.results.progress import Running, RunningTrial
from platform.tuning.cluster.gpu_classes import Asked, GpuClass, choose, room
from platform.tuning.cluster.gpu_memory import GpuMemory
from platform.tuning.cluster.gpu_need import GpuNeed, foretold
from platform.tuning.cluster.gpu_shares import GpuShares
from platform.tuning.cluster.resources import TrialResources
from platform.tuning.trials.memory_limit import GpuIsFull
from platform.tuning.trials.resuming import Past
from platform.tuning.trials.trial import FORETOLD, TAKEN
from tmu_models import ConvLSTMCell
from tmu_models.families import FAMILIES

GIB = 1 << 30


def test_the_need_follows_the_worst_that_was_seen_up_and_down() -> None:
    """A trial is held against what was foretold of it: one without sources takes less than the largest."""
    need = GpuNeed(8 * GIB)
    need.saw(1 * GIB, 2 * GIB)
    assert need.of() == 4 * GIB
    need.saw(3 * GIB, 2 * GIB)
    need.saw(1 * GIB, 2 * GIB)
    assert need.of() == 12 * GIB


def test_what_trials_of_an_earlier_driver_took_counts_from_the_beginning() -> None:
    row = {TAKEN: 3.0 * GIB, FORETOLD: 2.0 * GIB}
    first = RunningTrial(trial=0, id="00000", seed=1, settings={}, row=row)
    second = RunningTrial(trial=1, id="00001", seed=1, settings={})  # it had no epoch yet
    assert GpuNeed.after(Past(used=Running(trials=(first, second))), 8 * GIB).of() == 12 * GIB
    ended = {0: first.as_record("finished"), 1: second.as_record("failed")}
    assert GpuNeed.after(Past(ended), 8 * GIB).of() == 12 * GIB
    damaged = first.model_copy(update={"row": {TAKEN: 3.0 * GIB, FORETOLD: 0.0}})
    assert GpuNeed.after(Past(used=Running(trials=(damaged,))), 8 * GIB).of() == 8 * GIB
    assert GpuNeed.after(Past(), 8 * GIB).of() == 8 * GIB


def test_a_trial_that_lacked_memory_gets_twice_its_need_and_more_than_it_had() -> None:
    need = GpuNeed(4 * GIB)
    assert need.was_too_small(7, had_bytes=5 * GIB) == 8 * GIB
    assert need.was_too_small(7, had_bytes=40 * GIB) == 40 * GIB + 1
    assert (need.of(), need.of(6), need.of(7)) == (4 * GIB, 4 * GIB, 40 * GIB + 1)
    assert need.is_unusual(7)


def of_gpus(share: float, **nodes: int) -> GpuClass:
    """Nodes of so many GPUs each."""
    return GpuClass(share, {name: {"GPU": gpus} for name, gpus in nodes.items()}, fits)


def fits(total: Mapping[str, float], gpus: float) -> int:
    return int(total["GPU"] * int(1 / gpus + 1e-3))


SMALL, LARGE = of_gpus(1.0, s=1), of_gpus(0.25, l=1, m=1)


def test_a_trial_waits_for_the_class_with_the_most_places_left() -> None:
    assert choose([SMALL, LARGE], Counter()) == LARGE.asked
    assert choose([SMALL, LARGE], Counter({LARGE.asked: 8})) == SMALL.asked


def test_a_trial_waits_on_where_it_has_a_place_or_nobody_has_one() -> None:
    assert choose([SMALL, LARGE], Counter(), now=SMALL.asked) == SMALL.asked
    assert choose([SMALL, LARGE], Counter({SMALL.asked: 1, LARGE.asked: 9}), now=LARGE.asked) == LARGE.asked
    assert choose([SMALL, LARGE], Counter({SMALL.asked: 1, LARGE.asked: 7}), now=SMALL.asked) == LARGE.asked


def test_a_trial_whose_nodes_are_gone_waits_for_others() -> None:
    gone = Asked(0.5, frozenset({"gone"}))
    assert choose([SMALL], Counter({SMALL.asked: 5}), now=gone) == SMALL.asked
    assert choose([], Counter(), now=gone) is None


def test_one_that_asked_for_more_takes_the_places_of_several() -> None:
    assert room([SMALL, LARGE], Counter()) == 9
    whole = Asked(1.0, frozenset({"l", "m"}))
    assert room([SMALL, LARGE], Counter([whole])) == 1 + 4 + 1


def node(name: str, gib: str | None, gpus: int = 1) -> dict[str, Any]:
    about = {"NodeID": name, "NodeManagerHostname": name, "NodeManagerAddress": "192.0.2.1"}
    labels = {} if gib is None else {"tmu-gpu-gib": gib}
    return {**about, "Labels": labels, "Resources": {"CPU": 64.0, "GPU": float(gpus)}}


def test_a_label_tells_the_memory_of_a_nodes_gpus() -> None:
    told = GpuMemory().of([node("a", "16"), node("b", "0.5"), node("c", "16", gpus=0)])
    assert told == {"a": 16 * GIB, "b": GIB // 2, "c": None}


@pytest.mark.parametrize("label", ["16GB", "nan", "-1"])
def test_a_label_that_is_no_size_is_refused_with_the_repair(label: str) -> None:
    with pytest.raises(UserError, match=r"a \(192\.0\.2\.1\) has the label .*`ray start --labels tmu-gpu-gib=16`"):
        GpuMemory().of([node("a", label)])


@pytest.fixture
def shares(tmp_path: Path) -> GpuShares:
    """A trial needs 5 GiB."""
    resources = TrialResources(1.0, 1 / 3, 19, need_bytes=5 * GIB)
    journal = Journal(tmp_path / "incidents.jsonl")
    return GpuShares(GpuNeed(5 * GIB), GpuMemory(), ResourcesConfig(), resources, journal)


class Trial:
    """What is asked of Tune's."""

    def __init__(self, number: int) -> None:
        self.config, self.max_failures = {"trial": number}, 5


FULL = RayTaskError("step", "a traceback", GpuIsFull("out of memory: the trial may take 0.333 of a GPU"))


def test_what_trials_took_changes_what_later_ones_ask_for_and_is_told(shares: GpuShares, tmp_path: Path) -> None:
    nodes = [node("small", "16"), node("large", "80")]
    assert shares.room(nodes) == 3 + 16
    assert shares.place(0, nodes) == Asked(0.0625, frozenset({"large"}))
    shares.saw({TAKEN: 3 * GIB, FORETOLD: 2 * GIB}, nodes)
    assert shares.place(1, nodes) == Asked(0.1, frozenset({"large"}))
    assert shares.room(nodes) == 2 + 10
    (incident,) = read_incidents(tmp_path / "incidents.jsonl")
    assert incident.what.startswith("trials take 1.5 times the GPU memory that was foretold")


def test_a_trial_that_filled_its_share_goes_to_a_node_that_has_more(shares: GpuShares) -> None:
    nodes = [node("small", "16")]
    assert shares.place(0, nodes) == Asked(0.3333, frozenset({"small"}))
    assert shares.told(Trial(0), FULL, nodes) is FULL
    assert shares.place(0, nodes) == Asked(1.0, frozenset({"small"}))
    larger = [*nodes, node("large", "80")]
    assert shares.told(Trial(0), FULL, larger) is FULL
    assert shares.place(0, larger) == Asked(0.25, frozenset({"large"}))


def test_a_trial_that_no_gpu_has_room_for_fails_and_says_so(shares: GpuShares) -> None:
    nodes, trial = [node("small", "6")], Trial(0)
    shares.place(0, nodes)
    told = shares.told(trial, FULL, nodes)
    assert str(told).endswith("it needs more than 5.37 GB of a GPU's memory, and no node has 10.7 GB")
    assert trial.max_failures == 0


@pytest.mark.usefixtures("local_ray")
def test_a_trial_that_filled_a_gpu_of_unknown_size_is_not_sent_to_another(shares: GpuShares) -> None:
    """The GPU is pretended: its node is asked, and knows of none."""
    (here,) = ray.nodes()
    unknown = {**here, "Resources": {"CPU": 2.0, "GPU": 1.0}}
    assert shares.place(0, [unknown]) == Asked(1.0, frozenset({here["NodeID"]}))
    assert shares.told(Trial(0), FULL, [unknown]) is not FULL


def test_other_failures_are_told_as_they_are(shares: GpuShares) -> None:
    nodes, error = [node("small", "16")], RayTaskError("step", "a traceback", ValueError("no"))
    shares.place(0, nodes)
    assert shares.told(Trial(0), error, nodes) is error


def test_a_network_that_cannot_be_asked_is_named_and_nothing_is_foretold(
    tiny_config: Callable[..., RunConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that looks at its numbers, as a cell of another package may."""

    class Looks(ConvLSTMCell):
        def project(self, x: Any) -> Any:
            return super().project(x * float(x.sum()))

    config = tiny_config()
    monkeypatch.setitem(FAMILIES, "convlstm", Looks)
    num_bytes, told = foretold(config, dict.fromkeys(config.sources, config.network), 1)
    assert num_bytes is None
    assert "cannot be foretold of family convlstm" in told
    assert told.endswith("it gets a whole GPU. Set resources.gpus_per_trial")
