"""Inputs of an encoding: the pictures or texts of items, from a folder or an item table."""

from __future__ import annotations

import dataclasses
import os
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from triptych.artefacts import sha256_of
from triptych.content.pictures import picture_path
from triptych.data.formats.read_table import path_not_found
from triptych.data.formats.tables import Table, read_item_or_user_ids
from triptych.data.formats.value_lists import lists_in
from triptych.encoding.encoder import InputKind
from triptych.errors import InputError, SettingsError, did_you_mean, location
from triptych.texts import printable

ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".jp2")


@dataclass(frozen=True)
class EncodingInputs:
    """One picture or text per item.

    ids: the items. contents: a path or a text per item, None if it has none. sources: the name of each in reports, or
    "". about: where the inputs come from. row: position -> row in the input table; None without a table.
    refused: position -> why its content is not read.
    """

    input_kind: InputKind
    ids: Sequence[str]
    contents: Sequence[Path | str | None]
    sources: Sequence[str]
    about: Mapping[str, Any]
    row: Callable[[int], int] | None = None
    refused: Mapping[int, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if not len(self.ids) == len(self.contents) == len(self.sources):
            raise ValueError(f"{len(self.ids)} ids, {len(self.contents)} contents, {len(self.sources)} sources")


def folder_pictures(folder: Path) -> EncodingInputs:
    """All pictures in a folder and its subfolders. An item's id is the path without its ending. Raises InputError."""
    pictures = _list_pictures(folder)
    if not pictures:
        raise InputError(
            "holds no pictures", where=location(folder), hint=f"check the path; pictures end in {', '.join(ENDINGS)}"
        )
    sources = [path.relative_to(folder).as_posix() for path in pictures.values()]
    refused = {n: "has a name that is not UTF-8: rename it" for n, name in enumerate(pictures) if not _is_text(name)}
    contents = [None if n in refused else path for n, path in enumerate(pictures.values())]
    ids, sources = list(map(printable, pictures)), list(map(printable, sources))
    return EncodingInputs("pictures", ids, contents, sources, {"folder": printable(folder.name)}, refused=refused)


def table_pictures(table: Table, folder: Path | None, column: str = "", id_column: str = "") -> EncodingInputs:
    """The pictures of an item table: paths in a column, or pictures in `folder` named by item id.

    folder: relative paths begin there, and no path may lead out of it; None means the folder of the table. A picture
    that is not there is looked for in its subfolders, by its file name, with or without its ending. Raises InputError
    if it is in several, SettingsError.
    """
    ids = read_item_or_user_ids(table, id_column).to_list()
    about = {
        **_about(table),
        **({"folder": printable(folder.name)} if folder else {}),
        **({"column": column} if column else {}),
    }
    if folder is not None and not folder.is_dir():
        raise path_not_found(folder, "folder")
    if column:
        names = table.text(column).to_list()
        base = folder if folder is not None else table.path.parent
        paths: list[Path | None] = []
        refused: dict[int, str] = {}
        find = _finder(base) if folder is not None else None
        for n, name in enumerate(names):
            try:
                path = None if name is None else picture_path(base, name)
                if path is not None and find is not None and path.name == name and not os.path.exists(path):  # noqa: PTH110 - no error for any name
                    path = find(name) or path
                paths.append(path)
            except InputError as error:
                paths.append(None)
                refused[n] = error.what
        return EncodingInputs("pictures", ids, paths, [name or "" for name in names], about, table.row, refused)
    if folder is None:
        raise SettingsError("the pictures are not named", hint="name a column of paths, or the folder of the pictures")
    pictures, find = _list_pictures(folder), _finder(folder)
    found = [pictures.get(each) or find(each) for each in ids]
    sources = [path.relative_to(folder).as_posix() if path else "" for path in found]
    return EncodingInputs("pictures", ids, found, sources, about, table.row)


def table_texts(table: Table, columns: Mapping[str, str], template: str = "", id_column: str = "") -> EncodingInputs:
    """The texts of an item table: columns joined by ". ", or by a template such as "{title}. {overview}".

    columns: column -> separator of its values ("" for one value); several values become "a, b". Empty fields are left
    out. In a template they are empty. An item with empty fields only has no text. Raises InputError, SettingsError.
    """
    ids = read_item_or_user_ids(table, id_column).to_list()
    fields = _template_fields(template, table) if template else list(columns)
    if not fields:
        raise SettingsError("no text column", hint="name one, for example title")
    texts: list[str | None] = []
    for values in zip(*(_field_texts(table, field, columns.get(field, "")) for field in fields), strict=True):
        sentences = [value for value in values if value]
        if template and sentences:
            text = template.format_map(dict(zip(fields, values, strict=True)))
            sentences = [text.strip()]
        texts.append(". ".join(sentences) or None)
    about = {**_about(table), "columns": {field: columns.get(field, "") for field in fields}}
    about["template"] = template or ". ".join("{" + field + "}" for field in fields)
    return EncodingInputs("texts", ids, texts, [""] * len(texts), about, table.row)


def text_columns(assignments: Sequence[str]) -> dict[str, str]:
    """Parse `["title", "genres=|"]` into column -> separator. Raises SettingsError."""
    columns: dict[str, str] = {}
    for each in assignments:
        column, _, separator = each.partition("=")
        if not column.strip() or column in columns:
            raise SettingsError(f'"{each}" is not a column, or is named twice', hint='write for example "genres=|"')
        columns[column] = separator
    return columns


def _list_pictures(folder: Path) -> dict[str, Path]:
    """Return path without its ending -> picture, in alphabetical order."""
    if not folder.is_dir():
        raise path_not_found(folder, "folder")
    pictures: dict[str, Path] = {}
    for path in sorted(each for each in folder.rglob("*") if each.suffix.lower() in ENDINGS):
        within = path.relative_to(folder)
        if any(part.startswith(".") for part in within.parts) or path.is_dir():
            continue
        name = within.with_suffix("").as_posix()
        if name in pictures:
            raise InputError(
                f'is a second picture of item "{name}", besides {pictures[name].name}',
                where=location(path),
                hint="keep one of them",
            )
        pictures[name] = path
    return pictures


def _finder(folder: Path) -> Callable[[str], Path | None]:
    """Return a function: a file name, with or without its ending -> its path in a subfolder, None if there is none.

    The folder is listed at the first call. The function raises InputError if the name is in several subfolders.
    """

    @cache
    def listed() -> dict[str, list[Path]]:
        found: dict[str, list[Path]] = {}
        for path in sorted(each for each in folder.rglob("*") if each.suffix.lower() in ENDINGS):
            if not any(part.startswith(".") for part in path.relative_to(folder).parts):
                for name in (path.name, path.stem):
                    found.setdefault(name, []).append(path)
        return found

    def find(name: str) -> Path | None:
        paths = listed().get(name, [])
        if len(paths) > 1:
            shown = " and ".join(path.relative_to(folder).as_posix() for path in paths[:2])
            raise InputError(
                f'has several pictures named "{name}": {shown}', where=location(folder), hint="name their folders too"
            )
        return paths[0] if paths else None

    return find


def _is_text(name: str) -> bool:
    """Return whether a name is UTF-8: other bytes of a file name are surrogates in Python."""
    return not any("\ud800" <= character <= "\udfff" for character in name)


def _template_fields(template: str, table: Table) -> list[str]:
    """Return the columns that a template names. Raises SettingsError."""
    hint = 'write for example "{title}. {overview}"; {{ gives a brace'
    try:
        parsed = list(string.Formatter().parse(template))
    except ValueError as error:
        raise SettingsError(f'"{template}" is not a template: {error}', hint=hint) from None
    fields = list(dict.fromkeys(field for _, field, _, _ in parsed if field is not None))
    for field in fields:
        if field not in table.frame.columns:
            raise SettingsError(
                f'the template names a column "{field}" that is not in {table.path.name}',
                hint=did_you_mean(field, table.frame.columns) if field else hint,
            )
    if not fields or any(form or conversion for _, _, form, conversion in parsed):
        raise SettingsError(f'"{template}" has no plain {{column}}', hint=hint)
    if any(sign in field for field in fields for sign in ".[]"):  # str.format reads these as attributes and indices
        raise SettingsError("columns of a template may not have . or [] in their names", hint="rename the column")
    return fields


def _field_texts(table: Table, column: str, separator: str) -> list[str]:
    lists = lists_in(table, column)
    if lists is not None:
        between = ", " if separator else " "
        return [" ".join(between.join(values or ()).split()) for values in lists.to_list()]
    texts = [" ".join((value or "").split()) for value in table.text(column).to_list()]
    if not separator:
        return texts
    return [", ".join(value.strip() for value in text.split(separator) if value.strip()) for text in texts]


def _about(table: Table) -> dict[str, Any]:
    return {"table": printable(table.path.name), "table_sha256": sha256_of(table.path)}
