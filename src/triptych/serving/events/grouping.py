"""Many small writes as few large ones: while one thread waits for the disk, others collect for the next write."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass
class _Waiting(Generic[Item, Result]):
    items: Sequence[Item]
    results: list[Result] = field(default_factory=list)
    error: Exception | None = None
    done: bool = False


class GroupedWrites(Generic[Item, Result]):
    """Calls of `write` by many threads become one call for all that wait, one after the other.

    write: items -> a result each; all are written, or none and it raises. Then all that waited get the error.
    most: items of one call, if more than one waits.
    """

    def __init__(self, write: Callable[[Sequence[Item]], list[Result]], most: int) -> None:
        self._write, self._most = write, most
        self._queue: list[_Waiting[Item, Result]] = []
        self._changed = threading.Condition(threading.Lock())
        self._is_writing = False

    def __call__(self, items: Sequence[Item]) -> list[Result]:
        """Write the items, and return a result each. Raises what `write` raises."""
        waiting = _Waiting[Item, Result](items)
        with self._changed:
            self._queue.append(waiting)
        while True:
            with self._changed:
                self._changed.wait_for(lambda: waiting.done or not self._is_writing)
                if waiting.done:
                    break
                self._is_writing = True
                taken = self._take()
            try:
                self._write_all(taken)
            finally:
                with self._changed:
                    self._is_writing = False
                    # this thread was stopped in the middle: the others write for themselves
                    self._queue = [each for each in taken if not each.done and each is not waiting] + self._queue
                    self._changed.notify_all()
        if waiting.error is not None:
            raise waiting.error
        return waiting.results

    def _write_all(self, taken: Sequence[_Waiting[Item, Result]]) -> None:
        results: list[Result] = []
        error: Exception | None = None
        try:
            results = self._write([item for each in taken for item in each.items])
        except Exception as raised:
            error = raised
        begin = 0
        for each in taken:
            each.results, each.error, each.done = results[begin : begin + len(each.items)], error, True
            begin += len(each.items)

    def _take(self) -> list[_Waiting[Item, Result]]:
        count, total = 0, 0
        while count < len(self._queue) and (not count or total + len(self._queue[count].items) <= self._most):
            total += len(self._queue[count].items)
            count += 1
        taken, self._queue = self._queue[:count], self._queue[count:]
        return taken
