"""An epoch as a line of text for people."""

from __future__ import annotations

from collections.abc import Mapping

from triptych.training.checkpoint import TrainingState
from triptych.training.settings import TrainingSettings


def epoch_summary(line: Mapping[str, object], metric: str, state: TrainingState, settings: TrainingSettings) -> str:
    """Return an epoch's line as text: loss terms, the metric (* marks the best so far), seconds, memory."""
    parts = [f"{name[5:]} {value:.4f}" for name, value in line.items() if name.startswith("loss/")]
    if f"validation/{metric}" in line:
        left = f" (best {state.best:.4f}, patience {settings.patience - state.epochs_without_improvement})"
        star = "" if state.best_epoch + 1 < state.epoch else "*"
        star += left if state.epochs_without_improvement else ""
        parts.append(f"{metric} {line[f'validation/{metric}']:.4f}{star}")
    return " · ".join([*parts, f"{line['seconds']:.2f} s", f"{line['peak_megabytes']:.0f} MB"])
