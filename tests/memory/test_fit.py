"""Sources and targets of different geometry: shapes change once, on purpose, and never by broadcasting."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from platform.bank.bank import Bank
from platform.bank.imports import import_checkpoint
from platform.benchmarks.catalog import open_benchmark
from platform.config.errors import UserError
from platform.config.home import Home
from platform.config.run import RunConfig
from platform.memory.blocks import BlockStore
from platform.memory.compute import SourceRunner
from platform.memory.fit import check_fit, fit_frames, resize
from platform.memory.request import FRAMES, MemoryIdentity, Request
from tests.given import REFERENCE
from tmu_models import VideoPredictor

Config = Callable[..., RunConfig]


def test_what_fits_is_left_alone() -> None:
    frames = torch.rand(2, 3, 1, 8, 8)
    assert fit_frames(frames, 1, (8, 8)) is frames


def test_grey_becomes_colour_and_colour_grey() -> None:
    grey, colour = torch.rand(1, 2, 1, 4, 4), torch.rand(1, 2, 3, 4, 4)
    assert torch.equal(fit_frames(grey, 3, (4, 4))[:, :, 2:], grey)
    torch.testing.assert_close(fit_frames(colour, 1, (4, 4)), colour.mean(2, keepdim=True))


def test_any_other_change_of_channels_is_refused() -> None:
    with pytest.raises(UserError, match="trained on 4-channel frames, the clips have 3"):
        fit_frames(torch.rand(1, 2, 3, 4, 4), 4, (4, 4))


def source(channels: int, patch_size: int, frame_size: int | None) -> VideoPredictor:
    size = None if frame_size is None else (frame_size, frame_size)
    return VideoPredictor(channels=channels, frame_size=size, patch_size=patch_size, hidden=(4,), kernel_size=3)


@pytest.mark.parametrize(("channels", "patch", "size"), [(1, 5, 20), (3, 4, 32), (1, 4, None), (4, 4, 16)])
def test_a_source_that_can_be_shown_the_clips_passes(channels: int, patch: int, size: int | None) -> None:
    check_fit("one", source(channels, patch, size), channels=1, frame_size=16)


def test_a_source_that_cannot_be_shown_the_clips_is_refused_by_name() -> None:
    with pytest.raises(UserError, match=r"'one' was trained on 4-channel frames, the clips have 3: .* Drop it"):
        check_fit("one", source(4, 4, 16), channels=3, frame_size=16)
    with pytest.raises(UserError, match=r"'one' reads patches of 5, which do not divide frames of 16.*--frame-size"):
        check_fit("one", source(1, 5, None), channels=1, frame_size=16)


def test_shrinking_averages_areas() -> None:
    maps = torch.rand(1, 2, 3, 4, 4)
    torch.testing.assert_close(resize(maps, (2, 2))[..., 0, 0], maps[..., :2, :2].mean(dim=(-2, -1)))


def test_growing_keeps_a_constant() -> None:
    torch.testing.assert_close(resize(torch.full((1, 1, 1, 3, 3), 0.7), (7, 7)), torch.full((1, 1, 1, 7, 7), 0.7))


@pytest.mark.parametrize("family", ["convlstm", "predrnn"])
@pytest.mark.parametrize(("channels", "size", "patch"), [(1, 16, 4), (3, 32, 4), (1, 8, 2), (1, 32, 2)])
def test_a_source_of_any_geometry_serves_memory_on_the_targets_grid(
    tiny_home: Home, tiny_config: Config, tmp_path: Path, family: str, channels: int, size: int, patch: int
) -> None:
    clips = open_benchmark(tiny_config().benchmark, tiny_home).blocks("train")
    network = VideoPredictor(
        channels=channels, frame_size=(size, size), patch_size=patch, hidden=(5, 5), kernel_size=3, family=family
    )
    identity = MemoryIdentity("w", clips.fingerprint, 3, grid=(4, 4))
    runner = SourceRunner(network.eval(), clips, identity, BlockStore(tmp_path))
    for memory in network.memory_channels:
        assert runner.states(Request("one", 0, memory=memory)).shape == (8, 5, 5, 4, 4)
    frames = runner.states(Request("one", 0, memory=FRAMES))
    assert frames.shape == (8, 5, 1, 16, 16)
    assert np.isfinite(frames).all()


def test_a_memory_the_source_does_not_have_is_refused(tiny_home: Home, tiny_config: Config, tmp_path: Path) -> None:
    clips = open_benchmark(tiny_config().benchmark, tiny_home).blocks("train")
    network = VideoPredictor(channels=1, frame_size=(16, 16), patch_size=4, hidden=(5,), kernel_size=3)
    runner = SourceRunner(network, clips, MemoryIdentity("w", "c", 3, (4, 4)), BlockStore(tmp_path))
    with pytest.raises(UserError, match=r"no memory 'cell/7'; it has cell/0\. Set sources\.one\.memory"):
        runner.compute(Request("one", 0, memory="cell/7"))


def test_one_checkpoint_at_two_frame_sizes_is_two_sources(tiny_home: Home, tiny_config: Config, tmp_path: Path) -> None:
    """Without layer norm the weights are the same at every size; what they compute is not."""
    clips = open_benchmark(tiny_config().benchmark, tiny_home).blocks("train")
    bank, store = Bank(tmp_path / "bank"), BlockStore(tmp_path / "memory")
    checkpoint = REFERENCE / "convlstm_source_a" / "model.ckpt-20"
    told = {}
    for name, frame_size in (("a16", 16), ("a32", 32), ("any", None)):
        card = import_checkpoint(bank, checkpoint, family="convlstm", patch_size=4, name=name, frame_size=frame_size)
        identity = MemoryIdentity(card.function_sha256, clips.fingerprint, 3, grid=(4, 4))
        runner = SourceRunner(bank.load(name), clips, identity, store)
        request = Request(name, 0)
        told[name] = runner.states(request)
        np.testing.assert_array_equal(told[name], identity.rounded(runner.compute(request)))
    assert not np.array_equal(told["a16"], told["a32"])
    np.testing.assert_array_equal(told["a16"], told["any"])  # the clips are of 16


def test_a_memory_too_large_for_its_storage_is_refused_by_name(
    tiny_home: Home, tiny_config: Config, tmp_path: Path
) -> None:
    clips = open_benchmark(tiny_config().benchmark, tiny_home).blocks("train")
    network = VideoPredictor(channels=1, frame_size=(16, 16), patch_size=4, hidden=(4,), kernel_size=3)
    runner = SourceRunner(network, clips, MemoryIdentity("w", clips.fingerprint, 3, (4, 4)), BlockStore(tmp_path))
    original = runner.compute
    runner.compute = lambda *asked: 1e6 * np.sign(original(*asked))  # type: ignore[method-assign]
    with pytest.raises(UserError, match=r"source 'loud': cell/0 reaches 1e\+06, which float16 cannot hold"):
        runner.states(Request("loud", 0))
