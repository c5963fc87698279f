"""Speed changes no number: the fast pass against a plain one, in double precision, in half, and compiled."""

import warnings
from collections.abc import Iterator

import pytest
import torch

from tmu_models import (
    Prediction,
    VideoPredictor,
    distillation_loss,
    from_patches,
    fused_pointwise,
    pointwise,
    prediction_loss,
    to_patches,
)
from tmu_models.pointwise import Fused
from tmu_models.step_layers import MOST_PENDING

NETWORKS = [
    ("convlstm", None, {}),
    ("convlstm", None, {"layer_norm": True}),
    ("convlstm", "released", {}),
    *[("convlstm", merge, {}) for merge in ("mean", "softmax", "sum")],
    ("convlstm_openstl", "mean", {"layer_norm": True}),
    ("predrnn", "softmax", {}),
    ("predrnn", None, {"layer_norm": True, "decoupling": True}),
]
NUM_CLIPS, T, SHOWN = 3, 7, 4


def build(family: str, merge: str | None, options: dict) -> VideoPredictor:
    torch.manual_seed(0)
    network = VideoPredictor(
        channels=1, frame_size=(16, 16), patch_size=4, hidden=(8, 8), kernel_size=3, family=family, **options
    )
    if merge is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            network.add_transfer((0, 1), {"a": 8, "b": 8}, kernel_size=3, merge=merge)  # type: ignore[arg-type]
    return network


def clips(dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor, dict[str, torch.Tensor]]:
    draw = torch.Generator().manual_seed(1)
    frames = torch.rand(NUM_CLIPS, T, 1, 16, 16, generator=draw, dtype=torch.float64)
    mask = (torch.rand(NUM_CLIPS, T - 1 - SHOWN, generator=draw) < 0.5).to(dtype)
    memories = {name: torch.randn(NUM_CLIPS, T - 1, 8, 4, 4, generator=draw, dtype=torch.float64) for name in "ab"}
    return frames.to(dtype), mask, {name: memory.to(dtype) for name, memory in memories.items()}


def plain_pass(network: VideoPredictor, frames: torch.Tensor, mask: torch.Tensor) -> Prediction:
    """Cell by cell and step by step, each convolution by itself, its gradient by autograd."""
    true = to_patches(frames, network.patch_size)
    states = [cell.initial(true[:, 0]) for cell in network.cells]
    flow = states[0].memory if network.has_flow else None
    generated: list[torch.Tensor] = []
    distilled: dict[tuple[int, str], list[torch.Tensor]] = {}
    for t in range(T - 1):
        x = true[:, t]
        if t >= SHOWN:
            shown = mask[:, t - SHOWN, None, None, None]
            x = shown * x + (1 - shown) * generated[-1]
        for layer, cell in enumerate(network.cells):
            step = cell(x, states[layer], flow)
            states[layer], flow, x = step.state, step.flow, step.state.hidden
            for name, memory in step.distilled.items():
                distilled.setdefault((layer, name), []).append(memory)
        generated.append(network.conv_last(x))
    return Prediction(
        from_patches(torch.stack(generated, dim=1), network.patch_size),
        distilled={key: torch.stack(memories, dim=1) for key, memories in distilled.items()},
    )


def loss_and_gradients(
    network: VideoPredictor, prediction: Prediction, frames: torch.Tensor, memories: dict[str, torch.Tensor]
) -> tuple[float, torch.Tensor]:
    loss = prediction_loss(prediction, frames)
    if prediction.distilled:
        loss = loss + 0.3 * distillation_loss(prediction, memories)
    named = [p for name, p in network.named_parameters() if not name.startswith("adapter")]
    gradients = torch.autograd.grad(loss, named)
    return loss.item(), torch.cat([gradient.flatten().double() for gradient in gradients])


def fast(network: VideoPredictor, dtype: torch.dtype) -> tuple[float, torch.Tensor]:
    frames, mask, memories = clips(dtype)
    prediction = network(frames, input_length=SHOWN, truth_mask=mask)
    return loss_and_gradients(network, prediction, frames, memories)


def plain_in_double(family: str, merge: str | None, options: dict) -> tuple[float, torch.Tensor]:
    network = build(family, merge, options).double()
    frames, mask, memories = clips(torch.float64)
    return loss_and_gradients(network, plain_pass(network, frames, mask), frames, memories)


def cosine(one: torch.Tensor, other: torch.Tensor) -> float:
    return torch.cosine_similarity(one, other, dim=0).item()


