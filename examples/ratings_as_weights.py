"""Compare ways to use ratings: all as likes, from a threshold on, or as weights.

`python examples/ratings_as_weights.py RATINGS.csv [MODEL …]`, for a table of user, item, rating and time such as
MovieLens' ratings.csv.

Each user's ratings are split 8:1:1 at random, with three seeds. All ways learn from the same training rows. To be found
are the held-out items with at least four stars, among all items without a training rating of the user, whatever that
rating was: the ways have one task in common. Printed are the mean NDCG@50 over users and seeds, and its difference to
"all as likes" with a 95 % interval over users, whose seeds are averaged first.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import polars as pl

from triptych import PrepareSettings, TrainingSettings, dataset_from_frames, fit, split
from triptych.data.split import Split
from triptych.ranking.evaluate import evaluate
from triptych.studies.statistics import interval

LIKED, SEEDS = 4.0, range(3)
WAYS = {
    "all as likes": pl.lit(1.0),
    "3 stars or more": (pl.col("rating") >= 3).cast(pl.Float64),
    "4 stars or more": (pl.col("rating") >= LIKED).cast(pl.Float64),
    "weight = rating": pl.col("rating"),
    "weight = rating²": pl.col("rating") ** 2,
    "likes 1, others 1/4": pl.when(pl.col("rating") >= LIKED).then(1.0).otherwise(0.25),
}
SPLITS = ("train", "validation", "test")


def split_rows(ratings: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Return the ratings with the split of each, in a column `split`."""
    columns = PrepareSettings(rating_column="-", time_column="-")
    dataset = dataset_from_frames(ratings.select("user", "item"), settings=columns)
    halves = split(dataset, "ratio", seed=seed)
    frames = []
    for name, pairs in zip(SPLITS, (halves.train.interactions, halves.validation, halves.test), strict=True):
        users, items = dataset.users.names(pairs.users), dataset.items.names(pairs.items)
        frames.append(pl.DataFrame({"user": users, "item": items, "split": [name] * len(pairs)}))
    return pl.concat(frames).join(ratings, on=["user", "item"], how="left")


def data_of(rows: pl.DataFrame, way: str) -> Split:
    """Return the split that a model gets: the training rows by a way, and held-out rows that are liked."""
    training = rows.filter(pl.col("split") == "train").with_columns(WAYS[way].alias("weight"))
    held_out = rows.filter((pl.col("split") != "train") & (pl.col("rating") >= LIKED)).with_columns(weight=pl.lit(1.0))
    kept = pl.concat([training.filter(pl.col("weight") > 0), held_out]).select("user", "item", "split", "weight")
    weighted = training["weight"].n_unique() > 2 or "1/4" in way
    items = rows.select(pl.col("item").unique().sort())
    settings = PrepareSettings(split="given", weight_column="weight" if weighted else "")
    return split(dataset_from_frames(kept, items=items, settings=settings), "given")


def per_user(model: str, rows: pl.DataFrame, way: str, seed: int) -> dict[str, float]:
    """Return the NDCG@50 of every user who has liked items in the test."""
    data = data_of(rows, way)
    recommender = fit(model, data, training=TrainingSettings(seed=seed, evaluate_every=5, patience=4))
    vocabulary = data.train
    training = rows.filter(pl.col("split") == "train").filter(pl.col("user").is_in(vocabulary.users.ids.implode()))
    users, items = vocabulary.users.rows(training["user"]), vocabulary.items.rows(training["item"])
    seen = type(data.test).from_pairs(users, items, vocabulary.n_users, vocabulary.n_items)
    report = evaluate(recommender.scorer, data.test, seen, ["ndcg@50"])
    names = vocabulary.users.names(report.users)
    return dict(zip(names, report.per_user["ndcg@50"].tolist(), strict=True))


def main(path: Path, models: list[str]) -> None:
    table = pl.read_csv(path, infer_schema_length=None)
    ratings = table.select(
        user=pl.col("userId").cast(pl.String), item=pl.col("movieId").cast(pl.String), rating=pl.col("rating")
    )
    for model in models:
        values: dict[str, dict[tuple[int, str], float]] = {way: {} for way in WAYS}
        for seed in SEEDS:
            rows = split_rows(ratings, seed)
            for way in WAYS:
                found = per_user(model, rows, way, seed)
                values[way] |= {(seed, user): value for user, value in found.items()}
        base = "all as likes"
        keys = [key for key in values[base] if all(key in values[way] for way in WAYS)]
        for way in WAYS:
            frame = (
                pl.DataFrame(
                    [(user, values[way][seed, user], values[base][seed, user]) for seed, user in keys],
                    schema=["user", "way", "base"],
                    orient="row",
                )
                .group_by("user", maintain_order=True)
                .mean()
            )
            change = interval((frame["way"] - frame["base"]).to_numpy(), np.random.default_rng(0))
            mean = float(frame["way"].to_numpy().mean())
            print(
                f"{model:12} {way:20} {mean:.4f}  {change.mean:+.4f} [{change.low:+.4f}, {change.high:+.4f}]",
                flush=True,
            )


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:] or ["popularity", "item-knn", "ease"])
