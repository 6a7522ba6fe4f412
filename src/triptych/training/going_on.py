"""Going on with a run under other settings: allowed if the epochs so far would have been the same with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from triptych.errors import TrainingError, location
from triptych.training.checkpoint import read_state
from triptych.training.computed_with import COMPUTED_WITH
from triptych.training.metrics_file import read_lines
from triptych.training.run_context import RunFiles
from triptych.training.run_folder import require_same_run
from triptych.training.settings import TrainingSettings
from triptych.training.validation import VALIDATE

MAY_CHANGE = ("epochs", "patience", "checkpoint_seconds")  # they decide when to stop and to save, not what is computed
RECORDED = ("device", "precision")  # what they meant is compared instead of their names


def differs(files: RunFiles, before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Return whether a run goes on with other settings. before, now: its descriptions in plain values.

    Raises TrainingError if a setting differs that cannot change.
    """
    own = {
        key: value for key, value in now.items() if key != COMPUTED_WITH or key in before
    }  # earlier runs did not record it
    require_same_run(files.folder, "run", _fixed(before), _fixed(own))
    return any(before.get(key) != value for key, value in own.items())


def require_same_past(files: RunFiles, training: TrainingSettings, metric: str) -> None:
    """Raise TrainingError if the epochs so far would have been others with these settings.

    metric: the name of the validation metric, or of a validation of the caller's own.
    """
    if not files.checkpoint.exists():
        return
    state = read_state(files.checkpoint)
    lines = read_lines(files.metrics, state.lines)
    problem = _problem(state.epoch, lines, training, metric)
    if problem is not None:
        raise TrainingError(
            f"cannot go on with these settings: {problem}",
            where=location(files.folder),
            hint="choose another run folder, or delete that one",
        )


def _problem(epoch: int, lines: Sequence[Mapping[str, Any]], training: TrainingSettings, metric: str) -> str | None:
    """Return why the past would have been another. epoch: how many are complete."""
    every = training.evaluate_every
    if epoch > training.max_epochs or (epoch == training.max_epochs and epoch % every):
        return f"training.epochs is {training.max_epochs}, but {epoch} were trained already"
    best, waited = None, 0
    for line in lines:
        value = line.get(f"validation/{metric}")
        if value is None:
            continue
        if line["epoch"] % every and line["epoch"] != training.max_epochs:
            return f"epoch {line['epoch']} was evaluated as the last one, by an earlier version"
        if waited >= training.patience:
            return f"with training.patience {training.patience} it would have ended before epoch {line['epoch']}"
        improved = best is None or value > best * (1 + training.min_gain)
        best, waited = (value, 0) if improved else (best, waited + 1)
    return None


def _fixed(about: Mapping[str, Any]) -> dict[str, Any]:
    """Return a description without what may change."""
    left_out = (*MAY_CHANGE, *(RECORDED if COMPUTED_WITH in about else ()))
    training = {name: value for name, value in about.get("training", {}).items() if name not in left_out}
    return {**about, "training": training, VALIDATE: about.get(VALIDATE)}
