"""`triptych report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from triptych.cli.options import OUTPUT, PictureColumn, Pictures, Quiet, TitleColumn
from triptych.cli.printing import print_result, show_progress


def command(
    comparison: Annotated[Path, typer.Argument(metavar="COMPARISON", help="Folder written by `triptych compare`.")],
    title: Annotated[
        str,
        typer.Option(metavar="TITLE", rich_help_panel=OUTPUT, help="Page title [default: names of the data sets]."),
    ] = "",
    users: Annotated[
        int, typer.Option(min=0, metavar="N", rich_help_panel=OUTPUT, help="Example users per data set.")
    ] = 4,
    title_column: TitleColumn = None,
    picture_column: PictureColumn = None,
    pictures: Pictures = None,
    quiet: Quiet = False,
) -> None:
    """Write a comparison as one HTML page.

    The page is COMPARISON/report.html, in one file without links to other files. It shows metrics with intervals, cost,
    sparse users and rare items, modalities, learning curves, and the recommendations of the best model for some example
    users. These have the reason for each first item, and pictures if the item table names them.

    Example:
        triptych report runs/compare-films --picture-column poster \\
            --pictures films/posters
    """
    from triptych.explaining.item_display import ItemDisplay
    from triptych.studies.report.page import write_report

    with show_progress() as listener:
        page = write_report(
            comparison,
            title=title,
            n_users=users,
            display=ItemDisplay(title_column, picture_column, pictures),
            listener=listener,
        )
    print_result(f"report: {page}")
