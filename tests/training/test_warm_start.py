"""A training that starts from an earlier one: rows are carried over by id, and nothing else changes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from triptych.data.dataset import Dataset
from triptych.data.features import Features
from triptych.data.interactions import Interactions
from triptych.data.split import Split, assign_split
from triptych.data.vocabulary import Vocabulary
from triptych.errors import InputError, SettingsError, TrainingError
from triptych.models.model import TrainedModel
from triptych.models.registry import MODELS, model_class
from triptych.progress import Progress
from triptych.ranking.new_users import history_map
from triptych.ranking.recommender import Recommender
from triptych.ranking.recommender_folder import open_recommender
from triptych.ranking.scorer import Factors
from triptych.settings import parse
from triptych.training.fit import fit
from triptych.training.settings import TrainingSettings
from triptych.training.warm_start import START, warm_start
from worlds import random_dataset

pytestmark = pytest.mark.filterwarnings("ignore:.*does not use features of users")
SHORT = TrainingSettings(epochs=2, batch_size=32, learning_rate=0.01, precision="float32")
TRAINED = [name for name, kind in MODELS.items() if issubclass(kind, TrainedModel)]
VARIANTS: list[tuple[str, dict[str, object]]] = [*((name, {}) for name in TRAINED), ("bm3", {"features": "trained"})]
SMALL = {"embedding_size": 8}


def old_data() -> Dataset:
    dataset = random_dataset(n_users=30, n_items=25, density=0.3)
    ages = np.random.default_rng(1).standard_normal((30, 3)).astype(np.float32)
    users = {"about": Features("about", ages, np.ones(30, dtype=np.bool_))}
    return assign_split(replace(dataset, user_features=users), "ratio", seed=0)


def chosen(dataset: Dataset, users: NDArray[np.int64], items: NDArray[np.int64]) -> Dataset:
    """Return the data set of some users and items, in a new order, with all their interactions in train."""
    X = dataset.interactions.to_csr(dtype=np.int64).toarray()[users][:, items]
    of_users, of_items = (rows.astype(np.int64) for rows in np.nonzero(X))
    interactions = Interactions.from_pairs(of_users, of_items, len(users), len(items))

    def rows_of(features: Features, rows: NDArray[np.int64]) -> Features:
        return replace(features, table=np.asarray(features.table)[rows], present=features.present[rows])

    return Dataset(
        users=Vocabulary(dataset.users.ids.gather(users), noun="user"),
        items=Vocabulary(dataset.items.ids.gather(items)),
        interactions=interactions,
        features={name: rows_of(each, items) for name, each in dataset.features.items()},
        user_features={name: rows_of(each, users) for name, each in dataset.user_features.items()},
    )


def started(name: str, train: Dataset, start: Recommender, settings: dict[str, object]) -> TrainedModel:
    kind: Any = model_class(name)
    values = parse(kind.Settings, {**SMALL, **settings})
    model: TrainedModel = kind(train, values, torch.Generator().manual_seed(9))
    warm_start(model, train, values, start)
    return model.eval()


@pytest.mark.parametrize(("name", "settings"), VARIANTS)
def test_on_the_same_data_the_scores_before_the_first_epoch_are_those_of_the_start(
    name: str, settings: dict[str, object]
) -> None:
    dataset = old_data()
    start = fit(name, dataset, {**SMALL, **settings}, SHORT)
    model = started(name, Split.from_dataset(dataset).train, start, settings)
    for parameter_name, parameter in model.named_parameters():
        assert parameter.equal(start.parameters[parameter_name]), parameter_name
    users = np.arange(dataset.n_users)
    torch.testing.assert_close(model.factors().score(users), start.scorer.score(users), rtol=0, atol=0)


@pytest.mark.parametrize(("name", "settings"), VARIANTS)
def test_known_rows_are_carried_over_by_id_to_the_bit_and_new_rows_are_finite(
    name: str, settings: dict[str, object]
) -> None:
    whole = old_data()
    old_users, old_items = np.arange(0, 24), np.arange(0, 20)
    before = chosen(whole, old_users, old_items)
    generator = np.random.default_rng(3)
    users, items = generator.permutation(np.arange(4, 30)), generator.permutation(np.arange(3, 25))
    now = chosen(whole, users, items)  # four users and three items are gone, six users and five items are new
    start = fit(name, before, {**SMALL, **settings}, SHORT, fit_on="all")
    model = started(name, now, start, settings)
    for parameter_name, parameter in model.named_parameters():
        trained, owners = start.parameters[parameter_name], model.rows_of(parameter_name)
        assert parameter.isfinite().all()
        if not owners:
            assert parameter.equal(trained), parameter_name
            continue
        rows, now_rows, offset, now_offset = [], [], 0, 0
        for owner, ids, n_old in (("users", users, 24), ("items", items, 20)):
            if owner in owners:
                known = np.flatnonzero(ids < n_old)
                rows += [offset + ids[known]]
                now_rows += [now_offset + known]
                offset, now_offset = offset + n_old, now_offset + len(ids)
        assert len(parameter) == now_offset
        assert parameter[np.concatenate(now_rows)].equal(trained[np.concatenate(rows)]), parameter_name
    assert model.factors().score(np.arange(len(users))).isfinite().all()


def test_every_parameter_whose_size_depends_on_the_data_says_whose_rows_it_has() -> None:
    """So a new model cannot be started with rows of other users and items."""
    small = chosen(old_data(), np.arange(23), np.arange(19))
    large = chosen(old_data(), np.arange(30), np.arange(25))
    sizes = {(): 0, ("users",): 7, ("items",): 6, ("users", "items"): 13}
    for name, settings in VARIANTS:
        kind: Any = model_class(name)
        values = parse(kind.Settings, settings)
        one, other = (kind(each, values, torch.Generator()) for each in (small, large))
        shapes = {key: value.shape for key, value in one.named_parameters()}
        for key, value in other.named_parameters():
            assert value.shape[0] - shapes[key][0] == sizes[other.rows_of(key)], (name, key)


@pytest.mark.parametrize("name", ["bpr", "lightgcn"])
def test_rows_of_new_users_are_the_ridge_regression_on_their_new_histories(name: str) -> None:
    whole = old_data()
    before, now = chosen(whole, np.arange(20), np.arange(25)), chosen(whole, np.arange(30), np.arange(25))
    before, now = replace(before, user_features={}), replace(now, user_features={})
    start = fit(name, before, SMALL, SHORT, fit_on="all")
    model = started(name, now, start, {})
    regression = history_map(Factors(start.parameters["user_embedding"], start.factors.items), before.interactions)
    expected = regression.vectors(now.interactions, np.arange(20, 30))
    table = dict(model.named_parameters())["user_embedding"]
    torch.testing.assert_close(table[20:], expected, rtol=1e-4, atol=1e-6)
    if name == "bpr":  # its users are rows of the table, so a new user starts where recommend_from_history puts them
        known = now.items.names(now.interactions.history(25)).to_list()
        lists = start.recommend_from_history({"u": known}, 5)
        scores = model.factors().score(np.array([25]))[0]
        torch.testing.assert_close(scores[lists.items[0]], torch.from_numpy(lists.scores[0]), rtol=1e-4, atol=1e-6)


def test_new_items_start_as_added_items() -> None:
    from triptych.training.cold_items import add_items

    whole = replace(old_data(), user_features={}, split_codes=None)
    X = whole.interactions
    warm = X.select(X.items < 20)
    for name in ("bm3", "vbpr", "freedom", "grcn", "mmgcn"):
        before = chosen(whole, np.arange(30), np.arange(20))
        start = fit(name, before, SMALL, SHORT, fit_on="all")
        with_items = replace(whole, interactions=warm)
        added = add_items(start, with_items)
        model = started(name, with_items, start, {})  # no new interactions: the factors are comparable
        users = np.arange(30)
        torch.testing.assert_close(model.factors().score(users), added.scorer.score(users), rtol=1e-4, atol=1e-5)


def test_an_interrupted_warm_start_ends_with_the_same_bytes_and_its_origin_is_recorded(tmp_path: Path) -> None:
    whole = old_data()
    start = fit("bm3", chosen(whole, np.arange(24), np.arange(20)), SMALL, SHORT, fit_on="all")
    training = replace(SHORT, epochs=4, checkpoint_seconds=0)

    def interrupt(progress: Progress) -> None:
        if progress.stage == "epoch 3" and progress.done == 2:
            raise RuntimeError("died")

    arguments: dict[str, Any] = {"settings": SMALL, "training": training, "start_from": start}
    fit("bm3", whole, run=tmp_path / "whole", **arguments)
    with pytest.raises(RuntimeError, match="died"):
        fit("bm3", whole, run=tmp_path / "died", listener=interrupt, **arguments)
    assert (tmp_path / "died" / "checkpoint.safetensors").exists()
    with pytest.raises(TrainingError, match=START):  # not by mistake without its start
        fit("bm3", whole, SMALL, training, run=tmp_path / "died")
    fit("bm3", whole, run=tmp_path / "died", **arguments)
    for file in sorted((tmp_path / "whole" / "model").iterdir()):
        assert file.read_bytes() == (tmp_path / "died" / "model" / file.name).read_bytes(), file.name
    origin = open_recommender(tmp_path / "whole").about[START]
    assert set(origin) == {"fingerprint", "data"}
    assert str(tmp_path) not in str(origin)
    other = fit("bm3", chosen(whole, np.arange(24), np.arange(20)), SMALL, replace(SHORT, seed=1), fit_on="all")
    with pytest.raises(TrainingError, match="holds another run: started_from"):
        fit("bm3", whole, SMALL, training, run=tmp_path / "whole", start_from=other)


def test_a_start_that_a_training_cannot_have_is_refused() -> None:
    dataset = old_data()
    start = fit("bm3", dataset, SMALL, SHORT)
    with pytest.raises(InputError, match="closed form"):
        fit("ease", dataset, start_from=start)
    with pytest.raises(InputError, match="cannot start from a run of bm3"):
        fit("vbpr", dataset, SMALL, SHORT, start_from=start)
    with pytest.raises(InputError, match="features of items are image of width 6, those of the run"):
        fit("bm3", dataset.with_modalities(["image"]), SMALL, SHORT, start_from=start)
    with pytest.raises(InputError, match=r'"user_embedding" is \[30, 16\], but was \[30, 8\]'):
        fit("bm3", dataset, {"embedding_size": 16}, SHORT, start_from=start)


def test_epochs_are_an_argument_and_fitting_on_everything_needs_no_split() -> None:
    dataset = replace(old_data(), split_codes=None)
    fitted = fit("bpr", dataset, SMALL, epochs=3, fit_on="all")
    assert fitted.about["epochs"] == 3
    assert len(fitted.split.train.interactions) == len(dataset.interactions)
    same = fit("bpr", old_data(), SMALL, TrainingSettings(epochs=3), fit_on="all")
    assert same.factors.users.equal(fitted.factors.users)
    with pytest.raises(SettingsError, match="epochs is 3, but 2 in training"):
        fit("bpr", dataset, SMALL, SHORT, epochs=3, fit_on="all")
    with pytest.raises(InputError, match="has no split"):
        fit("bpr", dataset, SMALL, epochs=3)
