"""`triptych evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, cast, get_args

import typer

from triptych.cli.options import EVALUATION, OUTPUT, Json, Quiet, Run
from triptych.cli.printing import open_with_progress, print_json, print_metrics, print_result, show_progress
from triptych.cli.requests import ExcludedItems, Where, read_items
from triptych.outputs import check_file


def command(
    run: Run,
    split: Annotated[
        str,
        typer.Option(
            metavar="SPLIT", rich_help_panel=EVALUATION, help="Held-out interactions to measure on: test or validation."
        ),
    ] = "test",
    exclude: Annotated[
        str,
        typer.Option(
            metavar="SPLITS",
            rich_help_panel=EVALUATION,
            help="Each user's items to leave out of the ranking: train, as in most papers, or train+validation.",
        ),
    ] = "train",
    items: Annotated[
        str,
        typer.Option(
            metavar="ITEMS",
            rich_help_panel=EVALUATION,
            help="Items to rank: all, warm (with training interactions), cold (without), or a file of ids as in "
            "`recommend`. Others do not count.",
        ),
    ] = "all",
    exclude_items: ExcludedItems = None,
    where: Where = None,
    seen: Annotated[
        str,
        typer.Option(
            metavar="CHOICE",
            rich_help_panel=EVALUATION,
            help="Excluded items: drop, keep (nothing is left out, because people buy again), or auto: as prepared.",
        ),
    ] = "auto",
    users: Annotated[
        str,
        typer.Option(
            metavar="USERS",
            rich_help_panel=EVALUATION,
            help="Users to measure: all, warm (with training interactions) or cold (without).",
        ),
    ] = "all",
    metrics: Annotated[
        str | None,
        typer.Option(
            metavar="METRICS",
            rich_help_panel=EVALUATION,
            help="Metrics, separated by commas, as ndcg@50,recall@20 [default: ndcg and recall at 10, 20 and 50, the "
            "others at 50].",
        ),
    ] = None,
    per_user: Annotated[
        Path | None,
        typer.Option(
            "--per-user",
            metavar="FILE",
            rich_help_panel=OUTPUT,
            help="Also write the metrics of every user to this .parquet file.",
        ),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Evaluate a trained model by full ranking.

    Every item is ranked for every user with held-out items. The metrics are ndcg, recall, precision, hit_rate, map
    and mrr at any cutoff, averaged over these users.

    Example:
        triptych evaluate runs/bm3 --metrics ndcg@50,recall@20 \\
            --exclude train+validation
    """
    from triptych.ranking.evaluate import STANDARD
    from triptych.ranking.metrics import parse_metric
    from triptych.ranking.protocol import EvaluationProtocol, Items
    from triptych.ranking.recommender import open_recommender

    given = None if items in get_args(Items) or not Path(items).exists() else read_items(Path(items))
    kind = "all" if given is not None else items
    EvaluationProtocol(cast(Any, split), cast(Any, exclude), cast(Any, kind), cast(Any, seen), cast(Any, users))
    left_out = read_items(exclude_items)
    requested = STANDARD if metrics is None else tuple(metrics.split(","))
    for metric in requested:
        parse_metric(metric)
    if per_user is not None:
        check_file(per_user, (".parquet",))
    recommender = open_with_progress(open_recommender, run)
    with show_progress() as listener:
        report = recommender.evaluate(
            cast(Any, split),
            exclude=cast(Any, exclude),
            items=cast(Any, kind) if given is None else given,
            exclude_items=left_out,
            where=where,
            seen=cast(Any, seen),
            users=cast(Any, users),
            metrics=requested,
            listener=listener,
        )
    if per_user is not None:
        _write_per_user(per_user, recommender.dataset.users.as_given(report.users), report.per_user)
    result = {
        "model": recommender.about.get("model"),
        "split": split,
        "excluded": report.excluded,
        "items": items,
        **({"where": where} if where is not None else {}),
        **({"exclude_items": str(exclude_items)} if exclude_items is not None else {}),
        "measured_users": users,
        "users": len(report.users),
        "users_without_held_out_items": report.n_without,
        "metrics": report.means,
    }
    if json:
        print_json(result)
        return
    ranked = "" if kind == "all" else f", {kind} items only"
    if given is not None or left_out is not None or where is not None:
        ranked += ", chosen items only"
    ranked += "" if users == "all" else f", {users} users only"
    print_metrics(f"{result['model']} on {split}, full ranking{ranked}", report.means)
    print_result(
        f"{len(report.users):,} users are measured; {report.n_without:,} others have no {split} items. "
        f"Left out of the ranking: {report.excluded}"
    )


def _write_per_user(path: Path, users: Any, values: dict[str, Any]) -> None:
    import io

    import polars as pl

    from triptych.artefacts import write_file

    buffer = io.BytesIO()
    pl.DataFrame({"user_id": users, **values}).write_parquet(buffer)
    write_file(path, buffer.getvalue())
