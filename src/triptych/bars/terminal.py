"""Progress bars in a terminal, by rich."""

from __future__ import annotations

from contextlib import suppress
from typing import TextIO

from rich.console import Console
from rich.errors import LiveError
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.table import Column

from triptych.progress import Progress
from triptych.texts import encodable, printable


class TerminalBars:
    """A drawing on a stream that is a terminal. It starts with the first bar, and leaves nothing behind."""

    def __init__(self, stream: TextIO) -> None:
        # texts are shown as they are: no markup, no emoji codes, no colours of numbers
        self.console = Console(file=stream, soft_wrap=True, highlight=False, markup=False, emoji=False)
        note = TextColumn("{task.fields[note]}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis"))
        description = TextColumn("{task.description}", markup=False)
        columns = (description, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), note)
        self._bars = Bars(*columns, console=self.console, transient=True)
        self._tasks: dict[str, TaskID] = {}
        self._encoding = (getattr(stream, "encoding", None) or "utf-8").lower()

    def draw(self, progress: Progress) -> None:
        done, total = progress.done, progress.total
        if progress.stage not in self._tasks:
            stage = self._shown(progress.stage)
            self._tasks[progress.stage] = self._bars.add_task(stage, completed=done, total=total, note="")
        self._bars.update(self._tasks[progress.stage], completed=done, total=total)
        with suppress(LiveError):  # another part of the program draws in this terminal already
            self._bars.start()
        if progress.note:
            self._bars.update(self._tasks[progress.stage], note=self._shown(progress.note))

    def remove(self, stage: str) -> None:
        self._bars.remove_task(self._tasks.pop(stage))

    def close(self) -> None:
        self._bars.stop()

    def _shown(self, text: str) -> str:
        return encodable(printable(text), self._encoding)
