"""Titles and pictures of items, as a reader sees them."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

from triptych.content.pictures import picture_path, thumbnail
from triptych.data.dataset import Dataset
from triptych.errors import InputError, SettingsError, did_you_mean, location

TITLE_COLUMNS = ("title", "name", "item_name")  # the first one in the item table holds titles, if no column is named
THUMBNAIL_SIZE = (205, 276)  # pixels: twice the size on the page


@dataclass(frozen=True)
class ItemDisplay:
    """Where titles and pictures come from.

    title_column: None for the first of `TITLE_COLUMNS`; items without a title are shown by id. picture_column: the
    column with picture files. picture_folder: the folder of these files, None for the working directory. Pictures
    outside of it are not read.
    Raises SettingsError if the folder does not exist, or if it is given without a column.
    """

    title_column: str | None = None
    picture_column: str | None = None
    picture_folder: Path | None = None

    def __post_init__(self) -> None:
        if self.picture_folder is None:
            return
        if not self.picture_folder.is_dir():
            raise SettingsError(
                "no such folder of pictures", where=location(self.picture_folder), hint="check the path"
            )
        if self.picture_column is None:
            raise SettingsError(
                "a folder of pictures needs the column of the item table with their file names",
                where=location(self.picture_folder),
                hint="name it with `picture_column`",
            )

    def check(self, dataset: Dataset) -> None:
        """Raise SettingsError if the item table lacks one of the columns."""
        columns = dataset.item_table.columns if dataset.item_table is not None else []
        for name in (self.title_column, self.picture_column):
            if name is not None and name not in columns:
                raise SettingsError(f'the items have no column "{name}"', hint=did_you_mean(name, columns))

    def title_of(self, dataset: Dataset, item: int) -> str:
        """The title of an item row, or its id if it has no title."""
        table = dataset.item_table
        if table is not None:
            column = self.title_column or next((name for name in TITLE_COLUMNS if name in table.columns), None)
            title = table[column][item] if column is not None else None
            if title:
                return str(title)
        return str(dataset.items.ids[item])

    def picture_file(self, dataset: Dataset, item: int) -> Path | None:
        """The picture file of an item row; None if there is none, or if it is outside of the folder."""
        table = dataset.item_table
        path = table[self.picture_column][item] if table is not None and self.picture_column else None
        if not path:
            return None
        try:
            return picture_path(self.picture_folder or Path(), str(path).strip())
        except InputError:
            return None

    def picture_of(self, dataset: Dataset, item: int) -> str | None:
        """The picture of an item row as a base64 JPEG; None if there is none, or if it cannot be read."""
        picture = self.picture_file(dataset, item)
        if picture is None:
            return None
        try:
            return base64.b64encode(thumbnail(picture, *THUMBNAIL_SIZE)).decode()
        except InputError:
            return None
