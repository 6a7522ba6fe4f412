"""The folder with the features of one modality: open an earlier one, and write the new one, whole or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from triptych.artefacts import MANIFEST, writing_folder
from triptych.data.features import Features
from triptych.data.formats.encoded import FEATURES, IDS, KIND, MISSING, ROWS, EncodedFolder, open_encoded
from triptych.encoding.content_hash import ContentHash
from triptych.encoding.encoder import Encoder
from triptych.encoding.inputs import EncodingInputs
from triptych.encoding.journal import Journal
from triptych.errors import ArtefactError, argument, location

CHUNK = 4096  # rows that are written at a time


@dataclass(frozen=True)
class MissingItem:
    """An item without a vector: its position, its id, its picture (if any), its row in the input table, the reason."""

    position: int
    item: str
    source: str
    row: int | None
    reason: str


@dataclass(frozen=True)
class EncodingResult:
    """The result of an encoding.

    n_encoded: distinct pictures or texts encoded by this call. n_resumed: by an interrupted call before it.
    n_unchanged: found in the finished folder.
    """

    output: Path
    n_items: int
    width: int
    precision: str
    n_encoded: int
    n_resumed: int
    n_unchanged: int
    missing: Sequence[MissingItem]


def open_previous(output: Path, encoder: Encoder, dtype: np.dtype[Any], *, overwrite: bool) -> EncodedFolder | None:
    """Return the features that the same encoder wrote earlier, if any. Raises ArtefactError for another encoder's."""
    try:
        previous = open_encoded(output)
    except ArtefactError:
        if not output.exists() or (overwrite and (output / MANIFEST).is_file()):
            return None
        if output.is_dir() and not any(output.iterdir()):
            return None
        raise
    writer = previous.manifest.about.get("encoder", {})
    if writer.get("fingerprint") == encoder.fingerprint and previous.values.dtype == dtype:
        return previous
    if overwrite:
        return None
    old, new = f"{writer.get('name')} ({previous.values.dtype})", f"{encoder.name} ({dtype})"
    differences = _differences(writer.get("identity", {}), encoder.identity)
    raise ArtefactError(
        f"holds features of another encoder: {old}, now {new}{differences}",
        where=location(output),
        hint=f"choose another folder, or pass {argument(overwrite=True)} to encode everything again",
    )


def present_rows(previous: EncodedFolder | None) -> dict[bytes, int]:
    """sha256 -> row of every item that an earlier folder has a vector for."""
    if previous is None:
        return {}
    hashes = previous.sha256.to_list()
    return {bytes.fromhex(hashes[row]): int(row) for row in np.flatnonzero(previous.present)}


def save_encoded(
    result: EncodingResult,
    inputs: EncodingInputs,
    encoder: Encoder,
    hashes: Sequence[ContentHash],
    journal: Journal,
    previous: EncodedFolder | None,
    batch_size: int,
) -> None:
    """Write the folder from the rows of an earlier one and the journal, unless it would not change."""
    about = {
        "input_kind": inputs.input_kind,
        "encoder": {
            "name": encoder.name,
            "fingerprint": encoder.fingerprint,
            **encoder.metadata,
            "identity": dict(encoder.identity),
        },
        "input": dict(inputs.about),
        "batch_size": batch_size,
    }
    sha256 = ["" if each.sha256 is None else each.sha256.hex() for each in hashes]
    if previous is not None and _is_unchanged(previous, inputs, sha256, result, about):
        return
    absent = {each.position for each in result.missing}
    vectors = [None if position in absent else each.sha256 for position, each in enumerate(hashes)]
    _write(result, inputs.ids, inputs.sources, sha256, _gather_rows(vectors, result, journal, previous), about)


def save_fitted(
    features: Features, ids: Sequence[str], output: Path, precision: str, about: Mapping[str, Any]
) -> EncodingResult:
    """Write metadata features, and the fitted encoder that `encode_metadata` applies to new items."""
    output = output.absolute()
    missing = [MissingItem(int(n), ids[int(n)], "", None, "no value") for n in np.flatnonzero(~features.present)]
    n_encoded = len(ids) - len(missing)
    result = EncodingResult(output, len(ids), features.width, precision, n_encoded, 0, 0, missing)
    table = np.where(features.present[:, None], features.table, 0).astype(precision)
    blank = [""] * len(ids)
    _write(result, ids, blank, blank, iter([table]), {**about, "fitted": features.encoder})
    return result


def _gather_rows(
    hashes: Sequence[bytes | None], result: EncodingResult, journal: Journal, previous: EncodedFolder | None
) -> Iterator[NDArray[Any]]:
    """Yield the table in chunks: rows of the earlier folder, rows of the journal, and zeros where there is no hash."""
    known = present_rows(previous)
    for begin in range(0, len(hashes), CHUNK):
        chunk = hashes[begin : begin + CHUNK]
        rows = np.zeros((len(chunk), result.width), np.dtype(result.precision))
        new = [(n, sha256) for n, sha256 in enumerate(chunk) if sha256 is not None and sha256 not in known]
        old = [(n, known[sha256]) for n, sha256 in enumerate(chunk) if sha256 is not None and sha256 in known]
        rows[[n for n, _ in new]] = journal.rows([sha256 for _, sha256 in new])
        if previous is not None and old:
            rows[[n for n, _ in old]] = previous.values[[row for _, row in old]]
        yield rows


def _write(
    result: EncodingResult,
    ids: Sequence[str],
    sources: Sequence[str],
    sha256: Sequence[str],
    rows: Iterator[NDArray[Any]],
    about: Mapping[str, Any],
) -> None:
    sizes = {"items": result.n_items, "missing": len(result.missing), "width": result.width, "dtype": result.precision}
    with writing_folder(result.output, KIND, {**about, **sizes}, overwrite=True) as folder:
        with (folder / FEATURES).open("wb") as file:
            shape = (result.n_items, result.width)
            header = {"descr": np.dtype(result.precision).str, "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            for chunk in rows:
                file.write(np.ascontiguousarray(chunk).data)
        (folder / IDS).write_text("\n".join(ids) + "\n", encoding="utf-8")
        _write_csv(_rows_frame(ids, sources, sha256, result), folder / ROWS)
        missing = [(each.item, each.source, each.row, each.reason) for each in result.missing]
        schema = {"item_id": pl.String, "source": pl.String, "row": pl.Int64, "missing": pl.String}
        _write_csv(pl.DataFrame(missing, schema=schema, orient="row"), folder / MISSING)


def _write_csv(frame: pl.DataFrame, path: Path) -> None:
    path.write_bytes(frame.write_csv().encode())  # not by polars: to it, every name is UTF-8


def _rows_frame(
    ids: Sequence[str], sources: Sequence[str], sha256: Sequence[str], result: EncodingResult
) -> pl.DataFrame:
    reasons = [""] * result.n_items
    for each in result.missing:
        reasons[each.position] = each.reason
    return pl.DataFrame({"item_id": ids, "source": sources, "sha256": sha256, "missing": reasons})


def _is_unchanged(
    previous: EncodedFolder,
    inputs: EncodingInputs,
    sha256: Sequence[str],
    result: EncodingResult,
    about: Mapping[str, Any],
) -> bool:
    before = previous.manifest.about
    if any(before.get(name) != value for name, value in about.items()):
        return False
    content = _rows_frame(inputs.ids, inputs.sources, sha256, result).write_csv()
    return hashlib.sha256(content.encode()).hexdigest() == previous.manifest.files[ROWS].sha256


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    return f"; they differ in {', '.join(names)}" if names else ""
