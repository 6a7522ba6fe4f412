"""Objects show themselves in a few lines, whatever their ids and titles are, and never by dumping arrays."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image

import triptych
from triptych.data.dataset import Dataset
from triptych.data.features import Features
from triptych.data.interactions import Interactions
from triptych.data.split import Split, split
from triptych.data.vocabulary import Vocabulary
from triptych.explaining.explainer import Explainer, explain
from triptych.explaining.item_display import ItemDisplay
from triptych.ranking.recommender import Recommender
from triptych.studies.blend import weighted_blend
from triptych.training.fit import fit
from triptych.training.settings import TrainingSettings

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "\x1b[31mred",
    "a\nb",
    "&amp;",
    "\u202eright",
    "x" * 999,
)
COLOURS = re.compile(r"(?<!-)color: (?!inherit)|background")


def dataset() -> Dataset:
    """Twelve users and items, all with hostile ids; one item lacks its image."""
    ids = [f"{HOSTILE[n % len(HOSTILE)]}{n}" for n in range(12)]
    present = np.arange(12) != 3
    image = np.where(present[:, None], np.random.default_rng(0).normal(size=(12, 4)), 0).astype(np.float32)
    users, items = np.nonzero(np.add.outer(np.arange(12), np.arange(12)) % 3)
    return Dataset(
        Vocabulary(ids, noun="user"),
        Vocabulary(ids, noun="item"),
        Interactions.from_pairs(users, items, 12, 12),
        {"image": Features("image", image, present)},
        item_table=pl.DataFrame({"title": ids, HOSTILE[0]: ids, "picture": [f"{n}.png" for n in range(12)]}),
        about={"split": HOSTILE[0]},
    )


@pytest.fixture(scope="module")
def model() -> Recommender:
    return fit("bm3", split(dataset(), "ratio"), training=TrainingSettings(epochs=2))


@pytest.fixture(scope="module")
def shown(model: Recommender) -> dict[str, Any]:
    """One object of each kind that shows itself."""
    data = dataset()
    users, items = data.users.ids.to_list(), data.items.ids.to_list()
    return {
        "dataset": data,
        "recommender's dataset": model.dataset,
        "split": model.split,
        "recommender": model,
        "popularity": fit("popularity", split(data, "ratio")),
        "blend": weighted_blend([model, fit("ease", split(data, "ratio"))], (1.0, 2.0)),
        "report": model.evaluate(),
        "recommendations": model.recommend(k=3),
        "no recommendations": model.recommend([], k=3),
        "explanation": explain(model, users[0], items[1], data),
        "interactions": data.interactions,
        "users": data.users,
        "features": data.features["image"],
        "empty": Interactions.from_pairs(np.array([], int), np.array([], int), 0, 0),
    }


def test_what_is_shown_is_short_and_cannot_act(shown: dict[str, Any]) -> None:
    for name, each in shown.items():
        text = repr(each)
        assert len(text.splitlines()) <= 25, name
        assert all(line.isprintable() and len(line) <= 500 for line in text.split("\n")), name
        assert str(each) == text


def test_html_is_valid_escaped_and_without_colours(shown: dict[str, Any]) -> None:
    for name, each in shown.items():
        html = each._repr_html_()
        root = ET.fromstring(html)
        assert {element.tag for element in root.iter()} <= {"div", "b", "table", "tr", "td", "th", "img"}, name
        assert not any(key.startswith("on") for element in root.iter() for key in element.attrib), name
        assert not COLOURS.search(html), name
        assert len(html) < 30_000, name


def test_a_data_set_shows_sizes_widths_and_its_split() -> None:
    users, items = ([f"{noun}{n}" for n in range(1500)] for noun in "ui")
    rows = np.arange(1500)
    features = Features("image", np.ones((1500, 1024), np.float16), rows != 7)
    codes = (rows % 10 == 0).astype(np.int8) * 2
    data = Dataset(
        Vocabulary(users, noun="user"),
        Vocabulary(items),
        Interactions(rows, rows, 1500, 1500),
        {"image": features},
        split_codes=codes,
        times=rows.astype(float),
    )
    assert repr(data).splitlines() == [
        "Dataset",
        "  users         1,500",
        "  items         1,500",
        "  interactions  1,500 (sparsity 99.933 %), with times",
        "  image         1,024 wide, 1 item lacks it",
        "  split         train 1,350, validation 0, test 150",
    ]
    assert repr(data.users) == "Vocabulary: 1,500 users: 'u0', 'u1', 'u2', …"
    assert repr(features) == "Features: image, 1,500 rows, 1,024 wide (float16), 1 missing"
    assert repr(Split.from_dataset(data)).splitlines()[1:4] == [
        "  train         1,350 interactions (90.0 %)",
        "  validation    0 interactions (0.0 %)",
        "  test          150 interactions (10.0 %)",
    ]


def test_a_model_shows_its_settings_and_how_long_it_was_trained(shown: dict[str, Any]) -> None:
    text = repr(shown["recommender"])
    assert text.startswith("Recommender: bm3\n")
    assert "embedding_size=64" in text
    assert "epochs 2, best epoch " in text
    assert "blend of      1 bm3, 2 ease" in repr(shown["blend"])


def test_a_report_shows_the_means(shown: dict[str, Any]) -> None:
    report = shown["report"]
    for name in ("ndcg@50", "recall@10"):
        assert f"{report.means[name]:.4f}" in repr(report)
        assert f"{report.means[name]:.4f}" in report._repr_html_()


def test_an_explanation_shows_the_pictures_that_are_known(model: Recommender, tmp_path: Path) -> None:
    for number in (0, 1, 2):  # the others are missing, and one is no picture
        Image.new("RGB", (8, 8), (80 * number, 0, 0)).save(tmp_path / f"{number}.png")
    (tmp_path / "4.png").write_bytes(b"no picture")
    data = dataset()
    display = ItemDisplay("title", "picture", tmp_path)
    explanations: list[Any] = Explainer(model, data, display=display).explain(
        data.users.ids[0], data.items.ids.to_list()
    )
    files = {data.items.ids[n]: tmp_path / f"{n}.png" for n in range(12)}
    for each in explanations:
        assert each.picture_files.items() <= files.items()
        assert each.item in each.picture_files
    images = {each.item: each._repr_html_().count("data:image/jpeg;base64,") for each in explanations}
    assert images[data.items.ids[1]] > 0
    without: Any = explain(model, data.users.ids[0], data.items.ids[1], data)
    assert "<img" not in without._repr_html_()
    assert "base64" not in repr(explanations[1])


def public_dataclasses() -> list[type[Any]]:
    """All dataclasses of the packages whose objects users get from the public names."""
    found: set[type[Any]] = set()
    for package in ("data", "ranking", "explaining"):
        root = importlib.import_module(f"triptych.{package}")
        for module in pkgutil.iter_modules(root.__path__, f"triptych.{package}."):
            found |= {each for each in vars(importlib.import_module(module.name)).values() if isinstance(each, type)}
    public = {getattr(triptych, name) for name in dir(triptych)}
    return sorted((each for each in found & public if dataclasses.is_dataclass(each)), key=lambda each: each.__name__)


@pytest.mark.parametrize("kind", public_dataclasses(), ids=lambda kind: kind.__name__)
def test_no_public_dataclass_dumps_its_arrays(kind: type[Any]) -> None:
    holds_arrays = any(
        re.search("NDArray|Tensor|Series|DataFrame|Interactions", str(field.type)) for field in dataclasses.fields(kind)
    )
    assert not holds_arrays or "displayed" in kind.__repr__.__qualname__, "give it a card: see triptych/display.py"


def test_scorers_show_shapes(shown: dict[str, Any]) -> None:
    assert repr(shown["recommender"].scorer) == "Factors(users=float32[12, 64], items=float32[12, 64])"
    assert "Factors(users=float32[12, 64]" in repr(shown["blend"].scorer)
