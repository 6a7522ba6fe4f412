"""Contributions: a score as a sum over the items of the user's history, by component, plus a rest.

Each kind of scorer has its own attribution method. The result works for any user and any items; what depends on the
model only is computed once. Sums are in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from triptych.data.dataset import Dataset
from triptych.data.interactions import Interactions
from triptych.data.split import Split, fitted_on
from triptych.errors import InputError
from triptych.explaining.blend_terms import BlendedModel, from_blended_models
from triptych.explaining.terms import HINT, MAX_DIFFERENCE, RESIDUAL, Array, Attributor, Contributions, ItemComponents
from triptych.models.decomposition import BIAS, COLLABORATIVE, UserDecomposition
from triptych.models.model import ClosedFormModel, TrainedModel
from triptych.models.registry import class_of
from triptych.ranking.given_scores import GivenScores
from triptych.ranking.new_users import history_map
from triptych.ranking.own_scorer import require_ours
from triptych.ranking.recommender import Recommender
from triptych.ranking.scorer import Blend, Factors
from triptych.settings import parse
from triptych.training.restore import load_model

TWO_WAYS = (
    "A modality contributes in two ways: the two items are similar, or an item similar to the user's item leads to the "
    "recommended item through other users."
)


def attribution_method(recommender: Recommender, dataset: Dataset | None) -> Attributor:
    """Return the function that attributes a recommender's scores to the items of the user's history.

    dataset: the data set that the model was trained on, with its split and features; None if there are no features.
    Raises InputError if the model cannot be explained from what is given.
    """
    scorer, train = require_ours(recommender.scorer, "explained"), recommender.split.train.interactions
    if isinstance(scorer, Blend):
        return from_blended_models(_blended_models(recommender, scorer, dataset))
    if isinstance(scorer, GivenScores):
        raise InputError(
            "scores that were given from outside cannot be explained: nothing says what they come from",
            hint="explain a model, or a blend with one",
        )
    name, kind = recommender.model_name, class_of(recommender.about)
    used = {**(recommender.about["modalities"] if kind.needs_features else {})}
    used |= recommender.about.get("user_modalities", {})
    if used and dataset is None:
        raise InputError(f"{name} uses features, and a run does not contain them", hint=HINT)
    if issubclass(kind, ClosedFormModel):
        if isinstance(scorer, Factors):
            return _independent_of_history(name, scorer)
        closed_form = kind(parse(kind.Settings, recommender.about["settings"], of=name))
        trained_on = Split.from_dataset(dataset or recommender.dataset, fitted_on(recommender.about)).train
        modalities = list(recommender.about["modalities"]) if kind.needs_features else []
        return _from_item_weights(train, closed_form.item_components(scorer, trained_on.with_modalities(modalities)))
    assert isinstance(scorer, Factors)
    model = load_model(recommender, dataset or recommender.dataset)
    decomposition = model.user_decomposition()
    if decomposition is None:
        return _from_regression(train, scorer, model.item_components, content=model.user_content())
    return _from_decomposition(train, model, decomposition)


def _from_item_weights(train: Interactions, attributions_of: Callable[[int], Mapping[str, Array]]) -> Attributor:
    """Attribute by the weights between items.

    attributions_of: item row -> what each item adds to the score of that item, by component, float64 [n_items] each.
    """
    statement = (
        "Exact: the score is the sum of the weights from the user's items to the recommended item. Without one of "
        "these items, the score would be lower by its contribution."
    )

    def attribute(user: int, items: Sequence[int]) -> list[Contributions]:
        history = train.history(user)
        attributions = [attributions_of(item) for item in items]
        text = f"{statement} {TWO_WAYS}" if any(len(each) > 1 for each in attributions) else statement
        return [
            Contributions({name: values[history] for name, values in each.items()}, {}, True, text)
            for each in attributions
        ]

    return attribute


def _independent_of_history(model: str, scorer: Factors) -> Attributor:
    """Return no contributions: the whole score is in the rest, under the name of the model."""
    statement = "Exact: the score does not depend on the user's history, so no item contributes to it."

    def attribute(user: int, items: Sequence[int]) -> list[Contributions]:
        scores = (scorer.items[list(items)] @ scorer.users[user]).tolist()
        return [Contributions({}, {model: score}, True, statement) for score in scores]

    return attribute


def _from_decomposition(train: Interactions, model: TrainedModel, decomposition: UserDecomposition) -> Attributor:
    """Attribute by the model's own equations; see `triptych.models.decomposition`."""
    condition = f", given {decomposition.conditional_on}" if decomposition.conditional_on else ""
    statement = (
        f"Exact{condition}: the user's representation is a sum over the edges to the user's items, plus a rest. A "
        "contribution is not what the score would lose without the item, because the other edges would then have other "
        "weights."
    )
    if decomposition.remark:
        statement = f"{statement} {decomposition.remark}"
    width = sum(block.items.shape[1] for block in decomposition.blocks)

    def attribute(user: int, items: Sequence[int]) -> list[Contributions]:
        edges = train.history_slice(user)
        history = torch.from_numpy(train.items[edges])
        rows: list[Tensor] = []
        residual: dict[str, Tensor] = {}
        begin = 0
        for block in decomposition.blocks:
            rows.append((block.weights[edges, None] * block.items[history]).double())
            for name, table in block.residual.items():
                vector = torch.zeros(width, dtype=torch.float64)
                vector[begin : begin + table.shape[1]] = table[user if len(table) > 1 else 0].double()
                residual[name] = residual[name] + vector if name in residual else vector
            begin += block.items.shape[1]
        components = model.item_components(torch.tensor(list(items)))
        return _inner_products(torch.cat(rows, dim=1), residual, components, exact=True, statement=statement)

    return attribute


