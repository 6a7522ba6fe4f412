"""`triptych evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, cast

import typer

from triptych.cli import show


def command(
    run: Annotated[Path, typer.Argument(help="A run folder of `triptych train`, or a saved recommender.")],
    part: Annotated[str, typer.Option(help="Held-out interactions to measure on: test or validation.")] = "test",
    mask: Annotated[
        str,
        typer.Option(
            help="Items left out of the ranking: train (the user's training items, as the literature does) or known "
            "(everything known but the part itself)."
        ),
    ] = "train",
    among: Annotated[
        str, typer.Option(help="Items that are ranked, and count: all, warm (training knew them) or cold (it did not).")
    ] = "all",
    metrics: Annotated[
        str | None, typer.Option(help="Separated by commas, as ndcg@50,recall@20 [default: the usual ones].")
    ] = None,
    per_user: Annotated[
        Path | None, typer.Option("--per-user", help="Write every user's metrics to this Parquet file.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Measure a trained model by full ranking over all items.

    NDCG, recall, precision, hit rate, MAP and MRR (ndcg, recall, precision, hit_rate, map, mrr) at any cutoffs. Users
    without held-out items do not count.

    Example:  triptych evaluate runs/bm3 --metrics ndcg@50,recall@20 --mask known
    """
    from triptych.ranking.evaluate import STANDARD
    from triptych.ranking.recommender import open_recommender

    recommender = open_recommender(run)
    asked = tuple(metrics.split(",")) if metrics else STANDARD
    with show.listening() as listener:
        report = recommender.evaluate(
            cast(Any, part), mask=cast(Any, mask), among=cast(Any, among), metrics=asked, listener=listener
        )
    if per_user is not None:
        _write_per_user(per_user, recommender.dataset.users.names(report.users), report.per_user)
    result = {
        "model": recommender.about.get("model"),
        "part": part,
        "masked": report.masked,
        "among": among,
        "users": len(report.users),
        "users_without": report.n_without,
        "metrics": report.means,
    }
    if json:
        show.show_json(result)
        return
    items = "" if among == "all" else f" among {among} items"
    show.show_report(f"{result['model']} on {part}, full ranking{items}", report.means)
    show.show(
        f"{len(report.users):,} users count, {report.n_without:,} have no {part} item; left out of the ranking: "
        f"{report.masked}"
    )


def _write_per_user(path: Path, users: Any, values: dict[str, Any]) -> None:
    import io

    import polars as pl

    from triptych.artefacts import write_file

    buffer = io.BytesIO()
    pl.DataFrame({"user_id": users, **values}).write_parquet(buffer)
    write_file(path, buffer.getvalue())
