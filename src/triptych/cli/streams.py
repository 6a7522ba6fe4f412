"""Standard streams that cannot fail: closed, full, broken or of an encoding without the characters of the text."""

from __future__ import annotations

import codecs
import io
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from triptych.errors import TriptychError
from triptych.texts import encodable

HANDLER = "triptych-plain"  # of characters that an encoding lacks
BROKEN_PIPE = 141  # the exit code of a program that SIGPIPE ends
FAILURE = 1


class OutputError(Exception):
    """Standard output cannot be written. cause: the error of the system."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


@contextmanager
def standard_streams(show_warning: Callable[[str], None]) -> Iterator[None]:
    """Prepare standard output and standard error, and print warnings by `show_warning`, until the block ends.

    A closed stream is replaced by one that drops its text, so no file that is opened later gets its number.
    Characters that the encoding lacks are written in plain letters.
    A broken pipe raises BrokenPipeError here, not a signal: the connection of a logger may break as well.
    """
    _open_closed_streams()
    if sys.platform != "win32":
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    codecs.register_error(HANDLER, _replace)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # not the stream of a test
            stream.reconfigure(errors=HANDLER)
    with warnings.catch_warnings():
        # the size of a picture is checked after it was opened, with the name of the file
        warnings.filterwarnings("ignore", message="Image size .* exceeds limit")
        warnings.showwarning = lambda message, *_, **__: show_warning(str(message))
        yield


@contextmanager
def writing_output() -> Iterator[None]:
    """Turn the errors of a block that does nothing but write to standard output into OutputError."""
    try:
        yield
    except (OSError, ValueError) as error:
        raise OutputError(error) from None


def write_line(text: str) -> None:
    """Write a line to standard output. Raises OutputError."""
    with writing_output():
        print(text)


def finish_output(code: int, report: Callable[[TriptychError], None]) -> int:
    """Write what is left in both streams. Return the exit code: `code`, or that of a failure to write.

    report: prints the error. Nothing is left to write, so the interpreter cannot fail at its end.
    """
    try:
        sys.stdout.flush()
    except (OSError, ValueError) as error:
        code = end_output(error, code, report)
    try:
        sys.stderr.flush()
    except (OSError, ValueError):
        _drop(sys.stderr, 2)
    return code


def end_output(error: Exception, code: int, report: Callable[[TriptychError], None]) -> int:
    """Drop the rest of standard output, which cannot be written. Return the exit code.

    A broken pipe is not reported: the reader has read enough.
    """
    _drop(sys.stdout, 1)
    if isinstance(error, BrokenPipeError):
        return BROKEN_PIPE if code in (0, FAILURE) else code
    reason = getattr(error, "strerror", None) or str(error)
    report(TriptychError(f"cannot write: {reason}", where="standard output", hint="direct it to another file"))
    return code or FAILURE


def _open_closed_streams() -> None:
    """Open the null device for each standard stream that is closed."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    for name, number in (("stdin", 0), ("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            stream = open(number, "r" if number == 0 else "w", encoding="utf-8", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)


def _drop(stream: object, number: int) -> None:
    """Direct a standard stream to the null device: its last text is lost without an error."""
    with suppress(OSError, ValueError, io.UnsupportedOperation):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, number)
        os.close(null)
        if isinstance(stream, io.TextIOWrapper):
            stream.flush()


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return encodable(error.object[error.start : error.end], error.encoding), error.end
