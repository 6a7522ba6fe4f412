"""`triptych add-items`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from triptych.cli.options import FILES, ItemIdColumn, Json, Overwrite, Quiet, Run
from triptych.cli.printing import count_text, lacking_text, open_with_progress, print_json, print_result, show_progress
from triptych.errors import SettingsError


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
    overwrite: Overwrite = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Add new items to a trained model without training.

    The model places new items by their pictures, texts and metadata. FOLDER/data is the data set with the new items,
    FOLDER/model is the extended model. Use it with `recommend`, `evaluate` or another `add-items`. The scores of known
    items do not change. Metadata are encoded like those of the data set. Models that do not use item content cannot
    be extended.

    Example:
        triptych add-items runs/bm3 shop/ new_items.csv \\
            -f image=new_image.npy -f text=new_text.npy -o extended
    """
    from triptych.cli.prepare import parse_feature_source
    from triptych.data.dataset import open_dataset
    from triptych.preparing import extend_dataset
    from triptych.ranking.recommender import open_recommender
    from triptych.training.cold_items import add_items, require_extendable

    if any((output / name).exists() for name in ("manifest.json", "run.json")):
        raise SettingsError(f"{output} is a data set or a run", hint="choose another --output")
    recommender, dataset = open_with_progress(open_recommender, run), open_with_progress(open_dataset, data)
    require_extendable(recommender, dataset)
    if (output / "model").exists() and not overwrite:
        raise SettingsError(f"{output / 'model'} exists", hint="choose another --output, or pass --overwrite")
    sources = [parse_feature_source(each) for each in features or ()]
    with show_progress() as listener:
        extended = extend_dataset(
            dataset,
            items,
            output / "data",
            features=sources,
            item_id_column=item_id_column,
            overwrite=overwrite,
            listener=listener,
        )
        add_items(recommender, extended).save(output / "model", overwrite=overwrite)
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
