"""Evidence agrees with the data; the drawing has a node for every item and user, and a line for every contribution."""

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
from triptych.explaining.evidence import cosines_to, evidence_of, users_of_all
from triptych.explaining.explainer import Explainer
from triptych.explaining.explanation import Evidence, Similarity, components_text, evidence_lines, evidence_summary
from triptych.explaining.item_display import ItemDisplay
from triptych.explaining.neighbourhood import neighbourhood_of
from triptych.training.fit import fit
from triptych.training.settings import TrainingSettings
from worlds import random_dataset

SVG = "{http://www.w3.org/2000/svg}"


@cache
def data() -> Dataset:
    base = random_dataset(density=0.4)
    genres = ["drama|war" if n % 2 else "comedy | drama" for n in range(base.n_items)]
    table = pl.DataFrame(
        {
            "item_id": base.items.ids,
            "title": [f"<Film {n}> & co" if n else None for n in range(base.n_items)],
            "genres": genres,
            "year": [str(1990 + n) for n in range(base.n_items)],
            "maker": ["a" if n < 9 else None for n in range(base.n_items)],
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
    ones, present = np.ones((base.n_items, 2), np.float32), np.ones(base.n_items, np.bool_)
    features = {**base.features, "metadata": Features("metadata", ones, present, encoder=encoder)}
    whole = Dataset(base.users, base.items, base.interactions, features, item_table=table)
    return assign_split(whole, "ratio", ratios=(0.8, 0.1, 0.1), seed=0)


@cache
def explainer() -> Explainer:
    quick = TrainingSettings(epochs=2, batch_size=64)
    return Explainer(fit("lightgcn", data(), {"embedding_size": 8, "n_layers": 1}, quick), data())


def test_shared_users_do_not_include_the_user_and_the_most_similar_come_first() -> None:
    train = explainer().train
    matrix = np.zeros((30, 25), dtype=np.bool_)
    matrix[train.users, train.items] = True
    user, item = 4, 7
    for other in np.flatnonzero(matrix[user])[:4]:
        expected = np.flatnonzero(matrix[:, item] & matrix[:, other])
        users = users_of_all(train, user, int(other), item)
        assert sorted(users) == sorted(expected[expected != user])
        n_common = (matrix[users] & matrix[user]).sum(axis=1)
        assert (np.diff(n_common) <= 0).all()
        (evidence,) = evidence_of(train, data(), user, item, [int(other)])
        assert evidence.n_shared_users == len(users)
        assert list(evidence.shared_users) == [f"u{row:02d}" for row in users[:3]]


def test_similarity_is_the_cosine_of_the_features_if_both_items_have_them() -> None:
    image = data().features["image"]
    table = image.table.astype(np.float64)
    expected = table @ table[3] / np.linalg.norm(table, axis=1).clip(1e-9) / np.linalg.norm(table[3])
    cosines = cosines_to(image, 3)
    np.testing.assert_allclose(cosines[1:], expected[1:], rtol=1e-5)
    assert np.isnan(cosines[0])  # lacks the modality
    assert np.isnan(cosines_to(image, 0)).all()
    one, lacking = evidence_of(explainer().train, data(), 4, 3, [5, 0])
    others = np.delete(cosines, [0, 3, 5])
    assert one.similarity["image"].share_less_similar == pytest.approx((others < cosines[5]).mean())
    assert "image" not in lacking.similarity
    assert "text" in lacking.similarity


def test_neighbours_that_came_with_the_data_set_are_used_for_similarity() -> None:
    items, cosines = np.full((25, 2), -1, np.int64), np.zeros((25, 2), np.float32)
    items[5, 1], cosines[5, 1] = 3, 0.75
    given = replace(data(), neighbours={"text": Neighbours(items, cosines)})
    near, far = evidence_of(explainer().train, given, 4, 3, [5, 6])
    assert near.similarity["text"].cosine == 0.75
    assert near.similarity["text"].among_k_nearest == 2
    assert far.similarity["text"].among_k_nearest is None
    assert "text among the 2 nearest (cosine 0.75)" in " ".join(evidence_lines(near))


def test_shared_values_are_the_metadata_that_both_items_have() -> None:
    near, far = evidence_of(explainer().train, data(), 4, 7, [8, 20])
    assert near.shared_values == {"genres": ["drama"], "year": ["1997 and 1998"], "maker": ["a"]}
    assert far.shared_values == {"genres": ["drama"]}
    assert "in common: genres drama; year 1997 and 1998; maker a" in evidence_lines(near)


def test_positive_components_are_written_as_shares_the_largest_first() -> None:
    assert components_text({"collaborative": 0.4, "image": 0.6, "text": -0.3}) == "image 60 %, like-minded users 40 %"
    assert components_text({"collaborative": -0.4}) == ""
    assert components_text({"audio": 1.0}) == "audio 100 %"


def test_an_evidence_summary_has_the_shared_users_and_the_highest_notable_similarity() -> None:
    similarity = {"image": Similarity(0.5, 0.93), "text": Similarity(0.7, 0.4)}
    assert (
        evidence_summary(Evidence(1, similarity=similarity)) == "1 other user has both; image closer than 93 % of items"
    )
    assert evidence_summary(Evidence(1200)) == "1,200 other users have both"
    assert evidence_summary(Evidence(0, similarity={"text": Similarity(0.7, 0.4)})) == ""


def test_the_drawing_has_all_nodes_and_equal_explanations_give_equal_bytes() -> None:
    (explanation,) = explainer().explain("u04", ["i07"])
    neighbourhood = neighbourhood_of(explainer(), explanation)
    svg = draw(neighbourhood)
    tree = ElementTree.fromstring(svg)
    kinds = [group.get("class") for group in tree.iter(f"{SVG}g")]
    assert kinds.count("user") == kinds.count("recommended") == 1
    assert kinds.count("item") == len(neighbourhood.reasons) == min(6, len(explanation.reasons))
    assert kinds.count("other") == len(neighbourhood.users) > 0
    assert kinds.count("more") == (len(explanation.reasons) > 6)
    lines = [path.get("class") for path in tree.iter(f"{SVG}path")]
    assert lines.count("contribution") == len(neighbourhood.reasons)
    assert lines.count("path") == len(neighbourhood.paths) + len(neighbourhood.users)
    texts = " ".join(text.text or "" for text in tree.iter(f"{SVG}text"))
    for reason in neighbourhood.reasons:
        assert reason.title in texts or reason.title.split()[0] in texts
        assert f"{reason.contribution:+.3g}" in texts
    for name in neighbourhood.users:
        assert name in texts
    assert draw(neighbourhood_of(explainer(), explainer().explain("u04", ["i07"])[0])) == svg


def test_every_path_of_the_drawing_is_in_the_data_and_line_widths_show_contributions() -> None:
    (explanation,) = explainer().explain("u04", ["i07"])
    neighbourhood = neighbourhood_of(explainer(), explanation)
    train, dataset = explainer().train, data()
    for a, b in neighbourhood.paths:
        user, item = dataset.users.rows([neighbourhood.users[b]]), dataset.items.rows([neighbourhood.reasons[a].item])
        assert train.contain(user, item).all()
        assert train.contain(user, np.array([7])).all()
    widths = [float(w) for w in re.findall(r'stroke-width="([\d.]+)" class="contribution"', draw(neighbourhood))]
    sizes = [abs(reason.contribution) for reason in neighbourhood.reasons]
    assert np.allclose(widths, np.maximum(0.8, 13 * np.array(sizes) / max(sizes)), atol=0.01)


def test_an_item_without_reasons_or_paths_can_be_drawn() -> None:
    popular = Explainer(fit("popularity", data()), data())
    (explanation,) = popular.explain("u04", ["i07"])
    assert "no other user has both" in draw(neighbourhood_of(popular, explanation))


def test_items_without_a_title_are_shown_by_id_and_unknown_columns_are_refused() -> None:
    assert explainer().titles([0, 1]) == ["i00", "<Film 1> & co"]
    with pytest.raises(SettingsError, match='did you mean "title"'):
        Explainer(explainer().recommender, data(), display=ItemDisplay(title_column="tilte"))
    bare = replace(explainer().recommender, dataset=replace(explainer().recommender.dataset, item_table=None))
    assert Explainer(bare).titles([1]) == ["i01"]


def test_a_missing_folder_or_column_of_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no such folder of pictures"):
        ItemDisplay(picture_column="poster", picture_folder=tmp_path / "posters")
    with pytest.raises(SettingsError, match="`picture_column`"):
        ItemDisplay(picture_folder=tmp_path)
