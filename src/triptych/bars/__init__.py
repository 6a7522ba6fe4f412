"""Progress bars by themselves: who sees one, and where. The public functions are decorated by `shows_progress`.

A bar appears while work lasts longer than two seconds, in the kernel of a notebook or if standard error is a terminal.
Nothing appears in worker processes, in threads other than the main one, under pytest, or after `quiet()`. There is no
state of the package: `quiet` is a variable of the environment, which worker processes inherit, and the bar of a call is
a variable of its context, so that the calls within it do not open bars of their own.
"""

from __future__ import annotations

import functools
import inspect
import multiprocessing
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ParamSpec, TypeVar

from triptych.bars.listener import Drawing, bar_listener
from triptych.interactive import in_notebook
from triptych.progress import Listener, automatic_progress, ignore_progress

VARIABLE, OFF = "TRIPTYCH_PROGRESS", "off"
PYTEST = "PYTEST_CURRENT_TEST"  # the environment variable of a running test

P = ParamSpec("P")
R = TypeVar("R")

_outer: ContextVar[Listener | None] = ContextVar("_outer", default=None)  # the listener of the call around this one


def quiet(silenced: bool = True) -> None:
    """Show no progress bars from now on, in this process and in those that it starts. False: show them again.

    It sets the environment variable TRIPTYCH_PROGRESS to "off", which may also be set before Python starts. For one
    call: `listener=ignore_progress`.
    """
    if silenced:
        os.environ[VARIABLE] = OFF
    else:
        os.environ.pop(VARIABLE, None)


def shows_progress(function: Callable[P, R]) -> Callable[P, R]:
    """Give a function whose `listener` is `automatic_progress` a bar, if somebody can see it."""
    position = list(inspect.signature(function).parameters).index("listener")

    @functools.wraps(function)
    def with_bar(*args: P.args, **kwargs: P.kwargs) -> R:
        given: Any = args[position] if len(args) > position else kwargs.get("listener", automatic_progress)
        if given is not automatic_progress:
            with reporting_to(ignore_progress):  # what it calls reports to the given listener, or to no one
                return function(*args, **kwargs)
        with _automatic_listener() as listener:
            if len(args) > position:
                args = (*args[:position], listener, *args[position + 1 :])  # type: ignore[assignment]
            else:
                kwargs["listener"] = listener
            return function(*args, **kwargs)

    return with_bar


@contextmanager
def reporting_to(listener: Listener) -> Iterator[None]:
    """Give `listener` to all calls in this context that have none: they open no bars of their own."""
    token = _outer.set(listener)
    try:
        yield
    finally:
        _outer.reset(token)


@contextmanager
def _automatic_listener() -> Iterator[Listener]:
    outer = _outer.get()
    drawing = _drawing() if outer is None else None
    if drawing is None:
        yield outer or ignore_progress
        return
    listener = bar_listener(drawing)
    try:
        with reporting_to(listener):
            yield listener
    finally:
        drawing.close()


def _drawing() -> Drawing | None:
    """Return what draws bars for this process and thread; None if no one would see them, or wants to."""
    if os.environ.get(VARIABLE, "").lower() == OFF or PYTEST in os.environ:
        return None
    if threading.current_thread() is not threading.main_thread():
        return None
    if multiprocessing.current_process().name != "MainProcess":
        return None
    if in_notebook():
        from triptych.bars.notebook import NotebookBars

        return NotebookBars()
    if sys.stderr is not None and sys.stderr.isatty():
        from triptych.bars.terminal import TerminalBars

        return TerminalBars(sys.stderr)
    return None
