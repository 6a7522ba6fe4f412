"""What the shell shows: progress on stderr, results on stdout, as tables for people or as JSON for programs."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from triptych.progress import Listener
from triptych.progress import Progress as Step

PATIENCE = 2.0  # seconds before work that is still going on shows itself
PLAIN_EVERY = 15.0  # seconds between lines of progress where nobody can see a bar

WIDE = 120  # characters a line, where no terminal says

out = Console(soft_wrap=True, highlight=False, width=None if sys.stdout.isatty() else WIDE)
err = Console(stderr=True, soft_wrap=True, highlight=False)


@contextmanager
def listening() -> Iterator[Listener]:
    """A listener that draws a bar for work over two seconds; plain lines where stderr is no terminal."""
    if not err.is_terminal:
        yield _plain()
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as bars:
        tasks: dict[str, TaskID] = {}
        begun: dict[str, float] = {}

        def listener(step: Step) -> None:
            if step.note:
                err.print(f"{step.stage} {step.done}/{step.total}: {step.note}", markup=False)
                return
            begun.setdefault(step.stage, time.monotonic())
            if step.done >= step.total:
                begun.pop(step.stage, None)
                if step.stage in tasks:
                    bars.remove_task(tasks.pop(step.stage))
            elif step.stage in tasks:
                bars.update(tasks[step.stage], completed=step.done, total=step.total)
            elif time.monotonic() - begun[step.stage] > PATIENCE:
                tasks[step.stage] = bars.add_task(step.stage, total=step.total, completed=step.done)

        yield listener


def _plain() -> Listener:
    told = time.monotonic()
    begun: dict[str, tuple[float, int]] = {}

    def listener(step: Step) -> None:
        nonlocal told
        now = time.monotonic()
        since, first = begun.setdefault(step.stage, (now, step.done))
        if step.note or (step.done and now - told > PLAIN_EVERY):
            told = now
            left = (now - since) / (step.done - first) * (step.total - step.done) if step.done > first else 0.0
            after = f": {step.note}" if step.note else f", about {_duration(left)} left" if left else ""
            err.print(f"{step.stage} {step.done}/{step.total}{after}", markup=False)
        if step.done >= step.total:
            begun.pop(step.stage, None)

    return listener


def _duration(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 90
        else f"{seconds / 60:.0f} min"
        if seconds < 5400
        else f"{seconds / 3600:.1f} h"
    )


def say(text: str) -> None:
    """A line to the person at the shell, beside the result."""
    err.print(text, markup=False)


def say_at_once(text: str) -> None:
    """The same from a signal handler, where a write that was interrupted may still hold the stream."""
    os.write(2, f"{text}\n".encode())


def show(text: str) -> None:
    """A line of the result."""
    out.print(text, markup=False)


def show_json(value: object) -> None:
    """The result as one JSON value."""
    print(json.dumps(value, ensure_ascii=False, indent=2))


def show_table(title: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table: the first column to the left, figures to the right."""
    table = Table(title=title, title_justify="left")
    for position, name in enumerate(header):
        table.add_column(name, justify="left" if position == 0 else "right", no_wrap=position == 0, overflow="fold")
    for row in rows:
        table.add_row(*(cell(value) for value in row))
    out.print(table)


def cell(value: object) -> str:
    """A value as a table shows it."""
    if isinstance(value, float):
        return f"{value:.4f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def counted(n: int, what: str) -> str:
    """`1 item`, `2 items`"""
    return f"{n:,} {what}" + ("" if n == 1 else "s")


def lacking(n: int, what: str = "item") -> str:
    """`1 item lacks it`, `2 items lack it`: of a modality."""
    return f"{counted(n, what)} {'lacks' if n == 1 else 'lack'} it"


def show_report(title: str, means: Mapping[str, float]) -> None:
    """Metrics as a table: one line a metric, one column a cutoff."""
    cutoffs = sorted({int(name.partition("@")[2]) for name in means})
    names = list(dict.fromkeys(name.partition("@")[0] for name in means))
    rows = [[name, *(means.get(f"{name}@{k}", "") for k in cutoffs)] for name in names]
    show_table(title, ["", *(f"@{k}" for k in cutoffs)], rows)
