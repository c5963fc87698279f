"""With what a run is gone on with: its own configuration, and little else."""

from pathlib import Path

import pytest

from platform.config.errors import UserError
from platform.config.load import load_run
from platform.config.resolved import dump_run, resumed_config
from tests.given import TINY


@pytest.fixture
def resolved(tmp_path: Path) -> Path:
    """Of a run that was begun with two trials, and settled on float32."""
    path = tmp_path / "config.yaml"
    overrides = ["search.trials=2", "training.precision=float32"]
    path.write_text(dump_run(load_run(str(TINY), profile="laptop", overrides=overrides)))
    return path


def test_trials_and_budget_can_grow(resolved: Path) -> None:
    config = resumed_config(resolved, yaml=str(TINY), overrides=["search.budget.hours=3"], extend=5)
    assert config.search.trials == 7
    assert config.search.budget.hours == 3
    assert config.training.precision == "float32"


def test_another_yaml_is_refused_with_the_difference(resolved: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(TINY.read_text().replace("epochs: 3,", "epochs: 7,"))
    with pytest.raises(UserError, match=r"training\.epochs: 7 here, 3 there"):
        resumed_config(resolved, yaml=str(other))


def test_nothing_else_can_be_set(resolved: Path) -> None:
    with pytest.raises(UserError, match=r"only search\.budget can be changed"):
        resumed_config(resolved, yaml=None, overrides=["training.epochs=4"])


def test_a_folder_without_a_configuration_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no run folder"):
        resumed_config(tmp_path / "config.yaml", yaml=None)
