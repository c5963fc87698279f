"""A comparison shown: in the terminal, as Markdown to be pasted, and as a page with its learning curves."""

import json
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from platform.reporting.charts.chart import Chart, measured_as
from platform.reporting.charts.drawing import BEST, FINISHED, INK, PAPER, STOPPED, empty_plot
from platform.reporting.html import about, write_page, writing_into
from platform.reporting.tables import cell
from platform.results.comparison import MOMENTS, Comparison, Row, curves_of, interval_halves, mean_curve
from platform.results.record import flatten
from platform.results.scores import SHOWN_FIRST, score

ROW = 54  # pixels of a setting among the end scores
_DIGITS = {"mse": 2, "ssim": 4, "psnr": 2, "lpips": 4}


def columns_of(comparison: Comparison) -> list[str]:
    scores = [name for name in SHOWN_FIRST if any(name in row.scores for row in comparison.rows)]
    after = [f"mse after {round(moment * comparison.epochs)} epochs" for moment in MOMENTS]
    return ["setting", "n", *scores, f"mse − {comparison.first}", *after, "levelled off", "weights", "s a run"]


def cells_of(comparison: Comparison, row: Row) -> list[str]:
    scores = [name for name in SHOWN_FIRST if any(name in other.scores for other in comparison.rows)]
    return [
        row.setting,
        f"{len(row.trials)}" + (f" ({row.num_failed} failed)" if row.num_failed else ""),
        *(row.scores[name].text(_DIGITS[name]) if name in row.scores else "–" for name in scores),
        row.beside_first.text(2, signed=True) if row.beside_first else "–",
        *([f"{value:.2f}" for value in row.moments] or ["–"] * len(MOMENTS)),
        {True: "yes", False: "no", None: "cannot tell"}[row.levelled_off],
        f"{row.parameters:,.0f}" if row.parameters else "–",
        f"{row.seconds:.0f}" if row.seconds else "–",
    ]


def terminal_table(comparison: Comparison) -> Table:
    """Mean ± half of the 95 % interval. The curve's moments are left to the page and the Markdown table."""
    after = {place for place, name in enumerate(columns_of(comparison)) if name.startswith("mse after")}
    kept = [name for place, name in enumerate(columns_of(comparison)) if place not in after]
    table = Table(*kept, box=None, header_style="bold", title_justify="left")
    table.title = f"validation clips of {comparison.summary.benchmark}"
    for row in comparison.rows:
        table.add_row(*(text for place, text in enumerate(cells_of(comparison, row)) if place not in after))
    return table


def print_comparison(comparison: Comparison, console: Console) -> None:
    """The table, and the floor."""
    console.print(terminal_table(comparison))
    if comparison.floor is not None:
        console.print(f"copying the last frame: mse {comparison.floor:.2f}")


def markdown_table(comparison: Comparison) -> str:
    """`comparison.md`: the whole table, as Markdown."""
    rows = [columns_of(comparison), ["---"] * len(columns_of(comparison))]
    rows += [cells_of(comparison, row) for row in comparison.rows]
    lines = ["| " + " | ".join(cells) + " |" for cells in rows]
    floor = "" if comparison.floor is None else f"Copying the last frame: mse {comparison.floor:.2f}. "
    return "\n".join(
        [*lines, "", f"{floor}Validation clips of {comparison.summary.benchmark}; mean ± 95 % interval.", ""]
    )


def render_comparison(path: Path) -> Path:
    """Write `report.html`, `comparison.json` and `comparison.md` of a comparison's run folder; returns the page's path.

    Raises UserError if it is none, or one that may not be written into.
    """
    comparison = Comparison.read(path)
    folder, summary = comparison.summary.folder, comparison.summary
    charts = comparison_charts(comparison)
    values = {
        "title": f"Comparison {summary.name}: {summary.benchmark}",
        "question": str(summary.config.get("question") or ""),
        "about": about(summary.config),
        "synthetic": summary.synthetic,
        "verdict": verdict_of(comparison),
        "caveats": caveats_of(comparison),
        "columns": columns_of(comparison),
        "rows": [{"cells": cells_of(comparison, row), "is_chosen": False} for row in comparison.rows],
        "panels": [chart.key for chart in charts[1:]],
        "missing": summary.missing,
        "lost": [record for record in summary.records if record.state in ("failed", "interrupted")],
        "incidents": summary.incidents,
        "provenance": [(key, cell(value)) for key, value in flatten(summary.provenance.rest).items()],
    }
    with writing_into(path):
        folder.comparison.write_text(json.dumps([row.dumped() for row in comparison.rows], indent=2))
        folder.comparison_table.write_text(markdown_table(comparison))
        write_page("comparison.html.j2", values, charts, folder.report)
    return folder.report


def verdict_of(comparison: Comparison) -> str:
    """The best mean, beside the first setting, with interval and number of seeds."""
    scored = [row for row in comparison.rows if "mse" in row.scores]
    if not scored:
        return "No run has finished yet."
    best, reference = min(scored, key=lambda row: row.scores["mse"].mean), comparison.rows[0]
    text = f"{best.setting} has the lowest mean {score('mse').label}: {best.scores['mse'].text(2)}"
    text += f" (n = {len(best.trials)})"
    if best is reference or best.beside_first is None:
        return text + "."
    beside = best.beside_first
    text += f", {beside.text(2, signed=True)} beside {reference.setting}, paired by seed"
    if beside.half is None:
        return text + "; one seed tells no difference."
    return text + ("." if beside.mean + beside.half < 0 else "; the interval includes zero: no difference found.")


