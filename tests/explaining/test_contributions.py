"""Contributions add up to the score, and are what the equations say where they claim to be."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import leaky_relu, normalize

from triptych.data.dataset import Dataset
from triptych.data.interactions import Interactions
from triptych.data.split import Split, assign_split, split
from triptych.errors import InputError, UnknownIdError
from triptych.explaining.contributions import attribution_method
from triptych.explaining.explainer import Explainer, explain
from triptych.models.content_ease import ContentEASE
from triptych.models.model import TrainedModel
from triptych.models.registry import MODELS
from triptych.models.ridge import item_weights
from triptych.ranking.recommender import Recommender, open_recommender
from triptych.ranking.scorer import ItemWeights
from triptych.settings import describe
from triptych.studies.blend import weighed
from triptych.training.fit import fit
from triptych.training.restore import load_model
from triptych.training.settings import TrainingSettings
from worlds import random_dataset

QUICK = TrainingSettings(epochs=3, batch_size=32, learning_rate=0.01, patience=3, precision="float32")
APPROXIMATE = {"bpr", "mmgcn", "vbpr"}
LEARNT = sorted(name for name in MODELS if issubclass(MODELS[name], TrainedModel))
ITEMS = ["i03", "i07", "i11", "i24"]


@cache
def data() -> Dataset:
    return assign_split(random_dataset(), "ratio", ratios=(0.8, 0.1, 0.1), seed=0)


@cache
def fitted(name: str, **others: object) -> Recommender:
    known = {setting.name for setting in describe(MODELS[name].Settings)}
    settings = {"embedding_size": 8, "latent_width": 8, "n_layers": 2, **others}
    return fit(name, data(), {key: value for key, value in settings.items() if key in known}, QUICK)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_contributions_and_the_rest_are_the_score(name: str) -> None:
    recommender = fitted(name)
    explainer = Explainer(recommender, data())
    for user in ("u00", "u13", "u29"):
        row = int(user[1:])
        own = recommender.split.train.interactions.items_of(np.array([row]))[1]
        for told in explainer.explain(user, ITEMS):
            score = float(recommender.scorer.score(np.array([row]))[0, int(told.item[1:])])
            parts = [reason.contribution for reason in told.reasons] + list(told.rest.values())
            assert told.score == score
            assert sum(parts) == pytest.approx(score, rel=1e-4, abs=1e-5)
            assert "rounding" not in told.rest
            assert told.exact == (name not in APPROXIMATE)
            assert told.statement.startswith("Exact" if told.exact else "Approximate")
            for reason in told.reasons:
                assert sum(reason.through.values()) == pytest.approx(reason.contribution, rel=1e-6, abs=1e-9)
            if name not in ("popularity", "random"):
                assert sorted(reason.item for reason in told.reasons) == [f"i{item:02d}" for item in own]


@pytest.mark.parametrize("name", LEARNT)
def test_channels_are_the_whole_item(name: str) -> None:
    model = load_model(fitted(name), data())
    items = torch.tensor([0, 3, 24])
    parts = model.item_components(items)
    torch.testing.assert_close(torch.stack(list(parts.values())).sum(dim=0), model.factors().items[items])
    assert set(parts) - {"bias"} <= {"taste", "image", "text"}


@pytest.mark.parametrize("name", ["ease", "item-knn", "content-ease"])
def test_without_an_item_the_score_is_less_by_its_contribution(name: str) -> None:
    recommender = fitted(name)
    train, scorer = recommender.split.train.interactions, recommender.scorer
    assert isinstance(scorer, ItemWeights)
    (told,) = Explainer(recommender, data()).explain("u04", ["i07"])
    assert told.reasons
    for reason in told.reasons:
        without = train.select(~((train.users == 4) & (train.items == int(reason.item[1:]))))
        less = float(replace(scorer, history=without).score(np.array([4]))[0, 7])
        assert told.score - less == pytest.approx(reason.contribution, rel=1e-4, abs=1e-6)


@given(st.lists(st.integers(0, 11), unique=True, max_size=8), st.integers(0, 11), st.integers(0, 99))
def test_what_each_item_says_of_one_adds_up_in_every_form(taken: list[int], item: int, seed: int) -> None:
    from scipy import sparse

    generator = np.random.default_rng(seed)
    weights, spread, direct = (
        sparse.csr_array((generator.random((12, 12)) * (generator.random((12, 12)) < 0.4)).astype(np.float32))
        for _ in range(3)
    )
    history = Interactions.from_pairs(np.zeros(len(taken), np.int64), np.array(taken, np.int64), 1, 12)
    for scorer in (
        ItemWeights(history, weights.toarray()),
        ItemWeights(history, weights),
        ItemWeights(history, weights, spread, direct),
    ):
        score = float(scorer.score(np.array([0]))[0, item])
        assert scorer.item_attributions(item)[sorted(taken)].sum() == pytest.approx(score, rel=1e-4, abs=1e-5)


def test_lightgcns_contributions_are_those_of_dense_matrices_in_float64() -> None:
    recommender = fitted("lightgcn")
    train = recommender.split.train.interactions
    R = np.zeros((30, 25))
    R[train.users, train.items] = 1
    users, items = R.sum(axis=1), R.sum(axis=0)
    A = np.block([[np.zeros((30, 30)), R], [R.T, np.zeros((25, 25))]])
    degrees = np.concatenate([users, items])
    scale = 1 / np.sqrt(np.maximum(degrees, 1e-7))
    A = scale[:, None] * A * scale[None]
    tables = [recommender.parameters[name].double().numpy() for name in ("user_embedding", "item_embedding")]
    E = [np.concatenate(tables)]
    E += [A @ E[0], A @ A @ E[0]]
    H = (E[0] + E[1] + E[2]) / 3
    (told,) = Explainer(recommender).explain("u06", ["i07"])
    for reason in told.reasons:
        j = 30 + int(reason.item[1:])
        assert reason.contribution == pytest.approx(A[6, j] * (E[0][j] + E[1][j]) @ H[30 + 7] / 3, rel=1e-4, abs=1e-8)
    assert told.rest == {"the user's own embedding": pytest.approx(E[0][6] @ H[30 + 7] / 3, rel=1e-4)}


def test_grcns_contributions_by_image_are_those_of_its_routing_step_by_step() -> None:
    recommender = fitted("grcn")
    train, parameters = recommender.split.train.interactions, recommender.parameters
    image, at = Split.from_dataset(data()).train.features["image"], "modalities.image."
    table = torch.from_numpy(image.table * image.present[:, None])
    weight, bias = parameters[f"{at}projection.weight"], parameters[f"{at}projection.bias"]
    f = leaky_relu((table @ weight.T + bias) * torch.from_numpy(image.present)[:, None])
    f = normalize(f, dim=1).double()
    taken = torch.from_numpy(train.items_of(np.array([6]))[1])
    p = normalize(parameters[f"{at}preference"][6].double(), dim=0)
    parts = torch.zeros(len(taken), 8, dtype=torch.float64)  # of p, by item
    for _ in range(3):
        alpha = torch.softmax(f[taken] @ p, dim=0)
        moved = p + alpha @ f[taken]
        parts = (parts + alpha[:, None] * f[taken]) / moved.norm()
        p = moved / moved.norm()
    parts = parts + torch.softmax(f[taken] @ p, dim=0)[:, None] * f[taken]
    content = recommender.factors.items[7, 8:16].double()
    expected = dict(zip((f"i{int(j):02d}" for j in taken), (parts @ content).tolist(), strict=True))
    (told,) = Explainer(recommender, data()).explain("u06", ["i07"])
    for reason in told.reasons:
        assert reason.through["image"] == pytest.approx(expected[reason.item], rel=1e-4, abs=1e-6)


def test_content_ease_tells_the_like_minded_from_the_look_alikes() -> None:
    dense, by_parts = fitted("content-ease", form="dense"), fitted("content-ease", form="sparse", n_regressors=25)
    ease: Any = item_weights(dense.split.train.interactions, 200.0, "dense", 25, lambda step: None)
    train = Split.from_dataset(data()).train
    assert isinstance(dense.scorer, ItemWeights)
    told = ContentEASE(ContentEASE.Settings()).item_components(dense.scorer, train)(7)
    cosine = told["taste"] @ ease[:, 7] / np.linalg.norm(told["taste"]) / np.linalg.norm(ease[:, 7])
    assert cosine == pytest.approx(1, abs=1e-6)  # B's column, but for the size of scores
    assert np.abs(told["image"]).max() > 0
    for one, other in zip(
        Explainer(dense, data()).explain("u04", ["i07"])[0].reasons,
        Explainer(by_parts, data()).explain("u04", ["i07"])[0].reasons,
        strict=True,
    ):
        assert one.item == other.item
        for name, value in one.through.items():  # another solver of the same equations
            assert value == pytest.approx(other.through[name], abs=0.02)


def test_freedoms_item_graph_speaks_for_the_modality_that_has_the_weight() -> None:
    for n_item_layers in (0, 1, 2):
        model = load_model(fitted("freedom", image_weight=0.0, n_item_layers=n_item_layers, n_neighbours=4), data())
        parts = model.item_components(torch.arange(25))
        assert not parts["image"].any()
        assert bool(parts["text"].any()) == (n_item_layers > 0)


def test_a_blend_is_explained_by_its_parts_and_exactly_with_their_parameters(tmp_path: Path) -> None:
    blended = weighed([fitted(name) for name in ("ease", "lightgcn", "popularity")], (1.0, 0.7, 0.2))
    blended.save(tmp_path / "blend")
    opened = open_recommender(tmp_path / "blend")
    (told,) = Explainer(opened).explain("u04", ["i07"])
    assert told.exact
    assert sum(r.contribution for r in told.reasons) + sum(told.rest.values()) == pytest.approx(told.score, abs=1e-5)
    assert {"the user's own embedding (lightgcn)", "popularity (popularity)"} < set(told.rest)
    (told,) = Explainer(replace(opened, parameters={})).explain("u04", ["i07"])
    assert not told.exact
    assert sum(r.contribution for r in told.reasons) + sum(told.rest.values()) == pytest.approx(told.score, abs=1e-5)


def test_two_seeds_of_one_model_in_a_blend_are_told_apart() -> None:
    one, other = fitted("lightgcn"), fit("lightgcn", data(), {"embedding_size": 8}, replace(QUICK, seed=1))
    (told,) = Explainer(weighed([one, other], (1.0, 0.7))).explain("u04", ["i07"])
    assert sum(r.contribution for r in told.reasons) + sum(told.rest.values()) == pytest.approx(told.score, abs=1e-5)
    assert {"the user's own embedding (lightgcn)", "the user's own embedding (lightgcn 2)"} <= set(told.rest)


def test_a_user_without_training_items_has_the_rest_alone() -> None:
    recommender = fitted("lightgcn")
    interactions = data().interactions.select(data().interactions.users != 6)
    parts = np.asarray(data().split_codes)[data().interactions.users != 6]
    lonely = replace(data(), interactions=interactions, split_codes=parts)
    (told,) = Explainer(fit("lightgcn", lonely, {"embedding_size": 8}, QUICK), lonely).explain("u06", ["i07"])
    assert told.reasons == []
    assert sum(told.rest.values()) == pytest.approx(told.score, rel=1e-4)
    with pytest.raises(UnknownIdError, match="stranger"):
        explain(recommender, "stranger", "i07")


def test_features_that_are_missing_or_of_another_data_set_are_refused_with_the_mend() -> None:
    with pytest.raises(InputError, match="--data"):
        Explainer(fitted("freedom"))
    with pytest.raises(InputError, match="--data"):
        Explainer(fitted("content-ease"))
    features = {m: replace(f, table=f.table[::-1].copy()) for m, f in data().features.items()}
    with pytest.raises(InputError, match="not the data of the training"):
        Explainer(fitted("mmgcn"), replace(data(), features=features)).explain("u04", ["i07"])
    smaller = assign_split(random_dataset(n_items=20), "ratio", seed=0)
    with pytest.raises(InputError, match="another data set"):
        Explainer(fitted("lightgcn"), smaller)


@pytest.mark.parametrize("name", sorted(MODELS))
@pytest.mark.parametrize("modalities", [(), ("text",), ("audio", "image", "text", "video", "metadata")])
def test_any_number_of_modalities_and_a_data_set_without_its_split_will_do(
    name: str, modalities: tuple[str, ...]
) -> None:
    whole = random_dataset(modalities=modalities)
    known = {setting.name for setting in describe(MODELS[name].Settings)}
    settings = {key: value for key, value in {"embedding_size": 8, "latent_width": 8}.items() if key in known}
    recommender = fit(name, split(whole, "ratio", seed=1), settings, QUICK)
    told = explain(recommender, "u04", "i07", whole)
    parts = [reason.contribution for reason in told.reasons] + list(told.rest.values())
    assert sum(parts) == pytest.approx(told.score, rel=1e-4, abs=1e-5)
    assert "rounding" not in told.rest
    assert set(told.through()) <= {"taste", *modalities}


def test_a_way_answers_for_several_items_at_once_as_for_each() -> None:
    way = attribution_method(fitted("freedom"), data())
    for together, item in zip(way(4, [3, 7]), (3, 7), strict=True):
        (alone,) = way(4, [item])
        for name, values in alone.through.items():
            np.testing.assert_allclose(together.through[name], values, rtol=1e-6)
