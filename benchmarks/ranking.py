"""The exact top 50 of all items for every user: Triptych without the seen items, the flat index of faiss with them.

    python -m benchmarks.ranking triptych|faiss normal|skewed [--share 1.0] [--threads 2]

Factors have width 64. They are `normal`, or `skewed`: the norm of an item's factor grows with its popularity, as in
trained models, so a few items are in the top 50 of many users. The last line printed is the result as JSON, or the
reason why faiss is skipped.
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
CHECKED = 200  # users whose top 50 is compared with a plain float64 computation
TOLERANCE = 1e-4  # of the largest score

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class RankingResult:
    """Seconds of the fastest repeat and of all repeats. n_wrong: the number of checked users with wrong scores."""

    seconds: float
    repeats: list[float]
    peak_resident_megabytes: float
    n_wrong: int
    threads: int


def factors_of(kind: str, dataset: Dataset) -> tuple[Floats, Floats]:
    """User factors [n_users, 64] and item factors [n_items, 64]."""
    generator = np.random.default_rng(17)
    users = generator.standard_normal((dataset.n_users, WIDTH), dtype=np.float32)
    items = generator.standard_normal((dataset.n_items, WIDTH), dtype=np.float32)
    if kind == "skewed":
        users[:, 0] = np.abs(users[:, 0]) + 1  # a direction that all users share with the popular items
        lengths = (1 + dataset.interactions.item_degrees) ** 0.3
        items[:, 0] = np.abs(items[:, 0]) + 1
        items *= lengths[:, None].astype(np.float32) / lengths.mean()
    return users, items


def measure_triptych(kind: str, dataset: Dataset, threads: int, repeats: int) -> RankingResult:
    """Measure `rank_all` for all users, without their training items."""
    import torch

    from triptych.ranking.scorer import Factors
    from triptych.ranking.topk import rank_all

    torch.set_num_threads(threads)
    users, items = factors_of(kind, dataset)
    scorer = Factors(torch.from_numpy(users), torch.from_numpy(items))
    seen = dataset.interactions

    def rank() -> Floats:
        best = np.empty((dataset.n_users, K), dtype=np.float32)
        for rows, _, scores in rank_all(scorer, np.arange(dataset.n_users), K, seen):
            best[rows] = scores
        return best

    for _ in rank_all(scorer, np.arange(min(1024, dataset.n_users)), K, seen):
        pass  # the first products of a process are slower
    return measure_ranking(rank, repeats, users, items, dataset, masked=True, threads=threads)


def measure_faiss(kind: str, dataset: Dataset, threads: int, repeats: int) -> RankingResult:
    """Measure `IndexFlatIP` for all users at once, with all items."""
    import faiss

    faiss.omp_set_num_threads(threads)
    users, items = factors_of(kind, dataset)
    index = faiss.IndexFlatIP(WIDTH)
    index.add(items)
    index.search(users[:1024], K)
    return measure_ranking(
        lambda: index.search(users, K)[0], repeats, users, items, dataset, masked=False, threads=threads
    )


def measure_ranking(
    rank: Callable[[], Floats],
    repeats: int,
    users: Floats,
    items: Floats,
    dataset: Dataset,
    *,
    masked: bool,
    threads: int,
) -> RankingResult:
    """Rank several times, and check the scores of some users."""
    from triptych.memory import peak_resident_megabytes

    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        best = rank()
        seconds.append(time.perf_counter() - began)
    peak = peak_resident_megabytes()
    n_wrong = count_wrong(best, users, items, dataset, masked=masked)
    return RankingResult(min(seconds), seconds, peak, n_wrong, threads)


def count_wrong(best: Floats, users: Floats, items: Floats, dataset: Dataset, *, masked: bool) -> int:
    """The number of checked users whose best scores differ from a plain float64 computation."""
    rows = np.linspace(0, len(users) - 1, min(CHECKED, len(users))).astype(np.int64)
    scores = users[rows].astype(np.float64) @ items.T.astype(np.float64)
    if masked:
        positions, seen = dataset.interactions.items_of(rows)
        scores[positions, seen] = -np.inf
    expected = -np.sort(-scores, axis=1)[:, :K]
    finite = np.isfinite(expected)
    errors = np.abs(np.where(finite, best[rows] - np.where(finite, expected, 0), 0)).max(axis=1)
    return int((errors > TOLERANCE * np.abs(expected[finite]).max()).sum())


def main() -> None:
    """Measure one side with one kind of factors."""
    parser = argparse.ArgumentParser(description="Measure the exact top 50 for all users.")
    parser.add_argument("side", choices=["triptych", "faiss"])
    parser.add_argument("kind", choices=["normal", "skewed"])
    parser.add_argument("--share", type=float, default=1.0, help="share of the users and items")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=DEFAULT_FOLDER)
    arguments = parser.parse_args()
    inputs = Inputs(arguments.folder, training_sizes(arguments.share))
    write_inputs(inputs)
    measure = measure_triptych if arguments.side == "triptych" else measure_faiss
    try:
        print(json.dumps(asdict(measure(arguments.kind, open_inputs(inputs), arguments.threads, arguments.repeats))))
    except ImportError as error:
        print(json.dumps({"skipped": f"{error}; pip install faiss-cpu"}))


if __name__ == "__main__":
    main()
