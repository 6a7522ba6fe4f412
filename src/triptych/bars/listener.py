"""When a stage gets a bar: not before it has lasted for two seconds."""

from __future__ import annotations

import time
from typing import Protocol

from triptych.progress import Listener, Progress

SECONDS_BEFORE_BAR = 2.0  # shorter work gets no progress bar


class Drawing(Protocol):
    """Draws bars, one per stage, and removes them."""

    def draw(self, progress: Progress) -> None:
        """Show how far a stage is; its note, if it has one, replaces the note before."""

    def remove(self, stage: str) -> None:
        """Remove the bar of a stage that has one."""

    def close(self) -> None:
        """Remove everything."""


def bar_listener(drawing: Drawing) -> Listener:
    """Return a listener that draws the stages that last longer than `SECONDS_BEFORE_BAR`, until they end."""
    started: dict[str, float] = {}
    shown: set[str] = set()

    def listener(progress: Progress) -> None:
        stage = progress.stage
        started.setdefault(stage, time.monotonic())
        if progress.done >= progress.total:
            started.pop(stage)
            if stage in shown:
                shown.remove(stage)
                drawing.remove(stage)
        elif stage in shown or time.monotonic() - started[stage] > SECONDS_BEFORE_BAR:
            shown.add(stage)
            drawing.draw(progress)

    return listener


def duration_text(seconds: float) -> str:
    """Return `12 s`, `3 min` or `1.5 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
