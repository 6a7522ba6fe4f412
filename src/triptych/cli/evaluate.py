"""`triptych evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, cast

import typer

from triptych.cli import show


def command(
    run: Annotated[Path, typer.Argument(help="A run folder of `triptych train`, or a saved recommender.")],
    split: Annotated[str, typer.Option(help="Held-out interactions to measure on: test or validation.")] = "test",
    exclude: Annotated[
        str,
        typer.Option(
            help="A user's items left out of the ranking: train (as most papers do) or train+validation (test only)."
        ),
    ] = "train",
    items: Annotated[
        str, typer.Option(help="Items that are ranked and count: all, warm (with training interactions) or cold.")
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

    Example:  triptych evaluate runs/bm3 --metrics ndcg@50,recall@20 --exclude train+validation
    """
    from triptych.ranking.evaluate import STANDARD
    from triptych.ranking.recommender import open_recommender

    recommender = open_recommender(run)
    requested = tuple(metrics.split(",")) if metrics else STANDARD
    with show.listening() as listener:
        report = recommender.evaluate(
            cast(Any, split), exclude=cast(Any, exclude), items=cast(Any, items), metrics=requested, listener=listener
        )
    if per_user is not None:
        _write_per_user(per_user, recommender.dataset.users.names(report.users), report.per_user)
    result = {
        "model": recommender.about.get("model"),
        "split": split,
        "excluded": report.excluded,
        "items": items,
        "users": len(report.users),
        "users_without": report.n_without,
        "metrics": report.means,
    }
    if json:
        show.show_json(result)
        return
    ranked = "" if items == "all" else f", {items} items only"
    show.show_report(f"{result['model']} on {split}, full ranking{ranked}", report.means)
    show.show(
        f"{len(report.users):,} users count, {report.n_without:,} have no {split} item. Left out of the ranking: "
        f"{report.excluded}"
    )


def _write_per_user(path: Path, users: Any, values: dict[str, Any]) -> None:
    import io

    import polars as pl

    from triptych.artefacts import write_file

    buffer = io.BytesIO()
    pl.DataFrame({"user_id": users, **values}).write_parquet(buffer)
    write_file(path, buffer.getvalue())
