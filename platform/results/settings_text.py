"""The settings of a trial in a line."""

from collections.abc import Mapping
from typing import Any


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
