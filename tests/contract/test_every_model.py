"""Properties that every model of the registry has."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from triptych.data.dataset import Dataset
from triptych.data.features import Features
from triptych.data.interactions import Interactions
from triptych.data.split import Split, split
from triptych.data.vocabulary import Vocabulary
from triptych.errors import UnknownIdError
from triptych.models.model import TrainedModel
from triptych.models.registry import MODELS
from triptych.ranking.recommender import Recommender
from triptych.ranking.recommender_folder import open_recommender
from triptych.settings import Choices, describe, parse, split_settings
from triptych.training.fit import fit
from triptych.training.settings import TrainingSettings
from worlds import checkerboard, random_dataset, random_split

QUICK = TrainingSettings(epochs=3, batch_size=32, learning_rate=0.01, patience=3)
ALL = sorted(MODELS)
TRAINED = [name for name in ALL if issubclass(MODELS[name], TrainedModel)]
FIVE = ("image", "text", "audio", "video", "metadata")

every_model = pytest.mark.parametrize("name", ALL)


def small(name: str, **others: object) -> dict[str, object]:
    """Return the settings of a small model, with those of `others` that it has."""
    known = {setting.name for setting in describe(MODELS[name].Settings)}
    return {key: value for key, value in {"embedding_size": 8, "latent_width": 8, **others}.items() if key in known}


@cache
def fitted(name: str) -> Recommender:
    return fit(name, random_split(), small(name), QUICK)


@pytest.mark.parametrize("name", [name for name in ALL if name not in ("popularity", "random")])
def test_the_held_out_item_of_a_checkerboard_is_ranked_first(name: str) -> None:
    """With at least two of three seeds, after training: with so few users an early epoch may be perfect by chance."""
    training = TrainingSettings(epochs=60, batch_size=64, learning_rate=0.02, evaluate_every=10, metric="ndcg@1")
    settings = small(name, embedding_size=16, n_layers=1, reg_weight=1e-3 if name in ("bpr", "vbpr") else 0.1)
    hit_rates = []
    for seed in range(3 if name in TRAINED else 1):
        recommender = fit(name, checkerboard(), settings, replace(training, seed=seed))
        hit_rates.append(recommender.evaluate(exclude="train+validation", metrics=["hit_rate@1"])["hit_rate@1"])
    assert np.median(hit_rates) > 0.9, hit_rates


@every_model
def test_evaluation_and_recommendation_rank_the_same_items(name: str) -> None:
    recommender = fitted(name)
    train, test = recommender.split.train.interactions, recommender.split.test
    ranked = recommender.recommend(k=25, include_seen=True).items
    report = recommender.evaluate(exclude="train", metrics=["recall@5"])
    for user, recall in zip(report.users, report.per_user["recall@5"], strict=True):
        seen, held_out = train.items[train.users == user], test.items[test.users == user]
        best = [item for item in ranked[user] if item not in seen][:5]
        assert recall == pytest.approx(np.isin(held_out, best).mean())


@every_model
def test_a_single_user_gets_the_same_list_as_in_a_batch_of_all_users(name: str) -> None:
    recommender = fitted(name)
    together = recommender.recommend(k=7)
    for user in ("u00", "u17", "u29"):
        alone = recommender.recommend([user], k=7)
        assert np.array_equal(alone.items[0], together.items[int(user[1:])])
        assert np.allclose(alone.scores[0], together.scores[int(user[1:])], rtol=1e-4, atol=1e-6)


@every_model
def test_seen_items_are_excluded_and_k_may_exceed_the_catalogue(name: str) -> None:
    recommender = fitted(name)
    known = recommender.dataset.interactions
    lists = recommender.recommend(k=100)
    for user in range(30):
        items = lists.items[user][lists.items[user] >= 0]
        assert len(items) == len(set(items.tolist())) == 25 - known.user_degrees[user]
        assert not np.isin(items, known.items[known.users == user]).any()


@every_model
def test_an_unknown_user_is_an_error_or_gets_the_popular_items(name: str) -> None:
    recommender = fitted(name)
    with pytest.raises(UnknownIdError, match="missing-user"):
        recommender.recommend(["missing-user"])
    assert len(recommender.recommend(["missing-user"], k=4, unknown="popular").to_polars()) == 4


@every_model
def test_a_reopened_recommender_gives_the_same_results_and_saves_the_same_bytes(name: str, tmp_path: Path) -> None:
    recommender = fitted(name)
    recommender.save(tmp_path / "saved")
    reopened = open_recommender(tmp_path / "saved")
    assert reopened.recommend(k=5).to_polars().equals(recommender.recommend(k=5).to_polars())
    assert reopened.evaluate().means == recommender.evaluate().means
    if name != "popularity":  # it does not know
        assert reopened.similar_items("i03", k=4).equals(recommender.similar_items("i03", k=4))
    reopened.save(tmp_path / "twice")
    for file in (tmp_path / "saved").iterdir():
        assert file.read_bytes() == (tmp_path / "twice" / file.name).read_bytes(), file.name


@every_model
def test_the_same_seed_gives_the_same_bytes_and_another_seed_other_bytes(name: str, tmp_path: Path) -> None:
    for folder, seed in (("a", 1), ("b", 1), ("c", 2)):
        fit(name, random_split(), small(name), replace(QUICK, seed=seed)).save(tmp_path / folder)
    (file,) = [path.name for path in (tmp_path / "a").iterdir() if path.stem in ("factors", "weights")]
    a, b, c = ((tmp_path / folder / file).read_bytes() for folder in "abc")
    assert a == b
    assert (a == c) == (name not in TRAINED)


@pytest.mark.parametrize("name", TRAINED)
def test_two_threads_train_to_the_same_bytes_every_time(name: str) -> None:
    """Batches are large enough that torch splits a gradient among threads, and items occur many times in a batch."""
    data = split(random_dataset(n_users=300, n_items=60, density=0.1), "ratio", seed=0)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        trained = [fit(name, data, {}, TrainingSettings(epochs=2, batch_size=1024)).parameters for _ in range(3)]
    finally:
        torch.set_num_threads(before)
    for parameter, value in trained[0].items():
        assert all(torch.equal(value, other[parameter]) for other in trained[1:]), parameter


@pytest.mark.parametrize("name", TRAINED)
def test_every_parameter_gets_a_gradient(name: str) -> None:
    recommender = fit(name, random_split(), small(name), replace(QUICK, epochs=1))
    first = fit(name, random_split(), small(name), replace(QUICK, epochs=1, learning_rate=1e-12))
    assert recommender.parameters
    for parameter, value in recommender.parameters.items():
        if name == "freedom" and parameter.endswith("projection.bias"):
            continue  # it cancels in h·(W f⁺ + b) − h·(W f⁻ + b): its gradient is zero by the paper's equations
        assert not torch.allclose(value, first.parameters[parameter], atol=1e-9), parameter


@every_model
@pytest.mark.parametrize("modalities", [(), ("text",), FIVE], ids=["none", "one", "five"])
def test_any_number_of_modalities_works(name: str, modalities: tuple[str, ...]) -> None:
    recommender = fit(name, random_split(modalities=modalities), small(name), QUICK)
    scores = recommender.scorer.score(np.arange(30))
    assert scores.shape == (30, 25)
    assert torch.isfinite(scores).all()


@pytest.mark.parametrize("name", [name for name in ALL if MODELS[name].needs_features])
def test_feature_rows_of_items_without_the_modality_are_never_used(name: str) -> None:
    one = random_split()
    image = one.train.features["image"]
    garbage = image.table.copy()
    garbage[~image.present] = 1e6
    features = {**one.train.features, "image": replace(image, table=garbage)}
    other = Split(replace(one.train, features=features), one.validation, one.test)
    a, b = (fit(name, each, small(name), QUICK).scorer.score(np.arange(30)) for each in (one, other))
    assert torch.equal(a, b)


@pytest.mark.parametrize("name", [name for name in ALL if MODELS[name].needs_features])
def test_features_change_the_scores_of_a_model_of_content(name: str) -> None:
    one = random_split()
    features = {m: replace(f, table=f.table[::-1].copy()) for m, f in one.train.features.items()}
    other = Split(replace(one.train, features=features), one.validation, one.test)
    a, b = (fit(name, each, small(name), QUICK).scorer.score(np.arange(30)) for each in (one, other))
    assert not torch.equal(a, b)


@every_model
def test_empty_users_items_and_modalities_are_allowed(name: str) -> None:
    data = random_split().train
    known = data.interactions
    interactions = Interactions(known.users, known.items, 31, 26)  # one more user and item, without interactions
    features = {
        m: Features(m, np.vstack([f.table, np.zeros((1, f.width), np.float32)]), np.append(f.present, False))
        for m, f in data.features.items()
    }
    features["nothing"] = Features("nothing", np.zeros((26, 3), np.float32), np.zeros(26, np.bool_))
    lonely = Dataset(
        users=Vocabulary([*data.users.ids, "lonely"], noun="user"),
        items=Vocabulary([*data.items.ids, "unsold"]),
        interactions=interactions,
        features=features,
    )
    recommender = fit(name, split(lonely, "ratio", seed=0), small(name), QUICK)
    assert torch.isfinite(recommender.scorer.score(np.arange(31))).all()
    assert len(recommender.recommend(["lonely"], k=5).to_polars()) == 5


@every_model
def test_the_search_space_has_known_settings_and_valid_values(name: str) -> None:
    kind = MODELS[name]
    for setting, span in kind.search.items():
        for value in span.values if isinstance(span, Choices) else (span.low, span.high):
            training, of_model = split_settings({setting: value}, TrainingSettings, kind.Settings, of=name)
            parse(TrainingSettings, training)
            parse(kind.Settings, of_model)
