"""`triptych explain`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from triptych.cli import show
from triptych.errors import SettingsError

if TYPE_CHECKING:
    from triptych.explaining.explanation import Explanation


def command(
    run: Annotated[Path, typer.Argument(help="A run folder of `triptych train`, a blend, or a saved recommender.")],
    user: Annotated[str, typer.Option("--user", "-u", help="Whom to explain it for.")],
    item: Annotated[
        list[str] | None, typer.Option("--item", "-i", help="Which item; repeatable [default: the user's first three].")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", "-d", help="The data set folder that the run was trained on; for models of content."),
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="How many reasons are shown, the largest first.")] = 5,
    drawing: Annotated[
        Path | None, typer.Option("--drawing", help="Draw the user's neighbourhood in the graph to this .svg file.")
    ] = None,
    title_column: Annotated[
        str | None, typer.Option(help="Column of the item table with titles [default: title or name, else the id].")
    ] = None,
    picture_column: Annotated[
        str | None, typer.Option(help="Column of the item table with picture files, for the drawing.")
    ] = None,
    pictures: Annotated[Path | None, typer.Option(help="Folder that these files are in.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Say why a user has an item: which of the user's items led there, by how much, and through what.

    Through like-minded users (paths of the user-item graph), looks (image), words (text) or other modalities. What all
    items add and the rest are the score; every answer says whether the parts are exact or an approximation. Beside
    them stands what can be checked: who took both, how alike the two are, what their metadata share.

    Examples:  triptych explain runs/lightgcn --user u17 --item i3

               triptych explain runs/grcn --data shop/ --user u17 --drawing why.svg
    """
    from triptych.artefacts import write_file
    from triptych.data.dataset import open_dataset
    from triptych.explaining.drawing import draw
    from triptych.explaining.explainer import Explainer
    from triptych.explaining.item_display import ItemDisplay
    from triptych.explaining.neighbourhood import neighbourhood_of
    from triptych.ranking.recommender import open_recommender

    if drawing is not None and drawing.suffix != ".svg":
        raise SettingsError(f'cannot draw "{drawing.name}"', hint="end the name in .svg")
    if drawing is not None and item is not None and len(item) > 1:
        raise SettingsError("a drawing shows one item", hint="name one --item")
    recommender = open_recommender(run)
    look = ItemDisplay(title_column, picture_column, pictures)
    explainer = Explainer(recommender, open_dataset(data) if data is not None else None, look=look)
    explanations = explainer.explain(user, item, n_evidence=k)
    if drawing is not None and explanations:
        write_file(drawing, draw(neighbourhood_of(explainer, explanations[0])).encode())
    if json:
        show.show_json([each.to_dict(k) for each in explanations])
        return
    for each in explanations:
        _tell(each, k)
    if explanations:
        show.show(explanations[0].statement)
    if drawing is not None and explanations:
        show.show(f"drawing of «{explanations[0].title}»: {drawing}")


def _tell(one: Explanation, k: int) -> None:
    from triptych.explaining.explanation import evidence_in_words, in_words

    rank = f"rank {one.rank} of the candidates" if one.rank is not None else "taken already"
    show.show(f"«{one.title}» for user {one.user}: score {one.score:.4f} by {one.model}, {rank}")
    for reason in one.reasons[:k]:
        through = in_words(reason.through)
        show.show(f"  {reason.contribution:+.4f}  because of «{reason.title}»{f': {through}' if through else ''}")
        for line in evidence_in_words(reason.evidence) if reason.evidence is not None else ():
            show.show(f"           {line}")
    others = one.reasons[k:]
    if others:
        added = sum(reason.contribution for reason in others)
        show.show(f"  {added:+.4f}  {len(others)} other {'item' if len(others) == 1 else 'items'} together")
    for name, value in one.rest.items():
        show.show(f"  {value:+.4f}  {name}")
    show.show("")
