"""A run in the terminal: verdict, answers, and the best trials."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from platform.reporting.answers import answers
from platform.reporting.confirmed_table import print_confirmed
from platform.reporting.page import title
from platform.reporting.verdict import caveats, verdict
from platform.results.findings import Findings
from platform.results.ranking import ranked
from platform.results.scores import SHOWN_FIRST, readable_time, score
from platform.results.settings_text import setting_text

TOP = 10


def print_findings(findings: Findings, console: Console) -> None:
    """What stands at the top of the page; `TOP` trials of all that have a score."""
    summary = findings.summary
    console.print(f"[bold]{escape(title(summary))}[/]", soft_wrap=True)
    if findings.confirmed is not None:
        print_confirmed(findings.confirmed, console)
    else:
        console.print(f"\n[bold]verdict[/] {escape(verdict(findings))}", soft_wrap=True)
    console.print()
    for question, answer in answers(findings):
        console.print(f"[bold]{question}[/] {escape(answer.replace('`', ''))}", soft_wrap=True)
    for note in (*caveats(summary), *findings.missing):
        console.print(f"[yellow]note:[/] {escape(note)}", soft_wrap=True)
    measure = summary.score
    ranking = ranked(summary.records, measure)
    if not ranking:
        return
    names = [name for name in dict.fromkeys((measure.name, *SHOWN_FIRST)) if any(name in r.metrics for r in ranking)]
    table = Table("trial", "state", *names, "epochs", "time", "settings", box=None, header_style="bold")
    table.title, table.title_justify = f"the best of {len(summary.records)} trials, validation clips", "left"
    for record in ranking[:TOP]:
        scores = (score(name).text(record.metrics.get(name)) for name in names)
        told = (str(record.epochs), readable_time(record.duration_s), setting_text(record.settings))
        table.add_row(str(record.trial), record.state, *scores, *map(escape, told))
    console.print()
    console.print(table)
