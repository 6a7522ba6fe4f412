"""How items look to a person: their titles and pictures."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

from triptych.content.pictures import thumbnail
from triptych.data.dataset import Dataset
from triptych.errors import InputError, SettingsError, did_you_mean, location

TITLES = ("title", "name", "item_name")  # columns that hold a title, where none is named
PICTURE = (205, 276)  # pixels: twice what a page shows


@dataclass(frozen=True)
class ItemDisplay:
    """Columns of the item table: title, None: found by name, or the id; picture: of files. pictures: their folder.

    Raises SettingsError on a folder of pictures that is none, or of which no column names the files.
    """

    title: str | None = None
    picture: str | None = None
    pictures: Path | None = None

    def __post_init__(self) -> None:
        if self.pictures is None:
            return
        if not self.pictures.is_dir():
            raise SettingsError("no such folder of pictures", where=location(self.pictures), hint="check the path")
        if self.picture is None:
            raise SettingsError(
                "which column of the item table names the pictures is not said",
                where=location(self.pictures),
                hint="name it with --picture-column",
            )

    def check(self, dataset: Dataset) -> None:
        """Raises SettingsError on a column that the item table lacks."""
        columns = dataset.item_table.columns if dataset.item_table is not None else []
        for asked in (self.title, self.picture):
            if asked is not None and asked not in columns:
                raise SettingsError(f'the items have no column "{asked}"', hint=did_you_mean(asked, columns))

    def title_of(self, dataset: Dataset, item: int) -> str:
        """An item's title, or its id where it has none."""
        table = dataset.item_table
        if table is not None:
            column = self.title or next((name for name in TITLES if name in table.columns), None)
            told = table[column][item] if column is not None else None
            if told:
                return str(told)
        return str(dataset.items.ids[item])

    def picture_of(self, dataset: Dataset, item: int) -> str | None:
        """Its picture as base64 of a JPEG, None where there is none that can be read: this is no place to mend one."""
        table = dataset.item_table
        path = table[self.picture][item] if table is not None and self.picture else None
        if not path:
            return None
        try:
            return base64.b64encode(thumbnail((self.pictures or Path()) / str(path), *PICTURE)).decode()
        except InputError:
            return None
