"""Contributions and the rest add up to the score, and exact contributions agree with the equations of the models."""

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
from triptych.explaining.explanation import Explanation
from triptych.models.content_ease import ContentEASE
from triptych.models.model import TrainedModel
from triptych.models.registry import MODELS
from triptych.models.ridge import item_weights
from triptych.ranking.recommender import Recommender
from triptych.ranking.recommender_folder import open_recommender
from triptych.ranking.scorer import ItemWeights
from triptych.settings import describe
from triptych.studies.blend import weighted_blend
from triptych.training.fit import fit
from triptych.training.restore import load_model
from triptych.training.settings import TrainingSettings
from worlds import random_dataset

QUICK = TrainingSettings(epochs=3, batch_size=32, learning_rate=0.01, patience=3, precision="float32")
TRAINED = sorted(name for name in MODELS if issubclass(MODELS[name], TrainedModel))
# trained models without a decomposition of their own
APPROXIMATE = {name for name in TRAINED if "user_decomposition" not in vars(MODELS[name])}
ITEMS = ["i03", "i07", "i11", "i24"]


@cache
def data() -> Dataset:
    return assign_split(random_dataset(), "ratio", ratios=(0.8, 0.1, 0.1), seed=0)


@cache
def fitted(name: str, **more: object) -> Recommender:
    known = {setting.name for setting in describe(MODELS[name].Settings)}
    settings = {"embedding_size": 8, "latent_width": 8, "n_layers": 2, **more}
    return fit(name, data(), {key: value for key, value in settings.items() if key in known}, QUICK)


def sum_of_terms(explanation: Explanation) -> float:
    return sum(reason.contribution for reason in explanation.reasons) + sum(explanation.rest.values())


@pytest.mark.parametrize("name", sorted(MODELS))
def test_contributions_and_the_rest_add_up_to_the_score(name: str) -> None:
    recommender = fitted(name)
    explainer = Explainer(recommender, data())
    for user in ("u00", "u13", "u29"):
        row = int(user[1:])
        history = recommender.split.train.interactions.history(row)
        for explanation in explainer.explain(user, ITEMS):
            score = float(recommender.scorer.score(np.array([row]))[0, int(explanation.item[1:])])
            assert explanation.score == score
            assert sum_of_terms(explanation) == pytest.approx(score, rel=1e-4, abs=1e-5)
            assert "rounding" not in explanation.rest
            assert explanation.exact == (name not in APPROXIMATE)
            assert explanation.statement.startswith("Exact" if explanation.exact else "Approximate")
            for reason in explanation.reasons:
                assert sum(reason.components.values()) == pytest.approx(reason.contribution, rel=1e-6, abs=1e-9)
            if name not in ("popularity", "random"):
                assert sorted(reason.item for reason in explanation.reasons) == [f"i{item:02d}" for item in history]


@pytest.mark.parametrize("name", TRAINED)
def test_item_components_add_up_to_the_factors(name: str) -> None:
    model = load_model(fitted(name), data())
    items = torch.tensor([0, 3, 24])
    components = model.item_components(items)
    torch.testing.assert_close(torch.stack(list(components.values())).sum(dim=0), model.factors().items[items])
    assert set(components) - {"bias"} <= {"collaborative", "image", "text"}


@pytest.mark.parametrize("name", ["ease", "item-knn", "content-ease"])
def test_without_an_item_the_score_is_lower_by_its_contribution(name: str) -> None:
    recommender = fitted(name)
    train, scorer = recommender.split.train.interactions, recommender.scorer
    assert isinstance(scorer, ItemWeights)
    (explanation,) = Explainer(recommender, data()).explain("u04", ["i07"])
    assert explanation.reasons
    for reason in explanation.reasons:
        without = train.select(~((train.users == 4) & (train.items == int(reason.item[1:]))))
        score_without = float(replace(scorer, history=without).score(np.array([4]))[0, 7])
        assert explanation.score - score_without == pytest.approx(reason.contribution, rel=1e-4, abs=1e-6)


