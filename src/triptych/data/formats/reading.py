"""How given files are read: what their owner says about columns, header, encoding, quotes, times and lists."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from triptych.progress import Listener, ignore_progress

Quotes = Literal["auto", "none", "csv"]
MissingTimes = Literal["error", "drop", "ignore"]


@dataclass(frozen=True)
class Columns:
    """The column names of the log. "": guess by the usual names; "-": there is no such column."""

    user: str = ""
    item: str = ""
    rating: str = ""
    time: str = ""
    split: str = ""
    weight: str = "-"
    event: str = ""


@dataclass(frozen=True)
class Reading:
    """How files are read; the defaults guess from the files.

    columns: the columns of the log. header: the names of the columns of a text file without a header, in their order.
    encoding: of text files, as Python calls it; "": by the byte-order mark, else UTF-8. quotes: whether double quotes
    enclose fields: auto (in tab-separated files only if the header has them, in others as in CSV), none, or csv.
    item_separator: what separates the items if a row has several. time_format: of texts, as for strptime; "": seconds
    or ISO 8601. missing_times: what to do about rows without a time. query: the SELECT statement
    whose rows are the log, of a database. listener: gets the progress of reading large texts.
    """

    columns: Columns = field(default_factory=Columns)
    header: tuple[str, ...] = ()
    encoding: str = ""
    quotes: Quotes = "auto"
    item_separator: str = ""
    time_format: str = ""
    missing_times: MissingTimes = "error"
    query: str = ""
    listener: Listener = field(default=ignore_progress, compare=False)


GUESS = Reading()  # nothing is said about a file
