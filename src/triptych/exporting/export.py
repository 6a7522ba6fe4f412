"""Export a fitted model: `export(model, target)` writes its vectors, a search index of them, or a graph that ranks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from triptych.artefacts import writing_file
from triptych.errors import SettingsError, did_you_mean
from triptych.exporting.onnx_file import InputKind, write_onnx
from triptych.exporting.pgvector_tables import parse_table, write_pgvector
from triptych.exporting.recall import recall
from triptych.exporting.search_index import Index, build_faiss, build_usearch
from triptych.exporting.target import Kind, Target, check_target, parse_target
from triptych.exporting.vector_file import write_vector_file
from triptych.exporting.vectors import Vectors, vectors_of
from triptych.progress import Listener, ignore_progress
from triptych.ranking.recommender import Recommender
from triptych.ranking.topk import check_k

K, TABLE = 50, "triptych"
MEANT_FOR: dict[str, tuple[Kind, ...]] = {
    "index": ("faiss", "usearch", "pgvector"),
    "k": ("faiss", "usearch", "pgvector", "onnx"),
    "input_kind": ("onnx",),
    "table": ("pgvector",),
}


@dataclass(frozen=True)
class ExportRequest:
    """What is to be written. Raises SettingsError for options that do not fit each other or the target.

    target: see `parse_target`. index: of faiss and pgvector: "exact" (the default) or "hnsw"; usearch is always "hnsw".
    k: the number of items per list, of ONNX, and for the recall of an index; None: 50.
    input_kind: what ONNX takes: "users" or "history"; None: users, if the model has vectors of them. table: begins the
    names of pgvector's tables, NAME_items and NAME_users; None: triptych. overwrite: replace what is there.
    """

    target: Target
    index: Index | None = None
    k: int | None = None
    input_kind: InputKind | None = None
    table: str | None = None
    overwrite: bool = False

    def __post_init__(self) -> None:
        for name, kinds in MEANT_FOR.items():
            if getattr(self, name) is not None and self.target.kind not in kinds:
                what = f'"{name}" means nothing for {self.target.kind}'
                raise SettingsError(what, hint=f"leave it out; it is for {', '.join(kinds)}")
        for value, choices in ((self.index, get_args(Index)), (self.input_kind, get_args(InputKind))):
            if value is not None and value not in choices:
                raise SettingsError(f'unknown choice "{value}"', hint=did_you_mean(value, choices))
        if self.index == "exact" and self.target.kind == "usearch":
            hint = "leave it out, and search it with exact=True for exact lists"
            raise SettingsError("an index of USearch is always a HNSW graph", hint=hint)
        if self.k is not None:
            check_k(self.k)
        if self.table is not None:
            parse_table(self.table)

    def check(self) -> None:
        """Raise the errors of files, tables and packages that are known before the model is opened."""
        check_target(self.target, overwrite=self.overwrite)
        if self.target.kind == "pgvector":
            from triptych.exporting.database import shown

            shown(self.target.place)


@dataclass(frozen=True)
class ExportReport:
    """What was written.

    outputs: files, or tables. index: "exact", "hnsw" or None. input_kind: of ONNX, or None. recall: the share of the k
    best items that the index finds, over `measured_users`; None where nothing is searched. left_out: users without a
    vector, because the model knows nothing of them.
    """

    outputs: tuple[str, ...]
    n_items: int
    n_users: int
    dimensions: int | None = None
    index: Index | None = None
    input_kind: InputKind | None = None
    k: int | None = None
    recall: float | None = None
    measured_users: int = 0
    left_out: int = 0


def export(
    model: Recommender,
    target: str | Path,
    *,
    index: Index | None = None,
    k: int | None = None,
    input_kind: InputKind | None = None,
    table: str | None = None,
    overwrite: bool = False,
    listener: Listener = ignore_progress,
) -> ExportReport:
    """Export a fitted model to `FILE.parquet`, `faiss:FILE`, `usearch:FILE`, `pgvector:URL` or `onnx:FILE`.

    The arguments are those of `ExportRequest`. Raises SettingsError; InputError for a model without vectors, or a
    database that refuses; ArtefactError for what exists or cannot be written. docs/export.md shows how to search.
    """
    request = ExportRequest(parse_target(str(target)), index, k, input_kind, table, overwrite)
    return run_export(model, request, listener)


def run_export(model: Recommender, request: ExportRequest, listener: Listener = ignore_progress) -> ExportReport:
    """Export a model as requested; see `export`."""
    request.check()
    target, about = request.target, _about(model)
    if target.kind == "onnx":
        k = request.k or K
        taken = write_onnx(
            model, target.path, request.input_kind, about, k=k, overwrite=request.overwrite, listener=listener
        )
        n_users = model.dataset.n_users if taken == "users" else 0
        return ExportReport((target.place,), model.dataset.n_items, n_users, input_kind=taken, k=k)
    vectors = vectors_of(model)
    if target.kind == "parquet":
        write_vector_file(vectors, target.path, about, overwrite=request.overwrite, listener=listener)
        return _report(vectors, (target.place,))
    if target.kind == "pgvector":
        return _export_tables(vectors, request, about, listener)
    return _export_index(vectors, request, about, listener)


def _export_index(vectors: Vectors, request: ExportRequest, about: dict[str, Any], listener: Listener) -> ExportReport:
    target, k = request.target, request.k or K
    index: Index = "hnsw" if target.kind == "usearch" else request.index or "exact"
    if target.kind == "usearch":
        write, search = build_usearch(vectors.item_vectors, k, listener)
    else:
        write, search = build_faiss(vectors.item_vectors, index, k, listener)
    share, measured = recall(search, vectors, k, listener=listener)
    with writing_file(target.path, overwrite=request.overwrite) as temporary:
        write(temporary)
        # the ids first: they and the index take their places one directly after the other
        write_vector_file(vectors, target.path_beside, about, overwrite=request.overwrite, listener=listener)
    return _report(vectors, tuple(map(str, target.files)), index, k, share, measured)


def _export_tables(vectors: Vectors, request: ExportRequest, about: dict[str, Any], listener: Listener) -> ExportReport:
    name, index, k = request.table or TABLE, request.index or "exact", request.k or K
    share, measured = write_pgvector(
        vectors,
        request.target.place,
        name,
        index=index,
        k=k,
        comment=str(about.get("model", "")),
        overwrite=request.overwrite,
        listener=listener,
    )
    return _report(vectors, (f"{name}_items", f"{name}_users"), index, k, share, measured)


def _report(
    vectors: Vectors,
    outputs: tuple[str, ...],
    index: Index | None = None,
    k: int | None = None,
    share: float | None = None,
    measured: int = 0,
) -> ExportReport:
    return ExportReport(
        outputs,
        len(vectors.item_ids),
        len(vectors.user_ids),
        vectors.dimensions,
        index,
        k=k,
        recall=share,
        measured_users=measured,
        left_out=vectors.left_out,
    )


def _about(model: Recommender) -> dict[str, Any]:
    """Return what a file says about its origin."""
    name = {"model": str(model.about["model"])} if "model" in model.about else {}
    return {**name, "similarity": "inner product"}
