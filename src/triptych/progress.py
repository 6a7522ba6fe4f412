"""Progress of long work, reported to a listener. Nothing here prints: `bars` and `cli` do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sized
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Progress:
    """`done` of `total` units of a stage are finished. note: a message about this step, or ""."""

    stage: str
    done: int
    total: int
    note: str = ""


Listener = Callable[[Progress], None]


def ignore_progress(progress: Progress) -> None:
    """A listener that does nothing."""


def automatic_progress(progress: Progress) -> None:
    """The default listener of public functions: it stands for a bar in a terminal or a notebook; see `triptych.bars`.

    By itself it does nothing.
    """


def track(stage: str, items: Iterable[T], listener: Listener, total: int | None = None) -> Iterator[T]:
    """Yield the items one by one and report each to `listener`. total: their number, if they have no length."""
    if total is None:
        total = len(items) if isinstance(items, Sized) else 0
    listener(Progress(stage, 0, total))
    for done, item in enumerate(items, start=1):
        yield item
        listener(Progress(stage, done, total))
