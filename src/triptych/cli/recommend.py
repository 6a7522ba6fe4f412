"""`triptych recommend`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from triptych.cli.options import FILES, OUTPUT, EscapeFormulas, Json, Overwrite, Quiet, Run, check_choice, parse_columns
from triptych.cli.printing import count_text, open_with_progress, print_json, print_result, print_table, show_progress
from triptych.cli.requests import (
    ExcludedItems,
    HistoriesFile,
    History,
    ItemsFile,
    LengthsFile,
    UnknownItems,
    UnknownUsers,
    User,
    UsersFile,
    Where,
    read_histories,
    read_items,
    read_lengths,
    read_users,
)
from triptych.cli.reranking import (
    Calibrations,
    DiversityWeight,
    Quotas,
    SimilarityName,
    rerank_steps,
)
from triptych.errors import SettingsError, UnknownIdError, location

if TYPE_CHECKING:
    from triptych.data.recommendation_files import OutputForm
    from triptych.data.recommendations import Recommendations
    from triptych.ranking.recommender import Recommender

MEASURING = ". On the test part, they would score 0: to measure lists, write them with --exclude train"


def command(
    run: Run,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            rich_help_panel=OUTPUT,
            help="Write to this .parquet, .csv, .csv.gz or .jsonl file: user_id, item_id, rank, score; or a run to a "
            ".trec file (of TREC) or a .json file (of ranx).",
        ),
    ] = None,
    layout: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="FORMAT",
            rich_help_panel=OUTPUT,
            help="Rows of the file: long (one per recommendation) or wide (one per user, its items joined; a list in "
            ".parquet and .jsonl).",
        ),
    ] = "long",
    columns: Annotated[
        str | None,
        typer.Option(
            metavar="KIND=NAME",
            rich_help_panel=OUTPUT,
            help="Names of the columns of the written file, by commas: user, item, rank and score; user and items of "
            "wide files, as user=customer_id,items=prediction; - leaves one out.",
        ),
    ] = None,
    separator: Annotated[
        str | None,
        typer.Option(
            metavar="SEP", rich_help_panel=OUTPUT, help="Between items in wide .csv files [default: a space]."
        ),
    ] = None,
    k: Annotated[
        int, typer.Option("--k", "-k", min=1, metavar="N", rich_help_panel=OUTPUT, help="Items per user.")
    ] = 50,
    k_per_user: LengthsFile = None,
    items: ItemsFile = None,
    exclude_items: ExcludedItems = None,
    where: Where = None,
    diversity: DiversityWeight = None,
    similarity: SimilarityName = None,
    quota: Quotas = None,
    calibrate: Calibrations = None,
    user: User = None,
    users: UsersFile = None,
    unknown: UnknownUsers = "raise",
    history: History = None,
    histories: HistoriesFile = None,
    unknown_items: UnknownItems = "raise",
    encoding: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            rich_help_panel=FILES,
            help="Encoding of the files of users and histories [default: by the byte-order mark, else UTF-8].",
        ),
    ] = "",
    exclude: Annotated[
        str | None,
        typer.Option(
            metavar="SPLITS",
            rich_help_panel=OUTPUT,
            help="Leave out only each user's items of these splits, train or train+validation, as `evaluate` does; "
            "known test items can then be in the lists, so that they can be measured [default: leave out all].",
        ),
    ] = None,
    include_seen: Annotated[
        bool | None,
        typer.Option(
            "--include-seen/--exclude-seen",
            rich_help_panel=OUTPUT,
            help="Whether to recommend items of the user's history too [default: if prepared with --seen keep].",
        ),
    ] = None,
    escape_formulas: EscapeFormulas = False,
    overwrite: Overwrite = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Recommend the best items to each user.

    Without --output, the recommendations are shown. Then name users by --user or --users, or give histories of new
    users. For known users, memory is bounded: lists are written while they are computed. The output file is written
    completely or not at all.

    Everything that a user is known to have is left out, the items for test too: such lists are for use, and would
    score 0 on the test part. To write the lists that `evaluate` measures, pass --exclude train; `triptych score`
    measures such a file.

    Examples:
        triptych recommend runs/bm3 --output recommendations.parquet

        triptych recommend runs/bm3 --user u17 -k 10

        # a new user, without training:
        triptych recommend runs/bm3 --history i4 --history i17 -k 10

        # only what is in stock and fits:
        triptych recommend runs/bm3 --user u17 --items in_stock.txt \\
            --where "price < 50 and 'shoes' in category"

        # the lists that `evaluate` measures:
        triptych recommend runs/bm3 --exclude train -o measured.parquet

        # varied lists, with at most three items of a category:
        triptych recommend runs/bm3 --user u17 --diversity 0.3 \\
            --quota category=3

        # a file for a competition:
        triptych recommend runs/bm3 --users sample_submission.csv \\
            --unknown popular -k 12 --format wide -o submission.csv.gz \\
            --columns user=customer_id,items=prediction
    """
    from triptych.data.recommendation_files import check_output, write_recommendations
    from triptych.ranking.left_out import HELD_OUT_TOO, check_exclude, left_out_text
    from triptych.ranking.recommender_folder import open_recommender

    check_exclude(cast(Any, exclude), include_seen)
    check_choice("--unknown", unknown, ("raise", "warn", "popular"))
    check_choice("--unknown-items", unknown_items, ("raise", "ignore"))
    form = _output_form(layout, columns, separator)
    if output is not None:
        check_output(output, overwrite=overwrite, escape_formulas=escape_formulas, form=form)
    elif form.is_chosen:
        raise SettingsError("--format, --columns and --separator need an --output file", hint="name one")
    elif escape_formulas:
        raise SettingsError("--escape-formulas needs an --output file", hint="name a .csv file")
    if history and histories is not None:
        raise SettingsError("--history and --histories are both given", hint="give one of them")
    requested = read_users(user, users, form.names.get("user", ""), encoding)
    new = read_histories(history, histories, encoding)
    lengths = read_lengths(k_per_user, encoding)
    chosen: dict[str, Any] = {
        "items": read_items(items, encoding),
        "exclude_items": read_items(exclude_items, encoding),
        "where": where,
        "rerank": rerank_steps(diversity, similarity, quota, calibrate),
    }
    if exclude is not None and new is not None:
        raise SettingsError("new users have no splits to exclude", hint="leave out --exclude")
    if requested is not None and new is not None:
        raise SettingsError("known and new users are both requested", hint="run the command once for each")
    if output is None and requested is None and new is None and lengths is None:
        raise SettingsError("nothing to do", hint="name an --output file, or a --user to show")
    recommender = open_with_progress(open_recommender, run)
    with show_progress() as listener:
        chunks: Iterable[Recommendations]
        if new is None:
            chunks = recommender.stream(
                requested,
                lengths or k,
                **chosen,
                unknown=cast(Any, unknown),
                exclude=cast(Any, exclude),
                include_seen=include_seen,
                listener=listener,
            )
        else:
            origin = location(histories) if histories else "--history"
            chosen |= {"unknown_items": unknown_items, "include_seen": include_seen, "listener": listener}
            chunks = [_recommend_from_history(recommender, new, origin, lengths or k, chosen)]
        if output is not None:
            lines = write_recommendations(
                chunks, output, overwrite=overwrite, escape_formulas=escape_formulas, form=form
            )
            excluded = "" if new is not None else left_out_text(recommender.dataset, cast(Any, exclude), include_seen)
            result: Any = {
                "output": str(output),
                "lines": lines,
                "k": k,
                **({"excluded": excluded} if excluded else {}),
            }
        else:
            result = [row for chunk in chunks for row in chunk.to_polars().to_dicts()]
    if json:
        print_json(result)
    elif output is not None:
        print_result(f"{count_text(result['lines'], 'list' if layout == 'wide' else 'recommendation')}: {output}")
        if result.get("excluded"):
            print_result(
                f"left out of the lists: {result['excluded']}{MEASURING if result['excluded'] == HELD_OUT_TOO else ''}"
            )
    else:
        _print_recommendations(recommender, result)


