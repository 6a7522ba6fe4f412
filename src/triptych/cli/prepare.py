"""`triptych prepare`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from triptych.cli import show
from triptych.errors import SettingsError

if TYPE_CHECKING:
    from triptych.data.dataset import Dataset


def command(
    source: Annotated[
        Path,
        typer.Argument(
            help="Interactions: .csv, .tsv, .parquet or .inter, or a folder (MovieLens, or .inter + *_feat.npy)."
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The data set folder to write.")],
    items: Annotated[Path | None, typer.Option(help="Item table: one row per item, with its id.")] = None,
    features: Annotated[
        list[str] | None,
        typer.Option(
            "--features",
            "-f",
            metavar="MODALITY=FILE[:IDS]",
            help=".npy, .safetensors or .parquet; IDS: a file with one item id per row; without, rows are in the order "
            "of the item table. Repeatable.",
        ),
    ] = None,
    neighbours: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODALITY=ROWS:COSINES",
            help="Nearest items by a modality, found elsewhere: two .npy files [items, k] in the order of the item "
            "table, rows of neighbours and their cosines. Repeatable.",
        ),
    ] = None,
    categorical: Annotated[list[str] | None, typer.Option(help="Item column of one value each. Repeatable.")] = None,
    multi: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN=SEP", help="Item column of several values. Repeatable.")
    ] = None,
    numeric: Annotated[list[str] | None, typer.Option(help="Item column of numbers. Repeatable.")] = None,
    drop_modality: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODALITY=SHARE",
            help="Drop a modality for this share of the items, drawn by the seed, to study what that costs. A larger share "
            "includes the items of a smaller one, and several modalities are dropped for the same items. Repeatable.",
        ),
    ] = None,
    user_column: Annotated[str, typer.Option(help="Column of user ids [default: guessed].")] = "",
    item_column: Annotated[str, typer.Option(help="Column of item ids in the log [default: guessed].")] = "",
    rating_column: Annotated[str, typer.Option(help="Column of ratings ('-' for none) [default: guessed].")] = "",
    time_column: Annotated[str, typer.Option(help="Column of times: seconds or ISO dates [default: guessed].")] = "",
    split_column: Annotated[
        str, typer.Option(help="Column of train/validation/test or 0/1/2 [default: guessed].")
    ] = "",
    item_id_column: Annotated[str, typer.Option(help="Column of ids in the item table [default: guessed].")] = "",
    min_rating: Annotated[float | None, typer.Option(help="Drop interactions rated below this.")] = None,
    nulls: Annotated[str, typer.Option(help="Rows without an id: error or drop.")] = "error",
    unknown_items: Annotated[
        str, typer.Option(help="Items the item table lacks: error, drop, or keep (without content).")
    ] = "error",
    zero_rows: Annotated[
        str, typer.Option(help="Feature rows of zeros: missing (the item lacks it) or keep.")
    ] = "missing",
    k_core: Annotated[int, typer.Option(help="Keep users and items with at least this many interactions.")] = 0,
    split: Annotated[str, typer.Option(help="auto, ratio, leave-one-out, time, cold-items or given.")] = "auto",
    train: Annotated[float, typer.Option(help="Share of train, for ratio, time and cold-items.")] = 0.8,
    validation: Annotated[float, typer.Option(help="Share of validation; the rest is test.")] = 0.1,
    seed: Annotated[int, typer.Option(help="Seed of random splits.")] = 0,
    store: Annotated[str, typer.Option(help="Precision of stored features: same, float16 or float32.")] = "same",
    layout: Annotated[str, typer.Option("--format", help="auto, table, recbole, mmrec or movielens.")] = "auto",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the data set if it is there.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Read, clean, align and split files into a data set folder that `train` takes.

    Ids are text always: "007" stays "007". What cleaning left out is counted and told. Items may lack a modality.
    Bad input is an error that names the file, the row and the mend.

    Example:  triptych prepare log.csv --items items.csv -f image=image.npy -f text=text.npy --multi "genres=|" -o shop/
    """
    from triptych.preparing import PrepareSettings, prepare
    from triptych.settings import parse

    values: dict[str, Any] = {
        "format": layout,
        "user_column": user_column,
        "item_column": item_column,
        "rating_column": rating_column,
        "time_column": time_column,
        "split_column": split_column,
        "item_id_column": item_id_column,
        "min_rating": min_rating,
        "nulls": nulls,
        "unknown_items": unknown_items,
        "zero_rows": zero_rows,
        "k_core": k_core,
        "split": split,
        "train": train,
        "validation": validation,
        "seed": seed,
        "store": store,
        "categorical": tuple(categorical or ()),
        "multi": tuple(multi or ()),
        "numeric": tuple(numeric or ()),
        "drop_modality": tuple(drop_modality or ()),
    }
    settings = parse(PrepareSettings, values, of="prepare")
    sources = [feature_source(each) for each in features or ()]
    near = [_neighbour_source(each) for each in neighbours or ()]
    with show.listening() as listener:
        dataset = prepare(
            source,
            output,
            settings,
            items=items,
            features=sources,
            neighbours=near,
            overwrite=overwrite,
            listener=listener,
        )
    _tell(dataset, output, json=json)


