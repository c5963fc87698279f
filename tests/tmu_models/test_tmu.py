"""Transfer gates: what each merge promises, and that imitation really trains the distillers."""

import warnings

import pytest
import torch

from tests.given import REFERENCE
from tmu_models import (
    ShapeError,
    TransferGates,
    VideoPredictor,
    distillation_loss,
    load_reference_checkpoint,
    prediction_loss,
)
from tmu_models.released import warn_that_memory_grows

MERGES = ["mean", "softmax", "sum"]


def gates(merge: str = "mean", bias: float = 0.0, sources: dict[str, int] | None = None) -> TransferGates:
    torch.manual_seed(0)
    return TransferGates(4, 8, (4, 4), sources or {"a": 8, "b": 8}, kernel_size=3, merge=merge, bias=bias)  # type: ignore[arg-type]


def inputs() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    return torch.rand(2, 4, 4, 4), torch.randn(2, 8, 4, 4), torch.randn(2, 8, 4, 4)


def target(
    merge: str = "mean", layers: tuple[int, ...] = (0,), sources: dict[str, int] | None = None
) -> VideoPredictor:
    torch.manual_seed(0)
    network = VideoPredictor(channels=1, frame_size=(16, 16), patch_size=4, hidden=(8, 8), kernel_size=3)
    network.add_transfer(layers, sources or {"a": 8, "b": 8}, kernel_size=3, merge=merge)  # type: ignore[arg-type]
    return network


@pytest.mark.parametrize("merge", MERGES)
def test_closed_gates_keep_the_targets_own_memory(merge: str) -> None:
    x, hidden, proposed = inputs()
    memory, _ = gates(merge, bias=-100.0)(x, hidden, proposed)
    torch.testing.assert_close(memory, proposed)


def test_open_gates_average_what_the_sources_remember() -> None:
    x, hidden, proposed = inputs()
    memory, distilled = gates("mean", bias=100.0)(x, hidden, proposed)
    torch.testing.assert_close(memory, (distilled["a"] + distilled["b"]) / 2)


def test_softmax_is_a_weighted_mean_of_own_and_distilled_memories() -> None:
    x, hidden, proposed = inputs()
    memory, distilled = gates("softmax")(x, hidden, proposed)
    candidates = torch.stack([proposed, distilled["a"], distilled["b"]])
    assert (memory <= candidates.amax(0) + 1e-6).all()
    assert (memory >= candidates.amin(0) - 1e-6).all()


@pytest.mark.parametrize("merge", ["mean", "softmax"])
def test_the_memory_does_not_grow_over_many_steps(merge: str) -> None:
    network = target(merge, layers=(0, 1))
    kept = network(torch.rand(1, 60, 1, 16, 16), input_length=59, keep_memories=["cell/0"]).memories["cell/0"]
    rms = kept.square().mean(dim=(0, 2, 3, 4)).sqrt()
    assert rms[-1] < 3 * rms[10]


@pytest.mark.parametrize("merge", MERGES)
def test_a_source_of_another_width_is_distilled_in_its_own_width(merge: str) -> None:
    x, hidden, proposed = inputs()
    memory, distilled = gates(merge, sources={"wide": 12, "narrow": 5})(x, hidden, proposed)
    assert memory.shape == proposed.shape
    assert {name: tuple(d.shape) for name, d in distilled.items()} == {"wide": (2, 12, 4, 4), "narrow": (2, 5, 4, 4)}


@pytest.mark.parametrize("merge", MERGES)
@pytest.mark.parametrize("layers", [(0,), (1,), (0, 1)])
def test_gradients_agree_with_finite_differences(merge: str, layers: tuple[int, ...]) -> None:
    network = target(merge, layers).double()
    frames = torch.rand(1, 4, 1, 16, 16, dtype=torch.float64)
    memories = {name: torch.randn(1, 3, 8, 4, 4, dtype=torch.float64) for name in ("a", "b")}
    parameter = network.cell_list[layers[0]].gates.gates.weight  # type: ignore[union-attr]

    def loss() -> torch.Tensor:
        prediction = network(frames, input_length=2)
        return prediction_loss(prediction, frames) + 0.3 * distillation_loss(prediction, memories)

    assert isinstance(parameter, torch.Tensor)
    (gradient,) = torch.autograd.grad(loss(), [parameter])
    place = (0, 1, 1, 1)
    with torch.no_grad():
        parameter[place] += 1e-6
        above = loss()
        parameter[place] -= 2e-6
        below = loss()
    torch.testing.assert_close(gradient[place], (above - below) / 2e-6, rtol=1e-4, atol=1e-9)


