"""The exact best 50 of all items for every user: ours with seen items masked, faiss' flat index without a mask.

    python -m benchmarks.ranking ours|faiss normal|skewed [--share 1.0] [--threads 2]

Factors are 64 wide: `normal` noise, or `skewed`, where an item's length grows with its popularity as that of trained
factors does, so that a few items are among the best of many users. The last line printed is the result as JSON; it says
why where faiss is absent.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.inputs import Inputs, open_inputs, training_sizes, write_inputs
from benchmarks.steps import DEFAULT_FOLDER
from triptych.data.dataset import Dataset

K = 50
WIDTH = 64
CHECKED = 200  # users whose best are compared with a plain float64 computation
TOLERANCE = 1e-4  # of the largest score

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Ranked:
    """Seconds of the fastest repeat and of all; how many of the checked users had other scores than they should."""

    seconds: float
    repeats: list[float]
    peak_resident_megabytes: float
    wrong: int
    threads: int


def factors_of(kind: str, dataset: Dataset) -> tuple[Floats, Floats]:
    """Users [n_users, 64] and items [n_items, 64]."""
    generator = np.random.default_rng(17)
    users = generator.standard_normal((dataset.n_users, WIDTH), dtype=np.float32)
    items = generator.standard_normal((dataset.n_items, WIDTH), dtype=np.float32)
    if kind == "skewed":
        users[:, 0] = np.abs(users[:, 0]) + 1  # a direction that all users like, and the popular items have
        lengths = (1 + dataset.interactions.item_degrees) ** 0.3
        items[:, 0] = np.abs(items[:, 0]) + 1
        items *= lengths[:, None].astype(np.float32) / lengths.mean()
    return users, items


def measure_ours(kind: str, dataset: Dataset, threads: int, repeats: int) -> Ranked:
    """`rank_all` for everyone, the training interactions masked."""
    import torch

    from triptych.ranking.scorer import Factors
    from triptych.ranking.topk import rank_all

    torch.set_num_threads(threads)
    users, items = factors_of(kind, dataset)
    scorer = Factors(torch.from_numpy(users), torch.from_numpy(items))
    seen = dataset.interactions

    def rank() -> Floats:
        best = np.empty((dataset.n_users, K), dtype=np.float32)
        for some, _, scores in rank_all(scorer, np.arange(dataset.n_users), K, seen):
            best[some] = scores
        return best

    for _ in rank_all(scorer, np.arange(min(1024, dataset.n_users)), K, seen):
        pass  # the first products of a process are slower
    return timed(rank, repeats, users, items, dataset, masked=True, threads=threads)


def measure_faiss(kind: str, dataset: Dataset, threads: int, repeats: int) -> Ranked:
    """`IndexFlatIP`, all users at once; nothing masked."""
    import faiss

    faiss.omp_set_num_threads(threads)
    users, items = factors_of(kind, dataset)
    index = faiss.IndexFlatIP(WIDTH)
    index.add(items)
    index.search(users[:1024], K)
    return timed(lambda: index.search(users, K)[0], repeats, users, items, dataset, masked=False, threads=threads)


def timed(
    rank: Callable[[], Floats],
    repeats: int,
    users: Floats,
    items: Floats,
    dataset: Dataset,
    *,
    masked: bool,
    threads: int,
) -> Ranked:
    """Rank several times and check some users."""
    from triptych.memory import peak_resident_megabytes

    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        best = rank()
        seconds.append(time.perf_counter() - began)
    peak = peak_resident_megabytes()
    wrong = count_wrong(best, users, items, dataset, masked=masked)
    return Ranked(min(seconds), seconds, peak, wrong, threads)


def count_wrong(best: Floats, users: Floats, items: Floats, dataset: Dataset, *, masked: bool) -> int:
    """How many of some users have other best scores than a plain computation in float64 finds."""
    rows = np.linspace(0, len(users) - 1, min(CHECKED, len(users))).astype(np.int64)
    scores = users[rows].astype(np.float64) @ items.T.astype(np.float64)
    if masked:
        positions, taken = dataset.interactions.items_of(rows)
        scores[positions, taken] = -np.inf
    expected = -np.sort(-scores, axis=1)[:, :K]
    known = np.isfinite(expected)
    errors = np.abs(np.where(known, best[rows] - np.where(known, expected, 0), 0)).max(axis=1)
    return int((errors > TOLERANCE * np.abs(expected[known]).max()).sum())


def main() -> None:
    """Measure one side with one kind of factors."""
    parser = argparse.ArgumentParser(description="The exact best 50 for everyone.")
    parser.add_argument("side", choices=["ours", "faiss"])
    parser.add_argument("kind", choices=["normal", "skewed"])
    parser.add_argument("--share", type=float, default=1.0, help="of users and items")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=DEFAULT_FOLDER)
    arguments = parser.parse_args()
    inputs = Inputs(arguments.folder, training_sizes(arguments.share))
    write_inputs(inputs)
    measure = measure_ours if arguments.side == "ours" else measure_faiss
    try:
        print(json.dumps(asdict(measure(arguments.kind, open_inputs(inputs), arguments.threads, arguments.repeats))))
    except ImportError as error:
        print(json.dumps({"skipped": f"{error}; pip install faiss-cpu"}))


if __name__ == "__main__":
    main()
