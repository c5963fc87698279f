"""Charts of a run whose rule is known: `digits_2` helps by 4, a learning rate near 0.001 by up to 8, nothing else."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from platform.reporting.charts.settings import parallel_coordinates, settings_against_score
from platform.reporting.charts.sources import pairs_of_sources
from platform.reporting.charts.tradeoffs import score_against_cost
from platform.reporting.charts.trials import learning_curves
from platform.results.findings import Findings
from platform.results.record import read_results, write_results
from platform.results.run_folder import RunFolder

BuildRun = Callable[..., RunFolder]


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory, build_run: BuildRun) -> Findings:
    return Findings.read(build_run(tmp_path_factory.mktemp("charts") / "run", num_trials=80).path)


def test_pairs_that_only_add_up_are_not_called_more(findings: Findings) -> None:
    chart = pairs_of_sources(findings.summary, findings.pairs)
    assert chart is not None
    assert chart.title.startswith("No two sources clearly do more or less together than apart")
    assert len(findings.pairs) == 3
    assert all(sum(pair.counts) == len(findings.summary.finished) for pair in findings.pairs)


def test_a_pair_that_does_more_together_is_found(findings: Findings, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = RunFolder(tmp_path_factory.mktemp("pair"))
    folder.config.write_bytes(findings.summary.folder.config.read_bytes())
    records = []
    for record in read_results(findings.summary.folder.results):
        both = {"digits_1", "digits_3"} <= set(record.sources)
        lower = {**record.metrics, "mse": record.metrics["mse"] - 15} if both and record.metrics else record.metrics
        records.append(record.model_copy(update={"metrics": lower}))
    write_results(folder.results, records)
    found = Findings.read(folder.path)
    (pair,) = [pair for pair in found.pairs if (pair.first, pair.second) == ("digits_1", "digits_3")]
    assert pair.is_clear
    assert pair.interaction == pytest.approx(-15, abs=4)
    chart = pairs_of_sources(found.summary, found.pairs)
    assert chart is not None
    assert chart.title == "digits_1 and digits_3 together are better than the sum of what each does"


def test_only_settings_that_differ_have_a_panel_and_idle_ones_no_mark(findings: Findings) -> None:
    chart = settings_against_score(findings.summary, list(findings.importances.shares))
    assert chart is not None
    assert chart.plot is not None
    names = [axis.title.text for axis in chart.plot.select_xaxes()]
    assert set(names) - {None} == {"learning_rate", "start", "tmu.merge", "distil.weight"}
    panel = names.index("distil.weight")
    drawn = next(trace for trace in chart.plot.data if trace.xaxis == f"x{panel + 1}")
    assert len(drawn.x) == sum(bool(record.sources) for record in findings.summary.finished)


def test_parallel_coordinates_pass_every_axis_and_name_what_the_best_share(findings: Findings) -> None:
    chart = parallel_coordinates(findings.summary, list(findings.importances.shares))
    assert chart is not None
    assert chart.plot is not None
    axes = len(chart.plot.layout.xaxis.tickvals)
    finished = len(findings.summary.finished)
    assert sum(len(trace.x) for trace in chart.plot.data) == finished * (axes + 1)
    assert "source digits_2 yes" in chart.title


def test_rungs_stand_in_the_learning_curves_of_a_halving_search(findings: Findings) -> None:
    chart = learning_curves(findings.summary)
    assert chart.plot is not None
    assert not chart.plot.layout.shapes
    config = {**findings.summary.config, "search": {"asha": {"grace_epochs": 1, "reduction": 3}}}
    halved = replace(findings.summary, config=config)
    assert halved.rungs == (1, 3)
    chart = learning_curves(halved)
    assert chart.plot is not None
    assert [shape.x0 for shape in chart.plot.layout.shapes] == [1, 3]


def test_the_smallest_trial_that_comes_close_is_named(findings: Findings) -> None:
    chart = score_against_cost(findings.summary)
    assert chart is not None
    assert "weights" in chart.title
