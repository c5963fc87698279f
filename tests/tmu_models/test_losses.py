"""What a loss means: one weight for every source, loud or quiet, and nothing compared by accident."""

import pytest
import torch

from tmu_models import (
    Moments,
    Prediction,
    ShapeError,
    VideoPredictor,
    distillation_loss,
    output_distillation_loss,
    prediction_loss,
)


@pytest.fixture
def network() -> VideoPredictor:
    torch.manual_seed(0)
    network = VideoPredictor(channels=1, frame_size=(16, 16), patch_size=4, hidden=(8,), kernel_size=3)
    network.add_transfer((0,), {"a": 8})
    return network


def loss_and_gradient(network: VideoPredictor, memory: torch.Tensor) -> tuple[float, float]:
    network.zero_grad()
    prediction = network(torch.linspace(0, 1, 2 * 5 * 256).reshape(2, 5, 1, 16, 16), input_length=3)
    moments = {"a": Moments(memory.mean().item(), memory.var(unbiased=False).item())}
    loss = distillation_loss(prediction, {"a": memory}, moments=moments)
    loss.backward()
    gradients = [p.grad.square().sum() for p in network.cells[0].parameters() if p.grad is not None]
    return loss.item(), torch.stack(gradients).sum().sqrt().item()


@pytest.mark.parametrize(("scale", "shift"), [(0.01, 0.0), (1.0, 3.0), (100.0, -20.0)])
def test_a_weight_means_the_same_for_a_loud_and_a_quiet_source(
    network: VideoPredictor, scale: float, shift: float
) -> None:
    memory = torch.randn(2, 4, 8, 4, 4, generator=torch.Generator().manual_seed(1))
    loss, gradient = loss_and_gradient(network, memory)
    assert loss == pytest.approx(2.0, rel=0.3)  # two independent variables of variance 1
    assert loss_and_gradient(network, scale * memory + shift) == pytest.approx((loss, gradient), rel=1e-3)


def test_names_of_no_source_are_refused(network: VideoPredictor) -> None:
    prediction, memory = network(torch.rand(1, 4, 1, 16, 16), input_length=2), torch.randn(1, 3, 8, 4, 4)
    with pytest.raises(ShapeError, match=r"source_weights names \['b'\], but the sources are \['a'\]"):
        distillation_loss(prediction, {"a": memory}, source_weights={"b": 1.0})
    with pytest.raises(ShapeError, match="moments names"):
        distillation_loss(prediction, {"a": memory}, moments={"b": Moments(0, 1)})
    with pytest.raises(ShapeError, match="nothing to imitate"):
        output_distillation_loss(prediction, {})


def test_frames_are_held_to_a_sources_frames_in_units_of_their_variance() -> None:
    prediction = Prediction(torch.zeros(1, 3, 1, 4, 4))
    told = {"a": torch.full((1, 3, 1, 4, 4), 0.5)}
    assert output_distillation_loss(prediction, told).item() == pytest.approx(0.25)
    assert output_distillation_loss(prediction, told, moments={"a": Moments(9.0, 0.5)}).item() == pytest.approx(0.5)


def masked_case() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    predicted, frames = (torch.rand(2, frames, 1, 4, 4, generator=draw) for frames in (3, 4))
    return predicted.requires_grad_(), frames, torch.rand(2, 4, 1, 4, 4, generator=draw) > 0.4


def test_a_missing_pixel_has_no_part_in_the_loss_and_no_gradient() -> None:
    predicted, frames, valid = masked_case()
    loss = prediction_loss(Prediction(predicted), frames, valid)
    seen = valid[:, 1:]
    wanted = ((predicted - frames[:, 1:])[seen] ** 2).mean()
    assert loss.item() == pytest.approx(wanted.item())
    loss.backward()
    assert predicted.grad is not None
    assert torch.equal(predicted.grad != 0, seen)
    assert prediction_loss(Prediction(predicted), frames.where(valid, 9.0), valid).item() == loss.item()


def test_a_whole_mask_changes_nothing_and_an_empty_one_gives_0() -> None:
    predicted, frames, valid = masked_case()
    plain, all_valid = prediction_loss(Prediction(predicted), frames), torch.ones_like(valid)
    assert prediction_loss(Prediction(predicted), frames, all_valid).item() == pytest.approx(plain.item())
    nothing = prediction_loss(Prediction(predicted), frames, ~all_valid)
    nothing.backward()
    assert nothing.item() == 0
    assert predicted.grad is not None
    assert (predicted.grad == 0).all()


def test_a_source_is_not_imitated_where_nothing_was_measured() -> None:
    predicted, _, valid = masked_case()
    told = {"a": torch.zeros(2, 3, 1, 4, 4)}
    loss = output_distillation_loss(Prediction(predicted), told, valid_BTCHW=valid)
    assert loss.item() == pytest.approx((predicted[valid[:, 1:]] ** 2).mean().item())


def test_a_mask_of_other_clips_or_of_bytes_is_refused() -> None:
    predicted, frames, valid = masked_case()
    for mask in (valid[:1], valid[:, 1:], valid.byte()):
        with pytest.raises(ShapeError, match="not a mask of booleans for clips"):
            prediction_loss(Prediction(predicted), frames, mask)


def test_a_prediction_is_scored_on_its_own_clips_only() -> None:
    prediction = Prediction(torch.zeros(2, 3, 1, 4, 4))
    assert prediction_loss(prediction, torch.ones(2, 4, 1, 4, 4)).item() == 1.0
    for clips in ((1, 4, 1, 4, 4), (2, 3, 1, 4, 4), (2, 4, 3, 4, 4)):
        with pytest.raises(ShapeError, match="not theirs"):
            prediction_loss(prediction, torch.ones(clips))