def _from_regression(
    train: Interactions,
    scorer: Factors,
    item_components: ItemComponents,
    reason: str = "the model is not linear in the user's items",
    content: Mapping[str, Tensor] | None = None,
) -> Attributor:
    """Attribute by `history_map`: for models that are not linear in the history, or that are known by factors only.

    reason: why a regression is needed, for the statement. content: the terms of the users that come from their features
    alone, [n_users, d], by name: they are no part of the regression.
    """
    content = content or {}
    free = scorer.users - torch.stack(list(content.values())).sum(dim=0) if content else scorer.users
    regression = history_map(Factors(free, scorer.items), train)
    statement = (
        f"Approximate: {reason}. A ridge regression of all users' representations on their items gives the "
        f"contributions. It explains {100 * regression.explained:.0f} % of the variance between users; what it does "
        "not explain is in the rest."
    )

    def attribute(user: int, items: Sequence[int]) -> list[Contributions]:
        representations = scorer.items[list(items)]
        rows = torch.from_numpy(regression.item_parts(train.history(user)))
        components = item_components(torch.tensor(list(items)))
        total = torch.stack(list(components.values())).sum(dim=0)
        if (total - representations).norm() > MAX_DIFFERENCE * representations.norm():
            raise InputError(
                "the features give other representations: this is not the data set of the training", hint=HINT
            )
        residual = {RESIDUAL: free[user].double() - rows.sum(dim=0)}
        residual |= {name: part[user].double() for name, part in content.items()}
        return _inner_products(rows, residual, components, exact=False, statement=statement)

    return attribute


def _inner_products(
    rows: Tensor,
    residual: Mapping[str, Tensor],
    item_components: Mapping[str, Tensor],
    *,
    exact: bool,
    statement: str,
) -> list[Contributions]:
    """Return the inner products of the terms of one user with the components of m items.

    rows: float64 [n, d], the user's terms by history item. residual: name -> float64 [d], the other terms.
    item_components: component -> float [m, d].
    """
    components = {name: table.double() for name, table in item_components.items()}
    user = rows.sum(dim=0) + torch.stack(list(residual.values())).sum(dim=0)
    contributions = []
    for position in range(len(next(iter(components.values())))):
        vectors = {name: table[position] for name, table in components.items() if name != BIAS}
        item = torch.stack(list(vectors.values())).sum(dim=0)
        rest = {name: float(vector @ item) for name, vector in residual.items()}
        if BIAS in components:
            rest[BIAS] = rest.get(BIAS, 0.0) + float(user @ components[BIAS][position])
        by_component = {name: (rows @ vector).numpy() for name, vector in vectors.items()}
        contributions.append(Contributions(by_component, rest, exact, statement))
    return contributions


def _blended_models(recommender: Recommender, scorer: Blend, dataset: Dataset | None) -> list[BlendedModel]:
    """The models with a weight. A second model of the same kind (another seed) has its number in its name."""
    train, models = recommender.split.train.interactions, []
    for n, (each, weight) in enumerate(zip(scorer.scorers, scorer.weights, strict=True)):
        about, prefix = recommender.about["models"][n], f"{n}."
        parameters = {
            key.removeprefix(prefix): value for key, value in recommender.parameters.items() if key.startswith(prefix)
        }
        if not weight:
            continue
        attribute: Attributor | None
        if isinstance(each, GivenScores):
            attribute = None
        elif isinstance(each, Factors) and issubclass(class_of(about), TrainedModel) and not parameters:
            attribute = _from_regression(
                train, each, _single_component(each), "the blend does not contain the model's parameters"
            )
        else:
            attribute = attribution_method(
                replace(recommender, scorer=each, parameters=parameters, about=about), dataset
            )
        n_before = sum(other["model"] == about["model"] for other in recommender.about["models"][:n])
        name = f"{about['model']} {n_before + 1}" if n_before else about["model"]
        if isinstance(each, GivenScores) and "from" in about.get("scores", ()):
            name = f"{name} ({about['scores']['from']})"
        models.append(BlendedModel(name, each, weight, attribute))
    return models


def _single_component(factors: Factors) -> ItemComponents:
    return lambda items: {COLLABORATIVE: factors.items[items]}
