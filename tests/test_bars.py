"""A bar appears by itself where a person looks, over work that lasts; nowhere else, and never if it is declined."""

from __future__ import annotations

import io
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from typing import Any

import joblib
import pytest

import triptych
from triptych import bars
from triptych.bars import listener as bar_listeners
from triptych.bars import notebook as notebook_bars
from triptych.bars import reporting_to, shows_progress
from triptych.data.split import split
from triptych.progress import Listener, Progress, automatic_progress, ignore_progress
from triptych.training.fit import fit
from triptych.training.settings import TrainingSettings
from worlds import random_dataset


class Terminal(io.StringIO):
    """Standard error as a terminal; it keeps what was written."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@shows_progress
def work(n: int = 5, *, stage: str = "working", listener: Listener = automatic_progress) -> Listener:
    for done in range(n + 1):
        listener(Progress(stage, done, n))
    return listener


@shows_progress
def outer_work(listener: Listener = automatic_progress) -> Listener:
    listener(Progress("outer", 1, 2))
    return work()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal, in a process whose bars appear at once."""
    stream = Terminal()
    _set_stderr(monkeypatch, stream)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("TRIPTYCH_PROGRESS", raising=False)
    _look_at_once(monkeypatch)
    return stream


def _set_stderr(monkeypatch: pytest.MonkeyPatch, stream: Any) -> None:
    monkeypatch.setattr(bars, "sys", types.SimpleNamespace(stderr=stream))  # pytest sets that of sys before each test


def _look_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that is not under pytest, and whose work lasts long enough."""
    monkeypatch.setattr(bars, "PYTEST", "NOT_UNDER_PYTEST")
    monkeypatch.setattr(bar_listeners, "SECONDS_BEFORE_BAR", -1.0)


def test_a_bar_appears_in_a_terminal_and_leaves_nothing_behind(terminal: Terminal) -> None:
    work()
    written = terminal.getvalue()
    assert "working" in written
    assert "0/5" in written
    assert "\x1b[2K" in written  # the line of the bar is removed


def test_short_work_shows_nothing(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bar_listeners, "SECONDS_BEFORE_BAR", 2.0)
    work()
    assert terminal.getvalue() == ""


def test_the_stages_of_a_training_show_their_last_note(terminal: Terminal) -> None:
    fit("bpr", split(random_dataset(1, modalities=())), training=TrainingSettings(epochs=3))
    assert "training" in terminal.getvalue()
    assert "ndcg@50" in terminal.getvalue()


def _off(monkeypatch: pytest.MonkeyPatch, value: str = "off") -> None:
    monkeypatch.setenv("TRIPTYCH_PROGRESS", value)


@pytest.mark.parametrize(
    "decline",
    [
        _off,
        lambda patch: _off(patch, value="OFF"),
        lambda patch: patch.setattr(bars, "PYTEST", "PYTEST_CURRENT_TEST"),
        lambda patch: _set_stderr(patch, io.StringIO()),
        lambda patch: _set_stderr(patch, None),
    ],
    ids=["variable", "in capitals", "pytest", "no terminal", "no stream"],
)
def test_nothing_is_shown_if_it_is_declined_or_no_one_looks(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, decline: Callable[[pytest.MonkeyPatch], None]
) -> None:
    decline(monkeypatch)
    assert work() is ignore_progress
    assert terminal.getvalue() == ""


def test_quiet_is_for_this_process_and_can_be_undone(terminal: Terminal) -> None:
    triptych.quiet()
    assert work() is ignore_progress
    triptych.quiet(False)
    assert work() is not ignore_progress


def test_a_given_listener_gets_the_progress_and_no_bar_appears(terminal: Terminal) -> None:
    seen: list[Progress] = []
    work(listener=seen.append)
    assert len(seen) == 6
    assert outer_work(seen.append) is ignore_progress
    assert outer_work(ignore_progress) is ignore_progress
    assert terminal.getvalue() == ""


def test_calls_within_a_call_use_its_bar(terminal: Terminal) -> None:
    drawn: list[Progress] = []
    with reporting_to(drawn.append):
        assert outer_work() == drawn.append
    assert [each.stage for each in drawn] == ["outer", *["working"] * 6]
    assert outer_work() is not ignore_progress
    assert bars._outer.get() is None


def test_a_bar_ends_with_an_error(terminal: Terminal) -> None:
    @shows_progress
    def fail(listener: Listener = automatic_progress) -> None:
        for done in range(3):
            listener(Progress("failing", done, 5))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert "failing" in terminal.getvalue()
    assert "\x1b[?25h" in terminal.getvalue()  # the cursor is back
    assert bars._outer.get() is None


def test_other_threads_show_no_bars(terminal: Terminal) -> None:
    with ThreadPoolExecutor(2) as pool:
        assert [pool.submit(work).result() for _ in range(3)] == [ignore_progress] * 3


def worker_shows_a_bar(_: int = 0) -> bool:
    """Whether a bar would be drawn in this process, with a terminal as standard error."""
    import os

    os.environ.pop("PYTEST_CURRENT_TEST", None)
    sys.stderr = Terminal()
    try:
        return bars._drawing() is not None
    finally:
        sys.stderr = sys.__stderr__


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("backend", ["loky", "multiprocessing", "spawn"])
def test_worker_processes_show_no_bars(backend: str) -> None:
    if backend == "spawn":
        with get_context("spawn").Pool(1) as pool:
            assert not pool.apply_async(worker_shows_a_bar).get(100)
    else:
        assert joblib.Parallel(n_jobs=2, backend=backend)([joblib.delayed(worker_shows_a_bar)(n) for n in (1, 2)]) == [
            False,
            False,
        ]


class FakeDisplay:
    """IPython's display function and what it returns: the shown HTML, one after the other."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    def display(self, html: str, *, display_id: bool) -> FakeDisplay:
        assert display_id
        self.shown.append(html)
        return self

    def update(self, html: str) -> None:
        self.shown.append(html)


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeDisplay]:
    """A process that looks like the kernel of a notebook."""
    fake = FakeDisplay()
    ipython, display = types.ModuleType("IPython"), types.ModuleType("IPython.display")
    vars(ipython)["get_ipython"] = lambda: types.SimpleNamespace(kernel=object())
    vars(display).update(display=fake.display, HTML=str)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    monkeypatch.delenv("TRIPTYCH_PROGRESS", raising=False)
    monkeypatch.setattr(notebook_bars, "SECONDS_BETWEEN_DRAWINGS", -1.0)
    _look_at_once(monkeypatch)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield fake


def test_a_notebook_shows_a_bar_in_the_cell_and_removes_it(notebook: FakeDisplay) -> None:
    work(stage="<script>x</script>")
    assert notebook.shown[-1] == ""
    assert '<progress value="3" max="5"></progress> 3/5, about' in "".join(notebook.shown)
    assert not any("<script>" in each for each in notebook.shown)


def test_short_work_shows_nothing_in_a_notebook(notebook: FakeDisplay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bar_listeners, "SECONDS_BEFORE_BAR", 2.0)
    work()
    assert notebook.shown == []


def test_the_decorator_keeps_name_and_signature() -> None:
    import inspect

    assert list(inspect.signature(fit).parameters)[:4] == ["model", "data", "settings", "training"]
    assert fit.__name__ == "fit"
    result: Any = inspect.signature(fit).parameters["listener"].default
    assert result is automatic_progress
