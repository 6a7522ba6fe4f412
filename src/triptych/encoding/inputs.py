"""What is to be encoded: the pictures or texts of items, from a folder or an item table."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from triptych.artefacts import sha256_of
from triptych.data.formats.tables import Table, item_ids_of, no_such
from triptych.encoding.encoder import InputKind
from triptych.errors import InputError, SettingsError, did_you_mean, location

ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".jp2")


@dataclass(frozen=True)
class EncodingInputs:
    """One picture or text an item, None where there is none.

    ids: the items. given: a path or a text each. names: what each is called in reports. about: where they came from.
    first_row: the row, in the input, of the first item; 0 where the input is no table.
    """

    input_kind: InputKind
    ids: Sequence[str]
    given: Sequence[Path | str | None]
    names: Sequence[str]
    about: Mapping[str, Any]
    first_row: int = 0

    def __post_init__(self) -> None:
        if not len(self.ids) == len(self.given) == len(self.names):
            raise ValueError(f"{len(self.ids)} ids, {len(self.given)} things, {len(self.names)} names")


def folder_pictures(folder: Path) -> EncodingInputs:
    """All pictures in a folder and those below it; an item's id is the path without its ending. Raises InputError."""
    found = _pictures_in(folder)
    if not found:
        raise InputError(
            "holds no pictures", where=location(folder), hint=f"check the path; pictures end in {', '.join(ENDINGS)}"
        )
    names = [path.relative_to(folder).as_posix() for path in found.values()]
    return EncodingInputs("pictures", list(found), list(found.values()), names, {"folder": folder.name})


def table_pictures(table: Table, folder: Path | None, column: str = "", id_column: str = "") -> EncodingInputs:
    """The pictures of an item table: paths in a column, or in `folder` by the items' ids.

    folder: where relative paths begin; None: where the table lies. Raises InputError.
    """
    ids = item_ids_of(table, id_column).to_list()
    about = {**_about(table), **({"folder": folder.name} if folder else {}), **({"column": column} if column else {})}
    if folder is not None and not folder.is_dir():
        raise no_such(folder, "folder")
    if column:
        named = table.labels(column).to_list()
        begin = folder if folder is not None else table.path.parent
        given = [None if name is None else begin / name.strip() for name in named]
        return EncodingInputs("pictures", ids, given, [name or "" for name in named], about, table.first_row)
    if folder is None:
        raise SettingsError("where are the pictures?", hint="name a column of paths, or their folder")
    found = _pictures_in(folder)
    given = [found.get(each) for each in ids]
    names = [path.relative_to(folder).as_posix() if path else "" for path in given]
    return EncodingInputs("pictures", ids, given, names, about, table.first_row)


def table_texts(table: Table, columns: Mapping[str, str], template: str = "", id_column: str = "") -> EncodingInputs:
    """The texts of an item table: columns joined by ". ", or by a template such as "{title}. {overview}".

    columns: column -> separator of its values ("" for one value); several values become "a, b". Fields that an item
    lacks are left out (by a template: empty); an item that lacks all has no text. Raises InputError, SettingsError.
    """
    ids = item_ids_of(table, id_column).to_list()
    fields = _fields(template, table) if template else list(columns)
    if not fields:
        raise SettingsError("no text column", hint="name one, for example --text title")
    parts = [_field(table, field, columns.get(field, "")) for field in fields]
    given: list[str | None] = []
    for values in zip(*parts, strict=True):
        known = [value for value in values if value]
        if template and known:
            text = template.format_map({field: value or "" for field, value in zip(fields, values, strict=True)})
            known = [text.strip()]
        given.append(". ".join(known) or None)
    about = {**_about(table), "columns": {field: columns.get(field, "") for field in fields}}
    about["template"] = template or ". ".join("{" + field + "}" for field in fields)
    return EncodingInputs("texts", ids, given, [""] * len(given), about, table.first_row)


def text_columns(given: Sequence[str]) -> dict[str, str]:
    """`["title", "genres=|"]` as column -> separator. Raises SettingsError."""
    columns: dict[str, str] = {}
    for each in given:
        column, _, separator = each.partition("=")
        if not column.strip() or column in columns:
            raise SettingsError(
                f'"{each}" is no column, or is named twice', hint='write for example: --text "genres=|"'
            )
        columns[column] = separator
    return columns


def _pictures_in(folder: Path) -> dict[str, Path]:
    """Path without its ending -> picture, in alphabetical order."""
    if not folder.is_dir():
        raise no_such(folder, "folder")
    found: dict[str, Path] = {}
    for path in sorted(each for each in folder.rglob("*") if each.suffix.lower() in ENDINGS):
        within = path.relative_to(folder)
        if any(part.startswith(".") for part in within.parts) or path.is_dir():
            continue
        name = within.with_suffix("").as_posix()
        if name in found:
            raise InputError(
                f'is the second picture of item "{name}", beside {found[name].name}',
                where=location(path),
                hint="keep one of them",
            )
        found[name] = path
    return found


def _fields(template: str, table: Table) -> list[str]:
    hint = 'write for example "{title}. {overview}"; {{ stands for a brace'
    try:
        parsed = list(string.Formatter().parse(template))
    except ValueError as error:
        raise SettingsError(f'"{template}" is no template: {error}', hint=hint) from None
    fields = list(dict.fromkeys(field for _, field, _, _ in parsed if field is not None))
    for field in fields:
        if field not in table.frame.columns:
            raise SettingsError(
                f'the template names a column "{field}" that {table.path.name} lacks',
                hint=did_you_mean(field, table.frame.columns) if field else hint,
            )
    if not fields or any(form or conversion for _, _, form, conversion in parsed):
        raise SettingsError(f'"{template}" holds no plain {{column}}', hint=hint)
    if any(sign in field for field in fields for sign in ".[]"):  # format would look inside the text
        raise SettingsError("columns of a template may not have . or [] in their names", hint="rename the column")
    return fields


def _field(table: Table, column: str, separator: str) -> list[str]:
    texts = [" ".join((value or "").split()) for value in table.labels(column).to_list()]
    if not separator:
        return texts
    return [", ".join(part.strip() for part in text.split(separator) if part.strip()) for text in texts]


def _about(table: Table) -> dict[str, Any]:
    return {"table": table.path.name, "table_sha256": sha256_of(table.path)}