@given(st.lists(st.integers(0, 11), unique=True, max_size=8), st.integers(0, 11), st.integers(0, 99))
def test_item_attributions_add_up_to_the_score_for_every_form_of_weights(
    history_items: list[int], item: int, seed: int
) -> None:
    from scipy import sparse

    generator = np.random.default_rng(seed)
    weights, spread, direct = (
        sparse.csr_array((generator.random((12, 12)) * (generator.random((12, 12)) < 0.4)).astype(np.float32))
        for _ in range(3)
    )
    rows = np.array(history_items, np.int64)
    history = Interactions.from_pairs(np.zeros(len(rows), np.int64), rows, 1, 12)
    for scorer in (
        ItemWeights(history, weights.toarray()),
        ItemWeights(history, weights),
        ItemWeights(history, weights, spread, direct),
    ):
        score = float(scorer.score(np.array([0]))[0, item])
        assert scorer.item_attributions(item)[sorted(history_items)].sum() == pytest.approx(score, rel=1e-4, abs=1e-5)


def test_contributions_of_lightgcn_agree_with_dense_matrices_in_float64() -> None:
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
    (explanation,) = Explainer(recommender).explain("u06", ["i07"])
    for reason in explanation.reasons:
        j = 30 + int(reason.item[1:])
        assert reason.contribution == pytest.approx(A[6, j] * (E[0][j] + E[1][j]) @ H[30 + 7] / 3, rel=1e-4, abs=1e-8)
    assert explanation.rest == {"user embedding": pytest.approx(E[0][6] @ H[30 + 7] / 3, rel=1e-4)}


def test_image_contributions_of_grcn_agree_with_its_routing_step_by_step() -> None:
    recommender = fitted("grcn")
    train, parameters = recommender.split.train.interactions, recommender.parameters
    image, at = Split.from_dataset(data()).train.features["image"], "modalities.image."
    table = torch.from_numpy(image.table * image.present[:, None])
    weight, bias = parameters[f"{at}projection.weight"], parameters[f"{at}projection.bias"]
    f = leaky_relu((table @ weight.T + bias) * torch.from_numpy(image.present)[:, None])
    f = normalize(f, dim=1).double()
    history = torch.from_numpy(train.history(6))
    p = normalize(parameters[f"{at}preference"][6].double(), dim=0)
    terms = torch.zeros(len(history), 8, dtype=torch.float64)  # of p, by item
    for _ in range(3):
        alpha = torch.softmax(f[history] @ p, dim=0)
        moved = p + alpha @ f[history]
        terms = (terms + alpha[:, None] * f[history]) / moved.norm()
        p = moved / moved.norm()
    terms = terms + torch.softmax(f[history] @ p, dim=0)[:, None] * f[history]
    content = recommender.factors.items[7, 8:16].double()
    expected = dict(zip((f"i{int(j):02d}" for j in history), (terms @ content).tolist(), strict=True))
    (explanation,) = Explainer(recommender, data()).explain("u06", ["i07"])
    for reason in explanation.reasons:
        assert reason.components["image"] == pytest.approx(expected[reason.item], rel=1e-4, abs=1e-6)


def test_content_ease_separates_collaborative_from_content_contributions() -> None:
    dense, sparse_form = fitted("content-ease", form="dense"), fitted("content-ease", form="sparse", n_regressors=25)
    ease: Any = item_weights(dense.split.train, 200.0, "dense", 25, lambda step: None)
    train = Split.from_dataset(data()).train
    assert isinstance(dense.scorer, ItemWeights)
    components = ContentEASE(ContentEASE.Settings()).item_components(dense.scorer, train)(7)
    collaborative = components["collaborative"]
    cosine = collaborative @ ease[:, 7] / np.linalg.norm(collaborative) / np.linalg.norm(ease[:, 7])
    assert cosine == pytest.approx(1, abs=1e-6)  # the column of B, up to the scale of the scores
    assert np.abs(components["image"]).max() > 0
    for one, other in zip(
        Explainer(dense, data()).explain("u04", ["i07"])[0].reasons,
        Explainer(sparse_form, data()).explain("u04", ["i07"])[0].reasons,
        strict=True,
    ):
        assert one.item == other.item
        for name, value in one.components.items():  # another solver of the same equations
            assert value == pytest.approx(other.components[name], abs=0.02)


def test_the_item_graph_of_freedom_contributes_by_the_modality_that_has_the_weight() -> None:
    for n_item_layers in (0, 1, 2):
        model = load_model(fitted("freedom", image_weight=0.0, n_item_layers=n_item_layers, n_neighbours=4), data())
        components = model.item_components(torch.arange(25))
        assert not components["image"].any()
        assert bool(components["text"].any()) == (n_item_layers > 0)


