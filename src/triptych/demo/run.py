"""The demo, whole: draw the shop, encode it, prepare, train three models, compare them with the ceiling, recommend."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import torch

from triptych.artefacts import write_file
from triptych.content.pictures import picture_features
from triptych.content.texts import text_features
from triptych.data.dataset import Dataset
from triptych.data.recommendations import write_recommendations
from triptych.data.split import Split
from triptych.data.vocabulary import Vocabulary
from triptych.demo.reasons import Reason, reasons
from triptych.demo.shop import write_world
from triptych.demo.world import Sizes, World, make_world, true_log_probabilities
from triptych.errors import ArtefactError, location
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

SPARSE = 5  # a user with at most this many training interactions is a sparse one
METRICS = ("ndcg@10", "ndcg@50", "recall@50")
MARK = ".triptych-demo"
SETTINGS: dict[str, dict[str, object]] = {
    "popularity": {},
    "lightgcn": {"n_layers": 4, "embedding_size": 256},
    "bm3": {"n_layers": 1, "embedding_size": 256, "start": "content"},
}


@dataclass(frozen=True)
class Row:
    """One line of the table: a model, or the ceiling; metrics among all users and among sparse ones; seconds to fit."""

    name: str
    among_all: dict[str, float]
    among_sparse: dict[str, float]
    seconds: float


@dataclass(frozen=True)
class Demo:
    """What the demo made: the table, the recommendations' file, a few lists with reasons (user id -> reasons), and the
    drawing of the first one's neighbourhood in the graph."""

    rows: list[Row]
    recommendations: Path
    lists: dict[str, list[Reason]]
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
) -> Demo:
    """Run the main job on a generated shop; everything is left in `folder` to look at. Raises ArtefactError."""
    _make_room(folder, overwrite=overwrite)
    world = make_world(seed, sizes)
    listener(Progress("demo", 1, 6, f"drawing a shop of {len(world.items):,} items for {world.n_users:,} customers"))
    write_world(world, folder / "raw", listener)
    listener(Progress("demo", 2, 6, "encoding pictures and texts, preparing the data set"))
    dataset = _prepared(folder, listener)
    split = Split.from_dataset(dataset)
    seen = split.train.interactions.union(split.validation)
    training = TrainingSettings(epochs=epochs, batch_size=1024, learning_rate=2e-3, patience=6, seed=seed, device="cpu")
    scorers: dict[str, tuple[Factors, float]] = {}
    for position, (name, settings) in enumerate(SETTINGS.items(), start=3):
        listener(Progress("demo", position, 6, f"training {name}"))
        began = time.perf_counter()
        recommender = fit(name, split, settings, training, run=folder / "runs" / name)
        scorers[name] = recommender.factors, time.perf_counter() - began
    scorers["ceiling"] = _ceiling(world, dataset), 0.0
    listener(Progress("demo", 6, 6, "measuring, and writing everyone's top 50"))
    rows, few = [], np.zeros(0, dtype=np.bool_)
    for name, (factors, seconds) in scorers.items():
        report: Report = evaluate(factors, split.test, seen, METRICS)
        few = split.train.interactions.user_degrees[report.users] <= SPARSE
        rows.append(Row(name, report.means, report.subset(few).means, seconds))
    path = folder / "recommendations.parquet"
    write_recommendations(recommender.stream(k=50), path)
    explainer = Explainer(recommender, dataset, look=ItemDisplay("title", "picture", folder / "raw"))
    chosen = dataset.users.names(np.flatnonzero(split.train.interactions.user_degrees <= SPARSE)[:3]).to_list()
    lists = {user: reasons(explainer, user) for user in chosen}
    drawing = folder / "why.svg"
    write_file(drawing, draw(neighbourhood_of(explainer, explainer.explain(chosen[0], k=1)[0])).encode())
    return Demo(rows, path, lists, drawing, len(few), int(few.sum()), dataset)


def _make_room(folder: Path, *, overwrite: bool) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        if not overwrite or not (folder / MARK).is_file():
            ours = "pass --overwrite, or " if (folder / MARK).is_file() else ""
            raise ArtefactError("already exists", where=location(folder), hint=f"{ours}choose another --output")
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).touch()


def _prepared(folder: Path, listener: Listener) -> Dataset:
    """From the shop's files to a data set, as any user would go."""
    raw = folder / "raw"
    items = pl.read_csv(raw / "items.csv", infer_schema=False)
    pictures = [raw / name if name else None for name in items["picture"].to_list()]
    texts = [
        f"{title}. {text or ''}" if text else None for title, text in items.select("title", "description").iter_rows()
    ]
    for features in (picture_features(pictures, listener=listener), text_features(texts)):
        np.save(raw / f"{features.modality}.npy", features.table)
    return prepare(
        raw / "interactions.csv",
        folder / "shop",
        PrepareSettings(categorical=("category",), multi=("materials=|",), numeric=("price",)),
        items=raw / "items.csv",
        features=[FeatureSource(name, raw / f"{name}.npy") for name in ("image", "text")],
        listener=listener,
    )


def _ceiling(world: World, dataset: Dataset) -> Factors:
    """The ranking that knows the tastes, over the data set's rows."""
    users = Vocabulary(world.user_ids, noun="user").rows(dataset.users.ids)
    items = Vocabulary(world.items.ids).rows(dataset.items.ids)
    truth = true_log_probabilities(world)[users][:, items]
    return Factors(torch.from_numpy(truth), torch.eye(len(items)))
