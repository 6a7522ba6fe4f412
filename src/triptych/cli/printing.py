"""Output of the command line: progress and messages on stderr, results on stdout as tables or JSON."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal, TextIO, TypeVar

from rich.console import Console
from rich.table import Table
from rich.text import Text

from triptych.bars.listener import bar_listener, duration_text
from triptych.bars.terminal import TerminalBars
from triptych.cli.option_names import as_options
from triptych.cli.streams import write_line, writing_output
from triptych.errors import TriptychError
from triptych.progress import Listener, Progress, ignore_progress
from triptych.texts import encodable, printable, printable_json

SECONDS_BETWEEN_LINES = 15.0  # between lines of progress if stderr is not a terminal
WIDTH_WITHOUT_TERMINAL = 120  # characters per line of a result

T = TypeVar("T")

_silenced = False


def silence_progress(silenced: bool = True) -> None:
    """Report no progress from now on. silenced=False: report it again."""
    global _silenced
    _silenced = silenced


@contextmanager
def show_progress() -> Iterator[Listener]:
    """Yield a listener that prints progress: bars on a terminal, otherwise a line now and then."""
    if _silenced:
        yield ignore_progress
    elif sys.stderr.isatty():
        drawing = TerminalBars(sys.stderr)
        try:
            yield _bars_and_notes(drawing)
        finally:
            drawing.close()
    else:
        yield _line_listener()


def open_with_progress(open_folder: Callable[[Path, Listener], T], path: Path) -> T:
    """Open a folder; its files are verified, and large ones take long enough for a bar."""
    with show_progress() as listener:
        return open_folder(path, listener)


def _bars_and_notes(drawing: TerminalBars) -> Listener:
    """Return a listener that draws bars, and prints each note on a line of its own above them."""
    draw = bar_listener(drawing)

    def listener(progress: Progress) -> None:
        if progress.note:
            line = f"{progress.stage} {progress.done}/{progress.total}: {progress.note}"
            drawing.console.print(_text(line, sys.stderr))
        else:
            draw(progress)

    return listener


def _line_listener() -> Listener:
    last_line = time.monotonic()
    started: dict[str, tuple[float, int]] = {}  # stage -> time of its first report, units done by then

    def listener(progress: Progress) -> None:
        nonlocal last_line
        now = time.monotonic()
        start, already_done = started.setdefault(progress.stage, (now, progress.done))
        if progress.note or (progress.done and now - last_line > SECONDS_BETWEEN_LINES):
            last_line = now
            done, left = progress.done - already_done, progress.total - progress.done
            seconds = (now - start) / done * left if done > 0 else 0.0
            suffix = f", about {duration_text(seconds)} left" if seconds else ""
            text = f": {progress.note}" if progress.note else suffix
            print_message(f"{progress.stage} {progress.done}/{progress.total}{text}")
        if progress.done >= progress.total:
            started.pop(progress.stage, None)

    return listener


def print_message(*lines: str) -> None:
    """Print lines on stderr. Control characters in them are written out, line breaks as well."""
    with suppress(OSError):  # the output is lost, the work goes on
        for line in lines:
            print(_shown(line, sys.stderr), file=sys.stderr, flush=True)


def print_error(error: TriptychError, prefix: str = "error: ") -> None:
    """Print an error on stderr, with its hint on a line of its own."""
    what = as_options(error.what)
    sentence = f"{error.where}: {what}" if error.where else what
    print_message(f"{prefix}{sentence}", *([f"  hint: {as_options(error.hint)}"] if error.hint else []))


def print_message_from_signal_handler(text: str) -> None:
    """Print a line on stderr without its stream: the code that was interrupted may hold the stream's lock."""
    with suppress(OSError):  # the terminal may be gone
        os.write(2, f"{text}\n".encode())


def print_result(*lines: str) -> None:
    """Print lines of the result on stdout. Control characters in them are written out, line breaks as well."""
    for line in lines:
        write_line(_shown(line, sys.stdout))


def print_json(value: object) -> None:
    """Print the result on stdout as one JSON value. Characters that act on a terminal are written as \\u escapes."""
    is_unicode = _encoding(sys.stdout).startswith("utf")
    write_line(printable_json(json.dumps(value, ensure_ascii=not is_unicode, indent=2)))


def print_table(title: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table on stdout: the first column is aligned to the left, the others to the right."""
    stream = sys.stdout
    table = Table(title=_text(title, stream), title_justify="left")
    for position, name in enumerate(header):
        justify: Literal["left", "right"] = "left" if position == 0 else "right"
        table.add_column(_text(name, stream), justify=justify, no_wrap=position == 0, overflow="fold")
    for row in rows:
        table.add_row(*(_text(_format_cell(value), stream) for value in row))
    console = _console(stream)
    with writing_output(), console.capture() as captured:  # the end of a capture writes what the stream still holds
        console.print(table)
    write_line(captured.get().removesuffix("\n"))


def print_metrics(title: str, means: Mapping[str, float]) -> None:
    """Print metrics as a table with one row per metric and one column per cutoff."""
    cutoffs = sorted({int(name.partition("@")[2]) for name in means})
    names = list(dict.fromkeys(name.partition("@")[0] for name in means))
    rows = [[name, *(means.get(f"{name}@{k}", "") for k in cutoffs)] for name in names]
    print_table(title, ["", *(f"@{k}" for k in cutoffs)], rows)


def count_text(n: int, noun: str) -> str:
    """Return `1 item`, `2 items`."""
    return f"{n:,} {noun}" + ("" if n == 1 else "s")


def lacking_text(n: int, noun: str = "item") -> str:
    """Return `1 item lacks it`, `2 items lack it`, for a modality."""
    return f"{count_text(n, noun)} {'lacks' if n == 1 else 'lack'} it"


def _format_cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _console(stream: TextIO) -> Console:
    """Return a console that prints texts as they are: no markup, no emoji codes, no colours of numbers."""
    width = None if stream.isatty() else WIDTH_WITHOUT_TERMINAL
    return Console(file=stream, soft_wrap=True, highlight=False, markup=False, emoji=False, width=width)


def _text(text: str, stream: TextIO) -> Text:
    return Text(_shown(text, stream))


def _shown(text: str, stream: TextIO) -> str:
    """The text as it is shown: nothing in it acts on a terminal, and the encoding of the stream has its characters."""
    return encodable(printable(text), _encoding(stream))


def _encoding(stream: TextIO) -> str:
    return (getattr(stream, "encoding", None) or "utf-8").lower()
