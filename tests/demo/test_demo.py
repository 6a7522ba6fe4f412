"""The demo's world follows its choice model, and the demo runs all steps on it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from triptych.data.features import Features
from triptych.demo.image_features import image_features
from triptych.demo.run import run_demo
from triptych.demo.shop import write_world
from triptych.demo.text_features import text_features
from triptych.demo.world import Sizes, World, make_world, true_log_probabilities
from triptych.errors import ArtefactError

SMALL = Sizes(n_users=150, n_items=240)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, Path]:
    folder = tmp_path_factory.mktemp("shop")
    world = make_world(3, SMALL)
    write_world(world, folder)
    return world, folder


def test_the_same_seed_draws_the_same_shop_and_another_seed_another(shop: tuple[World, Path], tmp_path: Path) -> None:
    world, folder = shop
    write_world(make_world(3, SMALL), tmp_path)
    for file in folder.rglob("*.*"):
        assert file.read_bytes() == (tmp_path / file.relative_to(folder)).read_bytes(), file.name
    assert not np.array_equal(world.interaction_items[:100], make_world(4, SMALL).interaction_items[:100])


def agreement(features: Features, attribute: NDArray[np.int64], n_nearest: int = 5) -> float:
    """The share of the nearest items by cosine that have the same value of an attribute."""
    table, values = features.table[features.present], attribute[features.present]
    unit = table / np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1e-9)
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, -2)
    nearest = np.argsort(-cosines, axis=1)[:, :n_nearest]
    return float((values[nearest] == values[:, None]).mean())


def test_picture_features_reveal_the_palette_and_text_features_the_theme(shop: tuple[World, Path]) -> None:
    world, folder = shop
    items = world.items
    paths = [
        folder / "pictures" / f"{i}.png" if has else None for i, has in zip(items.ids, items.has_picture, strict=True)
    ]
    pictures = image_features(paths)
    assert pictures.n_missing == (~items.has_picture).sum() > 0
    assert agreement(pictures, items.palette) > 0.35  # chance: 0.1
    assert agreement(pictures, items.theme) < 0.2  # a picture does not show the theme
    assert agreement(text_features(items.descriptions), items.theme) > 0.35  # chance: 0.08
    assert agreement(text_features(items.descriptions), items.palette) < 0.2


def test_the_ceiling_is_a_probability_and_choices_follow_it() -> None:
    world = make_world(1, SMALL)
    truth = true_log_probabilities(world).astype(np.float64)
    assert np.allclose(np.exp(truth).sum(axis=1), 1, atol=1e-4)
    chosen = truth[world.interaction_users, world.interaction_items].mean()
    assert chosen > truth.mean() + 1


def test_a_file_that_is_not_a_picture_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"not a picture")
    with pytest.raises(Exception, match=r"broken\.png: is not a picture"):
        image_features([tmp_path / "broken.png"])


def test_the_demo_runs_all_steps(tmp_path: Path) -> None:
    demo = run_demo(tmp_path / "demo", sizes=SMALL, epochs=3)
    scores = {row.model: row.all_users["ndcg@50"] for row in demo.rows}
    assert list(scores) == ["popularity", "lightgcn", "bm3", "ceiling"]
    assert scores["ceiling"] == max(scores.values())
    frame = pl.read_parquet(demo.recommendations)
    assert frame["user_id"].n_unique() == 150
    assert frame.group_by("user_id").len()["len"].unique().to_list() == [50]
    assert all(len(reasons) == 3 for reasons in demo.reasons.values())
    texts = [each.components for reasons in demo.reasons.values() for each in reasons]
    assert all(re.fullmatch(r"[a-z -]+ \d+ %(, [a-z -]+ \d+ %)*", text) for text in texts), texts
    assert any("like-minded users" in text for text in texts), texts
    assert demo.drawing.read_text(encoding="utf-8").startswith("<svg")
    with pytest.raises(ArtefactError, match="already exists"):
        run_demo(tmp_path / "demo", sizes=SMALL, epochs=1)


def test_the_demo_never_replaces_a_folder_that_is_not_a_demo(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(ArtefactError, match="already exists"):
        run_demo(tmp_path, sizes=SMALL, overwrite=True)
    assert (tmp_path / "precious.txt").exists()
