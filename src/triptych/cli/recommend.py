"""`triptych recommend`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from triptych.cli import show
from triptych.errors import InputError, SettingsError, UnknownIdError, location

if TYPE_CHECKING:
    from triptych.data.recommendations import Recommendations


def command(
    run: Annotated[Path, typer.Argument(help="A run folder of `triptych train`, or a saved recommender.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A .parquet or .csv file: user_id, item_id, rank, score.")
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="How many items each user gets.")] = 50,
    user: Annotated[list[str] | None, typer.Option("--user", "-u", help="Only this user; repeatable.")] = None,
    users: Annotated[
        Path | None, typer.Option("--users", help="Only the users of this text file, one id a line.")
    ] = None,
    history: Annotated[
        list[str] | None,
        typer.Option("--history", "-t", help="An item that somebody new took, who gets a list at once; repeatable."),
    ] = None,
    histories: Annotated[
        Path | None,
        typer.Option(
            help="What new users took: a table of user and item ids (.csv, .tsv, .parquet), as prepare reads."
        ),
    ] = None,
    unknown_items: Annotated[
        str, typer.Option(help="Items of new users that the model does not know: raise or ignore.")
    ] = "raise",
    unknown: Annotated[
        str, typer.Option(help="Users nothing is known of: raise, warn (leave out) or popular (the popular items).")
    ] = "raise",
    include_seen: Annotated[
        bool, typer.Option("--include-seen", help="Keep items the user is known to have taken.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the output file if it is there.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Write every user's best items, or show those of some users, or of new users from what they took.

    Lists of known users are streamed: memory stays bounded however many there are. The file is whole or absent.

    Examples:  triptych recommend runs/bm3 --output recommendations.parquet

               triptych recommend runs/bm3 --user u17 -k 10

               triptych recommend runs/bm3 --history i4 --history i17 -k 10      (somebody new: no training)
    """
    from triptych.data.recommendations import write_recommendations
    from triptych.ranking.recommender import open_recommender

    asked, new = _asked(user, users), _new(history, histories)
    if history and histories is not None:
        raise SettingsError("new users are told of in two ways", hint="give --history, or --histories")
    if asked is not None and new is not None:
        raise SettingsError("known and new users are asked for at once", hint="ask for the one, then for the others")
    if output is None and asked is None and new is None:
        raise SettingsError("nothing to do", hint="name an --output file, or a --user to show")
    recommender = open_recommender(run)
    with show.listening() as listener:
        chunks: Iterable[Recommendations]
        if new is None:
            chunks = recommender.stream(
                asked, k, unknown=cast(Any, unknown), include_seen=include_seen, listener=listener
            )
        else:
            try:
                made = recommender.recommend_from_history(
                    new, k, unknown_items=cast(Any, unknown_items), include_seen=include_seen, listener=listener
                )
            except UnknownIdError as error:
                hint = "correct it, or pass --unknown-items ignore"
                raise UnknownIdError(
                    error.what, where=location(histories) if histories else "--history", hint=hint
                ) from None
            chunks = [made]
        if output is not None:
            lines = write_recommendations(chunks, output, overwrite=overwrite)
            result: Any = {"output": str(output), "lines": lines, "k": k}
        else:
            result = [row for chunk in chunks for row in chunk.to_polars().to_dicts()]
    if json:
        show.show_json(result)
    elif output is not None:
        show.show(f"{result['lines']:,} recommendations: {output}")
    else:
        table = recommender.dataset.item_table
        titles: dict[str, Any] = {}
        if table is not None and "title" in table.columns:
            titles = dict(zip(table["item_id"], table["title"], strict=True))
        rows = [
            [r["user_id"], r["rank"], r["item_id"], f"{r['score']:.4f}", titles.get(r["item_id"]) or ""] for r in result
        ]
        show.show_table("recommendations", ["user_id", "rank", "item_id", "score", "title"], rows)


def _new(history: list[str] | None, histories: Path | None) -> dict[str, list[str]] | None:
    """New users' histories by their names; who is told of by --history is called "new"."""
    if history is None and histories is None:
        return None
    new: dict[str, list[str]] = {"new": history} if history else {}
    if histories is not None:
        from triptych.data.formats.log import Columns, log_from_table
        from triptych.data.formats.tables import read_table

        try:
            log = log_from_table(read_table(histories), Columns()).frame
        except InputError as error:
            if "-column" not in (error.hint or ""):
                raise
            raise InputError(error.what, where=error.where, hint="call its columns user_id and item_id") from None
        if log["user_id"].null_count():
            raise InputError("a row has no user id", where=location(histories), hint="give every row one")
        for name, item in log.select("user_id", "item_id").unique(maintain_order=True).iter_rows():
            new.setdefault(name, []).extend([item] if item is not None else [])
    return new


def _asked(user: list[str] | None, users: Path | None) -> list[str] | None:
    if user is None and users is None:
        return None
    asked = list(user or [])
    if users is not None:
        try:
            lines = users.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            raise InputError("no such file", where=location(users), hint="check the path") from None
        except UnicodeDecodeError:
            raise InputError("is not UTF-8 text", where=location(users), hint="one user id a line") from None
        asked += [line.strip() for line in lines if line.strip()]
    if not asked:
        raise InputError("no user ids", where=location(users or "--user"), hint="one user id a line")
    return asked
