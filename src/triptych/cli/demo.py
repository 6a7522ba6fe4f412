"""`triptych demo`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from triptych.cli.options import OUTPUT, Json, Overwrite, Quiet
from triptych.cli.printing import print_json, print_result, print_table, show_progress
from triptych.outputs import check_folder

if TYPE_CHECKING:
    from triptych.demo.run import DemoResult


def command(
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="FOLDER", rich_help_panel=OUTPUT, help="Folder for everything the demo makes."
        ),
    ] = Path("demo"),
    seed: Annotated[int, typer.Option(min=0, metavar="SEED", help="Seed of the shop and of the training.")] = 0,
    overwrite: Overwrite = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Run every step on a small generated shop.

    The demo takes about half a minute. It generates a shop whose customers have known preferences. So the best possible
    NDCG is known as well, and the table shows it as the ceiling beside popularity, LightGCN and BM3. Pictures, tables,
    the data set, the runs and the top 50 items of every customer stay in the folder.

    Example:
        triptych demo -o demo
    """
    from triptych.demo.run import MAX_SPARSE, run_demo

    check_folder(output)
    with show_progress() as listener:
        demo = run_demo(output, seed=seed, overwrite=overwrite, listener=listener)
    if json:
        rows = [{"model": row.model, "all": row.all_users, "sparse": row.sparse_users} for row in demo.rows]
        print_json({"table": rows, "recommendations": str(demo.recommendations)})
        return
    _print_demo(demo, output, MAX_SPARSE)


def _print_demo(demo: DemoResult, output: Path, sparse: int) -> None:
    header = ["", "NDCG@10", "NDCG@50", "Recall@50", "NDCG@50 sparse", "seconds"]
    rows = [
        [row.model, *row.all_users.values(), row.sparse_users["ndcg@50"], f"{row.seconds:.1f}"] for row in demo.rows
    ]
    print_table("test items, full ranking without training and validation items", header, rows)
    print_result(
        f"{demo.n_users:,} users are measured; sparse: {demo.n_sparse:,} of them with at most {sparse} training "
        "interactions",
        "",
    )
    for user, reasons in demo.reasons.items():
        print_result(f"recommended to customer {user}:")
        for reason in reasons:
            print_result(f"  «{reason.recommended}» because of «{reason.because_of}»")
            print_result(f"    {'; '.join(text for text in (reason.components, reason.evidence) if text)}")
    runs, shop = output / "runs", output / "shop"
    print_result("", f"top 50 items of every customer: {demo.recommendations}")
    print_result(f"graph around the first customer: {demo.drawing}")
    print_result(f"pictures: {output / 'raw' / 'pictures'}   data set: {shop}   runs: {runs}")
    print_result(f"next: triptych recommend {runs / 'bm3'} --user c0003 -k 5")
    print_result(f"      triptych explain {runs / 'bm3'} --data {shop} --user c0003")