@pytest.mark.parametrize(("family", "merge", "options"), NETWORKS)
def test_a_pass_is_the_plain_one(family: str, merge: str | None, options: dict) -> None:
    wanted_loss, wanted = plain_in_double(family, merge, options)
    loss, gradients = fast(build(family, merge, options).double(), torch.float64)
    assert loss == pytest.approx(wanted_loss, rel=1e-12)
    torch.testing.assert_close(gradients, wanted, rtol=1e-9, atol=1e-12)
    loss, gradients = fast(build(family, merge, options), torch.float32)
    assert loss == pytest.approx(wanted_loss, rel=1e-5)
    torch.testing.assert_close(gradients, wanted, rtol=1e-3, atol=1e-5 * wanted.abs().max().item())


@pytest.mark.parametrize(("family", "merge", "options"), NETWORKS)
def test_half_precision_stays_within_its_rounding(family: str, merge: str | None, options: dict) -> None:
    """bfloat16 keeps 8 bits: a part in 256."""
    wanted_loss, wanted = plain_in_double(family, merge, options)
    with torch.autocast("cpu", torch.bfloat16):
        loss, gradients = fast(build(family, merge, options), torch.float32)
    assert loss == pytest.approx(wanted_loss, rel=0.01)
    assert cosine(gradients, wanted) > 0.999
    assert gradients.norm().item() == pytest.approx(wanted.norm().item(), rel=0.02)


def test_predicted_frames_and_memories_are_not_rounded_to_half() -> None:
    frames, mask, _ = clips(torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        prediction = build("convlstm", "mean", {})(frames, input_length=SHOWN, truth_mask=mask)
    for values in (prediction.frames, prediction.memories["cell/0"]):
        assert values.dtype == torch.float32
        assert not torch.equal(values, values.bfloat16().float())


def test_gradients_of_more_steps_than_are_kept_pending_add_up() -> None:
    network = build("convlstm", None, {}).double()
    frames = torch.rand(MOST_PENDING // 2, 6, 1, 16, 16, dtype=torch.float64)
    prediction_loss(network(frames, input_length=5), frames).backward()
    weight = network.cell_list[0].conv[0].weight  # type: ignore[index, union-attr]
    assert isinstance(weight, torch.Tensor)
    assert weight.grad is not None
    parts = torch.zeros_like(weight)
    for part in frames.split(8):
        loss = prediction_loss(network(part, input_length=5), part)
        parts += torch.autograd.grad(loss, weight)[0] * len(part) / len(frames)
    torch.testing.assert_close(weight.grad, parts)


def test_a_pass_that_failed_leaves_the_network_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    network = build("convlstm", "mean", {})
    frames, mask, _ = clips(torch.float32)
    wanted = network(frames, input_length=SHOWN, truth_mask=mask).frames
    with monkeypatch.context() as patch:
        patch.setattr(type(network.cells[1]), "advance", None)
        with pytest.raises(TypeError):
            network(frames, input_length=SHOWN, truth_mask=mask)
    with torch.no_grad():
        network.conv_last.weight.mul_(2)
    torch.testing.assert_close(network(frames, input_length=1).frames[:, 0], 2 * wanted[:, 0])


@pytest.fixture
def compiling() -> Iterator[None]:
    refused, Fused.refused = Fused.refused, None
    with fused_pointwise():
        yield
    Fused.refused = refused


@pytest.mark.usefixtures("compiling")
@pytest.mark.filterwarnings("ignore")  # torch's own, while it imports its compiler and traces
@pytest.mark.parametrize(("family", "merge"), [("convlstm", "mean"), ("predrnn", "softmax"), ("convlstm", "released")])
def test_compiled_is_the_same(family: str, merge: str) -> None:
    wanted_loss, wanted = plain_in_double(family, merge, {})
    loss, gradients = fast(build(family, merge, {}), torch.float32)
    assert not Fused.refused
    assert loss == pytest.approx(wanted_loss, rel=1e-5)
    torch.testing.assert_close(gradients, wanted, rtol=1e-3, atol=1e-5 * wanted.abs().max().item())


@pytest.mark.usefixtures("compiling")
def test_what_cannot_be_compiled_is_computed_all_the_same_and_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_compiler(function: object) -> object:
        raise RuntimeError("no C++ compiler was found")

    monkeypatch.setattr(torch, "compile", no_compiler)
    monkeypatch.setattr(pointwise._lstm_forward, "_compiled", None)
    with pytest.warns(UserWarning, match="training goes on without: no C\\+\\+ compiler") as said:
        loss, _ = fast(build("convlstm", None, {}), torch.float32)
    assert loss == pytest.approx(plain_in_double("convlstm", None, {})[0], rel=1e-5)
    assert len(said) == 1
