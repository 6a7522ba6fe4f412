"""`triptych prepare`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from triptych.cli.help import write_entries
from triptych.cli.option_names import as_options
from triptych.cli.options import FILES, Json, Overwrite, Quiet
from triptych.cli.printing import count_text, lacking_text, print_json, print_result, show_progress
from triptych.cli.settings_options import SettingsCommand, settings_values
from triptych.errors import SettingsError

if TYPE_CHECKING:
    from triptych.data.dataset import Dataset
    from triptych.data.features import Features

FEATURES = "Features"  # a panel of the help page, as in preparing/settings.py


class PrepareCommand(SettingsCommand):
    """`triptych prepare`, with the settings of `PrepareSettings` as options."""

    @staticmethod
    def settings() -> type[Any]:
        from triptych.preparing import PrepareSettings

        return PrepareSettings

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        from triptych.data.formats.matrices.registry import MATRIX_FORMATS
        from triptych.data.formats.registry import FORMATS

        formats = (f"{name}: {each.layout}" for name, each in FORMATS.items())
        write_entries(formatter, "Formats of LOG, for --format (auto takes the first that fits)", formats)
        kinds = (f"{', '.join(each.suffixes)}: {each.layout}" for each in MATRIX_FORMATS)
        write_entries(formatter, "Kinds of FILE, for --features", kinds)


def command(
    ctx: typer.Context,
    source: Annotated[
        str,
        typer.Argument(
            metavar="LOG",
            help="Interactions: a file or folder in one of the formats below, or the address of a database.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="DATA", rich_help_panel=FILES, help="Data set folder to write."),
    ],
    items: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            rich_help_panel=FILES,
            help="Item table: one row per item, with its id; a file, or a table of a database. Repeatable: several are "
            "joined by item id.",
        ),
    ] = None,
    features: Annotated[
        list[str] | None,
        typer.Option(
            "--features",
            "-f",
            metavar="MODALITY=FILE[:IDS]",
            rich_help_panel=FEATURES,
            help="FILE is of one of the kinds below, or a folder of `encode`. IDS is a file with one item id per row; "
            "without ids, rows are in the order of the item table. Repeatable.",
        ),
    ] = None,
    neighbours: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODALITY=ROWS:COSINES",
            rich_help_panel=FEATURES,
            help="Nearest items, computed elsewhere: two .npy files [items, k] in the order of the item table, rows of "
            "the neighbours and their cosines. Repeatable.",
        ),
    ] = None,
    users: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            rich_help_panel=FILES,
            help="User table: one row per user, with its id; also of users without interactions. Repeatable.",
        ),
    ] = None,
    user_features: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODALITY=FILE[:IDS]",
            rich_help_panel=FEATURES,
            help="Features of the users, as --features: in the order of the user table, or with user ids. Repeatable.",
        ),
    ] = None,
    overwrite: Overwrite = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Clean, align and split files into a data set folder.

    The folder is the input of `train`. Ids are always text: "007" stays "007". Rows that cleaning drops are counted and
    reported. Items may lack a modality. An error in the input names the file and the row, and gives a hint.

    Example:
        triptych prepare log.csv --items items.csv -f image=image.npy \\
            -f text=text.npy --multi "genres=|" -o shop/
        triptych prepare sqlite:///shop.db --query "SELECT * FROM orders" -o shop/
    """
    from triptych.preparing import PrepareSettings, prepare
    from triptych.settings import parse

    settings = parse(PrepareSettings, settings_values(ctx), of="prepare")
    feature_sources = [parse_feature_source(each) for each in features or ()]
    user_sources = [parse_feature_source(each, "--user-features age=age.npy") for each in user_features or ()]
    neighbour_sources = [_parse_neighbour_source(each) for each in neighbours or ()]
    with show_progress() as listener:
        dataset = prepare(
            source,
            output,
            settings,
            items=items,
            features=feature_sources,
            neighbours=neighbour_sources,
            users=users,
            user_features=user_sources,
            overwrite=overwrite,
            listener=listener,
        )
    result = _summary(dataset, output)
    if json:
        print_json(result)
    else:
        _print_summary(result)


def parse_feature_source(text: str, example: str = "--features image=image.npy") -> Any:
    """Parse MODALITY=FILE[:IDS] into a FeatureSource. Raises SettingsError."""
    from triptych.data.features import MODALITY_NAME
    from triptych.data.formats.features import FeatureSource

    modality, equals, files = text.partition("=")
    if not equals or not files:
        raise SettingsError(f'"{text}" is not MODALITY=FILE', hint=f"write for example: {example}")
    if not re.fullmatch(MODALITY_NAME, modality):
        raise SettingsError(
            f'"{modality}" is not a valid modality name', hint="use letters, digits, - and _, starting with a letter"
        )
    # the first two characters are not searched for a colon: C:\features.npy has a drive, no ids
    path, colon, ids = files.rpartition(":") if ":" in files[2:] else (files, "", "")
    return FeatureSource(modality, Path(path), Path(ids) if colon else None)


