"""Pages: one file each, that opens from disk and asks the network for nothing.

`page.html.j2` is the frame of all of them: style, colours for light, dark and paper, and the charts' script.
"""

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from plotly.offline import get_plotlyjs

from platform.config.errors import UserError, is_full_disk
from platform.reporting.charts.chart import Chart
from platform.results.replacing import replace_text

SYNTHETIC = (
    "The frames are a built-in synthetic stand-in, because the real benchmark was not prepared: every number and "
    "picture here is about the stand-in and says nothing about the real data."
)


def write_page(template: str, values: Mapping[str, Any], charts: Iterable[Chart], path: Path) -> None:
    """Fill the template; a reader sees the old page or the new one."""
    shown = {chart.key: chart for chart in charts}
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    html = environment.get_template(template).render(
        **values,
        synthetic_text=SYNTHETIC,
        charts=shown,
        figures_json=_script_json(shown.values()),
        plotly_js=get_plotlyjs() if any(chart.plot for chart in shown.values()) else "",
    )
    replace_text(path, html)


@contextlib.contextmanager
def writing_into(run: Path) -> Iterator[None]:
    """Raises UserError where the run folder may not be written into. A full disk stays what it is, for whoever tells of
    it."""
    try:
        yield
    except OSError as error:
        if is_full_disk(error):
            raise
        raise UserError(
            f"{error.filename or run} cannot be written ({error.strerror}). Findings can be read without that: "
            f"python -m platform.report {run} --text"
        ) from error


def about(config: Mapping[str, Any]) -> str:
    """The size of what was done, in a line: a laptop's run is not mistaken for a published protocol."""
    benchmark, training = config.get("benchmark"), config.get("training")
    parts = [f"{config['profile']} profile"] if config.get("profile") else []
    if isinstance(benchmark, Mapping):
        size, seen, total = (benchmark.get(key) for key in ("frame_size", "input_length", "total_length"))
        parts += [f"frames of {size} × {size} pixels"] if size else []
        if isinstance(seen, int) and isinstance(total, int):
            parts.append(f"{seen} frames observed, {total - seen} predicted")
    if isinstance(training, Mapping) and training.get("epochs"):
        parts.append(f"{training['epochs']} epochs a trial")
    return ", ".join(parts)


def _script_json(charts: Iterable[Chart]) -> str:
    """Figures as JSON that may stand in a script element: no `<` can end it early."""
    figures = {chart.key: json.loads(chart.plot.to_json()) for chart in charts if chart.plot is not None}
    return json.dumps(figures).replace("<", "\\u003c")
