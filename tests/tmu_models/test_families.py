"""Adding a family is one cell and one line: a toy family goes through everything a built-in one does."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tmu_models import Cell, CellState, CellStep, ShapeError, VideoPredictor, distillation_loss, prediction_loss
from tmu_models.families import ENTRY_POINTS, FAMILIES, _entry_points, cell_class, known_families


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
def leaky(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setitem(FAMILIES, "leaky", LeakyCell)
    return "leaky"


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
    changed[:, 4] = 1 - changed[:, 4]
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


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An installed package that offers a family, one that cannot be imported, one that is no cell, and a taken name."""
    (tmp_path / "mim_networks.py").write_text("from tmu_models import Cell\nclass MIMCell(Cell): has_flow = True\n")
    info = tmp_path / "mim_networks-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mim-networks\nVersion: 1.0\n")
    offers = {"mim": "mim_networks:MIMCell", "broken": "no_such_module:Cell", "list": "builtins:list"}
    lines = [f"{name} = {where}" for name, where in (offers | {"predrnn": "mim_networks:MIMCell"}).items()]
    (info / "entry_points.txt").write_text("\n".join([f"[{ENTRY_POINTS}]", *lines]))
    monkeypatch.syspath_prepend(str(tmp_path))
    _entry_points.cache_clear()
    yield
    _entry_points.cache_clear()


@pytest.mark.usefixtures("package")
def test_a_package_offers_a_family_and_a_broken_one_disturbs_no_other() -> None:
    assert cell_class("mim").has_flow
    assert {"mim", "broken", "list"} < set(known_families())
    assert cell_class("convlstm") is FAMILIES["convlstm"]
    for name, fault in (("broken", "cannot be imported"), ("list", "no subclass"), ("predrnn", "name of a built-in")):
        with pytest.raises(ShapeError, match=fault):
            cell_class(name)


@pytest.mark.parametrize("name", ["values", "train", "type", "keys", "pop", "half"])
def test_a_source_may_be_called_like_a_method(name: str) -> None:
    frames, network = torch.rand(1, 4, 1, 16, 16), build("convlstm")
    network.add_transfer((0,), {name: 6})
    assert (0, name) in network(frames, input_length=2).distilled
    network = build("convlstm")
    network.add_knowledge_flow((0,), {name: 6})
    network(frames, input_length=2, teachers={name: torch.rand(1, 3, 6, 4, 4)})


@pytest.mark.parametrize("name", ["", "a.b"])
def test_a_source_name_that_no_state_dict_holds_is_refused(name: str) -> None:
    with pytest.raises(ShapeError, match="is no name for a source"):
        build("convlstm").add_transfer((0,), {name: 6})