def test_a_blend_is_explained_by_its_models_and_exactly_if_it_has_their_parameters(tmp_path: Path) -> None:
    blended = weighted_blend([fitted(name) for name in ("ease", "lightgcn", "popularity")], (1.0, 0.7, 0.2))
    blended.save(tmp_path / "blend")
    opened = open_recommender(tmp_path / "blend")
    (explanation,) = Explainer(opened).explain("u04", ["i07"])
    assert explanation.exact
    assert sum_of_terms(explanation) == pytest.approx(explanation.score, abs=1e-5)
    assert {"user embedding (lightgcn)", "popularity (popularity)"} < set(explanation.rest)
    (explanation,) = Explainer(replace(opened, parameters={})).explain("u04", ["i07"])
    assert not explanation.exact
    assert sum_of_terms(explanation) == pytest.approx(explanation.score, abs=1e-5)


def test_two_seeds_of_one_model_in_a_blend_have_different_names() -> None:
    one, other = fitted("lightgcn"), fit("lightgcn", data(), {"embedding_size": 8}, replace(QUICK, seed=1))
    (explanation,) = Explainer(weighted_blend([one, other], (1.0, 0.7))).explain("u04", ["i07"])
    assert sum_of_terms(explanation) == pytest.approx(explanation.score, abs=1e-5)
    assert {"user embedding (lightgcn)", "user embedding (lightgcn 2)"} <= set(explanation.rest)


def test_the_explanation_of_a_user_without_training_items_has_only_a_rest() -> None:
    recommender = fitted("lightgcn")
    interactions = data().interactions.select(data().interactions.users != 6)
    codes = np.asarray(data().split_codes)[data().interactions.users != 6]
    without = replace(data(), interactions=interactions, split_codes=codes)
    (explanation,) = Explainer(fit("lightgcn", without, {"embedding_size": 8}, QUICK), without).explain("u06", ["i07"])
    assert explanation.reasons == []
    assert sum(explanation.rest.values()) == pytest.approx(explanation.score, rel=1e-4)
    with pytest.raises(UnknownIdError, match="u99"):
        explain(recommender, "u99", "i07")


def test_missing_features_and_features_of_another_data_set_are_refused_with_a_hint() -> None:
    with pytest.raises(InputError, match="`dataset=…`"):
        Explainer(fitted("freedom"))
    with pytest.raises(InputError, match="`dataset=…`"):
        Explainer(fitted("content-ease"))
    features = {m: replace(f, table=f.table[::-1].copy()) for m, f in data().features.items()}
    with pytest.raises(InputError, match="not the data set of the training"):
        Explainer(fitted("mmgcn"), replace(data(), features=features)).explain("u04", ["i07"])
    smaller = assign_split(random_dataset(n_items=20), "ratio", seed=0)
    with pytest.raises(InputError, match="another data set"):
        Explainer(fitted("lightgcn"), smaller)


@pytest.mark.parametrize("name", sorted(MODELS))
@pytest.mark.parametrize("modalities", [(), ("text",), ("audio", "image", "text", "video", "metadata")])
def test_any_number_of_modalities_and_a_data_set_without_its_split_are_accepted(
    name: str, modalities: tuple[str, ...]
) -> None:
    whole = random_dataset(modalities=modalities)
    known = {setting.name for setting in describe(MODELS[name].Settings)}
    settings = {key: value for key, value in {"embedding_size": 8, "latent_width": 8}.items() if key in known}
    recommender = fit(name, split(whole, "ratio", seed=1), settings, QUICK)
    explanation = explain(recommender, "u04", "i07", whole)
    assert sum_of_terms(explanation) == pytest.approx(explanation.score, rel=1e-4, abs=1e-5)
    assert "rounding" not in explanation.rest
    assert set(explanation.total_components()) <= {"collaborative", *modalities}


def test_several_items_in_one_call_are_attributed_as_one_by_one() -> None:
    attribute = attribution_method(fitted("freedom"), data())
    for together, item in zip(attribute(4, [3, 7]), (3, 7), strict=True):
        (alone,) = attribute(4, [item])
        for name, values in alone.components.items():
            np.testing.assert_allclose(together.components[name], values, rtol=1e-6)