def feature_source(given: str) -> Any:
    """The FeatureSource that MODALITY=FILE[:IDS] means. Raises SettingsError."""
    from triptych.data.features import NAME
    from triptych.data.formats.features import FeatureSource

    modality, equals, files = given.partition("=")
    if not equals or not files:
        raise SettingsError(f'"{given}" is not MODALITY=FILE', hint="write for example: --features image=image.npy")
    if not re.fullmatch(NAME, modality):
        raise SettingsError(f'"{modality}" cannot name a modality', hint="use letters, digits, - and _, a letter first")
    path, colon, ids = files.rpartition(":") if ":" in files[2:] else (files, "", "")
    return FeatureSource(modality, Path(path), Path(ids) if colon else None)


def _neighbour_source(given: str) -> Any:
    from triptych.data.formats.neighbours import NeighbourSource

    modality, equals, files = given.partition("=")
    rows, colon, cosines = files.rpartition(":")
    if not equals or not colon or not rows or not cosines:
        raise SettingsError(
            f'"{given}" is not MODALITY=ROWS:COSINES', hint="write for example: --neighbours image=rows.npy:cosines.npy"
        )
    return NeighbourSource(modality, Path(rows), Path(cosines))


def _tell(dataset: Dataset, output: Path, *, json: bool) -> None:
    import numpy as np

    from triptych.data.dataset import SPLITS

    carried = dataset.split_codes if dataset.split_codes is not None else np.zeros(0, np.int8)
    splits = {name: int(np.count_nonzero(carried == position)) for position, name in enumerate(SPLITS)}
    result = {
        "output": str(output),
        "users": dataset.n_users,
        "items": dataset.n_items,
        "interactions": len(dataset.interactions),
        "splits": splits,
        "split": dataset.about["split"],
        "cleaning": dataset.about["cleaning"],
        "modalities": {
            name: {"width": each.width, "dtype": str(each.table.dtype), "missing": each.n_missing}
            for name, each in dataset.features.items()
        },
    }
    if json:
        show.show_json(result)
        return
    cells = dataset.n_users * dataset.n_items
    show.show(
        f"{show.counted(dataset.n_users, 'user')}, {show.counted(dataset.n_items, 'item')}, "
        f"{show.counted(len(dataset.interactions), 'interaction')} "
        f"({1 - len(dataset.interactions) / cells:.3%} empty)"
    )
    counts = ", ".join(f"{count:,} {name}" for name, count in splits.items())
    show.show(f"split {dataset.about['split']}: {counts}")
    told = [f"{name.replace('_', ' ')} {count:,}" for name, count in dataset.about["cleaning"].items() if count]
    show.show("cleaning: " + ", ".join(told))
    for name, each in dataset.features.items():
        lacking = f", {show.lacking(each.n_missing)}" if each.n_missing else ""
        show.show(f"{name}: {each.width}-d {each.table.dtype}{lacking}")
    show.show(f"data set: {output}\nnext: triptych train {output} --model bm3")
