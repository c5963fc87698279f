"""The last lines of a search: the best setting, its score, and where to look."""

import shlex
from collections.abc import Iterable, Iterator

from rich.markup import escape

from platform.results.record import TrialRecord
from platform.results.run_folder import RunFolder
from platform.results.scores import summed_up
from platform.results.serving import read_totals, serving_sentence
from platform.results.settings_text import setting_text
from platform.results.shared_study import read_shared_study


def closing_lines(best: TrialRecord, folder: RunFolder, records: Iterable[TrialRecord]) -> Iterator[str]:
    """Rich markup, a line each. The commands can be copied, whatever the path."""
    yield ""
    yield f"[bold]best[/]    trial {best.trial}: {escape(setting_text(best.settings))}"
    scores = ", ".join(
        f"{name} {best.metrics[name]:.4g} (copying the last frame {best.last_frame[name]:.4g})"
        for name in summed_up(best.metrics)
        if name in best.last_frame
    )
    yield f"[bold]score[/]   {scores} on validation clips, by which it was chosen"
    if served := serving_sentence(records, read_totals(folder)):
        yield f"[bold]memory[/]  {served}"
    yield f"[bold]report[/]  {escape(str(folder.report))}"
    yield f"[bold]target[/]  {escape(str(folder.best))} holds its weights and settings"
    if not folder.confirm.exists():
        yield f"[bold]next[/]    python -m platform.confirm {escape(shlex.quote(folder.address))}"
        yield "        trains it again with several seeds beside its rivals, and tests all of them once"
    yield f"[bold]look[/]    python -m platform.dashboard {escape(shlex.quote(folder.address))}"
    yield "[bold]more[/]    pip install tensorboard optuna-dashboard"
    yield f"        tensorboard --logdir {escape(shlex.quote(str(folder.trials)))}"
    if shared := read_shared_study(folder):
        yield f'        optuna-dashboard "{shared.storage}"  (study {escape(shared.name)})'
    else:
        yield f"        optuna-dashboard {escape(shlex.quote(f'sqlite:///{folder.study}'))}"


def failure_text(records: Iterable[TrialRecord]) -> str:
    """`2 of 12 trials failed: the loss became nan; ...`, at most three reasons; empty where none failed."""
    records = list(records)
    failed = [record for record in records if record.state == "failed"]
    reasons = sorted({record.reason or "for no recorded reason" for record in failed})
    return f"{len(failed)} of {len(records)} trials failed: {'; '.join(reasons[:3])}" if failed else ""
