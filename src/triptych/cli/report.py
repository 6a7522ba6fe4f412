"""`triptych report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from triptych.cli import show


def command(
    comparison: Annotated[Path, typer.Argument(help="Folder that `triptych compare` wrote.")],
    title: Annotated[str, typer.Option(help="Of the page [default: the data sets' names].")] = "",
    users: Annotated[int, typer.Option(min=0, help="Users whose lists are shown, of each data set.")] = 4,
    title_column: Annotated[
        str | None, typer.Option(help="Column of the item table with titles [default: title or name, else the id].")
    ] = None,
    picture_column: Annotated[str | None, typer.Option(help="Column of the item table with picture files.")] = None,
    pictures: Annotated[Path | None, typer.Option(help="Folder that these files are in.")] = None,
) -> None:
    """Draw a comparison as one HTML page, COMPARISON/report.html, that needs nothing beside it.

    Quality with intervals, what it costs, sparse users and rare items, modalities, learning curves, and some users'
    real lists by the best model, with pictures where the items' table names them, and why the first of each list.

    Example:  triptych report runs/compare-films --picture-column poster --pictures films/posters
    """
    from triptych.explaining.item_display import ItemDisplay
    from triptych.studies.report.page import write_report

    with show.listening() as listener:
        page = write_report(
            comparison,
            title=title,
            n_users=users,
            look=ItemDisplay(title_column, picture_column, pictures),
            listener=listener,
        )
    show.show(f"report: {page}")