def _parse_neighbour_source(text: str) -> Any:
    from triptych.data.formats.neighbours import NeighbourSource

    modality, equals, files = text.partition("=")
    rows, colon, cosines = files.rpartition(":")
    if not equals or not colon or not rows or not cosines:
        raise SettingsError(
            f'"{text}" is not MODALITY=ROWS:COSINES', hint="write for example: --neighbours image=rows.npy:cosines.npy"
        )
    return NeighbourSource(modality, Path(rows), Path(cosines))


def _summary(dataset: Dataset, output: Path) -> dict[str, Any]:
    import numpy as np

    from triptych.data.split_codes import SPLITS, in_split

    codes = dataset.split_codes if dataset.split_codes is not None else np.zeros(0, np.int8)
    return {
        "output": str(output),
        "users": dataset.n_users,
        "items": dataset.n_items,
        "interactions": len(dataset.interactions),
        "splits": {name: int(in_split(codes, code).sum()) for code, name in enumerate(SPLITS)},
        "split": dataset.about["split"],
        "cleaning": dataset.about["cleaning"],
        "columns": dataset.about["columns"],
        "ratings": dataset.about["ratings"],
        "weights": dataset.about["weights"],
        "notes": [as_options(note) for note in dataset.about["notes"]],
        "modalities": _modalities(dataset.features),
        "user_modalities": _modalities(dataset.user_features),
        "users_without_history": int(np.count_nonzero(dataset.interactions.user_degrees == 0)),
    }


def _modalities(features: Mapping[str, Features]) -> dict[str, dict[str, Any]]:
    return {
        name: {"width": each.width, "dtype": str(each.table.dtype), "missing": each.n_missing}
        for name, each in features.items()
    }


def _print_summary(result: dict[str, Any]) -> None:
    users, items, interactions = result["users"], result["items"], result["interactions"]
    print_result(
        f"{count_text(users, 'user')}, {count_text(items, 'item')}, {count_text(interactions, 'interaction')} "
        f"({1 - interactions / (users * items):.3%} empty)"
    )
    unused = result["columns"]["unused"]
    used = ", ".join(f"{kind} {name}" for kind, name in result["columns"].items() if kind != "unused")
    shown = ", ".join(unused[:8]) + (", …" if len(unused) > 8 else "")
    print_result(f"columns: {used}" + (f"; not used: {shown}" if unused else ""))
    counts = ", ".join(f"{count:,} {name}" for name, count in result["splits"].items())
    print_result(f"split {result['split']}: {counts}")
    counts = ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in result["cleaning"].items() if count)
    print_result(f"cleaning: {counts}")
    if result["ratings"]:
        print_result(_ratings_text(result["ratings"]))
    if "lowest" in result["weights"]:
        print_result(_weights_text(result["weights"]))
    for noun, modalities in (("item", result["modalities"]), ("user", result["user_modalities"])):
        for name, each in modalities.items():
            lacking = f", {lacking_text(each['missing'], noun)}" if each["missing"] else ""
            of_users = " of users" if noun == "user" else ""
            print_result(f"{name}{of_users}: {each['width']}-d {each['dtype']}{lacking}")
    if result["users_without_history"]:
        print_result(f"{count_text(result['users_without_history'], 'user')} without history")
    epochs = ""
    if not result["splits"]["validation"]:
        epochs = " --set epochs=N"
        print_result("no validation: trained models cannot stop early, so they need a number of epochs")
    print_result(f"data set: {result['output']}", f"next: triptych train {result['output']} --model bm3{epochs}")


def _weights_text(weights: dict[str, Any]) -> str:
    parts = [f"weights: {weights['lowest']:.3g} to {weights['highest']:.3g}"]
    if "column" in weights:
        transform = "" if weights["column"]["transform"] == "none" else ", ln(1 + w)"
        parts.append(f"column {weights['column']['name']}{transform}")
    events = weights.get("events", {})
    if any(each["weight"] is not None for each in events.values()):
        parts.append(", ".join(f"{name} {each['weight'] or 0:g} ({each['rows']:,})" for name, each in events.items()))
    if "half_life_seconds" in weights:
        parts.append(f"half-life {weights['half_life_seconds'] / 86_400:g} days")
    return "; ".join(parts)


def _ratings_text(ratings: dict[str, Any]) -> str:
    minimums = [
        f"--min-rating {least} would leave out {count:,}" for least, count in ratings["dropped_by_minimum"].items()
    ]
    missing = f"; {ratings['missing']:,} rows have none" if ratings["missing"] else ""
    return f"ratings: {ratings['lowest']:g} to {ratings['highest']:g}, all count{missing}" + "".join(
        f"; {each}" for each in minimums
    )
