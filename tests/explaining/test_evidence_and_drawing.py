"""Evidence is what the data say, and the drawing has every node and every number's line."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import polars as pl
import pytest

from triptych.data.dataset import Dataset
from triptych.data.features import Features
from triptych.data.neighbours import Neighbours
from triptych.data.split import assign_split
from triptych.errors import SettingsError
from triptych.explaining.drawing import draw
from triptych.explaining.evidence import cosines_to, evidence_of, who_took_both
from triptych.explaining.explainer import Explainer
from triptych.explaining.explanation import evidence_in_words, in_words
from triptych.explaining.item_display import ItemDisplay
from triptych.explaining.neighbourhood import neighbourhood_of
from triptych.training.fit import fit
from triptych.training.settings import TrainingSettings
from worlds import random_dataset

SVG = "{http://www.w3.org/2000/svg}"


@cache
def data() -> Dataset:
    made = random_dataset(density=0.4)
    genres = ["drama|war" if n % 2 else "comedy | drama" for n in range(made.n_items)]
    table = pl.DataFrame(
        {
            "item_id": made.items.ids,
            "title": [f"<Film {n}> & co" if n else None for n in range(made.n_items)],
            "genres": genres,
            "year": [str(1990 + n) for n in range(made.n_items)],
            "maker": ["a" if n < 9 else None for n in range(made.n_items)],
        }
    )
    encoder = {
        "format": 1,
        "parts": [
            {"kind": "multi", "column": "genres", "separator": "|", "values": ["drama"]},
            {"kind": "numeric", "column": "year", "mean": 2000.0, "scale": 8.0},
            {"kind": "categorical", "column": "maker", "values": ["a"]},
        ],
    }
    ones, present = np.ones((made.n_items, 2), np.float32), np.ones(made.n_items, np.bool_)
    features = {**made.features, "metadata": Features("metadata", ones, present, encoder=encoder)}
    whole = Dataset(made.users, made.items, made.interactions, features, item_table=table)
    return assign_split(whole, "ratio", ratios=(0.8, 0.1, 0.1), seed=0)


@cache
def explainer() -> Explainer:
    quick = TrainingSettings(epochs=2, batch_size=64)
    return Explainer(fit("lightgcn", data(), {"embedding_size": 8, "n_layers": 1}, quick), data())


def test_who_took_both_is_counted_without_the_user_and_the_most_alike_come_first() -> None:
    known = explainer().known
    matrix = np.zeros((30, 25), dtype=np.bool_)
    matrix[known.users, known.items] = True
    user, item = 4, 7
    for other in np.flatnonzero(matrix[user])[:4]:
        expected = np.flatnonzero(matrix[:, item] & matrix[:, other])
        found = who_took_both(known, user, int(other), item)
        assert sorted(found) == sorted(expected[expected != user])
        in_common = (matrix[found] & matrix[user]).sum(axis=1)
        assert (np.diff(in_common) <= 0).all()
        (evidence,) = evidence_of(known, data(), user, item, [int(other)])
        assert evidence.n_both == len(found)
        assert list(evidence.both) == [f"u{row:02d}" for row in found[:3]]


def test_likeness_is_the_cosine_of_the_features_where_both_items_have_them() -> None:
    image = data().features["image"]
    table = image.table.astype(np.float64)
    expected = table @ table[3] / np.linalg.norm(table, axis=1).clip(1e-9) / np.linalg.norm(table[3])
    found = cosines_to(image, 3)
    np.testing.assert_allclose(found[1:], expected[1:], rtol=1e-5)
    assert np.isnan(found[0])  # lacks the modality
    assert np.isnan(cosines_to(image, 0)).all()
    one, lacking = evidence_of(explainer().known, data(), 4, 3, [5, 0])
    others = np.delete(found, [0, 3, 5])
    assert one.alike["image"].nearer_than == pytest.approx((others < found[5]).mean())
    assert "image" not in lacking.alike
    assert "text" in lacking.alike


def test_neighbours_that_came_with_the_data_are_what_is_said_of_likeness() -> None:
    items, cosines = np.full((25, 2), -1, np.int64), np.zeros((25, 2), np.float32)
    items[5, 1], cosines[5, 1] = 3, 0.75
    given = replace(data(), neighbours={"text": Neighbours(items, cosines)})
    near, far = evidence_of(explainer().known, given, 4, 3, [5, 6])
    assert near.alike["text"].cosine == 0.75
    assert near.alike["text"].nearest == 2
    assert far.alike["text"].nearest is None
    assert "words among the 2 nearest (cosine 0.75)" in " ".join(evidence_in_words(near))


def test_shared_metadata_are_the_values_that_both_items_have() -> None:
    near, far = evidence_of(explainer().known, data(), 4, 7, [8, 20])
    assert near.shared == {"genres": ["drama"], "year": ["1997 and 1998"], "maker": ["a"]}
    assert far.shared == {"genres": ["drama"]}
    assert "in common: genres drama; year 1997 and 1998; maker a" in evidence_in_words(near)


def test_shares_tell_what_speaks_for_an_item_the_largest_first() -> None:
    assert in_words({"taste": 0.4, "image": 0.6, "text": -0.3}) == "looks 60 %, like-minded users 40 %"
    assert in_words({"taste": -0.4}) == ""
    assert in_words({"audio": 1.0}) == "audio 100 %"


def test_the_drawing_has_all_nodes_and_the_same_bytes_again() -> None:
    (told,) = explainer().explain("u04", ["i07"])
    one = neighbourhood_of(explainer(), told)
    svg = draw(one)
    tree = ElementTree.fromstring(svg)
    kinds = [group.get("class") for group in tree.iter(f"{SVG}g")]
    assert kinds.count("user") == kinds.count("recommended") == 1
    assert kinds.count("item") == len(one.reasons) == min(6, len(told.reasons))
    assert kinds.count("other") == len(one.others) > 0
    assert kinds.count("more") == (len(told.reasons) > 6)
    lines = [path.get("class") for path in tree.iter(f"{SVG}path")]
    assert lines.count("contribution") == len(one.reasons)
    assert lines.count("path") == len(one.paths) + len(one.others)
    words = " ".join(text.text or "" for text in tree.iter(f"{SVG}text"))
    for reason in one.reasons:
        assert reason.title in words or reason.title.split()[0] in words
        assert f"{reason.contribution:+.3g}" in words
    for other in one.others:
        assert other in words
    assert draw(neighbourhood_of(explainer(), explainer().explain("u04", ["i07"])[0])) == svg


def test_every_path_of_the_drawing_is_in_the_data_and_lines_are_as_wide_as_what_they_add() -> None:
    (told,) = explainer().explain("u04", ["i07"])
    one = neighbourhood_of(explainer(), told)
    known, dataset = explainer().known, data()
    for a, b in one.paths:
        user, item = dataset.users.rows([one.others[b]]), dataset.items.rows([one.reasons[a].item])
        assert known.contain(user, item).all()
        assert known.contain(user, np.array([7])).all()
    widths = [float(w) for w in re.findall(r'stroke-width="([\d.]+)" class="contribution"', draw(one))]
    sizes = [abs(reason.contribution) for reason in one.reasons]
    assert np.allclose(widths, np.maximum(0.8, 13 * np.array(sizes) / max(sizes)), atol=0.01)


def test_an_item_without_reasons_or_paths_can_be_drawn() -> None:
    popular = Explainer(fit("popularity", data()), data())
    (told,) = popular.explain("u04", ["i07"])
    assert "nobody took these" in draw(neighbourhood_of(popular, told))


def test_titles_fall_back_on_ids_and_unknown_columns_are_refused() -> None:
    assert explainer().titles([0, 1]) == ["i00", "<Film 1> & co"]
    with pytest.raises(SettingsError, match='did you mean "title"'):
        Explainer(explainer().recommender, data(), look=ItemDisplay(title="tilte"))
    bare = replace(explainer().recommender, dataset=replace(explainer().recommender.dataset, item_table=None))
    assert Explainer(bare).titles([1]) == ["i01"]


def test_pictures_that_could_not_be_shown_are_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no such folder of pictures"):
        ItemDisplay(picture="poster", pictures=tmp_path / "posters")
    with pytest.raises(SettingsError, match="--picture-column"):
        ItemDisplay(pictures=tmp_path)
