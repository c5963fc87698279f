"""Charts of a run whose rule is known: `digits_2` helps by 4, a learning rate near 0.001 by up to 8, nothing else."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from platform.reporting.charts.chart import Chart
from platform.reporting.charts.drawing import INK, PANEL, error_bars
from platform.reporting.charts.lead_times import csi_chart
from platform.reporting.charts.of_run import charts_of
from platform.reporting.charts.pairs import pairs_of_sources
from platform.reporting.charts.settings import parallel_coordinates, settings_against_score
from platform.reporting.charts.tradeoffs import score_against_cost
from platform.reporting.charts.trials import learning_curves
from platform.results.effects import Difference
from platform.results.findings import Findings
from platform.results.look import MeasuredField
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
    assert chart.title.startswith("digits_1 and digits_3 together are better than the sum of what each does, by 1")
    assert "95\u00a0% interval" in chart.title
    assert chart.plot is not None
    shown = {layer.name: [text for row in layer.text for text in row if text] for layer in chart.plot.data}
    assert [len(shown[name]) for name in ("empty", "unclear", "clear")] == [0, 2, 1]
    assert "★" in shown["clear"][0]
    assert all("unclear" in text for text in shown["unclear"])


def test_pairs_without_an_effect_are_read_in_the_pages_own_colours(findings: Findings) -> None:
    """In dark and in light: no letters of one theme on the paper of another."""
    empty, unclear = (
        replace(findings.pairs[0], found=None),
        replace(findings.pairs[1], found=Difference(-1.0)),
    )
    chart = pairs_of_sources(findings.summary, [empty, unclear])
    assert chart is not None
    assert chart.plot is not None
    layers = {layer.name: layer for layer in chart.plot.data}
    assert chart.title == "Too few finished trials (60) to say how two sources act together"
    assert [layers[name].textfont.color for name in ("empty", "unclear")] == [INK, INK]
    assert [color for _, color in layers["empty"].colorscale] == [PANEL, PANEL]
    assert all(color.endswith(", 0.25)") for _, color in layers["unclear"].colorscale)
    assert next(text for row in layers["empty"].text for text in row if text).startswith("too few trials<br>n = ")


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
    words = [note for note in chart.plot.layout.annotations if note.text == "rung"]
    assert [(word.y, word.yref, word.yanchor) for word in words] == [(1, "paper", "bottom")] * 2  # no curve is there


def test_of_rungs_that_are_close_one_is_named(findings: Findings) -> None:
    config = {"training": {"epochs": 81}, "search": {"asha": {"grace_epochs": 1, "reduction": 3}}}
    records = tuple(
        record.model_copy(update={"curve": tuple({"epoch": float(n), "mse": 9.0} for n in range(1, 82))})
        for record in findings.summary.records[:1]
    )
    chart = learning_curves(replace(findings.summary, config={**findings.summary.config, **config}, records=records))
    assert chart.plot is not None
    assert [shape.x0 for shape in chart.plot.layout.shapes] == [1, 3, 9, 27]
    assert [note.x for note in chart.plot.layout.annotations if note.text == "rung"] == [1, 27]


def test_error_bars_reach_from_the_mean_to_both_ends() -> None:
    bars = error_bars([2.0, -1.0], [(1.5, 4.0), (-2.0, -0.5)], INK)
    assert (bars["array"], bars["arrayminus"]) == ([2.0, 0.5], [0.5, 1.0])


def test_the_smallest_trial_that_comes_close_is_named(findings: Findings) -> None:
    chart = score_against_cost(findings.summary)
    assert chart is not None
    assert "weights" in chart.title


Csi = dict[str, tuple[list[float | None], list[float | None]]]  # by threshold: of a target, of copying the last frame


def csi_of(findings: Findings, csi: Csi, step_s: int | None = 600) -> Chart | None:
    """The chart of trial 3, as if the run were of rain with a frame every ten minutes."""
    field = MeasuredField(unit="mm/h", values=tuple(float(n) for n in range(256)), step_s=step_s)
    horizon, floor = ({f"csi_{name}": tuple(both[part]) for name, both in csi.items()} for part in (0, 1))
    (look, *_) = findings.looks
    facts = look.facts.model_copy(update={"trial": 3, "field": field, "horizon": horizon, "floor": floor})
    return csi_chart([replace(look, facts=facts)], "bom")


def test_csi_tells_up_to_which_lead_time_a_target_beats_copying_at_each_threshold(findings: Findings) -> None:
    floor: list[float | None] = [0.5, 0.4, 0.3, 0.2]
    chart = csi_of(
        findings,
        {
            "0.5": ([0.6, 0.5, 0.4, 0.3], floor),
            "10": ([0.4, 0.4, 0.2, 0.1], floor),
            "2": ([0.6, 0.5, 0.2, 0.1], floor),
            "5": ([0.1, 0.1, 0.1, 0.3], floor),
            "20": ([0.6, 0.1, 0.4, 0.1], floor),
            "30": ([0.0, 0.0, 0.0, 0.0], floor),
        },
    )
    assert chart is not None
    assert chart.title.replace("\u00a0", " ") == (
        "On these 40 clips trial 3 beats copying the last frame at every lead time for 0.5 mm/h, up to 20 min ahead "
        "for 2 mm/h, from 40 min ahead on for 5 mm/h, at no lead time for 10 and 30 mm/h, at 2 of 4 lead times for "
        "20 mm/h"
    )
    assert "CSI), 0 to 1, higher is better · bom, validation, 40 clips" in chart.measured
    assert chart.plot is not None
    assert [trace.x for trace in chart.plot.data] == [(10, 20, 30, 40)] * 12
    assert [trace.y for trace in chart.plot.data[:2]] == [(0.6, 0.5, 0.4, 0.3), tuple(floor)]
    texts = [note.text.replace("\u00a0", " ") for note in chart.plot.layout.annotations]
    assert texts[:3] == ["<b>≥ 0.5 mm/h</b>", "trial 3", "copying"]
    assert {axis.title.text for axis in chart.plot.select_xaxes()} == {"", "minutes ahead"}


def test_where_nothing_rains_that_hard_csi_is_not_told(findings: Findings) -> None:
    none: list[float | None] = [None, None]
    chart = csi_of(findings, {"2": ([None, 0.2], [0.1, 0.1]), "30": (none, none)}, step_s=None)
    assert chart is not None
    assert chart.plot is not None
    assert chart.title == "On these 40 clips trial 3 beats copying the last frame at every lead time for 2\u00a0mm/h"
    assert "none in these clips" in chart.plot.layout.annotations[-1].text
    assert [trace.x for trace in chart.plot.data][:1] == [(1, 2)]
    dry = csi_of(findings, {"30": (none, none)})
    assert dry is not None
    assert dry.title == "These clips never reach 30\u00a0mm/h"


def test_csi_is_among_the_charts_of_radar_alone(findings: Findings) -> None:
    assert csi_chart((), "kth") is None
    assert "csi" not in {chart.key for chart in charts_of(findings, ["horizon", "csi"])}
    (look, *_) = findings.looks
    scores = {"csi_2": (0.1,) * 10}
    facts = look.facts.model_copy(update={"horizon": scores, "floor": scores})
    assert charts_of(replace(findings, looks=(replace(look, facts=facts),)), ["csi"])[0].key == "csi"