def _recommend_from_history(
    recommender: Recommender,
    histories: dict[str, list[str]],
    where: str,
    k: int | dict[str, int],
    options: dict[str, Any],
) -> Recommendations:
    try:
        return recommender.recommend_from_history(histories, k, **options)
    except UnknownIdError as error:
        hint = "correct it, or pass --unknown-items ignore"
        raise UnknownIdError(error.what, where=where, hint=hint) from None


def _print_recommendations(recommender: Recommender, recommendations: list[dict[str, Any]]) -> None:
    table = recommender.dataset.item_table
    titles: dict[str, Any] = {}
    if table is not None and "title" in table.columns:
        titles = dict(zip(table["item_id"], table["title"], strict=True))
    rows = [
        [str(r["user_id"]), r["rank"], str(r["item_id"]), f"{r['score']:.4f}", titles.get(str(r["item_id"])) or ""]
        for r in recommendations
    ]
    print_table("recommendations", ["user_id", "rank", "item_id", "score", "title"], rows)


def _output_form(layout: str, columns: str | None, separator: str | None) -> OutputForm:
    from triptych.data.recommendation_files import OutputForm

    if separator == "":
        raise SettingsError("the separator is empty", hint="for example ' '")
    return OutputForm(cast(Any, layout), parse_columns(columns), separator or "")
