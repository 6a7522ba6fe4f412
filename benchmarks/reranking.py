"""What re-ranking costs: the top 50 with each rule beside the plain top 50, in one run, and for one user at once.

    python -m benchmarks.reranking [--users 20000] [--threads 2]

63,001 items with factors of width 64, in 40 categories; 20 seen items per user. The last line printed is the result as
JSON: seconds and seconds of processors for all users, the ranking included; and milliseconds to re-rank the pool of one
user, the median of a hundred.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np
import polars as pl
import torch

from benchmarks.filters import N_ITEMS, WIDTH, K, random_pairs
from triptych.ranking.greedy import ListRules
from triptych.ranking.reranking import (
    Calibration,
    Diversity,
    ItemKnowledge,
    Quota,
    Rerank,
    list_rules,
    pool_size,
    rank_all_by_rules,
    rerank,
)
from triptych.ranking.scorer import Factors
from triptych.ranking.topk import top_k

STEPS: dict[str, Rerank] = {
    "plain": (),
    "diversity": Diversity(0.3),
    "quota": Quota("category", 3),
    "calibration": Calibration(),
    "all three": (Diversity(0.3), Quota("category", 3), Calibration(weight=0.3)),
}


def main() -> None:
    """Measure all rules."""
    parser = argparse.ArgumentParser(description="Measure what re-ranking costs.")
    parser.add_argument("--users", type=int, default=20_000)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    generator, n_users = np.random.default_rng(17), arguments.users
    tables = (generator.standard_normal((n, WIDTH), dtype=np.float32) for n in (n_users, N_ITEMS))
    scorer, seen = Factors(*map(torch.from_numpy, tables)), random_pairs(n_users, 20, generator)
    table = pl.DataFrame({"category": [f"c{number}" for number in generator.integers(0, 40, N_ITEMS)]})
    known = ItemKnowledge(scorer, seen, seen, table, {})

    def milliseconds(user: int, rules: ListRules) -> float:
        users = np.array([user])
        pool = top_k(scorer, users, pool_size(K, N_ITEMS), seen)
        began = time.perf_counter()
        rerank(users, pool, K, rules, lambda rows, k: top_k(scorer, users[rows], k, seen))
        return 1000 * (time.perf_counter() - began)

    result: dict[str, dict[str, float]] = {}
    for name, steps in STEPS.items():
        rules = list_rules(steps, known)
        began, processors = time.perf_counter(), time.process_time()
        for _chunk in rank_all_by_rules(scorer, np.arange(n_users), K, seen, rules):
            pass
        seconds = {"seconds": time.perf_counter() - began, "of processors": time.process_time() - processors}
        if rules is not None:
            seconds["ms of one user"] = float(np.median([milliseconds(user, rules) for user in range(100)]))
        result[name] = {key: round(value, 2) for key, value in seconds.items()}
    print(json.dumps({"users": n_users, **result}))


if __name__ == "__main__":
    main()