def caveats_of(comparison: Comparison) -> list[str]:
    notes = [
        "Validation clips; nothing was chosen by them. Intervals are 95 %, over seeds, not corrected for their number."
    ]
    unsettled = [row.setting for row in comparison.rows if row.levelled_off is False]
    if unsettled:
        notes.append(
            f"Still improving when training ended: {', '.join(unsettled)}. Longer training may change the order."
        )
    if comparison.floor is not None and (first := comparison.rows[0].scores.get("mse")):
        notes.append(
            f"Copying the last frame has an error of {comparison.floor:.2f}; {comparison.first} has {first.text(2)}."
        )
    return notes


def comparison_charts(comparison: Comparison) -> list[Chart]:
    """The scores at the end, then a panel a setting with its curve."""
    return [_end_scores(comparison), *_curve_panels(comparison)]


def _end_scores(comparison: Comparison) -> Chart:
    """Every seed's score at the end of training as a dot, mean and interval below it, the setting's name above: beside
    them, it would leave a phone no room for the scores."""
    scored = [row for row in comparison.rows if "mse" in row.scores]
    if not scored:
        return Chart("ends", "No run has finished", "")
    plot = empty_plot(x=score("mse").label, y="", height=110 + ROW * len(scored))
    for place, row in enumerate(reversed(scored)):
        interval = row.scores["mse"]
        plot.add_scatter(
            x=[record.metrics["mse"] for record in row.trials],
            y=[place] * len(row.trials),
            mode="markers",
            marker={"color": FINISHED, "size": 7, "opacity": 0.7},
            hovertext=[f"{row.setting}, seed {r.seed}: {r.metrics['mse']:.2f}" for r in row.trials],
            hoverinfo="text",
            name="one seed",
            showlegend=place == 0,
        )
        plot.add_scatter(
            x=[interval.mean],
            y=[place - 0.28],
            mode="markers",
            marker={"color": INK, "size": 10, "symbol": "diamond"},
            error_x={"array": [interval.half], "color": INK, "thickness": 2, "width": 6} if interval.half else None,
            hovertext=f"{row.setting}: {interval.text(2)}",
            hoverinfo="text",
            name="mean with 95 % interval",
            showlegend=place == 0,
        )
        plot.add_annotation(
            x=0,
            xref="paper",
            xanchor="left",
            y=place + 0.18,
            yanchor="bottom",
            text=row.setting,
            font_size=12,
            bgcolor=PAPER,
            borderpad=0,
            showarrow=False,
        )
    plot.update_yaxes(range=[-0.7, len(scored) - 0.3], visible=False)
    title = f"{score('mse').label} at the end of training"
    return Chart("ends", title, "Each dot is one training run.", plot, measured_as(comparison.summary))


def _curve_panels(comparison: Comparison) -> list[Chart]:
    """A panel a setting: its mean curve with the 95 % band over seeds, the first setting behind it, on equal axes."""
    scored = [row for row in comparison.rows if row.trials and row.trials[0].curve]
    if not scored:
        return []
    every = np.concatenate([curves_of(row.trials).ravel() for row in scored])
    bounds = [float(np.log10(every.min() * 0.97)), float(np.log10(np.quantile(every, 0.98)))]
    panels = []
    for number, row in enumerate(scored):
        plot = empty_plot(x="epoch", y="mse, logarithmic", height=260)
        if row is not comparison.rows[0] and comparison.rows[0].trials:
            reference = mean_curve(comparison.rows[0].trials)
            line = {"color": STOPPED, "dash": "dot", "width": 2}
            plot.add_scatter(x=_epochs(reference), y=reference, mode="lines", line=line, name=comparison.first)
        curves = curves_of(row.trials)
        mean = curves.mean(axis=0)
        if len(curves) > 1:
            half = interval_halves(curves)
            for edge, fill in ((mean - half, None), (mean + half, "tonexty")):
                band = {"mode": "lines", "line": {"width": 0}, "fillcolor": "rgba(213,94,0,0.25)", "fill": fill}
                plot.add_scatter(x=_epochs(mean), y=edge, **band, hoverinfo="skip", showlegend=False)
        line = {"color": BEST, "width": 2.5}
        plot.add_scatter(x=_epochs(mean), y=mean, mode="lines", line=line, name=row.setting)
        plot.update_layout(yaxis={"type": "log", "range": bounds, "dtick": "D1" if bounds[1] - bounds[0] < 1 else "D2"})
        plot.update_xaxes(tickformat="d")
        end = {True: "levelled off", False: "still improving", None: ""}[row.levelled_off]
        panels.append(Chart(f"curve-{number}", f"{row.setting}" + (f": {end}" if end else ""), "", plot))
    return panels


def _epochs(curve: np.ndarray) -> list[int]:
    return list(range(1, len(curve) + 1))
