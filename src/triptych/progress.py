"""How long work tells whoever listens how far it is. Nothing here prints: only the shell's room does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sized
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Progress:
    """`done` of `total` units of `stage` are finished; `note` is the news of this step, in words."""

    stage: str
    done: int
    total: int
    note: str = ""


Listener = Callable[[Progress], None]


def silent(progress: Progress) -> None:
    """The listener of those who do not care."""


def told(stage: str, things: Iterable[T], listener: Listener, total: int | None = None) -> Iterator[T]:
    """Yield `things` one by one, telling `listener` after each."""
    if total is None:
        total = len(things) if isinstance(things, Sized) else 0
    listener(Progress(stage, 0, total))
    for done, thing in enumerate(things, start=1):
        yield thing
        listener(Progress(stage, done, total))
