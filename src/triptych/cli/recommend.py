"""`triptych recommend`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, cast

import typer

from triptych.cli import show
from triptych.errors import InputError, SettingsError, place


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
    unknown: Annotated[
        str, typer.Option(help="Users nothing is known of: raise, warn (leave out) or popular (the popular items).")
    ] = "raise",
    include_seen: Annotated[
        bool, typer.Option("--include-seen", help="Keep items the user is known to have taken.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the output file if it is there.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Write every user's best items, or show those of some users.

    Lists are streamed: memory stays bounded however many users there are. The file is whole or absent.

    Examples:  triptych recommend runs/bm3 --output recommendations.parquet

               triptych recommend runs/bm3 --user u17 -k 10
    """
    from triptych.data.recommendations import write_recommendations
    from triptych.ranking.recommender import open_recommender

    asked = _asked(user, users)
    if output is None and asked is None:
        raise SettingsError("nothing to do", mend="name an --output file, or a --user to show")
    recommender = open_recommender(run)
    with show.listening() as listener:
        chunks = recommender.stream(asked, k, unknown=cast(Any, unknown), include_seen=include_seen, listener=listener)
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


def _asked(user: list[str] | None, users: Path | None) -> list[str] | None:
    if user is None and users is None:
        return None
    asked = list(user or [])
    if users is not None:
        try:
            lines = users.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            raise InputError("no such file", where=place(users), mend="check the path") from None
        except UnicodeDecodeError:
            raise InputError("is not UTF-8 text", where=place(users), mend="one user id a line") from None
        asked += [line.strip() for line in lines if line.strip()]
    if not asked:
        raise InputError("no user ids", where=place(users or "--user"), mend="one user id a line")
    return asked
