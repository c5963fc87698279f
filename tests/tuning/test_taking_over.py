"""Which checkpoint a trial goes on from, and which runs are gone on with at all."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from platform.config.errors import UserError
from platform.config.home import Home
from platform.config.run import RunConfig
from platform.results.progress import Running, RunningTrial, write_running
from platform.results.run_folder import RunFolder
from platform.tuning.stage import stage
from platform.tuning.trials.resuming import take_over

Config = Callable[..., RunConfig]


def saved(folder: Path, epochs: int) -> None:
    """As much of a checkpoint as is looked at here."""
    folder.mkdir(parents=True)
    (folder / "target.safetensors").write_bytes(bytes([epochs]))
    files = {"target.safetensors": hashlib.sha256(bytes([epochs])).hexdigest()}
    manifest = {"progress": {"epochs": epochs, "steps": 0}, "files": files}
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("there", "goes_on_from"),
    [
        ([2, 3], 3),
        ([1, 2], 1),  # whether it was stopped at the rung after epoch 2 nobody knows; after epoch 1 it went on
        ([1], None),
        ([3, 4], 3),
        ([9, 10], 9),  # the last epoch, whose scores may not be in the table
    ],
)
def test_a_trial_goes_on_from_where_it_was_not_yet_judged(
    there: list[int], goes_on_from: int | None, tiny_config: Config, tmp_path: Path
) -> None:
    config, folder = tiny_config("training.epochs=10"), RunFolder(tmp_path)  # rungs after epochs 1, 2, 4 and 8
    curve = tuple({"epoch": float(epoch), "mse": 1.0} for epoch in range(1, max(there) + 1))
    write_running(
        folder.running, Running(trials=(RunningTrial(trial=0, id="00000", seed=0, settings={}, curve=curve),))
    )
    for number, epochs in enumerate(there):
        saved(folder.trial("00000") / f"checkpoint_{number:06d}", epochs)
    for _ in range(2):  # as after another kill
        past = take_over(folder, config)
        assert len(past.unfinished[0].curve) == (goes_on_from or 0)
        assert (0 in past.checkpoints) == (goes_on_from is not None)
        if goes_on_from is not None:
            assert Path(past.checkpoints[0].path, "target.safetensors").read_bytes() == bytes([goes_on_from])


@pytest.mark.usefixtures("local_ray")
@pytest.mark.parametrize(
    ("made_of", "refusal"),
    [
        ({"fingerprints": {"test": "0" * 64}}, "the test clips of .* have fingerprint .*: other clips make another"),
        (
            {"sources": {name: {"entry": "gone", "weights_sha256": "0" * 64} for name in ("one", "two")}},
            "source 'one' of this run is gone with weights 000000000000, which is not in the bank",
        ),
    ],
    ids=["clips", "weights"],
)
def test_a_run_does_not_go_on_with_other_data(
    made_of: dict, refusal: str, tiny_home: Home, tiny_config: Config, tmp_path: Path
) -> None:
    folder = RunFolder(tmp_path)
    folder.provenance.write_text(json.dumps(made_of))
    with pytest.raises(UserError, match=refusal), stage(tiny_config(), folder, tiny_home, Console(quiet=True)):
        pass
    assert not folder.config.exists()
