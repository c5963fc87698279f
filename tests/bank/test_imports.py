"""A network of one's own comes into the bank as a public code's does: its family is registered, its file is data."""

import warnings
from pathlib import Path

import pytest
import torch

from platform.bank.bank import Bank
from platform.bank.imports import import_checkpoint
from platform.config.errors import UserError
from tests.given import REFERENCE
from tmu_models import Cell, CellState, CellStep, VideoPredictor
from tmu_models.cell import Convolution
from tmu_models.families import FAMILIES
from tmu_models.released import ReleasedTMUCell, warn_that_memory_grows


class LeakyCell(Cell):
    """A toy: the memory leaks, the input is added."""

    def __init__(
        self, in_channels: int, hidden_channels: int, kernel_size: int, norm_grid: tuple[int, int] | None = None
    ) -> None:
        super().__init__(in_channels, hidden_channels)
        self.conv = Convolution((in_channels,), hidden_channels, kernel_size, norm_grid)

    def forward(self, x: torch.Tensor, state: CellState, flow: torch.Tensor | None) -> CellStep:
        memory = 0.9 * state.memory + self.conv(x)
        return CellStep(CellState(torch.tanh(memory), memory), flow)


@pytest.fixture
def leaky(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setitem(FAMILIES, "leaky", LeakyCell)
    return "leaky"


def saved(path: Path, **changes: object) -> VideoPredictor:
    torch.manual_seed(0)
    sizes = {"channels": 3, "frame_size": None, "patch_size": 4, "hidden": (6, 6), "kernel_size": 3}
    network = VideoPredictor(**{**sizes, **changes}, family="leaky")  # type: ignore[arg-type]
    torch.save(network.state_dict(), path)
    return network


def test_a_network_of_ones_own_family_joins_the_bank(tmp_path: Path, leaky: str) -> None:
    network, bank = saved(tmp_path / "mine.pt"), Bank(tmp_path / "bank")
    card = import_checkpoint(bank, tmp_path / "mine.pt", family=leaky, patch_size=4, name="mine", kernel_size=3)
    assert (card.network.family, card.network.hidden, card.channels, card.frame_size) == (leaky, (6, 6), 3, None)
    frames = torch.rand(1, 5, 3, 16, 16)
    ours, theirs = (net.eval()(frames, input_length=3) for net in (bank.load("mine"), network))
    assert torch.equal(ours.memories["cell/1"], theirs.memories["cell/1"])


def test_what_its_weights_do_not_tell_is_told(tmp_path: Path, leaky: str) -> None:
    saved(tmp_path / "mine.pt", hidden=(5, 6), frame_size=(16, 16), layer_norm=True)
    told = {"hidden": (5, 6), "kernel_size": 3, "layer_norm": True, "frame_size": 16}
    bank = Bank(tmp_path / "bank")
    card = import_checkpoint(bank, tmp_path / "mine.pt", family=leaky, patch_size=4, name="mine", **told)  # type: ignore[arg-type]
    assert (card.network.hidden, card.network.layer_norm, card.frame_size) == ((5, 6), True, 16)
    for name, value, repair in (
        ("kernel_size", 5, "--kernel-size"),
        ("hidden", None, "--hidden"),
        ("layer_norm", False, "--layer-norm"),
        ("hidden", (6, 6, 6), "--hidden"),
        ("frame_size", None, "frame_size="),
        ("kernel_size", 4, "only an odd kernel"),
    ):
        with pytest.raises(UserError, match=repair):
            import_checkpoint(
                bank,
                tmp_path / "mine.pt",
                family=leaky,
                patch_size=4,
                name="other",
                **{**told, name: value},  # type: ignore[arg-type]
            )
    assert bank.entries() == ["mine"]


def test_a_family_that_nobody_registered_is_refused_with_those_known(tmp_path: Path) -> None:
    path = REFERENCE / "predrnn" / "model.ckpt-20"
    with pytest.raises(
        UserError, match=r"no family 'mim'; known: convlstm, .*entry point transferable_memory\.families"
    ):
        import_checkpoint(Bank(tmp_path), path, family="mim", patch_size=4, name="mine")


def test_a_released_tmu_is_a_source_without_a_warning_about_new_work(tmp_path: Path) -> None:
    bank, path = Bank(tmp_path), REFERENCE / "tmu_released" / "model.ckpt-20"
    warn_that_memory_grows.cache_clear()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        import_checkpoint(bank, path, family="tmu", patch_size=4, name="tmu")
        assert isinstance(bank.load("tmu").cells[0], ReleasedTMUCell)


def test_what_a_public_codes_weights_tell_is_not_asked_for(tmp_path: Path) -> None:
    path = REFERENCE / "predrnn" / "model.ckpt-20"
    with pytest.raises(UserError, match=r"weights of a predrnn tell its sizes; leave --kernel-size out"):
        import_checkpoint(Bank(tmp_path), path, family="predrnn", patch_size=4, name="mine", kernel_size=5)