def test_imitation_brings_distilled_memory_to_the_sources() -> None:
    network, frames = target(), torch.rand(2, 5, 1, 16, 16)
    memories = {name: torch.randn(2, 4, 8, 4, 4) for name in ("a", "b")}
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    losses = []
    for _ in range(60):
        loss = distillation_loss(network(frames, input_length=3), memories)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_a_source_weight_scales_its_share_of_the_loss() -> None:
    network, frames = target(sources={"a": 8}), torch.rand(1, 4, 1, 16, 16)
    prediction, memories = network(frames, input_length=2), {"a": torch.randn(1, 3, 8, 4, 4)}
    torch.testing.assert_close(
        distillation_loss(prediction, memories, source_weights={"a": 3.0}), 3 * distillation_loss(prediction, memories)
    )


def test_a_target_keeps_the_weights_it_started_from() -> None:
    source = VideoPredictor(channels=1, frame_size=(16, 16), patch_size=4, hidden=(8, 8), kernel_size=3)
    network = VideoPredictor(channels=1, frame_size=(16, 16), patch_size=4, hidden=(8, 8), kernel_size=3)
    network.load_state_dict(source.state_dict())
    network.add_transfer((0,), {"a": 8})
    torch.testing.assert_close(network.cell_list[0].cell.conv[0].weight, source.cell_list[0].conv[0].weight)  # type: ignore


@pytest.mark.filterwarnings("ignore:merge 'released':UserWarning")
def test_the_released_cell_begins_with_the_convolution_it_started_from() -> None:
    network = VideoPredictor(channels=1, frame_size=(16, 16), patch_size=4, hidden=(8, 8), kernel_size=3)
    plain = [parameter.detach().clone() for parameter in network.cells[0].parameters()]
    network.add_transfer((0,), {"a": 8, "b": 8}, merge="released")
    weight, bias = list(network.cells[0].parameters())[:2]
    assert weight.shape[0] == 6 * 8
    assert torch.equal(weight[: 4 * 8], plain[0])
    assert torch.equal(bias[: 4 * 8], plain[1])


def test_the_growing_memory_is_told_once_a_process() -> None:
    warn_that_memory_grows.cache_clear()
    told = 0
    for _ in range(3):
        network = VideoPredictor(channels=1, frame_size=(16, 16), patch_size=4, hidden=(8,), kernel_size=3)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            network.add_transfer((0,), {"a": 8, "b": 8}, merge="released")
        told += len(caught)
    assert told == 1


def test_a_network_that_was_trained_so_is_loaded_without_a_word_and_uses_up_no_warning() -> None:
    warn_that_memory_grows.cache_clear()
    path = REFERENCE / "tmu_released" / "model.ckpt-20"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_reference_checkpoint(path, family="tmu", patch_size=4)
    network = VideoPredictor(channels=1, frame_size=(16, 16), patch_size=4, hidden=(8,), kernel_size=3)
    with pytest.warns(UserWarning, match="use 'mean' for new work"):
        network.add_transfer((0,), {"a": 8, "b": 8}, merge="released")


def test_faults_name_both_sides() -> None:
    network, frames = target(), torch.rand(1, 4, 1, 16, 16)
    prediction = network(frames, input_length=2)
    with pytest.raises(ShapeError, match="distils 'a', whose memory was not given"):
        distillation_loss(prediction, {"b": torch.zeros(1, 3, 8, 4, 4)})
    with pytest.raises(ShapeError, match=r"is \(1, 3, 4, 4, 4\), the target distils \(1, 3, 8, 4, 4\)"):
        distillation_loss(prediction, {"a": torch.zeros(1, 3, 4, 4, 4), "b": torch.zeros(1, 3, 8, 4, 4)})
    with pytest.raises(ShapeError, match="layers 0 to 1"):
        network.add_transfer((2,), {"a": 8})
    with pytest.raises(ShapeError, match="already draws on sources"):
        network.add_transfer((0,), {"a": 8})
    with pytest.raises(ShapeError, match="at least one source"):
        TransferGates(4, 8, (4, 4), {})
