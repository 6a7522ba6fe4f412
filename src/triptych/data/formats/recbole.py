"""Format `recbole`: a RecBole atomic file, NAME.inter."""

from __future__ import annotations

from pathlib import Path

from triptych.data.formats.format import Format, Source
from triptych.data.formats.log import Columns, log_from_table
from triptych.data.formats.tables import Table, read_table
from triptych.errors import InputError, location


def read_recbole(path: Path, columns: Columns) -> Source:
    """Read a tab-separated file whose header has types: `user_id:token  item_id:token  rating:float  …`.

    Raises InputError.
    """
    table = read_table(path, separator="\t")
    plain = {name: name.partition(":")[0] for name in table.frame.columns}
    if len(set(plain.values())) < len(plain):
        raise InputError("names a column twice", where=location(path, row=1), hint="give each column its own name")
    return Source(log_from_table(Table(table.frame.rename(plain), path, table.first_row), columns))


RECBOLE = Format(
    layout="a RecBole .inter file",
    recognises=lambda path: path.suffix == ".inter",
    read=read_recbole,
)
