"""`triptych add-items`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated

import typer

from triptych.cli.options import FILES, DuplicateItemRows, Encoding, ItemIdColumn, Json, Overwrite, Quiet, Run
from triptych.cli.printing import count_text, lacking_text, open_with_progress, print_json, print_result, show_progress
from triptych.errors import SettingsError, TriptychError
from triptych.outputs import check_folder

UNFINISHED = ".add-items.unfinished"  # in the output folder, while its two outputs are written
NEW, REPLACED = b"new\n", b"replaced\n"  # its content: whether both outputs are of this command


def command(
    run: Run,
    data: Annotated[Path, typer.Argument(metavar="DATA", help="Data set folder that the model was trained on.")],
    items: Annotated[
        Path, typer.Argument(metavar="ITEMS", help="Item table with the new items. Known items in it are ignored.")
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="FOLDER",
            rich_help_panel=FILES,
            help="Folder for the results: FOLDER/data and FOLDER/model.",
        ),
    ],
    features: Annotated[
        list[str] | None,
        typer.Option(
            "--features",
            "-f",
            metavar="MODALITY=FILE[:IDS]",
            rich_help_panel=FILES,
            help="Features of the new items, as in `prepare`. Without it, new items lack the modality. Repeatable.",
        ),
    ] = None,
    item_id_column: ItemIdColumn = "",
    encoding: Encoding = "",
    duplicate_items: DuplicateItemRows = "error",
    overwrite: Overwrite = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Add new items to a trained model without training.

    The model places new items by their pictures, texts and metadata. FOLDER/data is the data set with the new items,
    FOLDER/model is the extended model. Use it with `recommend`, `evaluate` or another `add-items`. The scores of known
    items do not change. Metadata are encoded like those of the data set. Models that do not use item content cannot
    be extended. After an interruption, run the same command again.

    Example:
        triptych add-items runs/bm3 shop/ new_items.csv \\
            -f image=new_image.npy -f text=new_text.npy -o extended
    """
    from triptych.artefacts import check_output
    from triptych.cli.prepare import parse_feature_source
    from triptych.data.dataset import open_dataset
    from triptych.data.formats.item_rows import parse_duplicate_items
    from triptych.preparing import extend_dataset
    from triptych.ranking.recommender_folder import open_recommender
    from triptych.training.cold_items import add_items, require_extendable

    if any((output / name).exists() for name in ("manifest.json", "run.json")):
        raise SettingsError(f"{output} is a data set or a run", hint="choose another --output")
    check_folder(output)
    interrupted, present = _present(output, overwrite=overwrite)
    for each in present:
        check_output(each, overwrite=overwrite or interrupted)
    duplicates = parse_duplicate_items(duplicate_items)
    sources = [parse_feature_source(each) for each in features or ()]
    recommender, dataset = open_with_progress(open_recommender, run), open_with_progress(open_dataset, data)
    require_extendable(recommender, dataset)
    with show_progress() as listener, _both_outputs(output, overwrite=overwrite) as may_replace:
        extended = extend_dataset(
            dataset,
            items,
            output / "data",
            features=sources,
            item_id_column=item_id_column,
            encoding=encoding,
            duplicate_items=duplicates,
            overwrite=may_replace,
            listener=listener,
        )
        add_items(recommender, extended).save(output / "model", overwrite=may_replace)
    added = extended.n_items - dataset.n_items
    missing = {name: int((~each.present[dataset.n_items :]).sum()) for name, each in extended.features.items()}
    if json:
        paths = {"data": str(output / "data"), "model": str(output / "model")}
        print_json({**paths, "added": added, "missing": missing})
        return
    print_result(f"{count_text(added, 'new item')}, {extended.n_items:,} in all")
    for name, count in missing.items():
        if count:
            print_result(f"{name}: {lacking_text(count, 'new item')}")
    print_result(f"data set: {output / 'data'}, model: {output / 'model'}")
    print_result(f"next: triptych recommend {output} --user USER -k 10")


@contextmanager
def _both_outputs(output: Path, *, overwrite: bool) -> Iterator[bool]:
    """Yield whether outputs that exist may be replaced: with --overwrite, or if an interrupted call of this wrote them.

    A mark in the folder says that the outputs are not complete. An interrupted call leaves it if there is an output.
    The same command then does its work again. Raises SettingsError if an output exists.
    """
    from triptych.artefacts import write_file

    mark, outputs = output / UNFINISHED, [output / "data", output / "model"]
    interrupted, present = _present(output, overwrite=overwrite)
    write_file(mark, NEW if interrupted or not present else REPLACED)
    try:
        yield overwrite or interrupted
        mark.unlink()
    except (TriptychError, KeyboardInterrupt):
        if not any(each.exists() for each in outputs):
            mark.unlink(missing_ok=True)
            with suppress(OSError):  # it may hold other files
                output.rmdir()
        raise


def _present(output: Path, *, overwrite: bool) -> tuple[bool, list[Path]]:
    """Return whether an interrupted call left new outputs, and what exists. Raises SettingsError for others."""
    mark, outputs = output / UNFINISHED, [output / "data", output / "model"]
    interrupted = mark.exists() and mark.read_bytes() == NEW
    present = [each for each in outputs if each.exists()]
    if present and not (overwrite or interrupted):
        raise SettingsError(f"{present[0]} exists", hint="choose another --output, or pass --overwrite")
    return interrupted, present
