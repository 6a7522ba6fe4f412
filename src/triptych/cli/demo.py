"""`triptych demo`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from triptych.cli import show

if TYPE_CHECKING:
    from triptych.demo.run import Demo


def command(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for everything the demo makes.")] = Path(
        "demo"
    ),
    seed: Annotated[int, typer.Option(min=0, help="Another seed, another shop.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier demo there.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Run the whole job on a small shop drawn by the program, in about half a minute.

    The shop's customers have planted tastes, so the best reachable NDCG is known: the table shows popularity, LightGCN
    and BM3 beside that ceiling. Pictures, tables, the data set, the runs and everyone's top 50 stay in the folder.
    """
    from triptych.demo.run import SPARSE, run_demo

    with show.listening() as listener:
        demo = run_demo(output, seed=seed, overwrite=overwrite, listener=listener)
    if json:
        rows = [{"model": row.name, "all": row.among_all, "sparse": row.among_sparse} for row in demo.rows]
        show.show_json({"table": rows, "recommendations": str(demo.recommendations)})
        return
    _tell(demo, output, SPARSE)


def _tell(demo: Demo, output: Path, sparse: int) -> None:
    header = ["", "NDCG@10", "NDCG@50", "Recall@50", "NDCG@50 sparse", "seconds"]
    rows = [[row.name, *row.among_all.values(), row.among_sparse["ndcg@50"], f"{row.seconds:.1f}"] for row in demo.rows]
    show.show_table("test items, full ranking, known items left out", header, rows)
    show.show(
        f"{demo.n_users:,} users count; sparse: the {demo.n_sparse:,} with at most {sparse} training interactions\n"
    )
    for user, lines in demo.lists.items():
        show.show(f"customer {user}:")
        for line in lines:
            show.show(f"  because you took «{line.taken}» → you may like «{line.recommended}»")
            show.show(f"    {'; '.join(part for part in (line.through, line.evidence) if part)}")
    show.show(f"\neveryone's top 50: {demo.recommendations}")
    show.show(f"the graph around the first customer: {demo.drawing}")
    show.show(f"pictures: {output / 'raw' / 'pictures'}   data set: {output / 'shop'}   runs: {output / 'runs'}")
    show.show(f"next: triptych recommend {output / 'runs' / 'bm3'} --user c0003 -k 5")
    show.show(f"      triptych explain {output / 'runs' / 'bm3'} --data {output / 'shop'} --user c0003")
