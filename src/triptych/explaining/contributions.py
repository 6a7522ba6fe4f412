"""A score in parts: by item of the user's history and by channel, and what no item accounts for.

Every kind of scorer has its way; a way answers for any user and item, and what it needs of the whole model is computed
once. Sums are made in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from triptych.data.dataset import Dataset
from triptych.data.interactions import Interactions
from triptych.data.split import Split
from triptych.errors import InputError
from triptych.models.decomposition import BIAS, COLLABORATIVE, UserDecomposition
from triptych.models.model import ClosedFormModel, TrainedModel
from triptych.models.registry import model_class
from triptych.ranking.new_users import history_map
from triptych.ranking.recommender import Recommender
from triptych.ranking.scorer import Blend, Factors, ItemWeights
from triptych.settings import parse
from triptych.training.restore import load_model

ROUNDING, MEAN = "rounding", "the mean of the user's scores"
TOLERANCE = 1e-5  # of the sizes added: a difference from the score that is worth a name
DISAGREEMENT = 0.02  # of them: a difference that means that the model is another one
BOTH_WAYS = (
    "A modality speaks where the two items are alike, and where an item like the one taken leads to this one by users."
)
HINT = "give the data set that it was trained on (--data FOLDER, or dataset=…)"

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Contributions:
    """through: channel -> float64 [n], for the user's n training items. rest: name -> value. exact, statement: see
    `Explanation`."""

    through: Mapping[str, Array]
    rest: Mapping[str, float]
    exact: bool
    statement: str


ItemComponents = Callable[[Tensor], Mapping[str, Tensor]]  # see `TrainedModel.item_components`
Attributor = Callable[[int, Sequence[int]], list[Contributions]]  # user row, item rows -> one an item


def attribution_method(recommender: Recommender, dataset: Dataset | None) -> Attributor:
    """How the scores of a recommender come apart.

    dataset: what it was trained on, with its split and features; None: do without features.
    Raises InputError where that cannot be done.
    """
    scorer, known = recommender.scorer, recommender.split.train.interactions
    if isinstance(scorer, Blend):
        return _blend(recommender, scorer, dataset)
    name = str(recommender.about["model"])
    kind = model_class(name)
    if kind.needs_features and dataset is None and recommender.about["modalities"]:
        raise InputError(f"{name} looks at features, and a run does not hold them", hint=HINT)
    if issubclass(kind, ClosedFormModel):
        if isinstance(scorer, Factors):
            return _alone(name, scorer)
        model = kind(parse(kind.Settings, recommender.about["settings"], of=name))
        train = Split.from_dataset(dataset or recommender.dataset).train
        modalities = list(recommender.about["modalities"]) if kind.needs_features else []
        return _weights(known, model.item_components(scorer, train.with_modalities(modalities)))
    assert isinstance(scorer, Factors)
    learnt = load_model(recommender, dataset or recommender.dataset)
    user_decomposition = learnt.user_decomposition()
    if user_decomposition is None:
        return _regression(known, scorer, learnt.item_components)
    return _composed(known, learnt, user_decomposition)


def checked(found: Contributions, score: float) -> Contributions:
    """The same, with a rest for what rounding leaves. Raises InputError where the parts are another model's."""
    parts = np.concatenate([*found.through.values(), list(found.rest.values())])
    size, left = max(float(np.abs(parts).sum()), abs(score)), score - float(parts.sum())
    if abs(left) > DISAGREEMENT * size:
        raise InputError(
            f"the parts add up to {parts.sum():.6g}, the score is {score:.6g}: not the data that it was trained on",
            hint=HINT,
        )
    return found if abs(left) <= TOLERANCE * size else replace(found, rest={**found.rest, ROUNDING: left})


def _weights(known: Interactions, told: Callable[[int], Mapping[str, Array]]) -> Attributor:
    statement = (
        "Exact: the score is the sum of what each item taken says of this one; had the user not taken an item, it "
        "would be less by the item's contribution."
    )

    def way(user: int, items: Sequence[int]) -> list[Contributions]:
        taken = known.history(user)
        columns = [told(item) for item in items]
        words = f"{statement} {BOTH_WAYS}" if any(len(each) > 1 for each in columns) else statement
        return [Contributions({m: said[taken] for m, said in each.items()}, {}, True, words) for each in columns]

    return way


def _alone(model: str, scorer: Factors) -> Attributor:
    statement = "Exact: the score does not come from what the user took; no item of the user's has a part in it."

    def way(user: int, items: Sequence[int]) -> list[Contributions]:
        scores = (scorer.items[list(items)] @ scorer.users[user]).tolist()
        return [Contributions({}, {model: score}, True, statement) for score in scores]

    return way


