"""A model class from outside the package is fitted, stored and asked for everything like one of ours."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import triptych
from packages import SOURCE
from triptych.data.dataset import Dataset
from triptych.errors import InputError, SettingsError
from triptych.models.bpr import BPR
from triptych.models.popularity import Popularity
from triptych.models.registry import MODELS, named_class
from triptych.models.requirements import check_model_class
from triptych.progress import Listener, ignore_progress
from triptych.training.fit import fit
from triptych.training.settings import TrainingSettings
from worlds import random_dataset, random_split

QUICK = TrainingSettings(epochs=3, batch_size=32, learning_rate=0.01)


class Ten(triptych.ClosedFormModel):
    def solve(self, dataset: Dataset, listener: Listener = ignore_progress) -> triptych.Factors:
        degrees = torch.from_numpy(dataset.interactions.item_degrees).float()
        return triptych.Factors(torch.ones(dataset.n_users, 1), degrees[:, None])


class Copied(BPR):
    """A copy of one of ours, under another name."""


@pytest.fixture
def shop_models(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module of another package, imported as from a notebook or a script: nothing registers it."""
    module = ModuleType("shop_of_a_test")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(SOURCE, module.__name__, "exec", dont_inherit=True), module.__dict__)
    return module


def test_a_class_of_one_method_ranks_as_our_popularity_does() -> None:
    split = random_split()
    own, ours = fit(Ten, split), fit("popularity", split)
    assert own.about["model"] == "Ten"
    assert own.about["class"] == f"{__name__}:Ten"
    assert np.array_equal(own.recommend(k=5).items, ours.recommend(k=5).items)


def test_a_class_that_computes_what_ours_computes_has_the_same_parameters() -> None:
    split = random_split()
    own, ours = (fit(each, split, {"embedding_size": 8}, QUICK) for each in (Copied, "bpr"))
    for name, parameter in ours.parameters.items():
        assert torch.equal(own.parameters[name], parameter)


def test_a_class_of_ours_has_our_name_and_nothing_else() -> None:
    about = fit(Popularity, random_split()).about
    assert about["model"] == "popularity"
    assert "class" not in about


def test_settings_of_a_class_are_checked_as_ours_are(shop_models: Any) -> None:
    assert fit(shop_models.Recent, random_split(), {"power": "0.25"}).about["settings"] == {"power": 0.25}
    with pytest.raises(SettingsError, match=r'unknown setting "powr" of Recent\n  hint: did you mean "power"'):
        fit(shop_models.Recent, random_split(), {"powr": 1})


def test_a_trained_class_is_resumed_explained_and_gets_new_items(shop_models: Any, tmp_path: Path) -> None:
    dataset = random_dataset()
    prepared = triptych.split(dataset, "ratio", seed=0)
    whole = replace(prepared.known_interactions(), features=dataset.features)
    fit(shop_models.Shifted, whole, {}, replace(QUICK, epochs=2), run=tmp_path / "run")
    model = fit(shop_models.Shifted, whole, {}, QUICK, run=tmp_path / "run")
    assert model.about["epochs"] == 3
    at_once = fit(shop_models.Shifted, whole, {}, QUICK, run=tmp_path / "other")
    assert torch.equal(model.factors.items, at_once.factors.items)
    opened = triptych.open_recommender(tmp_path / "run")
    assert np.array_equal(opened.recommend(k=4).items, model.recommend(k=4).items)
    explanation = triptych.explain(opened, "u01", str(opened.recommend(["u01"], 1).to_polars()["item_id"][0]), whole)
    assert not explanation.exact
    assert explanation.model == "Shifted"


