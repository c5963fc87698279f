"""Scores against what they cost."""

from platform.reporting.charts.chart import Chart, measured_as, states_text
from platform.reporting.charts.drawing import BEST, FINISHED, STOPPED, add_trials, empty_panels, empty_plot
from platform.results.record import TrialRecord
from platform.results.scores import percent, readable_count
from platform.results.summary import RunSummary

COSTS = (
    ("parameters", "weights"),
    ("seconds_per_clip", "ms a clip"),
    ("duration_s", "training, min"),
)
SCALES = {"seconds_per_clip": 1000, "duration_s": 1 / 60}
CLOSE = 0.05  # of the best score


def pareto_front(summary: RunSummary) -> Chart | None:
    """The first two objectives against each other; None where there is only one."""
    if len(summary.objectives) < 2:
        return None
    first, second = summary.objectives[:2]
    front = [r for r in summary.pareto if r.metrics.keys() >= {first.name, second.name}]
    if not front:
        return Chart("pareto", "No finished trial has a value in every objective", states_text(summary))
    rest = [r for r in summary.finished if r not in front and r.metrics.keys() >= {first.name, second.name}]
    plot = empty_plot(x=second.label, y=first.label, height=400)
    add_trials(plot, summary, rest, "beaten by one on the front", STOPPED, "circle-open", x=second.name)
    add_trials(plot, summary, front, "front", BEST, "circle", x=second.name)
    side = "top" if first.higher_is_better else "bottom"  # where no beaten one is
    plot.data[-1].update(mode="markers+text", text=[f"trial {r.trial}" for r in front], textposition=f"{side} center")
    for objective, update in ((first, plot.update_yaxes), (second, plot.update_xaxes)):
        values = [record.metrics[objective.name] for record in (*front, *rest)]
        room = 0.12 * (max(values) - min(values) or 1)  # for the labels of the outermost
        update(range=[min(values) - room, max(values) + room])
    measured = f"{first.axis}; {second.axis} · {summary.benchmark}, validation"
    names = " and ".join(objective.label for objective in summary.objectives)
    verb = "is" if len(front) == 1 else "are"
    title = f"{len(front)} of {len(summary.finished)} finished trials {verb} not beaten in {names} at once"
    more = (
        f" The front is over all {len(summary.objectives)} objectives; two are drawn."
        if len(summary.objectives) > 2
        else ""
    )
    return Chart("pareto", title, f"Choose along the front what you can pay for.{more}", plot, measured)


def score_against_cost(summary: RunSummary) -> Chart | None:
    """The score against weights, time to predict and time to train; None where no trial finished."""
    records = [record for record in summary.finished if record.metrics.keys() >= {"parameters", "seconds_per_clip"}]
    if not records or (best := summary.best) is None:
        return None
    plot = empty_panels(1, len(COSTS), height=320, shared_y=True)
    for number, (name, label) in enumerate(COSTS, start=1):
        for group, color, symbol, size, told in (
            ([r for r in records if r is not best], FINISHED, "circle", 8, "finished"),
            ([r for r in records if r is best], BEST, "star", 13, f"best, trial {best.trial}"),
        ):
            plot.add_scatter(
                x=[_cost(record, name) for record in group],
                y=[summary.value(record) for record in group],
                mode="markers",
                marker={"color": color, "size": size, "symbol": symbol, "opacity": 0.8},
                name=told,
                showlegend=number == 1,
                hovertext=[f"trial {r.trial}: {summary.score.text(summary.value(r))}" for r in group],
                hoverinfo="text",
                row=1,
                col=number,
            )
        plot.update_xaxes(
            title={"text": label, "standoff": 4}, tickformat="~s" if name == "parameters" else "", row=1, col=number
        )
    plot.update_yaxes(title={"text": summary.score.label}, row=1, col=1)
    value = summary.value(best) or 0.0
    close = [r for r in records if abs((summary.value(r) or 0.0) - value) <= CLOSE * abs(value)]
    smallest = min(close, key=lambda record: record.metrics["parameters"], default=best)
    num_weights = best.metrics.get("parameters", 0)
    weights, has_smaller = readable_count(num_weights), any(r.metrics["parameters"] < num_weights for r in records)
    title = f"The best trial has {weights} weights, and no other of {len(records)} finished trials has fewer"
    if len(records) == 1:
        title = f"The only finished trial has {weights} weights"
    elif has_smaller:
        title = f"The best trial has {weights} weights, and none that is smaller comes within {percent(CLOSE)}"
    if smallest is not best and smallest.metrics["parameters"] < num_weights:
        title = (
            f"Trial {smallest.trial} comes within {percent(CLOSE)} of the best with "
            f"{readable_count(smallest.metrics['parameters'])} weights instead of {weights}"
        )
    caption = "Times are as measured in the trials, which shared the machine with others: compare them roughly."
    return Chart("cost", title, caption, plot, measured_as(summary))


def _cost(record: TrialRecord, name: str) -> float:
    value = record.duration_s if name == "duration_s" else record.metrics[name]
    return value * SCALES.get(name, 1)
