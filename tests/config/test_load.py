"""From YAML to a run: what is found, what is laid over what, and how faults are told."""

from pathlib import Path

import pytest

from platform.config.errors import UserError
from platform.config.load import SEARCH_SPACES, load_run
from platform.config.resolved import dump_run

SMALL = """
name: small
benchmark: {name: flying_digits, digits: 2, frame_size: 16, input_length: 3, total_length: 6, on_missing: synthetic}
network: {hidden: [8], kernel_size: 3, patch_size: 4}
sources:
  one: {benchmark: {name: flying_digits, digits: 1}}
search:
  trials: 3
  space:
    sources: {subset: [one]}
    tmu.merge: {choice: [mean, sum]}
    learning_rate: {float: [1e-4, 1e-2], log: true}
profiles:
  laptop: {search: {trials: 2}}
  full: {}
"""


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    return path


def faults(path: Path, text: str, *overrides: str) -> str:
    path.write_text(text)
    with pytest.raises(UserError) as error:
        load_run(str(path), overrides=overrides)
    return str(error.value)


@pytest.mark.parametrize("path", sorted(SEARCH_SPACES.glob("*.yaml")), ids=lambda path: path.stem)
@pytest.mark.parametrize("profile", ["laptop", "full"])
def test_every_shipped_yaml_is_valid_in_both_profiles(path: Path, profile: str) -> None:
    config = load_run(path.name, profile=profile)  # type: ignore[arg-type]
    assert config.profile == profile
    assert load_run(path.stem, profile=profile) == config


def test_the_profile_lies_over_the_file_and_overrides_over_both(small: Path) -> None:
    assert load_run(str(small), profile="full").search.trials == 3
    assert load_run(str(small), profile="laptop").search.trials == 2
    assert load_run(str(small), profile="laptop", overrides=["search.trials=7"]).search.trials == 7


def test_an_override_may_name_a_parameter_with_a_dot_in_it(small: Path) -> None:
    config = load_run(str(small), overrides=["search.space.tmu.merge.choice=[softmax]"])
    assert config.search.space["tmu.merge"].choice == ("softmax",)


def test_a_source_inherits_what_makes_its_memories_fit(small: Path) -> None:
    source = load_run(str(small)).sources["one"]
    assert source.benchmark is not None
    assert (source.benchmark.frame_size, source.benchmark.total_length) == (16, 6)
    assert source.network is not None
    assert source.network.hidden == (8,)


@pytest.mark.parametrize("override", ["search.trials=3", "search.asha=null", "search.epoch_minutes=null"])
def test_a_resolved_run_reads_back_as_itself(small: Path, tmp_path: Path, override: str) -> None:
    config = load_run(str(small), profile="laptop", overrides=[override])
    (tmp_path / "config.yaml").write_text(dump_run(config))
    assert load_run(str(tmp_path / "config.yaml"), profile="laptop") == config


def test_exponents_without_a_dot_are_numbers(small: Path) -> None:
    assert load_run(str(small)).search.space["learning_rate"].float_bounds == (1e-4, 1e-2)


def test_all_faults_are_told_at_once_each_with_its_line(small: Path) -> None:
    text = (
        SMALL.replace("trials: 3", "trails: 3")
        .replace("[mean, sum]", "[meen, sum]")
        .replace("hidden: [8]", "hidden: [-8]")
        .replace("input_length: 3", "input_length: 9")
        .replace("subset: [one]", "subset: [won]")
    )
    told = faults(small, text, "training.batch_size=0")
    assert "6 faults in" in told
    assert "small.yaml:8: search.trails: no such key (did you mean 'trials'?)" in told
    assert "search.space.tmu.merge: value 'meen'" in told
    assert "small.yaml:4: network.hidden.0: -8:" in told
    assert "input_length 9 leaves nothing to predict in total_length 6; set total_length to at least 10" in told
    assert "small.yaml:10: search.space.sources: no source 'won' (did you mean 'one'?)" in told
    assert "--set training.batch_size: training.batch_size: 0:" in told


@pytest.mark.parametrize(
    ("change", "repair"),
    [
        (("name: flying_digits, digits: 2", "name: flying_digit, digits: 2"), "did you mean 'flying_digits'?"),
        (("digits: 2,", ""), "needs digits: 1, 2 or 3"),
        (("patch_size: 4}", "patch_size: 3}"), "does not divide frame_size 16; use one of 1, 2, 4, 8, 16"),
        (("choice: [mean, sum]", "choise: [mean, sum]"), "did you mean 'choice'?"),
        (("tmu.merge:", "tmu.marge:"), "did you mean 'tmu.merge'?"),
        (("{float: [1e-4, 1e-2], log: true}", "{float: [1e-2, 1e-4]}"), "write the smaller number first"),
        (("kernel_size: 3", "kernel_size: 4"), "odd kernel keeps the grid's size"),
        (("  trials: 3", "  trials: 3\n  trials: 4"), "written twice (first on line 8)"),
        (("laptop: {search", "laptob: {search"), "no such profile; known: laptop, full"),
        (("name: small", "name: ../small"), "String should match pattern"),
    ],
)
def test_each_fault_hands_over_its_repair(small: Path, change: tuple[str, str], repair: str) -> None:
    assert repair in faults(small, SMALL.replace(*change))


def test_a_source_may_have_a_geometry_of_its_own(small: Path) -> None:
    own = "digits: 1, frame_size: 32}, network: {patch_size: 2, hidden: [5, 5], family: predrnn}}"
    small.write_text(SMALL.replace("digits: 1}}", own))
    source = load_run(str(small)).sources["one"]
    assert source.network is not None
    assert (source.network.family, source.network.hidden, source.network.kernel_size) == ("predrnn", (5, 5), 3)


def test_families_are_checked_with_their_demands(small: Path) -> None:
    assert "did you mean 'predrnn'" in faults(small, SMALL.replace("{hidden", "{family: predrn, hidden"))
    assert "nothing to decouple" in faults(small, SMALL.replace("{hidden", "{decoupling: true, hidden"))
    unequal = SMALL.replace("{hidden: [8]", "{family: predrnn, hidden: [8, 4]")
    assert "make them equal" in faults(small, unequal)


def test_a_group_in_two_splits_is_refused(small: Path) -> None:
    text = SMALL.replace("digits: 2,", "digits: 2, split: {train: 1-5, validation: 5, test: 6},")
    assert "5 stand in both train and validation" in faults(small, text)


def test_a_misspelt_yaml_is_told_with_the_nearest_name() -> None:
    with pytest.raises(UserError, match=r"did you mean 'kth\.yaml'"):
        load_run("kht")


@pytest.mark.parametrize("text", ["- a\n- b\n", "a: [1\n", "\x00", "a: !!python/object:os.system {}\n", ""])
def test_what_is_no_configuration_is_refused_with_its_file(small: Path, text: str) -> None:
    assert "small.yaml" in faults(small, text)


def test_a_misspelt_preset_is_one_fault(small: Path) -> None:
    text = faults(small, SMALL.replace("name: flying_digits, digits: 2,", "preset: sevir_13_13,"))
    assert text.startswith("1 fault in")
    assert "did you mean 'sevir_13_12'?" in text
