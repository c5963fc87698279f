"""Adding a family is one cell and one line: a toy family goes through everything a built-in one does."""

from collections.abc import Iterator

import pytest
import torch

from tmu_models import Cell, CellState, CellStep, ShapeError, VideoPredictor, distillation_loss, prediction_loss
from tmu_models.families import FAMILIES, known_families


class LeakyCell(Cell):
    """A toy: the memory leaks, the input is added."""

    def __init__(
        self, in_channels: int, hidden_channels: int, kernel_size: int, norm_grid: tuple[int, int] | None = None
    ) -> None:
        super().__init__(in_channels, hidden_channels)
        self.conv = torch.nn.Conv2d(in_channels, hidden_channels, kernel_size, padding=kernel_size // 2)

    def forward(self, x: torch.Tensor, state: CellState, flow: torch.Tensor | None) -> CellStep:
        memory = 0.9 * state.memory + self.conv(x)
        return CellStep(CellState(torch.tanh(memory), memory), flow)


@pytest.fixture
def leaky(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setitem(FAMILIES, "leaky", LeakyCell)
    known_families.cache_clear()
    yield "leaky"
    known_families.cache_clear()


@pytest.fixture(params=[*FAMILIES, "leaky"])
def family(request: pytest.FixtureRequest, leaky: str) -> str:
    return request.param


def build(family: str, **options: object) -> VideoPredictor:
    torch.manual_seed(0)
    sizes = {"channels": 1, "frame_size": (16, 16), "patch_size": 4, "hidden": (6, 6), "kernel_size": 3}
    return VideoPredictor(**sizes, family=family, **options)  # type: ignore[arg-type]


def test_every_family_predicts_and_has_memories(family: str) -> None:
    network = build(family)
    prediction = network(torch.rand(2, 5, 1, 16, 16), input_length=3)
    assert prediction.frames.shape == (2, 4, 1, 16, 16)
    assert set(prediction.memories) == set(network.memory_channels)
    assert all(memory.shape == (2, 4, 6, 4, 4) for memory in prediction.memories.values())


@pytest.mark.parametrize("merge", ["mean", "softmax", "sum"])
def test_a_tmu_wraps_the_memory_of_every_family(family: str, merge: str) -> None:
    network = build(family)
    network.add_transfer((1,), {"a": 6, "b": 3}, kernel_size=3, merge=merge)  # type: ignore[arg-type]
    frames = torch.rand(2, 5, 1, 16, 16)
    prediction = network(frames, input_length=3)
    memories = {"a": torch.rand(2, 4, 6, 4, 4), "b": torch.rand(2, 4, 3, 4, 4)}
    (prediction_loss(prediction, frames) + distillation_loss(prediction, memories)).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in network.parameters())


def test_what_comes_later_changes_nothing_before_it(family: str) -> None:
    network, frames = build(family), torch.rand(1, 6, 1, 16, 16)
    changed = frames.clone()
    changed[:, 4] += 1
    before, after = (network(f, input_length=5).frames for f in (frames, changed))
    assert torch.equal(before[:, :4], after[:, :4])
    assert not torch.equal(before[:, 4], after[:, 4])


def test_decoupling_keeps_the_two_memories_of_predrnn_apart() -> None:
    network, frames = build("predrnn", decoupling=True), torch.rand(2, 5, 1, 16, 16)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    losses = []
    for _ in range(40):
        decoupling = network(frames, input_length=3).decoupling
        assert decoupling is not None
        optimizer.zero_grad()
        decoupling.backward()
        optimizer.step()
        losses.append(decoupling.item())
    assert 0 <= losses[-1] < 0.5 * losses[0] <= 0.5


def test_a_family_with_one_memory_cannot_be_decoupled() -> None:
    with pytest.raises(ShapeError, match="nothing to decouple"):
        build("convlstm", decoupling=True)


def test_an_unknown_family_is_refused_with_those_known() -> None:
    with pytest.raises(ShapeError, match=r"no family 'mim'; known: convlstm"):
        build("mim")


def test_knowledge_flow_borrows_while_it_learns_and_stands_alone_after(family: str) -> None:
    network = build(family)
    alone, frames = build(family)(torch.ones(1, 5, 1, 16, 16), input_length=3).frames, torch.ones(1, 5, 1, 16, 16)
    network.add_knowledge_flow((0,), {"a": 6})
    teachers = {"a": torch.rand(1, 4, 6, 4, 4)}
    assert not torch.allclose(network(frames, input_length=3, teachers=teachers).frames, alone)
    torch.testing.assert_close(network(frames, input_length=3).frames, alone)
    dependence = network.dependence()
    assert dependence is not None
    assert dependence.item() == pytest.approx(torch.log(torch.tensor(2.0)).item())  # one teacher and itself, alike
