"""`triptych export`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from triptych.cli.options import OUTPUT, Json, Overwrite, Quiet, Run, check_choice
from triptych.cli.printing import count_text, open_with_progress, print_json, print_result, show_progress

if TYPE_CHECKING:
    from triptych.exporting.export import ExportReport

SEARCH, GRAPH = "Search indices and databases", "ONNX"


def command(
    run: Run,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="TARGET",
            rich_help_panel=OUTPUT,
            help="FILE.parquet, faiss:FILE, usearch:FILE, pgvector:URL or onnx:FILE.",
        ),
    ],
    index: Annotated[
        str | None,
        typer.Option(
            metavar="CHOICE",
            rich_help_panel=SEARCH,
            help="exact (a search compares with every item) or hnsw (a graph: faster, and its recall is printed) "
            "[default: exact; hnsw for usearch].",
        ),
    ] = None,
    k: Annotated[
        int | None,
        typer.Option(
            "--k",
            "-k",
            min=1,
            metavar="N",
            rich_help_panel=OUTPUT,
            help="Items per list, of ONNX, and for the recall of an index [default: 50].",
        ),
    ] = None,
    table: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            rich_help_panel=SEARCH,
            help="Tables NAME_items and NAME_users of pgvector, in a schema as SCHEMA.NAME [default: triptych].",
        ),
    ] = None,
    input_kind: Annotated[
        str | None,
        typer.Option(
            "--input",
            metavar="CHOICE",
            rich_help_panel=GRAPH,
            help="What the graph takes: users (rows of known users) or history (item rows of anyone) [default: users, "
            "if the model has vectors of them].",
        ),
    ] = None,
    overwrite: Overwrite = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Export vectors, a search index or an ONNX graph, with ids.

    The score of bpr, lightgcn, vbpr, mmgcn, grcn, freedom, bm3 and of their blends is the inner product of a user's
    vector and an item's. Their vectors go into a Parquet file (kind, id, row, vector), an index of Faiss or USearch
    with such a file beside it, or tables of PostgreSQL with pgvector. The search is compared with Triptych's own lists,
    and its recall is printed: 1 for an exact index. It finds seen items too: ask for more, and leave them out.

    ease, item-knn and content-ease add up weights between items, so they have no user vectors. onnx:FILE takes every
    model: user rows or histories in, the best items and scores out, seen items left out.

    docs/export.md shows how to search each of them. Each needs its package: pip install "triptych[export]", or
    triptych[faiss], [usearch], [pgvector] or [onnx] for one.

    Examples:
        triptych export runs/bm3 --to vectors.parquet

        triptych export runs/bm3 --to faiss:items.faiss --index hnsw

        # the password is in PGPASSWORD or ~/.pgpass:
        triptych export runs/bm3 --to pgvector:postgresql://me@host/shop \\
            --table bm3 --overwrite

        triptych export runs/ease --to onnx:ease.onnx --input history -k 20
    """
    from triptych.exporting.export import ExportRequest, run_export
    from triptych.exporting.target import parse_target
    from triptych.ranking.recommender_folder import open_recommender

    if index is not None:
        check_choice("--index", index, ("exact", "hnsw"))
    if input_kind is not None:
        check_choice("--input", input_kind, ("users", "history"))
    request = ExportRequest(parse_target(to), cast(Any, index), k, cast(Any, input_kind), table, overwrite)
    request.check()
    recommender = open_with_progress(open_recommender, run)
    with show_progress() as listener:
        report = run_export(recommender, request, listener)
    if json:
        print_json(asdict(report))
    else:
        _print_report(report)


def _print_report(report: ExportReport) -> None:
    contents = [count_text(report.n_items, "item")]
    contents += [count_text(report.n_users, "user")] if report.n_users else []
    contents += [count_text(report.dimensions, "dimension")] if report.dimensions is not None else []
    print_result(f"{', '.join(contents)}: {', '.join(report.outputs)}")
    if report.recall is not None:
        search = "exact search" if report.index == "exact" else "HNSW graph"
        users = count_text(report.measured_users, "user")
        print_result(f"{search}: recall@{report.k} {report.recall:.4f} of the model's lists, {users} compared")
    if report.input_kind is not None:
        print_result(f"input: {report.input_kind}; outputs: items and scores, {report.k} per list")
    if report.left_out:
        print_result(f"no vector for {count_text(report.left_out, 'user')} of whom nothing is known: use popular items")
