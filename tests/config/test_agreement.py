"""What is valid by itself and wrong together: each disagreement is refused with its place and its repair."""

from pathlib import Path

import pytest

from platform.config.errors import UserError
from platform.config.load import load_run

RUN = """
name: small
benchmark: {name: kth, frame_size: 16, input_length: 3, total_length: 6, block_clips: 8}
network: {hidden: [8, 8], kernel_size: 3}
sources:
  one: {benchmark: {name: flying_digits, digits: 1}}
  flow: {benchmark: {name: flying_digits, digits: 2}, network: {family: predrnn}}
training: {epochs: 3, batch_size: 8}
trial: {start: one}
search:
  asha: {grace_epochs: 3}
  space:
    sources: {subset: [one, flow]}
    tmu.merge: {choice: [mean, sum]}
    learning_rate: {float: [1e-4, 1e-2], log: true}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(RUN)
    return path


def told(path: Path, *overrides: str) -> str:
    with pytest.raises(UserError) as error:
        load_run(str(path), overrides=overrides)
    return str(error.value)


def with_space(path: Path, *lines: str) -> Path:
    path.write_text(RUN + "".join(f"    {line}\n" for line in lines))
    return path


def test_parts_that_agree_are_accepted(path: Path) -> None:
    good = ("l2_sp: {float: [0.0, 0.1]}", "tmu.kernel_size: {int: [3, 7], step: 2}", "memory: {choice: [cell/1, null]}")
    conditions = ("tmu.gate: {choice: [place, none], when: {tmu.merge: [sum], tmu.kernel_size: [5]}}",)
    config = load_run(str(with_space(path, *good, *conditions)), overrides=["sources.flow.memory=spatiotemporal/1"])
    assert config.search.space["tmu.gate"].when == {"tmu.merge": ("sum",), "tmu.kernel_size": (5,)}


@pytest.mark.parametrize(
    ("overrides", "place", "repair"),
    [
        (
            ["trial.feed=scheduled", "training.sampling.start=0"],
            "trial.feed",
            "set it to own, which is computed once for all trials, or raise training.sampling.start",
        ),
        (["resources.server_gpus=1.5"], "resources", "a server uses one; lower the first, or raise the second"),
        (
            ["training.batch_size=9"],
            "training.batch_size",
            "lower batch_size to 8 or raise benchmark.block_clips to 9",
        ),
        (
            ["sources.one.pretraining.batch_size=40"],
            "sources.one.pretraining.batch_size",
            "lower batch_size to 32 or raise sources.one.benchmark.block_clips to 40",
        ),
        (["benchmark.stride={default: 6, joging: 3}"], "benchmark.stride", "did you mean 'jogging'?"),
        (
            ["sources.one.benchmark.stride.running=3"],
            "sources.one.benchmark.stride.running",
            "known: default, digits_1",
        ),
        (["trial.tmu.layers=[1, 0, 1]"], "trial.tmu.layers", "a layer stands twice in [1, 0, 1]; write [1, 0]"),
        (["sources.one.memory=cell/2"], "sources.one.memory", "has no memory 'cell/2' (did you mean 'cell/1'?)"),
        (["sources.one.memory=spatiotemporal/0"], "sources.one.memory", "it has cell/0, cell/1"),
        (
            ["sources.flow.memory=spatiotemporal/2"],
            "sources.flow.memory",
            "it has cell/0, cell/1, spatiotemporal/0, spatiotemporal/1",
        ),
        (["trial.memory=spatiotemporal/0"], "trial.memory", "source 'one' has no memory 'spatiotemporal/0'"),
        (
            [
                "network.family=predrnn",
                "sources.one.network={family: convlstm}",
                "trial={start: flow, tmu: {merge: released}}",
            ],
            "trial.tmu.merge",
            "takes mean, softmax or sum (or set network.family=convlstm)",
        ),
        (["trial.start=scratch", "trial.l2_sp=0.1"], "trial.l2_sp", "set trial.start to a source, search `start`"),
        (
            ["trial.start=flow"],
            "trial.start",
            "cannot start from source 'flow': family predrnn against the target's convlstm. Take it out of `start`",
        ),
        (
            ["trial.start=scratch", "search.space.start.choice=[scratch, flow]"],
            "search.space.start",
            "cannot start from source 'flow': family predrnn against the target's convlstm. Take it out of `start`",
        ),
        (
            ["sources.one.benchmark.frame_size=32"],
            "trial.start",
            "cannot start from source 'one': frame_size 32 against the target's 16. Take it out of `start`",
        ),
        (
            ["compare.settings.a={start: scratch, l2_sp: 0.5}"],
            "compare.settings.a.l2_sp",
            "set start to a source, or l2_sp to 0",
        ),
        (
            ["trial.distil.memories={one: spatiotemporal/0}"],
            "trial.distil.memories",
            "source 'one' has no memory 'spatiotemporal/0'; it has cell/0, cell/1",
        ),
        (
            ["trial.distil.memories={won: cell/0}"],
            "trial.distil.memories",
            "no source 'won' (did you mean 'one'?)",
        ),
        (
            ["trial.tmu={merge: released, gate: channel}"],
            "trial.tmu",
            "'channel' changes nothing: tmu.merge 'released' has gates of its own; set it to 'place' (the default)",
        ),
        (["trial.tmu={merge: released, bias: -2}"], "trial.tmu", "set it to 0.0 (the default), or take mean"),
        (["trial.tmu={merge: released, kernel_size: 1}"], "trial.tmu", "set it to 5 (the default), or take mean"),
        (
            [
                "compare.settings.a={tmu: {merge: released}, sources: [one]}",
                "sources.one.network={hidden: [8, 4]}",
                "trial={start: scratch, memory: cell/1}",
            ],
            "compare.settings.a.tmu.merge",
            "cell/1 of source 'one' has 4 channels, layer 0 of the target 8; take mean, softmax or sum",
        ),
        (
            ["training.sampling={kind: reverse, begin: 0.9, until: 0.5}"],
            "training.sampling",
            "begin 0.9 must lie below until 0.5; lower begin, or raise until",
        ),
        (
            ["sources.one={bank: x, network: {hidden: [8]}, pretraining: {epochs: 2}}"],
            "sources.one",
            "tells its network and how it was made; drop `network` and `pretraining`",
        ),
        (["search.asha.grace_epochs=4"], "search.asha.grace_epochs", "below training.epochs, or search.asha to null"),
    ],
    ids=lambda value: value if isinstance(value, str) and " " not in value else "",
)
def test_parts_that_disagree_are_refused_with_place_and_repair(
    path: Path, overrides: list[str], place: str, repair: str
) -> None:
    message = told(path, *overrides)
    assert "1 fault in" in message
    assert f": {place}" in message
    assert repair in message


@pytest.mark.parametrize(
    ("line", "repair"),
    [
        ("tmu.layers: {choice: [[0], [0, 0]]}", "a layer stands twice in [0, 0]; write [0]"),
        ("tmu.kernel_size: {int: [3, 7]}", "can draw an even kernel; use `int: [3, 7]` with `step: 2`"),
        ("tmu.kernel_size: {int: [2, 8], step: 2}", "use `int: [3, 7]` with `step: 2`"),
        ("tmu.kernel_size: {int: [3, 9], step: 3}", "use `int: [3, 9]` with `step: 2`"),
        ("tmu.kernel_size: {int: [3, 7], log: true}", "use `int: [3, 7]` with `step: 2`"),
        ("tmu.kernel_size: {float: [3, 7]}", "use `int: [3, 7]` with `step: 2`"),
        ("tmu.bias: {float: [-1, 1], step: 3}", "step 3 is larger than the range [-1, 1]; lower it to at most 2"),
        ("tmu.kernel_size: {int: [3, 7], step: 0.5}", "use a whole step, or `float` for `int`"),
        ("sources.one.memory: {choice: [cell/1, spatiotemporal/0]}", "'one' has no memory 'spatiotemporal/0'"),
        ("sources.flo.memory: {choice: [cell/0]}", "no source 'flo' (did you mean 'flow'?)"),
        ("sources.flow.memory: {int: [0, 1]}", "a memory goes by its name; use `choice: [cell/0, cell/1]`"),
        ("sources.flow.memroy: {choice: [cell/0]}", "(did you mean 'sources.flow.memory'?)"),
        ("distil.source_weight: {float: [-3, 1]}", "value -3.0: Input should be greater than 0"),
        ("distil.source_weight: {choice: [banana]}", "value 'banana': Input should be a valid number"),
        ("memory: {choice: [cell/0, spatiotemporal/0]}", "'one' has no memory 'spatiotemporal/0'"),
        ("tmu.gate: {choice: [place], when: {tmu.merge: [som]}}", "never 'som' (did you mean 'sum'?); it is one of"),
        ("tmu.gate: {choice: [place], when: {tmu.marge: [sum]}}", "to depend on (did you mean 'tmu.merge'?)"),
        ("tmu.gate: {choice: [place], when: {learning_rate: [1e-3]}}", "make it a choice to depend on it"),
        ("tmu.gate: {choice: [place], when: {sources: [one]}}", "'sources' is no parameter of this space"),
        ("start: {choice: [scratch], when: {tmu.gate: [place]}}\n    tmu.gate: {choice: [place]}", "move it above"),
    ],
)
def test_what_cannot_be_drawn_is_refused_with_its_repair(path: Path, line: str, repair: str) -> None:
    message = told(with_space(path, line))
    assert "1 fault in" in message
    assert f"search.space.{line.partition(':')[0]}" in message
    assert repair in message


@pytest.mark.parametrize(
    ("subset", "repair"),
    [("[]", "drop `sources` from the space"), ("[one, flow, one]", "stands twice in subset [one, flow, one]; write")],
)
def test_a_subset_names_each_source_once(path: Path, subset: str, repair: str) -> None:
    message = told(path, f"search.space.sources.subset={subset}")
    assert "search.space.sources" in message
    assert repair in message


def test_the_released_merge_is_no_choice_for_another_family(path: Path) -> None:
    message = told(path, "network.family=convlstm_openstl", "search.space.tmu.merge.choice=[mean, released]")
    assert "--set search.space.tmu.merge.choice" in message or "search.space.tmu.merge:" in message
    assert "family 'convlstm_openstl' takes mean, softmax or sum" in message


def test_pulling_weights_back_needs_a_start_that_some_trial_takes(path: Path) -> None:
    with_space(path, "l2_sp: {float: [0, 0.1]}")
    assert "search.space.l2_sp: pulls weights back" in told(path, "trial.start=scratch")
    with_space(path, "l2_sp: {float: [0, 0.1]}", "start: {choice: [scratch, one]}")
    assert load_run(str(path), overrides=["trial.start=scratch"]).trial.start == "scratch"


def test_a_fault_of_every_trial_is_told_once_at_the_trial(path: Path) -> None:
    message = told(path, "trial.start=won")
    assert "1 fault in" in message
    assert "--set trial.start: trial.start: no source 'won' (did you mean 'one'?)" in message


FLOW = "transfer: {choice: [tmu, knowledge_flow]}"


@pytest.mark.parametrize(
    ("distil", "place"),
    [
        ("{what: frames}", "what"),
        ("{weight: 0}", "weight"),
        ("{added: false}", "added"),
        ("{schedule: cosine}", "schedule"),
        ("{until: 0.5}", "until"),
    ],
)
def test_knowledge_flow_is_refused_where_its_penalty_would_fade_or_fail(path: Path, distil: str, place: str) -> None:
    """Alone, among compared settings, and where a search may come to it."""
    for told_at, overrides in (
        ("trial.distil", [f"trial={{transfer: knowledge_flow, distil: {distil}}}"]),
        ("compare.settings.a.distil", [f"compare.settings.a={{transfer: knowledge_flow, distil: {distil}}}"]),
        ("search.space.transfer", ["search.space.transfer.choice=[tmu, knowledge_flow]", f"trial.distil={distil}"]),
    ):
        message = told(path, *overrides)
        assert "1 fault in" in message
        assert f": {told_at}" in message
        assert f"set distil.{place} to" in message or "raise distil.weight above 0" in message


def test_a_searched_weight_of_0_is_kept_from_knowledge_flow(path: Path) -> None:
    message = told(with_space(path, FLOW, "distil.weight: {choice: [0, 0.1]}"))
    assert "search.space.distil.weight: transfer knowledge_flow is weaned off its sources by this weight" in message
    assert "add `when: {transfer: [tmu]}`" in message
    load_run(str(with_space(path, FLOW, "distil.weight: {choice: [0, 0.1], when: {transfer: [tmu]}}")))
    only_flow = "distil.weight: {choice: [0.1], when: {transfer: [knowledge_flow]}}"
    load_run(str(with_space(path, FLOW, only_flow)), overrides=["trial.distil.weight=0"])
    load_run(str(with_space(path, FLOW, "distil.weight: {choice: [0.1]}", "distil.what: {choice: [memory, frames]}")))


@pytest.mark.parametrize(
    ("condition", "line"),
    [
        ("transfer is knowledge_flow", "distil.until: {float: [0.5, 1], when: {transfer: [knowledge_flow]}}"),
        ("tmu.merge is released", "tmu.bias: {float: [-1, 1], when: {tmu.merge: [released]}}"),
    ],
)
def test_a_condition_under_which_nothing_changes_is_refused(path: Path, condition: str, line: str) -> None:
    message = told(with_space(path, FLOW, line), "search.space.tmu.merge.choice=[sum, released]")
    assert "1 fault in" in message
    assert f"changes nothing where {condition}; drop it" in message


def test_each_source_may_have_memories_of_its_own_to_choose_from(path: Path) -> None:
    with_space(
        path, "sources.flow.memory: {choice: [cell/0, spatiotemporal/0]}", "sources.one.memory: {choice: [cell/1]}"
    )
    space = load_run(str(path)).search.space
    assert space["sources.flow.memory"].choice == ("cell/0", "spatiotemporal/0")
    changed = load_run(str(path), overrides=["search.space.sources.flow.memory.choice=[spatiotemporal/1]"])
    assert changed.search.space["sources.flow.memory"].choice == ("spatiotemporal/1",)
    assert "'flow' is never drawn; add it to `sources`" in told(path, "search.space.sources.subset=[one]")


def test_one_memory_for_all_beside_each_sources_own_is_refused(path: Path) -> None:
    message = told(with_space(path, "memory: {choice: [cell/0]}", "sources.flow.memory: {choice: [cell/0]}"))
    assert "search.space.sources.flow.memory: `memory` is one choice for all sources" in message


def test_a_compared_setting_needs_the_memory_of_its_own_sources_only(path: Path) -> None:
    config = load_run(str(path), overrides=["compare.settings.a={sources: [flow], memory: spatiotemporal/0}"])
    assert config.compare.settings["a"].memory == "spatiotemporal/0"


def test_the_released_merge_is_searched_only_among_memories_of_the_targets_width(path: Path) -> None:
    overrides = [
        "search.space.tmu.merge.choice=[mean, released]",
        "sources.flow.network={family: predrnn, hidden: [4, 4]}",
    ]
    assert "search.space.tmu.merge: 'released' needs equal widths: cell/0 of source 'flow' has 4" in told(
        path, *overrides
    )
    load_run(str(with_space(path, "tmu.bias: {float: [-1, 1]}")), overrides=overrides[:1])


def test_a_ranking_needs_sources_to_draw(path: Path) -> None:
    path.write_text(RUN.replace("    sources: {subset: [one, flow]}\n", ""))
    message = told(path, "search.seed_from_ranking=true")
    assert "search.seed_from_ranking: a ranking orders the sources to draw" in message
    assert "add `sources: {subset: [names]}`" in message


def test_a_source_of_the_bank_is_not_asked_for_its_memory_yet(path: Path) -> None:
    config = load_run(str(path), overrides=["sources.one={bank: one-12345678, memory: cell/7}"])
    assert config.sources["one"].memory == "cell/7"


def test_an_event_score_may_be_an_objective_where_its_threshold_is_scored() -> None:
    config = load_run("precipitation", overrides=["search.objectives=[csi_74, far_16]"])
    assert config.search.objectives == ("csi_74", "far_16")
    with pytest.raises(UserError, match=r"csi_75 is not scored: thresholds are 16, 74, 133, 160, 181, 219; choose"):
        load_run("precipitation", overrides=["search.objectives=[csi_75]"])
    with pytest.raises(UserError, match="csi_2 is not scored: kth has no thresholds"):
        load_run("kth", overrides=["search.objectives=[csi_2]"])
    with pytest.raises(UserError, match=r"no objective 'mes' \(did you mean 'mse'\?\)"):
        load_run("kth", overrides=["search.objectives=[mes]"])
