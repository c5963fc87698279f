"""The plain form that speed-ups are held against is the public code's step, number for number."""

import numpy as np
import torch

from platform.measure.released_step import ReleasedStep
from tests.given import REFERENCE
from tmu_models import VideoPredictor, load_reference_checkpoint, to_patches


def test_the_plain_step_trains_as_the_public_code() -> None:
    arrays = dict(np.load(REFERENCE / "tmu_released" / "case.npz"))
    frames = torch.from_numpy(arrays["frames"]).permute(0, 1, 4, 2, 3)
    mask = torch.from_numpy(arrays["mask"])[:, :, 0, 0, 0]

    def load(name: str, family: str) -> VideoPredictor:
        return load_reference_checkpoint(REFERENCE / name / "model.ckpt-20", family=family, patch_size=4)

    sources = [load(f"convlstm_source_{letter}", "convlstm") for letter in "ab"]
    plain = ReleasedStep(load("tmu_released", "tmu"), sources)

    def assert_same(got: torch.Tensor, wanted: np.ndarray) -> None:
        np.testing.assert_allclose(got.detach().numpy(), wanted, rtol=1e-5, atol=1e-5 * np.abs(wanted).max())

    predicted, distilled = plain.predict(frames, 4, mask)
    assert_same(to_patches(predicted, 4).permute(0, 1, 3, 4, 2), arrays["next_frames"])
    assert_same(distilled[0].transpose(0, 1), arrays["layer0_distilled_a"])
    assert_same(distilled[1].transpose(0, 1), arrays["layer0_distilled_b"])
    memory = plain.memory(plain.sources[0], frames, 4, mask).transpose(0, 1)
    assert_same(memory, np.load(REFERENCE / "convlstm_source_a" / "case.npz")["memory"])
    losses = [plain.step(frames, 4, mask).item() for _ in range(3)]
    np.testing.assert_allclose(losses, arrays["three_adam_step_losses"], rtol=1e-5)
    assert_same(plain.weights["conv_last.weight"], arrays["conv_last_after_three_steps"])
