"""Ctrl-C during a training: after its step if there is a checkpoint to write, so that the checkpoint is whole."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType

from triptych.training.run_context import RunContext


@contextmanager
def stopping_after_a_step(context: RunContext) -> Iterator[RunContext]:
    """Yield a context in which the first Ctrl-C asks a training in a run folder to stop; a second one stops at once.

    A training in memory has no checkpoint, so Ctrl-C stops it at once. So it is too where a program handles Ctrl-C
    itself, and in threads, which it does not reach.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()
    if context.files is None or not in_main_thread or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield context
        return
    requests: list[int] = []

    def request_stop(number: int, frame: FrameType | None) -> None:
        if requests:
            raise KeyboardInterrupt
        requests.append(number)

    def should_stop() -> bool:
        return bool(requests) or (context.should_stop is not None and context.should_stop())

    signal.signal(signal.SIGINT, request_stop)
    try:
        yield replace(context, should_stop=should_stop)
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
