"""The settings of a trial: which of them have an effect, and all in a line."""

from collections.abc import Mapping
from typing import Any

from platform.results.record import flatten

ONLY_WITH_SOURCES = ("tmu.", "distil.", "feed")


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


def effective(settings: Mapping[str, Any]) -> dict[str, Any]:
    """By dotted names as in the YAML; None where a setting has no effect, as without sources there is no gate."""
    idle = ONLY_WITH_SOURCES if not settings.get("sources") else ()
    return {key: None if key.startswith(idle) else value for key, value in flatten(settings).items()}
