"""`triptych add-items`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from triptych.cli import show
from triptych.errors import SettingsError


def command(
    run: Annotated[Path, typer.Argument(help="A run folder of `triptych train`, or a saved recommender.")],
    data: Annotated[Path, typer.Argument(help="The data set folder that it was trained on.")],
    items: Annotated[Path, typer.Argument(help="Item table of the new items; those that are known are passed over.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write: OUTPUT/data, OUTPUT/model.")],
    features: Annotated[
        list[str] | None,
        typer.Option(
            "--features",
            "-f",
            metavar="MODALITY=FILE[:IDS]",
            help="Features of the new items, as in prepare; a modality that is not given is missing. Repeatable.",
        ),
    ] = None,
    item_id_column: Annotated[str, typer.Option(help="Column of ids in the item table [default: guessed].")] = "",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUTPUT if it is there.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Bring new items into a trained model, without training: from their pictures, texts and metadata.

    OUTPUT/data is the data set with the new items, OUTPUT/model the model that knows them: `recommend`, `evaluate` and
    another `add-items` take both. Scores of the items that were there stay as they are. Metadata are encoded as those
    of the data set were. Models that do not look at content cannot do this.

    Example:  triptych add-items runs/bm3 shop/ new_items.csv -f image=new_image.npy -f text=new_text.npy -o grown
    """
    from triptych.cli.prepare import feature_source
    from triptych.data.dataset import open_dataset
    from triptych.preparing import extend_dataset
    from triptych.ranking.recommender import open_recommender
    from triptych.training.cold_items import add_items, require_extendable

    if any((output / name).exists() for name in ("manifest.json", "run.json")):
        raise SettingsError(f"{output} is a data set or a run", hint="choose another --output")
    recommender, dataset = open_recommender(run), open_dataset(data)
    require_extendable(recommender, dataset)
    if (output / "model").exists() and not overwrite:
        raise SettingsError(f"{output / 'model'} exists", hint="choose another --output, or say --overwrite")
    sources = [feature_source(each) for each in features or ()]
    with show.listening() as listener:
        grown = extend_dataset(
            dataset,
            items,
            output / "data",
            features=sources,
            item_id_column=item_id_column,
            overwrite=overwrite,
            listener=listener,
        )
        add_items(recommender, grown).save(output / "model", overwrite=overwrite)
    added = grown.n_items - dataset.n_items
    missing = {name: int((~each.present[dataset.n_items :]).sum()) for name, each in grown.features.items()}
    if json:
        result = {"data": output / "data", "model": output / "model", "added": added, "missing": missing}
        show.show_json({name: str(value) if isinstance(value, Path) else value for name, value in result.items()})
        return
    show.show(f"{show.counted(added, 'new item')}, {grown.n_items:,} in all")
    for name, count in missing.items():
        if count:
            show.show(f"{name}: {show.lacking(count, 'new item')}")
    show.show(
        f"data set: {output / 'data'}, model: {output / 'model'}\nnext: triptych recommend {output} --user USER -k 10"
    )
