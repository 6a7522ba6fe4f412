"""What `recommend` and `evaluate` are asked for in files: users, histories, lengths of lists and items."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from triptych.cli.options import OUTPUT
from triptych.errors import InputError, SettingsError, location, warn_of

if TYPE_CHECKING:
    from triptych.data.formats.tables import Table

KNOWN_USERS, NEW_USERS = "Known users", "New users, without training"
RANKED_ITEMS = "Which items may be in the lists"

ExcludedItems = Annotated[
    Path | None,
    typer.Option(
        "--exclude-items",
        metavar="FILE",
        rich_help_panel=RANKED_ITEMS,
        help="Never these items: ids, one per line, or a table; with user ids they count per user.",
    ),
]
Where = Annotated[
    str | None,
    typer.Option(
        metavar="CONDITION",
        rich_help_panel=RANKED_ITEMS,
        help="Only items whose columns of the item table satisfy this, in the words of SQL, as "
        "\"price < 50 and 'shoes' in category\". `in` finds one of several values.",
    ),
]
LengthsFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        rich_help_panel=OUTPUT,
        help="Items per user that differ: a table of user_id and k. Only these users get lists, if none are named.",
    ),
]
ItemsFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        rich_help_panel=RANKED_ITEMS,
        help="Only these items: ids, one per line, or a table; with user ids they count per user.",
    ),
]
User = Annotated[
    list[str] | None,
    typer.Option("--user", "-u", metavar="ID", rich_help_panel=KNOWN_USERS, help="Only this user. Repeatable."),
]
UsersFile = Annotated[
    Path | None,
    typer.Option(
        "--users",
        metavar="FILE",
        rich_help_panel=KNOWN_USERS,
        help="Only the users in this file, in its order: one id per line, or the user column of a table, as of a "
        "sample submission.",
    ),
]
UnknownUsers = Annotated[
    str,
    typer.Option(
        metavar="CHOICE",
        rich_help_panel=KNOWN_USERS,
        help="Users that the model does not know: raise (an error), warn (and leave out) or popular (recommend the "
        "popular items).",
    ),
]
History = Annotated[
    list[str] | None,
    typer.Option(
        "--history",
        metavar="ID",
        rich_help_panel=NEW_USERS,
        help="Item in the history of one new user. Repeatable.",
    ),
]
HistoriesFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        rich_help_panel=NEW_USERS,
        help="Histories of new users: a table of user and item ids (.csv, .tsv, .parquet), as for `prepare`.",
    ),
]
UnknownItems = Annotated[
    str,
    typer.Option(
        metavar="CHOICE",
        rich_help_panel=NEW_USERS,
        help="History items that the model does not know: raise (an error) or ignore.",
    ),
]


def read_histories(history: list[str] | None, histories: Path | None, encoding: str) -> dict[str, list[str]] | None:
    """Return the histories of new users by name, or None if none are given. The user of --history is called "new"."""
    if history is None and histories is None:
        return None
    new: dict[str, list[str]] = {"new": history} if history else {}
    if histories is not None:
        from triptych.data.formats.log import log_from_table
        from triptych.data.formats.read_table import read_table
        from triptych.data.formats.reading import Reading

        reading = Reading(encoding=encoding, missing_times="ignore")
        try:
            read = log_from_table(read_table(histories, reading), reading)
        except InputError as error:
            if "_column`" not in (error.hint or ""):
                raise
            # the hint names a setting of `prepare`, which this command does not have
            raise InputError(error.what, where=error.where, hint="call its columns user_id and item_id") from None
        warn_of(read.notes)
        log = read.frame
        if log["user_id"].null_count():
            raise InputError("a row has no user id", where=location(histories), hint="give every row a user id")
        for name, item in log.select("user_id", "item_id").unique(maintain_order=True).iter_rows():
            new.setdefault(name, []).extend([item] if item is not None else [])
    return new


def read_users(user: list[str] | None, users: Path | None, column: str, encoding: str) -> list[str] | None:
    """Return the requested user ids, or None for all users. column: what the user column may be called in a table."""
    if user is None and users is None:
        return None
    requested = list(user or [])
    if users is not None:
        from triptych.data.formats.id_file import read_id_file
        from triptych.data.formats.reading import Reading

        ids, notes = read_id_file(users, "user", column=column, reading=Reading(encoding=encoding))
        warn_of(notes)
        requested += ids.to_list()
    if not requested:
        raise InputError("no user ids", where="--user", hint="name a user")
    return requested


def read_items(items: Path | None, encoding: str = "") -> Table | None:
    """Return a file of items as a table of ids, which may have a column of users; None if there is none."""
    from triptych.data.formats.id_file import read_id_table
    from triptych.data.formats.reading import Reading
    from triptych.data.formats.tables import ITEM_IDS, USER_IDS

    if items is None:
        return None
    table = read_id_table(items, (*ITEM_IDS, *USER_IDS), Reading(encoding=encoding))
    warn_of(table.notes)
    return table


def read_lengths(lengths: Path | None, encoding: str) -> dict[str, int] | None:
    """Return user id -> k from a table of user_id and k; None if there is none."""
    from triptych.data.formats.read_table import read_table
    from triptych.data.formats.reading import Reading
    from triptych.data.formats.tables import find_id_column

    if lengths is None:
        return None
    table = read_table(lengths, Reading(encoding=encoding))
    users, notes = table.ids(find_id_column(table, noun="user"), "user")
    warn_of((*table.notes, *notes))
    numbers = table.numbers(table.require("k")).to_list()
    found: dict[str, int] = {}
    for position, (user, number) in enumerate(zip(users.to_list(), numbers, strict=True)):
        where = table.location(position)
        if user is None or user in found:
            raise InputError("the user id is empty or appears twice", where=where, hint="give one row per user")
        if number is None or number < 1 or number % 1:
            raise SettingsError("k must be a whole number of 1 or more", where=where, hint="correct it")
        found[user] = int(number)
    return found
