"""Gates that are watched change nothing; shut, they carry what the cell proposes, or what the others give."""

import pytest
import torch

from tmu_models import ShapeError, VideoPredictor
from tmu_models.gate_watch import watch_gates

SOURCES = {"one": 8, "two": 6}
MERGES = ["mean", "softmax", "sum", "released"]


def network(merge: str, gate: str = "place", sources: dict[str, int] = SOURCES) -> VideoPredictor:
    torch.manual_seed(0)
    found = VideoPredictor(
        channels=1, frame_size=(16, 16), patch_size=4, hidden=(8, 8), kernel_size=3, family="convlstm"
    )
    given = dict.fromkeys(sources, 8) if merge == "released" else sources
    found.add_transfer([0, 1], given, gate=gate, merge=merge, trained=True)  # type: ignore[arg-type]
    return found.eval()


@pytest.fixture
def clips() -> torch.Tensor:
    return torch.rand(3, 6, 1, 16, 16, generator=torch.Generator().manual_seed(1))


@torch.inference_mode()
@pytest.mark.parametrize("merge", MERGES)
def test_what_is_watched_predicts_the_same_and_tells_every_step(merge: str, clips: torch.Tensor) -> None:
    watched = network(merge)
    expected = watched(clips, input_length=3).frames
    with watch_gates(watched) as told:
        torch.testing.assert_close(watched(clips, input_length=3).frames, expected, rtol=0, atol=0)
    assert {layer: len(steps) for layer, steps in told.items()} == {0: 5, 1: 5}
    for steps in told.values():
        for step in steps:
            assert set(step.openness) == set(step.drawn) == set(SOURCES)
            for opened in step.openness.values():
                assert opened.shape == (3, 4, 4)
                assert 0 < opened.min() <= opened.max() < 1
            assert all((drawn > 0).all() for drawn in step.drawn.values())
    torch.testing.assert_close(watched(clips, input_length=3).frames, expected, rtol=0, atol=0)
    assert all("advance" not in cell.__dict__ for cell in watched.cells)


@torch.inference_mode()
@pytest.mark.parametrize("merge", ["mean", "softmax", "sum"])
def test_with_all_gates_shut_the_target_is_its_plain_self(merge: str, clips: torch.Tensor) -> None:
    watched = network(merge)
    plain = VideoPredictor(
        channels=1, frame_size=(16, 16), patch_size=4, hidden=(8, 8), kernel_size=3, family="convlstm"
    ).eval()
    weights = {key.replace(".cell.", "."): value for key, value in watched.state_dict().items() if ".gates." not in key}
    plain.load_state_dict(weights)
    with watch_gates(watched, shut=SOURCES) as told:
        frames = watched(clips, input_length=3).frames
    torch.testing.assert_close(frames, plain(clips, input_length=3).frames, rtol=1e-5, atol=1e-6)
    assert all((step.openness[name] == 0).all() for steps in told.values() for step in steps for name in SOURCES)


@torch.inference_mode()
@pytest.mark.parametrize("merge", ["mean", "softmax", "sum"])
def test_a_shut_gate_is_one_whose_bias_closed_it(merge: str, clips: torch.Tensor) -> None:
    """With a bias so low that the gate is shut anyway, nothing is drawn, and shutting it changes nothing."""
    closed = network(merge)
    first = 1 if merge == "softmax" else 0
    for cell in closed.cells:
        with torch.no_grad():
            cell.get_parameter("gates.gates.bias")[first * 8 : (first + 1) * 8] -= 60.0
    expected = closed(clips, input_length=3).frames
    with watch_gates(closed, shut=["one"]) as told:
        frames = closed(clips, input_length=3).frames
    torch.testing.assert_close(frames, expected, rtol=1e-5, atol=1e-6)
    with watch_gates(closed) as told:
        closed(clips, input_length=3)
    assert max(float(step.drawn["one"].max()) for steps in told.values() for step in steps) < 1e-6
    assert min(float(step.drawn["two"].min()) for steps in told.values() for step in steps) > 1e-4


@torch.inference_mode()
def test_what_is_drawn_is_what_shutting_takes_away_in_the_first_step(clips: torch.Tensor) -> None:
    watched = network("mean", gate="channel")
    memories = ["cell/0"]
    with watch_gates(watched) as told:
        open_ = watched(clips[:, :2], input_length=1, keep_memories=memories).memories["cell/0"][:, 0]
    with watch_gates(watched, shut=["two"]):
        shut = watched(clips[:, :2], input_length=1, keep_memories=memories).memories["cell/0"][:, 0]
    torch.testing.assert_close(told[0][0].drawn["two"], (open_ - shut).square().mean(1).sqrt(), rtol=1e-4, atol=1e-6)


def test_sources_nobody_draws_on_are_refused_and_nothing_stays_watched() -> None:
    watched = network("mean")
    with (
        pytest.raises(ShapeError, match="no layer draws on 'three'; sources: one, two"),
        watch_gates(watched, ["three"]),
    ):
        pass
    with pytest.raises(ZeroDivisionError), watch_gates(watched):
        raise ZeroDivisionError
    assert all("advance" not in cell.get_submodule("gates").__dict__ for cell in watched.cells)
    with watch_gates(VideoPredictor(channels=1, frame_size=(16, 16), patch_size=4, hidden=(8,), kernel_size=3)) as told:
        assert told == {}
