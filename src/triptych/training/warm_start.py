"""Warm start: a new training begins with the parameters of an earlier one, carried over by id.

    known users and items     keep their rows; those that disappeared are dropped
    no ids                    layers and projections are copied
    new items                 as `add_items` embeds them (`TrainedModel.embed_cold_items`), on the old interactions
    new users                 a ridge regression of the known users' rows on their histories predicts their rows from
                              their new histories (`ranking/new_users.py`). A user without any interaction yet starts
                              at random, as in every training

The rows of a user who had no training interactions were never trained; with interactions now, the user counts as new.
Tables per item beside the embeddings (BM3's residuals, GRCN's confidence) begin with the mean of the known rows, and
trained features with the item's own features. Adam's moments begin at zero.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import xxhash
from numpy.typing import NDArray
from torch import Generator, Tensor

from triptych.data.dataset import Dataset
from triptych.data.interactions import Interactions
from triptych.errors import InputError
from triptych.models.model import ITEM_TABLES, ClosedFormModel, TrainedModel
from triptych.models.registry import class_of
from triptych.models.requirements import ModelClass
from triptych.ranking.new_users import history_map
from triptych.ranking.recommender import Recommender
from triptych.ranking.scorer import Blend, Factors
from triptych.seeds import Purpose
from triptych.training.batches import torch_generator
from triptych.training.checkpoint import has_shape_of

START = "started_from"  # the key in the description of a run: which parameters it began with
FEATURES = ".features"  # end of the names of trained features: new rows are the item's own
IntArray = NDArray[np.int64]


def require_parameters(start: Recommender) -> None:
    """Raise InputError unless a recommender has trained parameters to start from."""
    if isinstance(start.scorer, Blend):
        hint = "start each of its models from its own run, and blend those"
        raise InputError("a blend has no parameters to start from", hint=hint)
    _require_trained(start.model_name, class_of(start.about))


def require_start(start: Recommender, name: str, kind: ModelClass, train: Dataset) -> None:
    """Raise InputError unless a training of the model called `name` on `train` can begin with those parameters."""
    _require_trained(name, kind)
    require_parameters(start)
    if start.model_name != name:
        raise InputError(f"{name} cannot start from a run of {start.model_name}", hint="choose a run of the same model")
    used: list[tuple[str, dict[str, int], Any]] = []
    if kind.needs_features:
        used.append(("items", {m: each.width for m, each in train.features.items()}, start.about.get("modalities")))
    if kind.uses_user_features:
        of_users = {m: each.width for m, each in train.user_features.items()}
        used.append(("users", of_users, start.about.get("user_modalities", {})))
    for noun, now, before in used:
        if now != before:
            raise InputError(
                f"the features of {noun} are {_widths(now)}, those of the run to start from {_widths(before or {})}",
                hint="make them with the same encoder, and keep the modalities of that run only",
            )


def _require_trained(name: str, kind: ModelClass) -> None:
    if issubclass(kind, ClosedFormModel):
        raise InputError(
            f"{name} has a closed form: it is solved at once and has nothing to start from",
            hint="train it on the new data as it is",
        )


def fingerprint(start: Recommender) -> str:
    """Return a checksum of what a warm start takes: ids, training interactions, parameters and item vectors."""
    known, digest = start.dataset, xxhash.xxh3_128()
    for ids in (known.users.ids, known.items.ids):
        for each in ids.to_list():
            digest.update(f"{len(each)} {each}".encode())
    train = start.split.train.interactions
    tensors = {**start.parameters, "train": torch.from_numpy(train.keys), "items": start.factors.items}
    for name, tensor in sorted(tensors.items()):
        array = np.ascontiguousarray(tensor.detach().cpu().numpy())
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return str(digest.hexdigest())


@torch.no_grad()
def warm_start(model: TrainedModel, train: Dataset, settings: Any, start: Recommender) -> None:
    """Set the parameters of a new model, made from `train` and `settings`, to those of `start`, by id; see the module.

    Raises InputError if a parameter has another shape, because a setting of the model is another.
    """
    rows = Carried(
        users=start.dataset.users.find(train.users.ids),
        items=start.dataset.items.find(train.items.ids),
        n_users=start.dataset.n_users,
    )
    for name, parameter in model.named_parameters():
        _carry(model, name, parameter, start, rows)
    before = _renumbered(start.split.train.interactions, rows, train)
    items = torch.zeros(train.n_items, start.factors.items.shape[1])
    items[rows.known_items] = start.factors.items[rows.items[rows.known_items]].float().cpu()
    new_items = torch.from_numpy(~rows.known_items)
    if new_items.any():
        cold = type(model)(replace(train, interactions=before, times=None, weights=None), settings, _any_generator())
        _embed_new_items(model, cold, new_items, items)
    learned = (rows.users >= 0) & (start.split.train.interactions.user_degrees[rows.users] > 0)
    new_users = np.flatnonzero(~learned & (train.interactions.user_degrees > 0))
    if len(new_users) and len(before):
        for name, parameter in model.named_parameters():
            if "users" in model.rows_of(name) and not name.endswith(FEATURES):
                table = parameter[: train.n_users].detach().float()
                predicted = history_map(Factors(table, items), before).vectors(train.interactions, new_users)
                parameter[torch.from_numpy(new_users)] = predicted.to(parameter)


@dataclass(frozen=True)
class Carried:
    """users, items: int64 [n], the row of each user and item at the start; -1 if it is new. n_users: there."""

    users: IntArray
    items: IntArray
    n_users: int

    @property
    def known_items(self) -> NDArray[np.bool_]:
        return np.asarray(self.items >= 0)

    def of(self, owners: tuple[str, ...]) -> IntArray:
        """int64 [n]: the row at the start of each row of a table of users, items, or users and items."""
        both = {"users": self.users, "items": self.items}
        if len(owners) == 2:
            return np.concatenate([self.users, np.where(self.items < 0, -1, self.items + self.n_users)])
        return both[owners[0]]


def _carry(model: TrainedModel, name: str, parameter: Tensor, start: Recommender, rows: Carried) -> None:
    """Copy one parameter: row by row if it has rows of users or items, else as a whole."""
    owners, trained = model.rows_of(name), start.parameters.get(name)
    same = trained is not None and (
        trained.shape[1:] == parameter.shape[1:] if owners else has_shape_of(parameter, trained)
    )
    if trained is None or not same:
        had = "was not there" if trained is None else f"was {list(trained.shape)}"
        raise InputError(
            f'parameter "{name}" is {list(parameter.shape)}, but {had} in the run to start from',
            hint="give the settings of that run",
        )
    if not owners:
        parameter.copy_(trained.view_as(parameter))
        return
    origin = rows.of(owners)
    known = origin >= 0
    parameter[torch.from_numpy(known)] = trained[torch.from_numpy(origin[known])].to(parameter)
    if "items" in owners and name not in ITEM_TABLES and not name.endswith(FEATURES) and known.any():
        of_items = np.arange(len(origin)) >= len(origin) - len(rows.items)
        mean = parameter[torch.from_numpy(known & of_items)].mean(dim=0)
        parameter[torch.from_numpy(~known & of_items)] = mean


def _renumbered(before: Interactions, rows: Carried, train: Dataset) -> Interactions:
    """Return the interactions of the start that are among the users and items of `train`, in its rows."""
    users, items = (
        _inverse(rows.users, before.n_users)[before.users],
        _inverse(rows.items, before.n_items)[before.items],
    )
    kept = (users >= 0) & (items >= 0)
    return Interactions.from_pairs(users[kept], items[kept], train.n_users, train.n_items)


def _inverse(origin: IntArray, n: int) -> IntArray:
    """int64 [n]: where each row of the start is now, -1 if it disappeared."""
    now = np.full(n, -1, dtype=np.int64)
    now[origin[origin >= 0]] = np.flatnonzero(origin >= 0)
    return now


def _embed_new_items(model: TrainedModel, cold: TrainedModel, new: Tensor, items: Tensor) -> None:
    """Embed new items, bool [n_items], in `model`, and write their representations into `items` [n_items, d].

    cold: the same model, made from the interactions of the start only: the new items are cold, as for `add_items`.
    """
    parameters = dict(cold.named_parameters())
    for name, parameter in model.named_parameters():
        parameters[name].copy_(parameter)
    cold.eval()
    cold.embed_cold_items(new)
    for name, parameter in model.named_parameters():
        if "items" in model.rows_of(name):
            parameter[-len(new) :][new] = parameters[name][-len(new) :][new]
    items[new] = cold.factors().items[new].float()


def _any_generator() -> Generator:
    """Return a generator for initial values that do not count: all are copied over."""
    return torch_generator(torch.device("cpu"), 0, Purpose.RESTORE)


def _widths(modalities: dict[str, int]) -> str:
    return ", ".join(f"{name} of width {width}" for name, width in modalities.items()) or "none"
