"""The five questions of a reader, before and after a search was confirmed."""

from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from platform.reporting.answers import answers
from platform.reporting.terminal import print_findings
from platform.results.findings import Findings
from platform.results.run_folder import RunFolder
from platform.results.scores import NARROW

BuildRun = Callable[..., RunFolder]


def told(run: Path) -> dict[str, str]:
    return {question: answer.replace(NARROW, " ") for question, answer in answers(Findings.read(run))}


@pytest.fixture(scope="module")
def long_run(tmp_path_factory: pytest.TempPathFactory, build_run: BuildRun) -> RunFolder:
    return build_run(tmp_path_factory.mktemp("long") / "run", num_trials=60)


def test_before_confirming_nothing_is_claimed(long_run: RunFolder) -> None:
    said = told(long_run.path)
    assert list(said) == [
        "Did transfer help?",
        "Which sources?",
        "How sure are we?",
        "What did it cost?",
        "What next?",
    ]
    assert said["Did transfer help?"].startswith("Perhaps: the best trial that distils is better (")
    assert "one seed each" in said["Did transfer help?"]
    assert said["Which sources?"].startswith("Trials did better with digits_2 (by ")
    assert said["How sure are we?"].startswith("Not yet")
    assert said["What next?"] == f"Confirm it with several seeds: `python -m platform.confirm {long_run.path}`."


def test_a_search_without_a_finished_trial_asks_to_go_on(tmp_path: Path, build_run: BuildRun) -> None:
    said = told(build_run(tmp_path / "run", num_trials=0).path)
    assert said["Did transfer help?"].startswith("Cannot be told")
    assert "--resume" in said["What next?"]


def test_where_the_trials_cannot_be_read_nobody_is_told_to_search_again(tmp_path: Path, build_run: BuildRun) -> None:
    run = build_run(tmp_path / "run")
    run.results.write_bytes(b"no parquet")
    said = told(run.path)
    assert said["What next?"].startswith(f"Restore {run.results} from a copy")


def test_a_damaged_ranking_is_named(tmp_path: Path, build_run: BuildRun) -> None:
    run = build_run(tmp_path / "run")
    assert not [text for text in Findings.read(run.path).missing if "ranking.json" in text]
    run.ranking.write_bytes(b"{\xff")
    assert [text for text in Findings.read(run.path).missing if "ranking.json" in text]


def test_the_terminal_shows_verdict_answers_and_the_best_trials(long_run: RunFolder) -> None:
    console = Console(width=200, record=True)
    print_findings(Findings.read(long_run.path), console)
    text = console.export_text()
    best = Findings.read(long_run.path).summary.best
    assert best is not None
    assert f"Trial {best.trial} is the best of" in text
    assert "What next? Confirm it with several seeds: python -m platform.confirm" in text
    rows = text[text.index("the best of 60 trials") :].splitlines()
    assert len([row for row in rows if " finished " in row]) == 10
    assert rows[2].split()[:2] == [str(best.trial), "finished"]
