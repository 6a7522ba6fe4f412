"""The demo: generate the shop, compute features, prepare, train three models, compare with the ceiling, recommend."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from triptych.artefacts import write_file
from triptych.data.dataset import Dataset
from triptych.data.parquet import polars_source
from triptych.data.recommendation_files import write_recommendations
from triptych.data.split import Split
from triptych.data.vocabulary import Vocabulary
from triptych.demo.image_features import image_features
from triptych.demo.reasons import TopReason, top_reasons
from triptych.demo.shop import write_world
from triptych.demo.text_features import text_features
from triptych.demo.world import Sizes, World, make_world, true_log_probabilities
from triptych.errors import ArtefactError, argument, location
from triptych.explaining.drawing import draw
from triptych.explaining.explainer import Explainer
from triptych.explaining.item_display import ItemDisplay
from triptych.explaining.neighbourhood import neighbourhood_of
from triptych.preparing import FeatureSource, PrepareSettings, prepare
from triptych.progress import Listener, Progress, ignore_progress
from triptych.ranking.evaluate import Report, evaluate
from triptych.ranking.scorer import Factors
from triptych.training.fit import fit
from triptych.training.settings import TrainingSettings

MAX_SPARSE = 5  # sparse users have at most this many training interactions
METRICS = ("ndcg@10", "ndcg@50", "recall@50")
MARKER = ".triptych-demo"  # a file that marks a folder of the demo, which may be replaced
SETTINGS: dict[str, dict[str, object]] = {
    "popularity": {},
    "lightgcn": {"n_layers": 4, "embedding_size": 256},
    "bm3": {"n_layers": 1, "embedding_size": 256, "start": "content"},
}


@dataclass(frozen=True)
class Row:
    """One row of the table: a model or the ceiling, its metrics for all users and for sparse users, seconds to fit."""

    model: str
    all_users: dict[str, float]
    sparse_users: dict[str, float]
    seconds: float


@dataclass(frozen=True)
class DemoResult:
    """The results of the demo.

    recommendations: the file with everyone's top 50. reasons: user id -> reasons, for a few users. drawing: the
    graph between the first of them and the first recommended item. n_users: the number of evaluated users.
    """

    rows: list[Row]
    recommendations: Path
    reasons: dict[str, list[TopReason]]
    drawing: Path
    n_users: int
    n_sparse: int
    dataset: Dataset


def run_demo(
    folder: Path,
    *,
    seed: int = 0,
    sizes: Sizes | None = None,
    epochs: int = 150,
    overwrite: bool = False,
    listener: Listener = ignore_progress,
) -> DemoResult:
    """Run all steps on a generated shop. Everything stays in `folder`. Raises ArtefactError if it is not empty."""
    _make_demo_folder(folder, overwrite=overwrite)
    world = make_world(seed, sizes)
    listener(Progress("demo", 1, 6, f"drawing a shop of {len(world.items):,} items for {world.n_users:,} customers"))
    write_world(world, folder / "raw", listener)
    listener(Progress("demo", 2, 6, "encoding pictures and texts, preparing the data set"))
    dataset = _prepare_dataset(folder, listener)
    split = Split.from_dataset(dataset)
    training = TrainingSettings(epochs=epochs, batch_size=1024, learning_rate=2e-3, patience=6, seed=seed, device="cpu")
    scorers: dict[str, tuple[Factors, float]] = {}
    for stage, (name, settings) in enumerate(SETTINGS.items(), start=3):
        listener(Progress("demo", stage, 6, f"training {name}"))
        began = time.perf_counter()
        recommender = fit(name, split, settings, training, run=folder / "runs" / name)
        scorers[name] = recommender.factors, time.perf_counter() - began
    scorers["ceiling"] = _ceiling(world, dataset), 0.0
    listener(Progress("demo", 6, 6, "measuring, and writing everyone's top 50"))
    rows, is_sparse = _evaluate_all(scorers, split)
    path = folder / "recommendations.parquet"
    write_recommendations(recommender.stream(k=50), path)
    explainer = Explainer(recommender, dataset, display=ItemDisplay("title", "picture", folder / "raw"))
    sparse_users = np.flatnonzero(split.train.interactions.user_degrees <= MAX_SPARSE)
    shown = dataset.users.names(sparse_users[:3]).to_list()
    reasons = {user: top_reasons(explainer, user) for user in shown}
    drawing = folder / "why.svg"
    write_file(drawing, draw(neighbourhood_of(explainer, explainer.explain(shown[0], k=1)[0])).encode())
    return DemoResult(rows, path, reasons, drawing, len(is_sparse), int(is_sparse.sum()), dataset)


def _make_demo_folder(folder: Path, *, overwrite: bool) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        is_demo = (folder / MARKER).is_file()
        if not overwrite or not is_demo:
            option = f"pass {argument(overwrite=True)}, or " if is_demo else ""
            raise ArtefactError("already exists", where=location(folder), hint=f"{option}choose another `output`")
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARKER).touch()


def _prepare_dataset(folder: Path, listener: Listener) -> Dataset:
    """Turn the files of the shop into a data set, as a user would."""
    raw = folder / "raw"
    items = pl.read_csv(polars_source(raw / "items.csv"), infer_schema=False, glob=False)
    pictures = [raw / name if name else None for name in items["picture"].to_list()]
    texts = [
        f"{title}. {text or ''}" if text else None for title, text in items.select("title", "description").iter_rows()
    ]
    for features in (image_features(pictures, listener=listener), text_features(texts)):
        np.save(raw / f"{features.modality}.npy", features.table)
    return prepare(
        raw / "interactions.csv",
        folder / "shop",
        PrepareSettings(categorical=("category",), multi=("materials=|",), numeric=("price",)),
        items=raw / "items.csv",
        features=[FeatureSource(name, raw / f"{name}.npy") for name in ("image", "text")],
        listener=listener,
    )


def _evaluate_all(scorers: dict[str, tuple[Factors, float]], split: Split) -> tuple[list[Row], NDArray[np.bool_]]:
    """Evaluate on the test interactions. Returns the rows, and for each evaluated user whether it is sparse."""
    seen = split.train.interactions.union(split.validation)
    rows, is_sparse = [], np.zeros(0, dtype=np.bool_)
    for name, (factors, seconds) in scorers.items():
        report: Report = evaluate(factors, split.test, seen, METRICS)
        is_sparse = split.train.interactions.user_degrees[report.users] <= MAX_SPARSE
        rows.append(Row(name, report.means, report.subset(is_sparse).means, seconds))
    return rows, is_sparse


def _ceiling(world: World, dataset: Dataset) -> Factors:
    """The ranking by the true probabilities, over the rows of the data set."""
    users = Vocabulary(world.user_ids, noun="user").rows(dataset.users.ids)
    items = Vocabulary(world.items.ids).rows(dataset.items.ids)
    truth = true_log_probabilities(world)[users][:, items]
    return Factors(torch.from_numpy(truth), torch.eye(len(items)))