def _composed(known: Interactions, model: TrainedModel, user_decomposition: UserDecomposition) -> Attributor:
    given = f", given {user_decomposition.given}" if user_decomposition.given else ""
    statement = (
        f"Exact{given}: the user's representation is the sum of what came along the edge to each item taken, and of "
        "the rest. It is not what the score would be without an item: other edges would then weigh otherwise."
    )
    if user_decomposition.note:
        statement = f"{statement} {user_decomposition.note}"
    width = sum(block.items.shape[1] for block in user_decomposition.blocks)

    def way(user: int, items: Sequence[int]) -> list[Contributions]:
        edges = known.history_slice(user)
        taken = torch.from_numpy(known.items[edges])
        rows: list[Tensor] = []
        own: dict[str, Tensor] = {}
        begin = 0
        for block in user_decomposition.blocks:
            rows.append((block.weights[edges, None] * block.items[taken]).double())
            for name, table in block.own.items():
                vector = torch.zeros(width, dtype=torch.float64)
                vector[begin : begin + table.shape[1]] = table[user if len(table) > 1 else 0].double()
                own[name] = own[name] + vector if name in own else vector
            begin += block.items.shape[1]
        return _products(torch.cat(rows, dim=1), own, model.item_components, items, exact=True, statement=statement)

    return way


def _regression(
    known: Interactions,
    scorer: Factors,
    item_components: ItemComponents,
    why: str = "the model is not linear in the items taken",
) -> Attributor:
    """For models that are not linear in what a user took, or of which the factors alone are there: see `new_users`."""
    found = history_map(scorer, known)
    statement = (
        f"Approximate: {why}. A ridge regression of all users on their items says what is whose; it accounts for "
        f"{100 * found.accounts_for:.0f} % of what tells users apart, and what it leaves is in the rest."
    )

    def way(user: int, items: Sequence[int]) -> list[Contributions]:
        whole, rows = scorer.items[list(items)], torch.from_numpy(found.item_parts(known.history(user)))
        told = torch.stack(list(item_components(torch.tensor(list(items))).values())).sum(dim=0)
        if (told - whole).norm() > DISAGREEMENT * whole.norm():
            raise InputError("the items are other ones by these features: not the data of the training", hint=HINT)
        own = {"what the items do not account for": scorer.users[user].double() - rows.sum(dim=0)}
        return _products(rows, own, item_components, items, exact=False, statement=statement)

    return way


def _products(
    rows: Tensor,
    own: Mapping[str, Tensor],
    item_components: ItemComponents,
    items: Sequence[int],
    *,
    exact: bool,
    statement: str,
) -> list[Contributions]:
    """Inner products of the parts of a user, rows [n, d] and own [d], with every channel of some items."""
    parts = {name: part.double() for name, part in item_components(torch.tensor(list(items))).items()}
    user = rows.sum(dim=0) + torch.stack(list(own.values())).sum(dim=0)
    made = []
    for position in range(len(items)):
        through = {name: (rows @ part[position]).numpy() for name, part in parts.items() if name != BIAS}
        item = torch.stack([part[position] for name, part in parts.items() if name != BIAS]).sum(dim=0)
        rest = {name: float(vector @ item) for name, vector in own.items()}
        if BIAS in parts:
            rest[BIAS] = rest.get(BIAS, 0.0) + float(user @ parts[BIAS][position])
        made.append(Contributions(through, rest, exact, statement))
    return made


def _blend(recommender: Recommender, scorer: Blend, dataset: Dataset | None) -> Attributor:
    """Every part by its own way, weighed and standardised as the blend does it."""
    known = recommender.split.train.interactions
    parts: list[tuple[str, Factors | ItemWeights, float, Attributor]] = []
    for n, (each, weight) in enumerate(zip(scorer.scorers, scorer.weights, strict=True)):
        about, own = recommender.about["models"][n], f"{n}."
        parameters = {
            key.removeprefix(own): value for key, value in recommender.parameters.items() if key.startswith(own)
        }
        if not weight:
            continue
        if isinstance(each, Factors) and issubclass(model_class(about["model"]), TrainedModel) and not parameters:
            way = _regression(known, each, _undivided(each), "the blend does not hold the model's parameters")
        else:
            way = attribution_method(replace(recommender, scorer=each, parameters=parameters, about=about), dataset)
        before = sum(other["model"] == about["model"] for other in recommender.about["models"][:n])  # of other seeds
        parts.append((f"{about['model']} {before + 1}" if before else about["model"], each, weight, way))

    def blended(user: int, items: Sequence[int]) -> list[Contributions]:
        begun = "A weighed sum of models, each standardised over the user's scores."
        made = [Contributions({}, {MEAN: 0.0}, True, begun) for _ in items]
        for name, each, weight, way in parts:
            scores = each.score(np.array([user]))[0].double().cpu()
            scale, mean = weight / max(float(scores.std(correction=0)), 1e-12), float(scores.mean())
            found = way(user, items)
            made = [_added(before, own, scale, mean, name) for before, own in zip(made, found, strict=True)]
        return made

    return blended


def _undivided(factors: Factors) -> ItemComponents:
    return lambda items: {COLLABORATIVE: factors.items[items]}


def _added(before: Contributions, own: Contributions, scale: float, mean: float, name: str) -> Contributions:
    """One model more in a blend: scale · (its score − mean)."""
    through = {channel: scale * values for channel, values in own.through.items()}
    for channel, values in before.through.items():
        through[channel] = values + through[channel] if channel in through else values
    rest = {**before.rest, **{f"{key} ({name})": scale * value for key, value in own.rest.items()}}
    rest[MEAN] -= scale * mean
    statement = f"{before.statement} {name}: {own.statement[0].lower()}{own.statement[1:]}"
    return Contributions(through, rest, before.exact and own.exact, statement)
