"""Networks of the public codes, number for number: the cases in `tests/fixtures/reference`."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.given import REFERENCE
from tmu_models import CheckpointError, load_reference_checkpoint, to_patches
from tmu_models.losses import prediction_loss


def case(name: str) -> tuple[dict[str, np.ndarray], torch.Tensor, torch.Tensor]:
    """Its arrays, frames (B, T, C, H, W) and mask (B, T-1-input_length)."""
    arrays = dict(np.load(REFERENCE / name / "case.npz"))
    frames = torch.from_numpy(arrays["frames"]).permute(0, 1, 4, 2, 3)
    return arrays, frames, torch.from_numpy(arrays["mask"])[:, :, 0, 0, 0]


def assert_same(got: torch.Tensor, wanted: np.ndarray) -> None:
    np.testing.assert_allclose(got.detach().numpy(), wanted, rtol=1e-5, atol=1e-5 * np.abs(wanted).max())


def patched(frames: torch.Tensor) -> torch.Tensor:
    return to_patches(frames, 4).permute(0, 1, 3, 4, 2)


@pytest.mark.parametrize("name", ["convlstm_source_a", "convlstm_source_b"])
def test_a_convlstm_equals_the_public_code(name: str) -> None:
    arrays, frames, mask = case(name)
    network = load_reference_checkpoint(REFERENCE / name / "model.ckpt-20", family="convlstm", patch_size=4)
    fed = network(frames, input_length=4, truth_mask=mask)
    alone = network(frames, input_length=4, truth_mask=torch.zeros_like(mask))
    assert_same(fed.memories["cell/0"].transpose(0, 1), arrays["memory"])
    assert_same(alone.memories["cell/0"].transpose(0, 1), arrays["memory_zero_mask"])
    assert_same(patched(fed.frames), arrays["next_frames"])
    assert_same(patched(alone.frames), arrays["next_frames_zero_mask"])


@pytest.mark.parametrize("name", ["predrnn", "predrnn_layer_norm"])
def test_a_predrnn_equals_the_public_code(name: str) -> None:
    arrays, frames, mask = case(name)
    network = load_reference_checkpoint(REFERENCE / name / "model.ckpt-20", family="predrnn", patch_size=4)
    prediction = network(frames, input_length=4, truth_mask=mask)
    assert_same(patched(prediction.frames), arrays["next_frames"])
    assert set(prediction.memories) == {f"{kind}/{layer}" for kind in ("cell", "spatiotemporal") for layer in range(3)}
    for layer in range(3):
        assert_same(prediction.memories[f"cell/{layer}"].transpose(0, 1), arrays[f"cell_memory_{layer}"])
        flow = prediction.memories[f"spatiotemporal/{layer}"].transpose(0, 1)
        assert_same(flow, arrays[f"spatiotemporal_memory_{layer}"])
    assert prediction_loss(prediction, frames).item() == pytest.approx(float(arrays["loss"]), rel=1e-5)


def test_the_released_tmu_equals_the_public_code() -> None:
    arrays, frames, mask = case("tmu_released")
    network = load_reference_checkpoint(REFERENCE / "tmu_released" / "model.ckpt-20", family="tmu", patch_size=4)
    prediction = network(frames, input_length=4, truth_mask=mask)
    assert_same(patched(prediction.frames), arrays["next_frames"])
    assert_same(prediction.memories["cell/0"].transpose(0, 1), arrays["layer0_memory"])
    distilled = [prediction.distilled[0, f"source_{k}"].transpose(0, 1) for k in (1, 2)]
    assert_same(distilled[0], arrays["layer0_distilled_a"])
    assert_same(distilled[1], arrays["layer0_distilled_b"])
    memories = []
    for letter in "ab":
        path = REFERENCE / f"convlstm_source_{letter}" / "model.ckpt-20"
        source = load_reference_checkpoint(path, family="convlstm", patch_size=4)
        memories.append(source(frames, input_length=4, truth_mask=mask).memories["cell/0"].transpose(0, 1))
    # As released: summed over steps and sources, divided by B*T.
    B, T = frames.shape[:2]
    losses = [
        torch.nn.functional.mse_loss(d[t], m[t]) for d, m in zip(distilled, memories, strict=True) for t in range(8)
    ]
    assert torch.stack(losses).sum().item() / (B * T) == pytest.approx(float(arrays["distillation_loss"]), rel=1e-5)


def test_the_released_tmu_trains_as_the_public_code() -> None:
    arrays, frames, mask = case("tmu_released")
    network = load_reference_checkpoint(REFERENCE / "tmu_released" / "model.ckpt-20", family="tmu", patch_size=4)
    optimizer = torch.optim.Adam(network.train().parameters(), lr=3e-4)
    losses = []
    for _ in range(3):
        loss = prediction_loss(network(frames, input_length=4, truth_mask=mask), frames)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    np.testing.assert_allclose(losses, arrays["three_adam_step_losses"], rtol=1e-5)
    assert_same(network.conv_last.weight, arrays["conv_last_after_three_steps"])


def test_one_step_of_the_released_cell_equals_the_public_code() -> None:
    from tmu_models.cell import CellState
    from tmu_models.released import ReleasedTMUCell

    arrays = np.load(REFERENCE / "tmu_released_cell" / "case.npz")
    cell = ReleasedTMUCell(5, 8, 5, (4, 4), {"a": 8, "b": 8})
    path = REFERENCE / "tmu_released_cell" / "model.ckpt-20"
    cell.load_state_dict(torch.load(path, weights_only=True)["net_param"])
    x, hidden, memory = (torch.from_numpy(arrays[name]) for name in ("x", "h", "c"))
    step = cell(x, CellState(hidden, memory), None)
    assert_same(step.state.hidden, arrays["h_next"])
    assert_same(step.state.memory, arrays["c_next"])
    assert_same(step.distilled["a"], arrays["distilled_a"])
    assert_same(step.distilled["b"], arrays["distilled_b"])


@pytest.mark.parametrize(
    ("name", "family", "patch_size", "repair"),
    [
        ("predrnn", "convlstm", 4, "holds a predrnn, not a convlstm; set family to fit"),
        ("convlstm_source_a", "tmu", 4, "holds a convlstm, not a tmu"),
        ("convlstm_source_a", "mim", 4, "only convlstm, tmu, predrnn, convlstm_openstl; a network of your own"),
        ("convlstm_source_a", "convlstm", 3, "patch sizes that fit: 1, 2, 4"),
    ],
)
def test_a_wrong_family_or_patch_size_is_refused(name: str, family: str, patch_size: int, repair: str) -> None:
    with pytest.raises(CheckpointError, match=repair):
        load_reference_checkpoint(REFERENCE / name / "model.ckpt-20", family=family, patch_size=patch_size)


def test_a_cut_off_file_is_refused(tmp_path: Path) -> None:
    whole = (REFERENCE / "predrnn" / "model.ckpt-20").read_bytes()
    for keep in (0, 10, len(whole) // 2, len(whole) - 10):
        (tmp_path / "cut").write_bytes(whole[:keep])
        with pytest.raises(CheckpointError, match=r"cut off|damaged"):
            load_reference_checkpoint(tmp_path / "cut", family="predrnn", patch_size=4)


def test_a_pickle_that_is_not_plain_tensors_is_refused_unopened(tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> tuple:
            return (Path.touch, (tmp_path / "opened",))

    (tmp_path / "hostile").write_bytes(pickle.dumps({"net_param": Hostile()}, protocol=2))
    with pytest.raises(CheckpointError, match="more than plain tensors"):
        load_reference_checkpoint(tmp_path / "hostile", family="convlstm", patch_size=4)
    torch.save({"net_param": Hostile()}, tmp_path / "hostile_zip")
    with pytest.raises(CheckpointError, match="more than plain tensors"):
        load_reference_checkpoint(tmp_path / "hostile_zip", family="convlstm", patch_size=4)
    assert not (tmp_path / "opened").exists()


@pytest.mark.parametrize("content", [{}, [1, 2], {"net_param": {}}, {"net_param": {"a": 1}}, {"a": torch.zeros(1)}])
def test_what_is_no_network_is_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "file")
    with pytest.raises(CheckpointError):
        load_reference_checkpoint(tmp_path / "file", family="convlstm", patch_size=4)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused_by_name(tmp_path: Path, value: float) -> None:
    weights = torch.load(REFERENCE / "predrnn" / "model.ckpt-20", weights_only=True)["net_param"]
    weights["cell_list.1.conv_m.0.weight"][0, 0, 0, 0] = value
    torch.save({"net_param": weights}, tmp_path / "file")
    with pytest.raises(CheckpointError, match=r"cell_list\.1\.conv_m\.0\.weight is not finite"):
        load_reference_checkpoint(tmp_path / "file", family="predrnn", patch_size=4)


def test_a_file_that_lacks_a_layer_is_refused(tmp_path: Path) -> None:
    weights = torch.load(REFERENCE / "convlstm_source_a" / "model.ckpt-20", weights_only=True)["net_param"]
    del weights["cell_list.1.conv.0.weight"]
    torch.save({"net_param": weights}, tmp_path / "file")
    with pytest.raises(CheckpointError, match="is the file whole"):
        load_reference_checkpoint(tmp_path / "file", family="convlstm", patch_size=4)


@pytest.mark.parametrize("layer_norm", [False, True])
def test_openstls_convlstm_loads_and_computes_its_equations(tmp_path: Path, layer_norm: bool) -> None:
    """Weights under OpenSTL's names, its unused ones included, against its equations written out in float64."""
    torch.manual_seed(0)
    H, k, grid = 6, 3, (4, 4)
    weights: dict[str, torch.Tensor] = {"conv_last.weight": torch.randn(16, H, 1, 1) * 0.1}
    for layer, width in enumerate((16, H)):
        for name, shape in {"conv_x": (4 * H, width), "conv_h": (4 * H, H), "conv_o": (H, 2 * H)}.items():
            weights[f"cell_list.{layer}.{name}.0.weight"] = torch.randn(*shape, k, k) * 0.1
            if layer_norm:
                weights[f"cell_list.{layer}.{name}.1.weight"] = torch.rand(shape[0], *grid)
                weights[f"cell_list.{layer}.{name}.1.bias"] = torch.rand(shape[0], *grid)
        weights[f"cell_list.{layer}.conv_last.weight"] = torch.randn(H, 2 * H, 1, 1)
    torch.save({"state_dict": {f"model.{key}": value for key, value in weights.items()}}, tmp_path / "checkpoint.pth")
    network = load_reference_checkpoint(tmp_path / "checkpoint.pth", family="convlstm", patch_size=4)
    named = load_reference_checkpoint(tmp_path / "checkpoint.pth", family="convlstm_openstl", patch_size=4)
    assert named.family == network.family == "convlstm_openstl"
    frames = torch.rand(2, 5, 1, 16, 16)
    prediction = network(frames, input_length=4)

    def transform(layer: int, name: str, x: torch.Tensor) -> torch.Tensor:
        y = torch.nn.functional.conv2d(x, weights[f"cell_list.{layer}.{name}.0.weight"].double(), padding=1)
        if not layer_norm:
            return y
        scale, shift = (weights[f"cell_list.{layer}.{name}.1.{part}"].double() for part in ("weight", "bias"))
        return torch.nn.functional.layer_norm(y, y.shape[1:], scale, shift)

    hidden = [torch.zeros(2, H, 4, 4, dtype=torch.float64) for _ in range(2)]
    memory = [torch.zeros(2, H, 4, 4, dtype=torch.float64) for _ in range(2)]
    for t in range(4):
        x = to_patches(frames, 4)[:, t].double()
        for layer in range(2):
            gates = transform(layer, "conv_x", x) + transform(layer, "conv_h", hidden[layer])
            i, f, g, o = gates.split(H, dim=1)
            memory[layer] = f.sigmoid() * memory[layer] + i.sigmoid() * g.tanh()
            x = hidden[layer] = o.sigmoid() * memory[layer].tanh()
        assert_same(prediction.memories["cell/1"][:, t], memory[1].numpy())


