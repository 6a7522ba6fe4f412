"""`triptych explain`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from triptych.cli.options import OUTPUT, Json, PictureColumn, Pictures, Run, TitleColumn
from triptych.cli.printing import count_text, open_with_progress, print_json, print_result
from triptych.errors import SettingsError
from triptych.outputs import check_file

if TYPE_CHECKING:
    from triptych.explaining.explanation import Explanation

REQUEST = "User and items"


def command(
    run: Run,
    user: Annotated[str, typer.Option("--user", "-u", metavar="ID", rich_help_panel=REQUEST, help="User id.")],
    item: Annotated[
        list[str] | None,
        typer.Option(
            "--item",
            "-i",
            metavar="ID",
            rich_help_panel=REQUEST,
            help="Item id. Repeatable [default: the user's three best items].",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            "-d",
            metavar="DATA",
            rich_help_panel=REQUEST,
            help="Data set folder that the model was trained on. Multimodal models need it.",
        ),
    ] = None,
    k: Annotated[
        int, typer.Option("--k", "-k", min=1, metavar="N", rich_help_panel=OUTPUT, help="Reasons to show per item.")
    ] = 5,
    drawing: Annotated[
        Path | None,
        typer.Option(
            "--drawing",
            metavar="FILE",
            rich_help_panel=OUTPUT,
            help="Draw the user's neighbourhood in the graph to this .svg file.",
        ),
    ] = None,
    title_column: TitleColumn = None,
    picture_column: PictureColumn = None,
    pictures: Pictures = None,
    json: Json = False,
) -> None:
    """Explain why an item is recommended to a user.

    The explanation lists the items of the user's history with the largest contributions to the score. Each contribution
    is divided into components: like-minded users (paths in the user-item graph), image, text and other modalities. The
    contributions of all items and the rest add up to the score. The last line says whether they are exact or an
    approximation. Facts from the data are shown as well: users who have both items, how similar the items are, and
    what their metadata have in common.

    Examples:
        triptych explain runs/lightgcn --user u17 --item i3

        triptych explain runs/grcn --data shop/ --user u17 --drawing why.svg
    """
    from triptych.artefacts import write_file
    from triptych.data.dataset import open_dataset
    from triptych.explaining.drawing import draw
    from triptych.explaining.explainer import Explainer
    from triptych.explaining.item_display import ItemDisplay
    from triptych.explaining.neighbourhood import neighbourhood_of
    from triptych.ranking.recommender_folder import open_recommender

    if drawing is not None and drawing.suffix != ".svg":
        raise SettingsError(f'cannot draw "{drawing.name}"', hint="choose a file name that ends in .svg")
    if drawing is not None and item is not None and len(item) > 1:
        raise SettingsError("a drawing shows one item", hint="name one --item")
    if drawing is not None:
        check_file(drawing)
    display = ItemDisplay(title_column, picture_column, pictures)
    recommender = open_with_progress(open_recommender, run)
    explainer = Explainer(
        recommender, open_with_progress(open_dataset, data) if data is not None else None, display=display
    )
    explanations = explainer.explain(user, item, n_evidence=k)
    if drawing is not None and explanations:
        write_file(drawing, draw(neighbourhood_of(explainer, explanations[0])).encode())
    if json:
        print_json([each.to_dict(k) for each in explanations])
        return
    for each in explanations:
        _print_explanation(each, k)
    if explanations:
        print_result(explanations[0].statement)
    if drawing is not None and explanations:
        print_result(f"drawing of «{explanations[0].title}»: {drawing}")


def _print_explanation(explanation: Explanation, k: int) -> None:
    from triptych.explaining.explanation import components_text, evidence_lines

    rank = f"rank {explanation.rank}" if explanation.rank is not None else "already in the user's history"
    score = f"score {explanation.score:.4f} by {explanation.model}"
    print_result(f"«{explanation.title}» for user {explanation.user}: {score}, {rank}")
    for reason in explanation.reasons[:k]:
        components = components_text(reason.components)
        print_result(
            f"  {reason.contribution:+.4f}  because of «{reason.title}»{f': {components}' if components else ''}"
        )
        for line in evidence_lines(reason.evidence) if reason.evidence is not None else ():
            print_result(f"           {line}")
    others = explanation.reasons[k:]
    if others:
        total = sum(reason.contribution for reason in others)
        print_result(f"  {total:+.4f}  {count_text(len(others), 'other item')} together")
    for name, value in explanation.rest.items():
        print_result(f"  {value:+.4f}  {name}")
    print_result("")
