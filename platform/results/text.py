"""The last lines of a search: the best setting, its test score, and where to look."""

from collections.abc import Iterator, Mapping
from typing import Any

from platform.results.record import TrialRecord
from platform.results.run_folder import RunFolder


def closing_lines(best: TrialRecord, test: Mapping[str, Any] | None, folder: RunFolder) -> Iterator[str]:
    """Rich markup, a line each."""
    yield ""
    yield f"[bold]best[/]    trial {best.trial}: {setting_text(best.settings)}"
    if test is not None:
        scores = ", ".join(
            f"{name} {test[name]:.4g} (copying the last frame {test['last_frame'][name]:.4g})"
            for name in ("mse", "ssim", "psnr")
            if test.get(name) is not None and test["last_frame"].get(name) is not None
        )
        yield f"[bold]test[/]    {scores} on {test['benchmark']}, {test['num_clips']} clips never trained or chosen on"
    yield f"[bold]report[/]  {folder.report}"
    yield f"[bold]target[/]  {folder.best} holds its weights and settings"
    yield f"[bold]more[/]    pip install tensorboard optuna-dashboard; tensorboard --logdir {folder.trials} · optuna-dashboard sqlite:///{folder.study}"


def setting_text(settings: Mapping[str, Any]) -> str:
    """One line a person can repeat: sources, start, gates, distillation, learning rate."""
    sources = settings.get("sources") or []
    parts = [f"sources {', '.join(sources)}" if sources else "no source", f"start {settings.get('start')}"]
    if sources:
        gates, distil = settings["tmu"], settings["distil"]
        layers = ", ".join(map(str, gates["layers"]))
        parts.append(f"TMU in layer {layers}, merge {gates['merge']}, bias {gates['bias']:.3g}")
        parts.append(f"distillation {distil['weight']:.3g}")
    parts.append(f"learning rate {settings['learning_rate']:.3g}")
    return " · ".join(parts)
