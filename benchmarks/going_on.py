"""Going on with new interactions, measured: update, warm start and fresh training on a data set in time order.

    python -m benchmarks.going_on DATA --model bm3 --set batch_size=8192

DATA: a prepared data set whose split is in time order. A model is trained on train, and stops early by validation. Then
the interactions of validation arrive. Measured are the lists, without the items before test, of users with items before
and in test. Users whom a model does not know get the popular items, as in `recommend`:

    as it was      the model without the new interactions
    update         `Recommender.update`
    warm start     `fit(..., start_from=…)` on train + validation, for 1, 2, 4, … epochs
    fresh          `refit(..., fit_on="train+validation")`: the same settings, for the best number of epochs before

Seconds are processor seconds of one thread, so other work on the machine does not count.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

import triptych
from triptych.data.split import Split
from triptych.progress import ignore_progress
from triptych.settings import parse, parse_assignments, split_settings
from triptych.training.settings import TrainingSettings

K = 50
METRIC = f"ndcg@{K}"


def measure(dataset: triptych.Dataset, name: str, values: dict[str, Any], epochs: list[int]) -> list[dict[str, Any]]:
    """Return one row per way of going on: its name, NDCG@50, epochs and seconds."""
    from triptych.models.registry import model_class

    training_values, settings = split_settings(values, TrainingSettings, model_class(name).Settings, of=name)
    training = parse(TrainingSettings, training_values)
    rows: list[dict[str, Any]] = []
    split = Split.from_dataset(dataset)
    new, before_test = split.validation, split.train.interactions.union(split.validation)
    test = split.test.select(before_test.user_degrees[split.test.users] > 0)
    popular = triptych.fit("popularity", dataset)
    clicks = pl.DataFrame({"user_id": dataset.users.names(new.users), "item_id": dataset.items.names(new.items)})

    def add(way: str, make: Callable[[], triptych.Recommender]) -> triptych.Recommender:
        began = time.process_time()
        made = make()
        seconds = time.process_time() - began
        values = ndcg(made, popular, test)
        rows.append({"way": way, METRIC: round(float(values.mean()), 4)})
        rows[-1] |= {"epochs": made.about.get("epochs") if way != "update" else 0, "seconds": round(seconds, 1)}
        print(json.dumps(rows[-1]), flush=True)
        return made

    before = add("as it was", lambda: triptych.fit(name, dataset, settings, training))
    _ = before.history_maps  # solved once per model
    add("update", lambda: before.update(clicks))
    if before.about.get("best_epoch"):
        for n in epochs:
            given = replace(training, epochs=n)

            def warm(given: TrainingSettings = given) -> triptych.Recommender:
                return triptych.fit(name, dataset, settings, given, start_from=before, fit_on="train+validation")

            add(f"warm start, {n}", warm)
    add("fresh", lambda: triptych.refit(before, dataset, fit_on="train+validation"))
    return rows


def ndcg(
    recommender: triptych.Recommender, popular: triptych.Recommender, test: triptych.Interactions
) -> NDArray[np.float64]:
    """float64 [n]: the NDCG@50 of the lists of each user with test items, in the order of their rows."""
    users = np.unique(test.users)
    names = recommender.dataset.users.names(users)
    lists, instead = (
        each.recommend(names, k=K, exclude="train+validation", listener=ignore_progress).items
        for each in (recommender, popular)
    )
    unknown = recommender.split.train.interactions.user_degrees[users] == 0
    lists[unknown] = instead[unknown]
    pairs = np.repeat(users, lists.shape[1]), lists.ravel()
    hits = (test.contain(*pairs) & (pairs[1] >= 0)).reshape(lists.shape)
    discounts = 1 / np.log2(np.arange(2, K + 2))
    ideal = np.cumsum(discounts)[np.minimum(test.user_degrees[users], K) - 1]
    return np.asarray(hits @ discounts / ideal)


def main() -> None:
    """Read the arguments, measure, and print a JSON line per way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", default="bm3")
    parser.add_argument("--set", dest="values", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--epochs", default="1,2,4,8", help="epochs of the warm starts, separated by commas")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    values = parse_assignments(arguments.values)
    measure(
        triptych.open_dataset(arguments.data), arguments.model, values, [int(n) for n in arguments.epochs.split(",")]
    )


if __name__ == "__main__":
    main()
