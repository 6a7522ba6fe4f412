"""Progress bars in a notebook: HTML that a cell shows while it works. It needs no widgets."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from triptych.bars.listener import duration_text
from triptych.progress import Progress
from triptych.texts import escape_xml

SECONDS_BETWEEN_DRAWINGS = 0.2


class NotebookBars:
    """A drawing below the cell that works. It inherits the colours of the page, light or dark."""

    def __init__(self) -> None:
        self._display: Any = None
        self._shown: dict[str, Progress] = {}
        self._began: dict[str, tuple[float, int]] = {}  # stage -> when its bar began, units done by then
        self._drawn_at = 0.0

    def draw(self, progress: Progress) -> None:
        before = self._shown.get(progress.stage)
        note = progress.note or (before.note if before is not None else "")
        self._shown[progress.stage] = replace(progress, note=note)
        self._began.setdefault(progress.stage, (time.monotonic(), progress.done))
        if before is None or time.monotonic() - self._drawn_at > SECONDS_BETWEEN_DRAWINGS:
            self._update()

    def remove(self, stage: str) -> None:
        del self._shown[stage], self._began[stage]
        self._update()

    def close(self) -> None:
        self._shown.clear()
        if self._display is not None:
            self._update()

    def _update(self) -> None:
        from IPython.display import HTML, display

        html = HTML("".join(self._row(each) for each in self._shown.values()))
        if self._display is None:
            self._display = display(html, display_id=True)
        else:
            self._display.update(html)
        self._drawn_at = time.monotonic()

    def _row(self, progress: Progress) -> str:
        began, done_before = self._began[progress.stage]
        done, seconds = progress.done - done_before, time.monotonic() - began
        left = f", about {duration_text(seconds / done * (progress.total - progress.done))} left" if done > 0 else ""
        note = f" · {escape_xml(progress.note)}" if progress.note else ""
        return (
            f'<div style="font-family: monospace">{escape_xml(progress.stage)} '
            f'<progress value="{progress.done}" max="{progress.total}"></progress> '
            f"{progress.done:,}/{progress.total:,}{left}{note}</div>"
        )
