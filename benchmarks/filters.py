"""What choosing items costs: the exact top 50 with filters beside the same ranking without, in one run.

    python -m benchmarks.filters [--users 30000] [--threads 2]

63,001 items with factors of width 64; 20 seen items per user. Repeats of all cases alternate; the fastest of each
counts. The last line printed is the result as JSON: seconds, and ratios to the ranking without filters.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np
import torch

from triptych.data.interactions import Interactions
from triptych.ranking.candidates import ALL_ITEMS, Candidates
from triptych.ranking.scorer import Factors
from triptych.ranking.topk import rank_all

N_ITEMS, WIDTH, K = 63_001, 64, 50


def random_pairs(n_users: int, per_user: int, generator: np.random.Generator) -> Interactions:
    """Return about so many random items per user."""
    users = np.repeat(np.arange(n_users), per_user)
    return Interactions.from_pairs(users, generator.integers(0, N_ITEMS, len(users)), n_users, N_ITEMS)


def cases(n_users: int) -> dict[str, Candidates]:
    """Name -> the items that may be ranked."""
    generator = np.random.default_rng(1)
    return {
        "no filter": ALL_ITEMS,
        "99 % of the items": Candidates(items=np.flatnonzero(generator.random(N_ITEMS) < 0.99)),
        "half of the items": Candidates(items=np.flatnonzero(generator.random(N_ITEMS) < 0.5)),
        "1 % of the items": Candidates(items=np.flatnonzero(generator.random(N_ITEMS) < 0.01)),
        "20 excluded per user": Candidates(excluded=random_pairs(n_users, 20, generator)),
        "200 given per user": Candidates(only=random_pairs(n_users, 200, generator)),
    }


def main() -> None:
    """Measure all cases."""
    parser = argparse.ArgumentParser(description="Measure what choosing items costs.")
    parser.add_argument("--users", type=int, default=30_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    generator = np.random.default_rng(17)
    n_users = arguments.users
    tables = (generator.standard_normal((n, WIDTH), dtype=np.float32) for n in (n_users, N_ITEMS))
    scorer = Factors(*map(torch.from_numpy, tables))
    seen, users = random_pairs(n_users, 20, generator), np.arange(n_users)
    seconds: dict[str, float] = {}
    for _ in range(arguments.repeats):
        for name, candidates in cases(n_users).items():
            began = time.perf_counter()
            for _chunk in rank_all(scorer, users, K, seen, candidates=candidates):
                pass
            seconds[name] = min(seconds.get(name, np.inf), time.perf_counter() - began)
    ratios = {name: round(value / seconds["no filter"], 3) for name, value in seconds.items()}
    print(
        json.dumps({"users": n_users, "seconds": {name: round(s, 3) for name, s in seconds.items()}, "ratio": ratios})
    )


if __name__ == "__main__":
    main()
