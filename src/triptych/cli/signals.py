"""Signals that end a command: Ctrl-C, SIGTERM and SIGHUP. Checkpoints are written and partial outputs removed first.

The exit code is 128 + the number of the signal: 130, 143 and 129. A signal that is ignored when a command starts, as
SIGHUP by nohup and SIGINT in background jobs of scripts, stays ignored.
"""

from __future__ import annotations

import _thread
import errno
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from triptych.cli.printing import print_message_from_signal_handler
from triptych.progress import Listener, Progress

STOPS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
TERMINAL_IS_GONE = (errno.EIO, errno.EPIPE)  # what writing to it then raises

Handler = Callable[[int, FrameType | None], Any]


class Stopped(KeyboardInterrupt):
    """A signal asked the command to end. number: of the signal."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def exit_code(interrupt: BaseException) -> int:
    """Return the exit code of a command that was interrupted. typer raises SystemExit because of the interrupt."""
    each: BaseException | None = interrupt
    while each is not None and not isinstance(each, Stopped):
        each = each.__cause__ or each.__context__
    return 128 + (int(signal.SIGINT) if each is None else each.number)


@contextmanager
def raise_when_stopped() -> Iterator[None]:
    """Raise Stopped inside this context when a signal arrives.

    While that is handled, another SIGTERM or SIGHUP has no effect: they often come together. A second Ctrl-C has.
    """
    raised: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        if not raised or number == signal.SIGINT:
            raised.append(number)
            raise Stopped(number)

    with _handling(stop):
        yield


@contextmanager
def stop_requests(*, at_step_ends: bool, until_stdin_closes: bool) -> Iterator[Callable[[], bool]]:
    """Yield a function that returns whether to stop after this step.

    The first signal requests a stop; a second one of its kind, or Ctrl-C, stops at once. at_step_ends: False for work
    without steps, which stops at the first one. until_stdin_closes: also stop when standard input ends.
    """
    requested: list[int] = []

    def request_stop(number: int, frame: FrameType | None) -> None:
        if not at_step_ends or number in requested or (requested and number == signal.SIGINT):
            raise Stopped(number)
        requested.append(number)
        if len(requested) == 1:
            print_message_from_signal_handler(
                "stopping after this step (press Ctrl-C again to stop at once); run the same command again to resume"
            )

    def stop_when_stdin_closes() -> None:
        while os.read(sys.stdin.fileno(), 1024):
            pass
        if at_step_ends:
            requested.append(signal.SIGINT)
        elif handled := [number for number in STOPS if signal.getsignal(number) is request_stop]:
            _thread.interrupt_main(handled[0])
        else:
            os._exit(exit_code(KeyboardInterrupt()))

    with _handling(request_stop):
        if until_stdin_closes:
            threading.Thread(target=stop_when_stdin_closes, daemon=True).start()
        try:
            yield lambda: bool(requested)
        except KeyboardInterrupt as interrupt:
            if requested and not isinstance(interrupt, Stopped):
                raise Stopped(requested[0]) from None
            raise
        except OSError as error:
            if requested and error.errno in TERMINAL_IS_GONE:
                raise Stopped(requested[0]) from None
            raise


@contextmanager
def _handling(handler: Handler) -> Iterator[None]:
    """Install a handler for the signals that are not ignored; afterwards those before are restored."""
    if threading.current_thread() is not threading.main_thread():  # only the main thread can
        yield
        return
    before = {number: signal.getsignal(number) for number in STOPS}
    handled = {number: each for number, each in before.items() if each not in (signal.SIG_IGN, None)}
    for number in handled:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number, each in handled.items():
            signal.signal(number, each)


def tolerant_listener(listener: Listener) -> Listener:
    """Return a listener that does not mind if the terminal is gone: training then still writes its checkpoint."""

    def tolerant(progress: Progress) -> None:
        try:
            listener(progress)
        except OSError as error:
            if error.errno not in TERMINAL_IS_GONE:
                raise

    return tolerant
