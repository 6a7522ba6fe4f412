"""Plain-text help pages: options and commands in panels, and examples that keep their line breaks.

A panel is the `rich_help_panel` of a parameter or command. The text has no markup, so brackets in it stay as written.
"""

from __future__ import annotations

import inspect
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from typer.core import TyperCommand, TyperGroup

from triptych.cli.streams import OutputError
from triptych.texts import encodable, printable

NAME_WIDTH = 30  # longest option or argument that has its text on the same line
SUMMARY_WIDTH = 1000  # no summary of a command is cut


class Command(TyperCommand):
    """A command whose help lists arguments, then the options of each panel, then general options."""

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        with _help_errors():
            return super().make_context(*arguments, **options)

    def get_help(self, ctx: Any) -> str:
        return _encodable(super().get_help(ctx))

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return [*([self.options_metavar] if self.options_metavar else []), *_argument_usages(self, ctx)]

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        _write_help_text(self, formatter)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        _write_parameters(self, ctx, formatter)


class Group(TyperGroup):
    """A command group whose help lists the commands of each panel, then the options."""

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        with _printable_errors(), _help_errors():
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: Any) -> Any:
        with _printable_errors():
            return super().invoke(ctx)

    def get_help(self, ctx: Any) -> str:
        return _encodable(super().get_help(ctx))

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        _write_help_text(self, formatter)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        self.format_commands(ctx, formatter)
        _write_parameters(self, ctx, formatter)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        panels: dict[str, list[tuple[str, str]]] = {}
        for name in self.list_commands(ctx):
            command: Any = self.get_command(ctx, name)
            if command is not None and not command.hidden:
                row = (name, command.get_short_help_str(SUMMARY_WIDTH))
                panels.setdefault(command.rich_help_panel or "Commands", []).append(row)
        _write_panels(panels, formatter)


@contextmanager
def _printable_errors() -> Iterator[None]:
    """Write out control characters in the errors of typer about arguments: an argument may be the name of a file.

    If an error cannot be printed, its exit code stays. The help page that answers a call without arguments is an error
    to typer; its lines stay.
    """
    try:
        yield
    except Exception as error:
        message, show = getattr(error, "message", None), getattr(error, "show", None)
        if show is not None and isinstance(message, str):
            if type(error).__name__ != "NoArgsIsHelpError":
                error.message = printable(message)  # type: ignore[attr-defined]
            error.show = partial(_show, show)  # type: ignore[attr-defined]
        raise


def _show(show: Callable[[], None]) -> None:
    with suppress(OSError):
        show()


@contextmanager
def _help_errors() -> Iterator[None]:
    """Turn an error while a command reads its arguments into OutputError: it prints help pages then, and no more.

    The errors of arguments are no OSError.
    """
    try:
        yield
    except OSError as error:
        raise OutputError(error) from None


def _encodable(text: str) -> str:
    """The text in characters that standard output has: typer would write UTF-8 where the encoding is ASCII."""
    return encodable(text, getattr(sys.stdout, "encoding", None) or "utf-8")


def write_entries(formatter: Any, title: str, entries: Iterable[str]) -> None:
    """Write a section with one indented entry after the other below a title."""
    formatter.write(f"\n{title}:\n")
    for entry in entries:
        lines = textwrap.fill(entry, formatter.width, initial_indent="  ", subsequent_indent="      ")
        formatter.write(f"{lines}\n")


def _argument_usages(command: Any, ctx: Any) -> list[str]:
    usages = []
    for parameter in command.get_params(ctx):
        if parameter.param_type_name == "argument" and not parameter.hidden:
            name = _argument_name(parameter)
            usages.append(name if parameter.required else f"[{name}]")
    return usages


def _argument_name(argument: Any) -> str:
    name = argument.metavar or argument.name.upper()
    return name if argument.nargs == 1 else f"{name}..."


def _write_help_text(command: Any, formatter: Any) -> None:
    """Write the docstring. Paragraphs with an indented line are examples: they are written as they are."""
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        is_example = any(line.startswith(" ") for line in paragraph.splitlines())
        text = textwrap.indent(paragraph, "  ") if is_example else _wrap(paragraph, formatter.width, 2)
        formatter.write(f"\n{text}\n")


def _wrap(text: str, width: int, indent: int) -> str:
    """Wrap text at spaces only: an option such as --log-to stays on one line."""
    space = " " * indent
    return textwrap.fill(
        text, width, initial_indent=space, subsequent_indent=space, break_on_hyphens=False, break_long_words=False
    )


def _write_parameters(command: Any, ctx: Any, formatter: Any) -> None:
    panels: dict[str, list[tuple[str, str]]] = {"Arguments": []}
    general: list[tuple[str, str]] = []
    for parameter in command.get_params(ctx):
        record = parameter.get_help_record(ctx)
        if record is None:
            continue
        panel = getattr(parameter, "rich_help_panel", None)
        if parameter.param_type_name == "argument":
            panels[panel or "Arguments"].append((_argument_name(parameter), record[1]))
        elif panel:
            panels.setdefault(panel, []).append(record)
        else:
            general.append(record)
    _write_panels({**panels, "Options": general}, formatter)


def _write_panels(panels: dict[str, list[tuple[str, str]]], formatter: Any) -> None:
    """Write every panel as a section. The second column starts at the same position in all of them."""
    names = [name for rows in panels.values() for name, _ in rows if len(name) <= NAME_WIDTH]
    indent = 2 + max(map(len, names), default=0) + 2
    for title, rows in panels.items():
        if rows:
            formatter.write(f"\n{title}:\n")
        for name, text in rows:
            lines = _wrap(text, formatter.width, indent)
            fits = len(name) + 4 <= indent
            formatter.write(f"  {name}".ljust(indent) + lines[indent:] if fits else f"  {name}\n{lines}")
            formatter.write("\n")
