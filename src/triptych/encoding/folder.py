"""The folder of one modality's features: what an earlier encoding left there, and the new one, whole or not at all."""

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
from triptych.errors import ArtefactError, location

CHUNK = 4096  # rows that are written at a time


@dataclass(frozen=True)
class Missing:
    """An item that got no vector: its position, id, picture (if any), row in the input (if a table), and why."""

    position: int
    item: str
    source: str
    row: int | None
    why: str


@dataclass(frozen=True)
class Encoded:
    """What an encoding did. Things encoded now (n_encoded), by an interrupted attempt (n_resumed), before (n_known)."""

    output: Path
    n_items: int
    width: int
    precision: str
    n_encoded: int
    n_resumed: int
    n_known: int
    missing: Sequence[Missing]


def finished(output: Path, encoder: Encoder, dtype: np.dtype[Any], *, overwrite: bool) -> EncodedFolder | None:
    """The features that are there already, if the same encoder made them. Raises ArtefactError if another did."""
    try:
        found = open_encoded(output, verify=True)
    except ArtefactError:
        if not output.exists() or (overwrite and (output / MANIFEST).is_file()):
            return None
        if output.is_dir() and not any(output.iterdir()):
            return None
        raise
    made_by = found.manifest.about.get("encoder", {})
    if made_by.get("fingerprint") == encoder.fingerprint and found.values.dtype == dtype:
        return found
    if overwrite:
        return None
    theirs, ours = f"{made_by.get('name')} ({found.values.dtype})", f"{encoder.name} ({dtype})"
    differs = _difference(made_by.get("identity", {}), encoder.identity)
    raise ArtefactError(
        f"holds features of another encoder: {theirs}, now {ours}{differs}",
        where=location(output),
        hint="choose another folder, or pass --overwrite to encode all anew",
    )


def known_rows(before: EncodedFolder | None) -> dict[bytes, int]:
    """key -> its row in an earlier folder."""
    if before is None:
        return {}
    keys = before.sha256.to_list()
    return {bytes.fromhex(keys[row]): int(row) for row in np.flatnonzero(before.present)}


def save_encoded(
    result: Encoded,
    inputs: EncodingInputs,
    encoder: Encoder,
    hashes: Sequence[ContentHash],
    journal: Journal,
    before: EncodedFolder | None,
    batch_size: int,
) -> None:
    """Write the folder, its rows gathered from an earlier one and the journal. What is the same stays untouched."""
    known = known_rows(before)
    absent = {each.position for each in result.missing}
    dtype = np.dtype(result.precision)

    def rows() -> Iterator[NDArray[Any]]:
        for begin in range(0, len(hashes), CHUNK):
            keys = [None if begin + n in absent else each.key for n, each in enumerate(hashes[begin : begin + CHUNK])]
            made = np.zeros((len(keys), result.width), dtype)
            new = [(n, key) for n, key in enumerate(keys) if key is not None and key not in known]
            old = [(n, known[key]) for n, key in enumerate(keys) if key is not None and key in known]
            made[[n for n, _ in new]] = journal.rows([key for _, key in new])
            if before is not None and old:
                made[[n for n, _ in old]] = before.values[[row for _, row in old]]
            yield made

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
    sha256 = ["" if each.key is None else each.key.hex() for each in hashes]
    if before is not None and _unchanged(before, inputs, sha256, result, about):
        return
    _write(result, inputs.ids, inputs.names, sha256, rows(), about)


def save_fitted(
    features: Features, ids: Sequence[str], output: Path, precision: str, about: Mapping[str, Any]
) -> Encoded:
    """Write features that were fitted on all items at once (metadata), with what encodes new ones. See `encode`."""
    output = output.absolute()
    missing = [Missing(int(n), ids[int(n)], "", None, "no value") for n in np.flatnonzero(~features.present)]
    n_new = len(ids) - len(missing)
    result = Encoded(output, len(ids), features.width, precision, n_new, 0, 0, missing)
    table = np.where(features.present[:, None], features.table, 0).astype(precision)
    blank = [""] * len(ids)
    _write(result, ids, blank, blank, iter([table]), {**about, "fitted": features.encoder})
    return result


def _write(
    result: Encoded,
    ids: Sequence[str],
    names: Sequence[str],
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
        _rows_frame(ids, names, sha256, result).write_csv(folder / ROWS)
        absent = [(each.item, each.source, each.row, each.why) for each in result.missing]
        schema = {"item_id": pl.String, "source": pl.String, "row": pl.Int64, "missing": pl.String}
        pl.DataFrame(absent, schema=schema, orient="row").write_csv(folder / MISSING)


def _rows_frame(ids: Sequence[str], names: Sequence[str], sha256: Sequence[str], result: Encoded) -> pl.DataFrame:
    why = [""] * result.n_items
    for each in result.missing:
        why[each.position] = each.why
    return pl.DataFrame({"item_id": ids, "source": names, "sha256": sha256, "missing": why})


def _unchanged(
    before: EncodedFolder, inputs: EncodingInputs, sha256: Sequence[str], result: Encoded, about: Mapping[str, Any]
) -> bool:
    there = before.manifest.about
    if any(there.get(name) != value for name, value in about.items()):
        return False
    written = _rows_frame(inputs.ids, inputs.names, sha256, result).write_csv()
    return hashlib.sha256(written.encode()).hexdigest() == before.manifest.files[ROWS][1]


def _difference(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> str:
    names = [name for name in {**theirs, **ours} if theirs.get(name) != ours.get(name)]
    return f"; they differ in {', '.join(names)}" if names else ""