@pytest.mark.parametrize("damage", ["unequal layers", "no norm", "flat norm", "sparse", "complex", "even kernel"])
def test_weights_that_make_no_network_of_ours_are_refused_in_a_sentence(tmp_path: Path, damage: str) -> None:
    name, family = ("tmu_released", "tmu") if damage == "no norm" else ("predrnn_layer_norm", "predrnn")
    weights = torch.load(REFERENCE / name / "model.ckpt-20", weights_only=True)["net_param"]
    if damage == "unequal layers":
        kernel = weights["cell_list.1.conv_h.0.weight"]
        weights["cell_list.1.conv_h.0.weight"] = torch.cat([kernel, kernel])
    elif damage == "no norm":
        del weights["cell_list.0.conv.1.weight"]
    elif damage == "flat norm":
        weights["cell_list.0.conv_x.1.weight"] = torch.ones(4)
    elif damage == "even kernel":
        for key, kernel in weights.items():
            if ".conv_h.0." in key:
                weights[key] = kernel[..., :-1, :-1].contiguous()
    else:
        key = "conv_last.weight"
        weights[key] = weights[key].to_sparse() if damage == "sparse" else weights[key].to(torch.complex64)
    torch.save({"net_param": weights}, tmp_path / "file")
    with pytest.raises(CheckpointError):
        load_reference_checkpoint(tmp_path / "file", family=family, patch_size=4)


def test_no_damaged_byte_escapes_as_anything_but_a_refusal(tmp_path: Path) -> None:
    whole, draw = (REFERENCE / "predrnn" / "model.ckpt-20").read_bytes(), np.random.default_rng(0)
    refused = 0
    for _ in range(60):
        data = bytearray(whole)
        for place in draw.integers(0, len(data), 20):
            data[place] = draw.integers(256)
        (tmp_path / "file").write_bytes(bytes(data))
        try:
            load_reference_checkpoint(tmp_path / "file", family="predrnn", patch_size=4)
        except CheckpointError:
            refused += 1
    assert refused > 0  # flipped mantissas pass, all else is refused
