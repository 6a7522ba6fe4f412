"""How explanations show themselves, with the pictures of the items in a notebook; see `triptych.display`."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from triptych.content.pictures import thumbnail
from triptych.display import Card, Cell, Picture, count
from triptych.errors import InputError

if TYPE_CHECKING:
    from triptych.explaining.explanation import Explanation, Reason

N_REASONS = 5  # shown; the others are added up
PICTURE_SIZE = (110, 144)  # pixels: twice the size in a notebook


def card_of_explanation(explanation: Explanation) -> Card:
    """The first reasons with their contributions and evidence, what the others and the rest add, and the statement."""
    from triptych.explaining.explanation import components_text, evidence_summary

    files, shown, others = explanation.picture_files, explanation.reasons[:N_REASONS], explanation.reasons[N_REASONS:]
    rank = f"rank {explanation.rank}" if explanation.rank is not None else "already in the history"
    model = f" by {explanation.model}" if explanation.model else ""
    title = (
        f"Explanation: «{explanation.title}» for user {explanation.user}, score {explanation.score:.4f}{model}, {rank}"
    )
    rows: list[list[Cell]] = []
    for reason in shown:
        facts = evidence_summary(reason.evidence) if reason.evidence is not None else ""
        because = "; ".join(filter(None, (components_text(reason.components), facts)))
        rows.append([_signed(reason.contribution), f"because of «{reason.title}»", because])
    if others:
        total = sum(reason.contribution for reason in others)
        rows.append([_signed(total), f"{count(len(others), 'other item')} together", ""])
    rows += [[_signed(value), name, ""] for name, value in explanation.rest.items()]
    if files:  # a column of pictures; the first row is the recommended item
        pictures = [_picture(files, reason) for reason in shown]
        rows = [[*row, pictures[n] if n < len(pictures) else Picture("")] for n, row in enumerate(rows)]
        rows.insert(0, ["", f"«{explanation.title}»", "the recommended item", _picture(files, explanation)])
    return Card(title, rows=rows, note=explanation.statement)


def _signed(value: float) -> str:
    return f"{value:+.4f}"


def _picture(files: Mapping[str, Path], shown: Reason | Explanation) -> Picture:
    """The thumbnail of an item; an empty one if there is no picture, or if it cannot be read."""
    path = files.get(shown.item)
    if path is None:
        return Picture("")
    try:
        return Picture(base64.b64encode(thumbnail(path, *PICTURE_SIZE)).decode())
    except InputError:
        return Picture("")
