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
            ["network.family=predrnn", "sources.one.network={family: convlstm}", "trial.tmu.merge=released"],
            "trial.tmu.merge",
            "takes mean, softmax or sum (or set network.family=convlstm)",
        ),
        (["trial.start=scratch", "trial.l2_sp=0.1"], "trial.l2_sp", "set trial.start to a source, search `start`"),
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


def test_a_source_of_the_bank_is_not_asked_for_its_memory_yet(path: Path) -> None:
    config = load_run(str(path), overrides=["sources.one={bank: one-12345678, memory: cell/7}"])
    assert config.sources["one"].memory == "cell/7"
