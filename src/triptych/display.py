"""How objects show themselves: a card, as lines of text for a prompt and as HTML for a notebook.

Ids, titles and the values of tables are data of others: control characters are written out, HTML is escaped. The HTML
has no colours of its own, so that it fits light and dark pages.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from triptych.texts import escape_xml, printable

T = TypeVar("T")
LONGEST = 80  # characters of a cell
LONGEST_TEXT = 1000  # of a title, a value and a note, which are wrapped
WIDTH = 100  # of lines of text
LINE = "border-top: 1px solid rgba(128, 128, 128, 0.35)"


@dataclass(frozen=True)
class Picture:
    """A picture in a table: a base64 JPEG, shown in HTML only."""

    jpeg: str


Cell = str | Picture


@dataclass(frozen=True)
class Card:
    """What an object shows: facts, pairs of a label and a value; below them a table and a note."""

    title: str
    facts: Sequence[tuple[str, str]] = ()
    header: Sequence[str] = ()
    rows: Sequence[Sequence[Cell]] = ()
    note: str = ""

    def text(self) -> str:
        """Return the card as lines of text."""
        table = [[_short(each) for each in row if isinstance(each, str)] for row in (self.header, *self.rows)]
        lines = _wrapped(_short(self.title, LONGEST_TEXT), indent=0)
        label_width = max((len(_short(label)) for label, _ in self.facts), default=0)
        for label, value in self.facts:
            first, *more = _wrapped(_short(value, LONGEST_TEXT), indent=label_width + 4)
            lines += [f"  {_short(label):{label_width}}  {first.lstrip()}".rstrip(), *more]
        lines += _aligned(table if self.header else table[1:])
        return "\n".join([*lines, *(_wrapped(_short(self.note, LONGEST_TEXT), indent=2) if self.note else [])])

    def html(self) -> str:
        """Return the card as a fragment of HTML."""
        facts = "".join(
            f'<tr><td style="text-align: left; opacity: 0.75">{_escaped(label)}</td>'
            f'<td style="text-align: left">{_escaped(value)}</td></tr>'
            for label, value in self.facts
        )
        header = "".join(f'<th style="text-align: left">{_escaped(each)}</th>' for each in self.header)
        header = f"<tr>{header}</tr>" if header else ""
        rows = "".join(f'<tr style="{LINE}">{"".join(map(_html_cell, row))}</tr>' for row in self.rows)
        return (
            f'<div class="triptych" style="color: inherit"><div><b>{_escaped(self.title)}</b></div>'
            + (f'<table style="color: inherit">{facts}</table>' if facts else "")
            + (f'<table style="color: inherit">{header}{rows}</table>' if rows else "")
            + (f'<div style="opacity: 0.75">{_escaped(self.note)}</div>' if self.note else "")
            + "</div>"
        )


def displayed(card: Callable[[T], Card]) -> Callable[[type[T]], type[T]]:
    """Give a class the `__repr__` and `_repr_html_` of a card. It stands above `@dataclass`, whose repr it replaces."""

    def with_card(kind: type[T]) -> type[T]:
        def text(self: T) -> str:
            return card(self).text()

        def html(self: T) -> str:
            return card(self).html()

        kind.__repr__ = text  # type: ignore[method-assign, assignment]
        kind._repr_html_ = html  # type: ignore[attr-defined]
        return kind

    return with_card


def card_with_shapes(value: Any) -> Card:
    """Return a card of one line for a dataclass that holds arrays: their dtypes and shapes instead of their values."""
    shown = ", ".join(f"{field.name}={_brief(getattr(value, field.name))}" for field in fields(value))
    return Card(f"{type(value).__name__}({shown})")


def count(n: int, noun: str) -> str:
    """Return `1 item`, `2,000 items`."""
    return f"{n:,} {noun}" + ("" if n == 1 else "s")


def sparsity(n: int, n_users: int, n_items: int) -> str:
    """Return the share of the pairs of user and item that are not among n interactions: `99.883 %`."""
    cells = n_users * n_items
    return f"{100 * (1 - n / cells):.3f} %" if cells else "-"


def _brief(value: Any) -> str:
    dtype, shape = getattr(value, "dtype", None), getattr(value, "shape", None)
    if dtype is not None and shape is not None:
        return f"{str(dtype).removeprefix('torch.')}{list(shape)}"
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_brief, value))}]"
    return repr(value)


def _short(text: str, longest: int = LONGEST) -> str:
    shown = printable(text)
    return shown if len(shown) <= longest else f"{shown[: longest - 1]}…"


def _escaped(text: str) -> str:
    return escape_xml(_short(text, LONGEST_TEXT))


def _html_cell(cell: Cell) -> str:
    if isinstance(cell, Picture):
        image = f'<img src="data:image/jpeg;base64,{cell.jpeg}" alt="" style="max-height: 72px">' if cell.jpeg else ""
        return f"<td>{image}</td>"
    return f'<td style="text-align: left">{_escaped(cell)}</td>'


def _wrapped(text: str, indent: int) -> list[str]:
    """Return a text as lines of `WIDTH` characters; all but a title are indented, and its other lines too."""
    first, other = " " * indent, " " * (indent or 2)
    return textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=other) or [first]


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the rows of a table as lines; its columns are as wide as their widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
