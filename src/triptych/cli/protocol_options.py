"""The options of an evaluation protocol, which `evaluate` and `score` share, and the table of every user's metrics."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast, get_args

import typer

from triptych.cli.options import EVALUATION, OUTPUT
from triptych.cli.printing import print_metrics
from triptych.cli.requests import read_items
from triptych.outputs import check_file

if TYPE_CHECKING:
    from triptych.data.formats.tables import Table
    from triptych.data.vocabulary import Vocabulary
    from triptych.ranking.evaluate import Report

HeldOutSplit = Annotated[
    str,
    typer.Option(
        metavar="SPLIT", rich_help_panel=EVALUATION, help="Held-out interactions to measure on: test or validation."
    ),
]
Exclude = Annotated[
    str,
    typer.Option(
        metavar="SPLITS",
        rich_help_panel=EVALUATION,
        help="Each user's items to leave out of the ranking: train, as in most papers, or train+validation.",
    ),
]
RankedItems = Annotated[
    str,
    typer.Option(
        metavar="ITEMS",
        rich_help_panel=EVALUATION,
        help="Items to rank: all, warm (with training interactions), cold (without), or a file of ids as in "
        "`recommend`. Others do not count.",
    ),
]
Seen = Annotated[
    str,
    typer.Option(
        metavar="CHOICE",
        rich_help_panel=EVALUATION,
        help="Excluded items: drop, keep (nothing is left out, because people buy again), or auto: as prepared.",
    ),
]
MeasuredUsers = Annotated[
    str,
    typer.Option(
        metavar="USERS",
        rich_help_panel=EVALUATION,
        help="Users to measure: all, warm (with training interactions) or cold (without).",
    ),
]
Metrics = Annotated[
    str | None,
    typer.Option(
        metavar="METRICS",
        rich_help_panel=EVALUATION,
        help="Metrics, separated by commas, as ndcg@50,recall@20 [default: ndcg and recall at 10, 20 and 50, the "
        "others at 50].",
    ),
]
PerUser = Annotated[
    Path | None,
    typer.Option(
        "--per-user",
        metavar="FILE",
        rich_help_panel=OUTPUT,
        help="Also write the metrics of every user to this .parquet file.",
    ),
]


def read_ranked_items(items: str) -> tuple[str, Table | None]:
    """Return the items of a protocol: all, warm or cold, or all and a table of given ones."""
    from triptych.ranking.protocol import Items

    given = None if items in get_args(Items) or not Path(items).exists() else read_items(Path(items))
    return ("all", given) if given is not None else (items, None)


def check_protocol(
    split: str, exclude: str, kind: str, seen: str, users: str, metrics: str | None, per_user: Path | None
) -> tuple[str, ...]:
    """Raise the error of an option that is wrong before anything is opened. Return the metrics."""
    from triptych.ranking.evaluate import STANDARD
    from triptych.ranking.metrics import parse_metric
    from triptych.ranking.protocol import EvaluationProtocol

    EvaluationProtocol(cast(Any, split), cast(Any, exclude), cast(Any, kind), cast(Any, seen), cast(Any, users))
    requested = STANDARD if metrics is None else tuple(metrics.split(","))
    for metric in requested:
        parse_metric(metric)
    if per_user is not None:
        check_file(per_user, (".parquet",))
    return requested


def described(
    report: Report, split: str, items: str, where: str | None, exclude_items: Path | None, users: str
) -> dict[str, Any]:
    """Return what was measured, for programs."""
    return {
        "split": split,
        "excluded": report.excluded,
        "items": items,
        **({"where": where} if where is not None else {}),
        **({"exclude_items": str(exclude_items)} if exclude_items is not None else {}),
        "measured_users": users,
        "users": len(report.users),
        "users_without_held_out_items": report.n_without,
    }


def write_per_user(path: Path, users: Vocabulary, report: Report) -> None:
    """Write the metrics of users, by their ids as they came, to a Parquet file."""
    import io

    import polars as pl

    from triptych.artefacts import write_file

    buffer = io.BytesIO()
    pl.DataFrame({"user_id": users.as_given(report.users), **report.per_user}).write_parquet(buffer)
    write_file(path, buffer.getvalue())


def print_report(title: str, report: Report, kind: str, users: str, *, chosen_items: bool) -> None:
    """Print the metrics as a table. chosen_items: whether the items were restricted beside the kind."""
    ranked = "" if kind == "all" else f", {kind} items only"
    ranked += ", chosen items only" if chosen_items else ""
    ranked += "" if users == "all" else f", {users} users only"
    print_metrics(f"{title}{ranked}", report.means)


def users_line(report: Report, split: str) -> str:
    """Return the sentence about the users that were measured, and what was left out of the ranking."""
    return (
        f"{len(report.users):,} users are measured; {report.n_without:,} others have no {split} items. "
        f"Left out of the ranking: {report.excluded}"
    )
