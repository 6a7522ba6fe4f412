"""The demo's world is what it says, and the demo does the whole job on it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from triptych.content.pictures import picture_features
from triptych.content.texts import text_features
from triptych.data.features import Features
from triptych.demo.run import run_demo
from triptych.demo.shop import write_world
from triptych.demo.world import Sizes, World, make_world, true_log_probabilities
from triptych.errors import ArtefactError

SMALL = Sizes(n_users=150, n_items=240)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, Path]:
    folder = tmp_path_factory.mktemp("shop")
    world = make_world(3, SMALL)
    write_world(world, folder)
    return world, folder


def test_the_same_seed_draws_the_same_shop_and_another_seed_another(
    written: tuple[World, Path], tmp_path: Path
) -> None:
    world, folder = written
    write_world(make_world(3, SMALL), tmp_path)
    for file in folder.rglob("*.*"):
        assert file.read_bytes() == (tmp_path / file.relative_to(folder)).read_bytes(), file.name
    assert not np.array_equal(world.taken_items[:100], make_world(4, SMALL).taken_items[:100])


def agreement(features: Features, attribute: NDArray[np.int64], n_nearest: int = 5) -> float:
    """How often the nearest items by cosine share an attribute."""
    table, values = features.table[features.present], attribute[features.present]
    unit = table / np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1e-9)
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, -2)
    nearest = np.argsort(-cosines, axis=1)[:, :n_nearest]
    return float((values[nearest] == values[:, None]).mean())


def test_pictures_show_the_palette_and_texts_tell_the_theme(written: tuple[World, Path]) -> None:
    world, folder = written
    items = world.items
    paths = [
        folder / "pictures" / f"{i}.png" if has else None for i, has in zip(items.ids, items.has_picture, strict=True)
    ]
    pictures = picture_features(paths)
    assert pictures.n_missing == (~items.has_picture).sum() > 0
    assert agreement(pictures, items.palette) > 0.35  # chance: 0.1
    assert agreement(pictures, items.theme) < 0.2  # a picture does not tell the theme
    assert agreement(text_features(items.descriptions), items.theme) > 0.35  # chance: 0.08
    assert agreement(text_features(items.descriptions), items.palette) < 0.2


def test_the_ceiling_is_a_probability_and_customers_follow_it() -> None:
    world = make_world(1, SMALL)
    truth = true_log_probabilities(world).astype(np.float64)
    assert np.allclose(np.exp(truth).sum(axis=1), 1, atol=1e-4)
    taken = truth[world.taken_users, world.taken_items].mean()
    assert taken > truth.mean() + 1


def test_a_file_that_is_no_picture_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"not a picture")
    with pytest.raises(Exception, match=r"broken\.png: is not a picture"):
        picture_features([tmp_path / "broken.png"])


def test_the_demo_does_the_whole_job(tmp_path: Path) -> None:
    demo = run_demo(tmp_path / "demo", sizes=SMALL, epochs=3)
    scores = {row.name: row.among_all["ndcg@50"] for row in demo.rows}
    assert list(scores) == ["popularity", "lightgcn", "bm3", "ceiling"]
    assert scores["ceiling"] == max(scores.values())
    frame = pl.read_parquet(demo.recommendations)
    assert frame["user_id"].n_unique() == 150
    assert frame.group_by("user_id").len()["len"].unique().to_list() == [50]
    assert all(len(lines) == 3 for lines in demo.lists.values())
    through = [line.through for lines in demo.lists.values() for line in lines]
    assert all(re.fullmatch(r"[a-z -]+ \d+ %(, [a-z -]+ \d+ %)*", words) for words in through), through
    assert any("like-minded users" in words for words in through), through
    assert demo.drawing.read_text().startswith("<svg")
    with pytest.raises(ArtefactError, match="already exists"):
        run_demo(tmp_path / "demo", sizes=SMALL, epochs=1)


def test_the_demo_never_replaces_a_folder_that_it_did_not_make(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(ArtefactError, match="already exists"):
        run_demo(tmp_path, sizes=SMALL, overwrite=True)
    assert (tmp_path / "precious.txt").exists()
