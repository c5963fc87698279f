"""A chart's title says no more than its numbers carry: with how many trials, with which interval, beside what else."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from platform.reporting.charts.confirmed import contrasts_chart
from platform.reporting.charts.gates import drawn_chart, openness_chart
from platform.reporting.charts.horizon import horizon_chart
from platform.reporting.charts.settings import importances_chart, parallel_coordinates, settings_against_score
from platform.reporting.charts.sources import effect_of_sources
from platform.reporting.charts.tradeoffs import pareto_front, score_against_cost
from platform.reporting.charts.trials import learning_curves
from platform.results.drawn import drawn_sources
from platform.results.effects import source_effects
from platform.results.findings import Findings
from platform.results.importances import Importances
from platform.results.look import Look, SourceLook
from platform.results.record import TrialRecord
from platform.results.run_folder import RunFolder
from platform.results.scores import NARROW
from platform.results.summary import RunSummary
from tests.made_confirmations import confirm


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory, build_run: Callable[..., RunFolder]) -> Findings:
    return Findings.read(build_run(tmp_path_factory.mktemp("titles") / "run", num_trials=80).path)


@pytest.fixture(scope="module")
def summary(findings: Findings) -> RunSummary:
    return findings.summary


def only(summary: RunSummary, records: Sequence[TrialRecord]) -> RunSummary:
    return replace(summary, records=tuple(records))


def with_source(summary: RunSummary, source: str, num_without: int, num: int = 15) -> RunSummary:
    """`num` finished trials, of which so many are without the source."""
    there = [record for record in summary.finished if source in record.sources][: num - num_without]
    without = [record for record in summary.finished if source not in record.sources][:num_without]
    return only(summary, [*there, *without])


def plain(text: str) -> str:
    return text.replace(NARROW, " ")


def test_a_setting_whose_share_rests_on_one_trial_is_not_said_to_matter_most(summary: RunSummary) -> None:
    found = Importances({"source.digits_2": 0.61, "learning_rate": 0.39}, num_trials=15)
    chart = importances_chart(found, with_source(summary, "digits_2", num_without=1))
    assert plain(chart.title) == (
        "source.digits_2 stands first with 61 % of the differences, but only 1 of 15 finished trials is without it"
    )
    assert "Hatched: the share rests on a value that fewer than 4 finished trials have." in chart.caption
    assert chart.plot is not None
    (bars,) = chart.plot.data
    assert dict(zip(bars.y, bars.marker.pattern.shape, strict=True)) == {"learning_rate": "", "source.digits_2": "/"}


def test_a_rare_value_of_a_choice_is_named(summary: RunSummary) -> None:
    scratch = [record for record in summary.finished if record.settings["start"] == "scratch"]
    other = [record for record in summary.finished if record.settings["start"] != "scratch"]
    few = only(summary, [*scratch[:3], *other[:12]])
    title = importances_chart(Importances({"start": 0.5, "learning_rate": 0.5}, 15), few).title
    assert title.endswith("but only 3 of 15 finished trials have it at scratch")


def test_what_mattered_most_is_a_guess_below_thirty_trials(summary: RunSummary) -> None:
    found = Importances({"learning_rate": 0.7, "start": 0.3}, num_trials=15)
    few = importances_chart(found, with_source(summary, "digits_2", num_without=7))
    assert plain(few.title).startswith("learning_rate may have mattered most: it explains about 70 % of")
    many = importances_chart(replace(found, num_trials=60), summary)
    assert many.title.startswith("learning_rate mattered most")


def with_worths(findings: Findings, worths: Mapping[str, float], *, spread: float = 1.0, videos: int = 10) -> Look:
    """A look at sources that are drawn from ever less, with what shutting their gates costs on average."""
    look, generator = findings.looks[0], np.random.default_rng(0)
    num_clips = len(look.facts.clips)
    noise = generator.normal(0, spread, (len(worths), num_clips))
    noise -= noise.mean(axis=1, keepdims=True)
    sources = {
        name: SourceLook(openness=(0.5,), drawn=(0.4 - 0.1 * place,), worth=tuple((worth + noise[place]).tolist()))
        for place, (name, worth) in enumerate(worths.items())
    }
    clips = tuple(f"v{clip % videos}@{clip}" for clip in range(num_clips))
    facts = look.facts.model_copy(update={"trial": 3, "sources": sources, "clips": clips, "layers": (0,)})
    return replace(look, facts=facts)


def drawn_title(look: Look) -> str:
    chart = drawn_chart(look, drawn_sources(look), "kth")
    assert chart is not None
    return plain(chart.title)


def test_what_is_drawn_from_most_is_not_called_dearest_where_shutting_another_costs_more(findings: Findings) -> None:
    assert drawn_title(with_worths(findings, {"near": 1.0, "far": 5.0})) == (
        "Trial 3 draws most from near: 40 % of its memory, but shutting the gate of far costs more: "
        "the error rises by 5.00, against +1.00"
    )


def test_two_gates_that_cost_about_as_much_are_told_beside_each_other(findings: Findings) -> None:
    title = drawn_title(with_worths(findings, {"near": 5.0, "far": 5.1}, spread=3))
    assert title.startswith("Trial 3 draws most from near: 40 % of its memory; with that gate shut the error is 5.00 h")
    assert title.endswith("; with that of far shut it rises by 5.10")


def test_an_error_whose_interval_holds_zero_is_not_called_higher(findings: Findings) -> None:
    title = drawn_title(with_worths(findings, {"near": 0.1, "far": 0.05}, spread=3))
    assert "; with that gate shut the error does not clearly change (+0.100, 95 % interval −" in title
    assert "higher" not in title


def test_a_gate_that_costs_most_and_is_drawn_from_most_is_told_with_its_interval(findings: Findings) -> None:
    title = drawn_title(with_worths(findings, {"near": 5.0, "far": 1.0}))
    assert "; with that gate shut the error is 5.00 higher (95 % interval +4." in title
    assert "far" not in title


def test_clips_of_one_video_tell_nothing_of_what_a_gate_is_worth(findings: Findings) -> None:
    look = with_worths(findings, {"near": 5.0, "far": 1.0}, videos=1)
    chart = drawn_chart(look, drawn_sources(look), "kth")
    assert chart is not None
    assert chart.plot is not None
    assert plain(chart.title) == "Trial 3 draws most from near: 40 % of its memory"
    assert "none here: all clips are of one video" in chart.caption
    assert all(trace.error_x.array is None for trace in chart.plot.data if trace.type == "scatter")


def test_bars_and_marks_of_a_source_stand_on_one_line(findings: Findings) -> None:
    look = with_worths(findings, {"near": 5.0, "far": 1.0})
    chart = drawn_chart(look, drawn_sources(look), "kth")
    assert chart is not None
    assert chart.plot is not None
    assert [axis.range for axis in chart.plot.select_yaxes()] == [(-0.5, 1.5)] * 2


def opened(findings: Findings, *changes: float) -> str:
    """The title where each source's gate opens by so much with the target's own frames."""
    look = with_worths(findings, {f"s{number}": 1.0 for number in range(len(changes))})
    steps = np.full((2, 1, len(changes), 19), 0.5, np.float32)
    for number, change in enumerate(changes):
        steps[:, :, number, look.facts.input_length :] += change
    chart = openness_chart(replace(look, steps=steps), "kth")
    assert chart is not None
    return chart.title


def test_gates_are_said_to_open_or_close_only_where_all_do(findings: Findings) -> None:
    assert "over the target's own frames all are less open than over observed ones, by at least 0.010" in opened(
        findings, -0.02, -0.01
    )
    assert opened(findings, 0.02, -0.05) == "The gate of s0 is open widest: 0.51 on average"
    assert opened(findings, 0.02) == (
        "The gate of s0 is 0.51 open on average; over the target's own frames it is wider open than over observed "
        "ones, by 0.020"
    )


def test_what_the_best_share_stands_beside_how_many_others_have_it(summary: RunSummary) -> None:
    chart = parallel_coordinates(with_source(summary, "digits_2", num_without=1), [])
    assert chart is not None
    assert chart.title.startswith("The best 3 of 15 finished trials have ")
    assert "of the other 12 do too)" in chart.title


def test_a_setting_without_effect_is_not_what_the_best_share(summary: RunSummary) -> None:
    alone = sorted((r for r in summary.finished if not r.sources), key=lambda record: record.metrics["mse"])[:2]
    rest = [r for r in summary.finished if r.sources and r.metrics["mse"] > alone[-1].metrics["mse"]][:6]
    chart = parallel_coordinates(only(summary, [*alone, *rest]), ["tmu.merge"])
    assert chart is not None
    assert "tmu." not in chart.title


def test_the_strongest_of_many_correlations_must_be_clear_among_as_many(summary: RunSummary) -> None:
    """A rank correlation of 0.62 in 12 trials has p = 0.033: clear alone, not as the best of two."""
    ranks, other = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12), (7, 1, 12, 3, 9, 5, 2, 11, 4, 10, 6, 8)
    errors = (4, 7, 1, 6, 2, 3, 10, 12, 5, 8, 9, 11)

    def title(with_other: bool) -> str:
        records = []
        for record, rank, another, error in zip(summary.finished, ranks, other, errors, strict=False):
            settings = {"sources": [], "learning_rate": rank / 10, "width": another if with_other else 5}
            records.append(record.model_copy(update={"settings": settings, "metrics": {"mse": float(error)}}))
        chart = settings_against_score(only(summary, records), [])
        assert chart is not None
        return chart.title

    assert title(with_other=False).startswith("learning_rate goes with the score: the higher it is, the worse")
    assert title(with_other=True) == "No setting clearly goes with the score in one direction, in 12 finished trials"


def test_below_five_trials_no_setting_is_judged(summary: RunSummary) -> None:
    chart = settings_against_score(only(summary, summary.finished[:4]), [])
    assert chart is not None
    assert chart.title == "The error (MSE) of 4 finished trials beside each of their settings"


def test_a_source_that_too_few_trials_lack_is_named_where_no_difference_is_clear(summary: RunSummary) -> None:
    few = with_source(summary, "digits_2", num_without=1)
    same = only(few, [r.model_copy(update={"metrics": {"mse": 30.0 + r.trial % 2}}) for r in few.records])
    title = effect_of_sources(same, source_effects(same)).title
    assert title == "No source makes a clear difference among 15 finished trials; too few to tell for digits_2"


def test_a_clear_difference_comes_with_the_trials_on_both_sides(findings: Findings) -> None:
    title = effect_of_sources(findings.summary, findings.effects).title
    num = sum("digits_2" in record.sources for record in findings.summary.finished)
    assert "Trials with digits_2 score " in title
    assert f"{num} against {len(findings.summary.finished) - num} trials)" in title


def test_a_curve_is_said_to_have_gained_little_not_to_have_levelled_off(summary: RunSummary) -> None:
    best = summary.best
    assert best is not None

    def title(*values: float) -> str:
        curve = tuple({"epoch": float(epoch), "mse": value} for epoch, value in enumerate(values, start=1))
        return learning_curves(only(summary, [best.model_copy(update={"curve": curve, "epochs": 8})])).title

    assert title(9, 8, 7, 6, 5, 4, 3, 2) == "The best trial still improved in the last quarter of its 8 epochs"
    assert title(9, 5, 4, 3, 3, 3, 3, 3) == "The best trial gained little in the last quarter of its 8 epochs"


def test_beating_the_last_frame_is_said_of_these_clips(findings: Findings) -> None:
    chart = horizon_chart(findings.looks, findings.summary.score, "kth")
    assert chart is not None
    assert chart.title.startswith("On these 40 clips trial ")


def test_the_smallest_trial_is_not_said_to_beat_smaller_ones(summary: RunSummary) -> None:
    smallest = min(r.metrics["parameters"] for r in summary.finished)
    best = summary.best
    assert best is not None
    alone = score_against_cost(only(summary, [best]))
    assert alone is not None
    assert alone.title.startswith("The only finished trial has ")
    least = best.model_copy(update={"metrics": {**best.metrics, "parameters": smallest - 1}})
    chart = score_against_cost(only(summary, [least, *(r for r in summary.finished if r is not best)]))
    assert chart is not None
    assert chart.title.endswith(f"and no other of {len(summary.finished)} finished trials has fewer")


def test_one_trial_on_the_front_is_one_of_several(
    tmp_path_factory: pytest.TempPathFactory, build_run: Callable[..., RunFolder]
) -> None:
    folder = build_run(tmp_path_factory.mktemp("front") / "run", objectives=("mse", "parameters"))
    summary = Findings.read(folder.path).summary
    best = summary.best
    assert best is not None
    lowest = best.model_copy(update={"metrics": {**best.metrics, "parameters": 1.0}})
    chart = pareto_front(only(summary, [lowest, *(r for r in summary.finished if r is not best)]))
    assert chart is not None
    assert chart.title.startswith(f"1 of {len(summary.finished)} finished trials is not beaten in ")


def test_a_confirmed_setting_is_told_where_it_is_worse_too(
    tmp_path_factory: pytest.TempPathFactory, build_run: Callable[..., RunFolder]
) -> None:
    means = {"scratch": ("scratch", 33.0), "control": ("control", 33.0), "trial_3": ("best", 30.0)}
    folder = build_run(tmp_path_factory.mktemp("confirmed") / "run")
    confirmed = confirm(folder, {name: (role, [], mean) for name, (role, mean) in means.items()})  # type: ignore[misc]

    def title(*differences: tuple[float, float]) -> str:
        contrasts = tuple(
            replace(contrast, found=replace(contrast.found, mean=mean), p=p)
            for contrast, (mean, p) in zip(confirmed.contrasts, differences, strict=False)
        )
        chart = contrasts_chart(replace(confirmed, contrasts=contrasts), "kth")
        assert chart is not None
        return chart.title

    assert title((-2.0, 0.01), (3.0, 0.01)) == ("trial_3 is clearly better than 1 and clearly worse than 1 of 2 others")
    assert title((-2.0, 0.2), (3.0, 0.2)) == "No clear difference between trial_3 and any of 2 others"
    assert title((3.0, 0.01)) == "trial_3 is clearly worse than scratch"