def test_without_its_class_a_stored_model_ranks_and_says_what_is_missing_for_more(
    shop_models: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = random_split()
    model = fit(shop_models.Shifted, split, {}, QUICK)
    model.save(tmp_path / "model")
    monkeypatch.delitem(sys.modules, shop_models.__name__)
    opened = triptych.open_recommender(tmp_path / "model")
    assert np.array_equal(opened.recommend(k=4).items, model.recommend(k=4).items)
    assert opened.evaluate(metrics=["recall@5"]).means == model.evaluate(metrics=["recall@5"]).means
    assert len(opened.similar_items("i01", 3)) == 3
    for ask in (
        lambda: triptych.explain(opened, "u01", "i04", split.train),
        lambda: triptych.add_items(opened, split.train),
    ):
        with pytest.raises(
            InputError, match="shop_of_a_test:Shifted\n  hint: import the module shop_of_a_test"
        ) as error:
            ask()
        assert 'class of model "Shifted" is not known here' in error.value.what


def test_opening_a_stored_model_imports_nothing_that_it_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model folder comes from anywhere: only what is imported or installed may run."""
    (tmp_path / "planted.py").write_text("raise SystemExit('imported')\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    model = fit(Ten, random_split())
    forged = replace(model, about={**model.about, "class": "planted:Ten"})
    with pytest.raises(InputError, match="planted:Ten"):
        triptych.explain(forged, "u01", "i04")


def test_a_class_with_other_parameters_than_the_stored_ones_is_refused(shop_models: Any) -> None:
    model = fit(shop_models.Shifted, random_split(), {}, QUICK)
    fewer = {name: value for name, value in model.parameters.items() if name != "scale"}
    wider = {**model.parameters, "projection": torch.zeros(6, 5)}
    for parameters in (fewer, wider):
        with pytest.raises(InputError, match="another parameter"):
            triptych.explain(replace(model, parameters=parameters), "u01", "i04", random_split().train)


def test_a_name_that_is_ours_is_refused() -> None:
    kind = type("bm3", (Ten,), {})
    with pytest.raises(SettingsError, match='has the name of our model "bm3"'):
        fit(kind, random_split())


@dataclass
class NotPlain:
    layer: nn.Linear | None = None


@dataclass
class UnknownType:
    layer: "Missing" = None  # type: ignore[name-defined]  # noqa: F821, UP037


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"Settings": int}, "Settings is not a dataclass"),
        ({"Settings": NotPlain}, "Settings has a type that cannot be read"),
        ({"Settings": UnknownType}, "Settings has a type that cannot be read"),
        ({"paper": None}, "paper is not a text"),
        ({"search": ["power"]}, "search is not a search space"),
        ({"search": {"power": [1, 2]}}, "search is not a search space"),
        ({"needs_features": "image"}, "needs_features is not True or False"),
    ],
)
def test_a_class_is_refused_before_training_with_what_is_wrong(attributes: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        fit(type("Odd", (Ten,), attributes), random_split())


@pytest.mark.parametrize("given", [dict, Ten.solve, nn.Linear, None, 3, Ten.__new__(Ten)])
def test_what_is_no_model_class_is_refused_with_the_two_classes_to_derive_from(given: Any) -> None:
    with pytest.raises(
        SettingsError, match=r"is not a model class\n.*triptych\.TrainedModel.*triptych\.ClosedFormModel"
    ):
        fit(given, random_split())


def test_missing_methods_are_named() -> None:
    class Half(triptych.TrainedModel):
        def loss(self, batch: triptych.Batch, generator: torch.Generator) -> dict[str, Tensor]:
            return {}

    with pytest.raises(
        SettingsError, match=r"lacks __init__, factors\n.*__init__\(self, dataset, settings, generator\)"
    ):
        named_class(Half)


class Trained(triptych.TrainedModel):
    returned: ClassVar[Any] = None

    def __init__(self, dataset: Dataset, settings: Any, generator: torch.Generator) -> None:
        super().__init__(dataset, settings, generator)
        self.users = nn.Parameter(torch.ones(dataset.n_users, 2))
        self.items = nn.Parameter(torch.ones(dataset.n_items, 2))

    def loss(self, batch: triptych.Batch, generator: torch.Generator) -> dict[str, Tensor]:
        return {"square": self.users[batch.users].square().mean()}

    def factors(self) -> triptych.Factors:
        return triptych.Factors(self.users.detach(), self.items.detach())


FEW = torch.ones(3, 2)


@pytest.mark.parametrize(
    ("method", "returned", "message"),
    [
        ("loss", lambda self, *_: self.users.sum(), "loss of Odd returned (Tensor|Parameter) of torch.float32"),
        ("loss", lambda self, *_: {}, "loss of Odd returned dict"),
        ("loss", lambda self, *_: {"a": self.users.square()}, r'term "a" .* of shape \[30, 2\]'),
        ("loss", lambda self, *_: {"a": 3.0}, 'term "a" in the loss of Odd is float'),
        ("loss", lambda self, *_: {"a": torch.tensor(3.0)}, "does not depend on any parameter"),
        ("factors", lambda self: self.users, "factors of Odd returned"),
        ("factors", lambda self: triptych.Factors(FEW, self.items), r"factors of users of Odd have the shape \[3, 2\]"),
        ("factors", lambda self: triptych.Factors(self.users.detach(), self.items.detach()[:, :1]), "factors of items"),
        (
            "factors",
            lambda self: triptych.Factors(self.users.detach().numpy(), self.items),
            "users in the factors of Odd are",
        ),
    ],
)
def test_what_a_trained_model_returns_is_checked(method: str, returned: Any, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        fit(type("Odd", (Trained,), {method: returned}), random_split(), {}, QUICK)


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (None, "solve of Odd returned None"),
        (np.ones((30, 25)), "solve of Odd returned ndarray"),
        (triptych.Factors(FEW, FEW), r"factors of users of Odd have the shape \[3, 2\]"),
    ],
)
def test_what_a_closed_form_returns_is_checked(returned: Any, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        fit(type("Odd", (Ten,), {"solve": lambda self, dataset, listener: returned}), random_split())


def test_item_weights_of_a_wrong_shape_are_refused() -> None:
    def solve(self: Any, dataset: Dataset, listener: Listener) -> triptych.ItemWeights:
        return triptych.ItemWeights(dataset.interactions, np.ones((3, 3), dtype=np.float32))

    with pytest.raises(SettingsError, match=r"item weights of Odd have the shape \[3, 3\]"):
        fit(type("Odd", (Ten,), {"solve": solve}), random_split())


@pytest.mark.parametrize("name", MODELS)
def test_our_own_classes_pass_the_same_door(name: str) -> None:
    assert check_model_class(MODELS[name]) is MODELS[name]
    assert {"Settings", "paper", "search", "needs_features"} <= vars(MODELS[name]).keys()  # ours rely on no default


def test_the_description_of_an_own_model_is_plain_json() -> None:
    assert json.loads(json.dumps(fit(Ten, random_split()).about))["model"] == "Ten"
