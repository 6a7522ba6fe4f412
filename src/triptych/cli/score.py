"""`triptych score`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, cast

import typer

from triptych.cli.options import COLUMNS, Data, Encoding, Json, Quiet, parse_columns
from triptych.cli.printing import open_with_progress, print_json, print_result, show_progress
from triptych.cli.protocol_options import (
    Exclude,
    HeldOutSplit,
    MeasuredUsers,
    Metrics,
    PerUser,
    RankedItems,
    Seen,
    check_protocol,
    described,
    print_report,
    read_ranked_items,
    users_line,
    write_per_user,
)
from triptych.cli.requests import ExcludedItems, Where, read_items


def command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="File of recommendation lists; see above.")],
    data: Data,
    split: HeldOutSplit = "test",
    exclude: Exclude = "train",
    items: RankedItems = "all",
    exclude_items: ExcludedItems = None,
    where: Where = None,
    seen: Seen = "auto",
    users: MeasuredUsers = "all",
    metrics: Metrics = None,
    columns: Annotated[
        str | None,
        typer.Option(
            metavar="KIND=NAME",
            rich_help_panel=COLUMNS,
            help="Columns of the file, by commas: user, item, rank and score; user and items if a row has all items of "
            "a user, as user=customer_id,items=prediction; - for none [default: guessed].",
        ),
    ] = None,
    separator: Annotated[
        str,
        typer.Option(metavar="SEP", rich_help_panel=COLUMNS, help="Between the items of one field [default: guessed]."),
    ] = "",
    encoding: Encoding = "",
    per_user: PerUser = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Measure a file of recommendation lists as `evaluate` does.

    The file may be a submission, or come from another program. It has one row per recommendation (user_id, item_id,
    and rank or score; without these, the rows of a user are in order), or one row per user with all items, joined or
    as a list: .csv, .tsv, .parquet, .jsonl, compressed or not. Runs are read too: those of TREC (.trec, .run, .txt),
    which are ordered by score, and the JSON of ranx, {user: {item: score}}.

    What the protocol leaves out of the ranking is taken out of the lists before they are cut. Users without a list
    count as 0, and unknown items are misses. The lists of `recommend --exclude train` get the metrics of `evaluate`.

    Examples:
        triptych recommend runs/bm3 --exclude train -o lists.parquet
        triptych score lists.parquet shop/

        # a submission, and a run of another program:
        triptych score submission.csv.gz shop/ --metrics map@12 \\
            --columns user=customer_id,items=prediction
        triptych score bm25.trec shop/ --split validation
    """
    from triptych.data.dataset import open_dataset
    from triptych.data.formats.given_lists import ListForm
    from triptych.data.formats.read_table import path_not_found
    from triptych.data.formats.reading import Reading
    from triptych.ranking.score_lists import score_lists

    kind, given = read_ranked_items(items)
    requested = check_protocol(split, exclude, kind, seen, users, metrics, per_user)
    form = ListForm(parse_columns(columns), separator)
    if not file.exists():
        raise path_not_found(file)
    left_out = read_items(exclude_items)
    dataset = open_with_progress(open_dataset, data)
    with show_progress() as listener:
        measured = score_lists(
            file,
            dataset,
            cast(Any, split),
            exclude=cast(Any, exclude),
            items=cast(Any, kind) if given is None else given,
            exclude_items=left_out,
            where=where,
            seen=cast(Any, seen),
            users=cast(Any, users),
            metrics=requested,
            form=form,
            reading=Reading(encoding=encoding, listener=listener),
            listener=listener,
        )
    report = measured.report
    if per_user is not None:
        write_per_user(per_user, dataset.users, report)
    if json:
        print_json(
            {
                "file": str(file),
                **described(report, split, items, where, exclude_items, users),
                "lists": measured.n_lists,
                "users_without_a_list": measured.n_missing,
                "lists_shorter_than_k": measured.n_short,
                "items_left_out_of_lists": measured.n_left_out,
                "unknown_users": measured.n_unknown_users,
                "unknown_items": measured.n_unknown_items,
                "metrics": report.means,
            }
        )
        return
    chosen = given is not None or left_out is not None or where is not None
    print_report(f"{file.name} on {split}", report, kind, users, chosen_items=chosen)
    print_result(users_line(report, split), *measured.sentences())
