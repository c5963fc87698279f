"""Half of one copy and half of another never run together."""

import sys
from pathlib import Path

import pytest

from platform.naming import MixedCopies, check_single_copy


@pytest.fixture
def no_models_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "tmu_models"]:
        monkeypatch.delitem(sys.modules, name)


def test_one_copy_passes() -> None:
    check_single_copy()


def test_models_of_another_copy_are_refused_with_both_places_and_the_repair(
    no_models_imported: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tmu_models").mkdir()
    (tmp_path / "tmu_models" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(MixedCopies, match="pip install -e") as refusal:
        check_single_copy()

    assert str(tmp_path) in str(refusal.value)
    assert str(Path(__file__).parents[2]) in str(refusal.value)


def test_missing_models_are_named_with_the_repair(no_models_imported: None, monkeypatch: pytest.MonkeyPatch) -> None:
    root = str(Path(__file__).parents[2])
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry not in (root, "")])

    with pytest.raises(MixedCopies, match=r"no `tmu_models`.*pip install --force-reinstall"):
        check_single_copy()
