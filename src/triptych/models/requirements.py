"""What a model class must provide, and what its methods must return: checked for classes from outside the package."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from triptych.data.dataset import Dataset
from triptych.errors import SettingsError
from triptych.models.model import ClosedFormModel, TrainedModel
from triptych.ranking.scorer import Factors, ItemWeights
from triptych.settings import Choices, LogRange, check_settings_class

ModelClass = type[TrainedModel] | type[ClosedFormModel]
SIGNATURES = {
    "__init__": "__init__(self, dataset, settings, generator)",
    "loss": "loss(self, batch, generator)",
    "factors": "factors(self)",
    "solve": "solve(self, dataset, listener)",
}
FLAGS = ("needs_features", "uses_user_features", "needs_negatives")
HINT = "derive it from triptych.TrainedModel (it has loss and factors) or triptych.ClosedFormModel (it has solve)"


def check_model_class(kind: object) -> ModelClass:
    """Return a class that has all that `fit` needs. Raises SettingsError that says what is missing or wrong."""
    if not (isinstance(kind, type) and issubclass(kind, TrainedModel | ClosedFormModel)):
        raise SettingsError(f"{_name(kind)} is not a model class", hint=HINT)
    missing: list[str] = sorted(getattr(kind, "__abstractmethods__", ()))
    if missing:
        hint = "define " + ", ".join(SIGNATURES.get(name, name) for name in missing)
        raise SettingsError(f"the model class {_name(kind)} lacks {', '.join(missing)}", hint=hint)
    check_settings_class(kind.Settings, of=_name(kind))
    if not isinstance(kind.paper, str):
        raise SettingsError(f"{_name(kind)}.paper is not a text", hint='write its citation, or ""')
    for flag in FLAGS:
        if not isinstance(getattr(kind, flag, False), bool):
            raise SettingsError(f"{_name(kind)}.{flag} is not True or False", hint="write one of them")
    search: object = kind.search
    if not (isinstance(search, Mapping) and all(isinstance(each, Choices | LogRange) for each in search.values())):
        hint = 'write for example {"reg_weight": triptych.LogRange(1e-4, 1e-1), "n_layers": triptych.Choices((1, 2))}'
        raise SettingsError(f"{_name(kind)}.search is not a search space", hint=hint)
    return kind


def require_scorer(scorer: object, of: object, dataset: Dataset) -> Factors | ItemWeights:
    """Return what `solve` returned. Raises SettingsError unless it scores the items of the data set for its users."""
    if isinstance(scorer, Factors):
        return require_factors(scorer, of, dataset)
    if not isinstance(scorer, ItemWeights):
        hint = "return triptych.Factors(users, items) or triptych.ItemWeights(dataset.interactions, weights)"
        raise SettingsError(f"solve of {_name(of)} returned {_kind(scorer)}", hint=hint)
    matrices = [each for each in (scorer.weights, scorer.spread, scorer.direct) if each is not None]
    for matrix in matrices:
        if not isinstance(matrix, np.ndarray | sparse.csr_array) or matrix.dtype.kind != "f":
            hint = "give a float32 array, or a scipy.sparse.csr_array of it"
            raise SettingsError(f"the item weights of {_name(of)} are {_kind(matrix)}", hint=hint)
        if matrix.shape != (dataset.n_items, dataset.n_items):
            _refuse_shape(of, "item weights", matrix.shape, f"[{dataset.n_items}, {dataset.n_items}]")
    if (scorer.n_users, scorer.n_items) != (dataset.n_users, dataset.n_items):
        _refuse_shape(of, "history", (scorer.n_users, scorer.n_items), f"[{dataset.n_users}, {dataset.n_items}]")
    return scorer


def require_factors(factors: object, of: object, dataset: Dataset) -> Factors:
    """Return what `factors` returned. Raises SettingsError unless it has a row per user and per item."""
    if not isinstance(factors, Factors):
        hint = "return triptych.Factors(users, items)"
        raise SettingsError(f"factors of {_name(of)} returned {_kind(factors)}", hint=hint)
    for name, n in (("users", dataset.n_users), ("items", dataset.n_items)):
        table: object = getattr(factors, name)
        if not (isinstance(table, Tensor) and table.is_floating_point()):
            hint = "give tensors of float32; torch.from_numpy makes one of an array"
            raise SettingsError(f"{name} in the factors of {_name(of)} are {_kind(table)}", hint=hint)
        if table.ndim != 2 or len(table) != n:
            _refuse_shape(of, f"factors of {name}", tuple(table.shape), f"[{n}, d]")
    if factors.users.shape[1] != factors.items.shape[1]:
        _refuse_shape(of, "factors of items", tuple(factors.items.shape), f"[n, {factors.users.shape[1]}]")
    return factors


def require_terms(terms: object, of: object) -> Mapping[str, Tensor]:
    """Return what `loss` returned. Raises SettingsError unless it is named scalars that depend on parameters."""
    hint = 'return for example {"bpr": loss}: each value a tensor of one number'
    if not (isinstance(terms, Mapping) and terms):
        raise SettingsError(f"loss of {_name(of)} returned {_kind(terms)}", hint=hint)
    for name, value in terms.items():
        if not (isinstance(value, Tensor) and value.ndim == 0):
            shape = f" of shape {list(value.shape)}" if isinstance(value, Tensor) else ""
            raise SettingsError(f'term "{name}" in the loss of {_name(of)} is {_kind(value)}{shape}', hint=hint)
    if torch.is_grad_enabled() and not any(value.requires_grad for value in terms.values()):
        hint = "assign nn.Parameter in __init__, and compute the loss from these"
        raise SettingsError(f"the loss of {_name(of)} does not depend on any parameter", hint=hint)
    return terms


def _refuse_shape(of: object, what: str, shape: Any, expected: str) -> None:
    raise SettingsError(f"{what} of {_name(of)} have the shape {list(shape)}", hint=f"{expected} is expected")


def _name(value: object) -> str:
    """The name of a class, or of the class of an instance; other values as they are written."""
    if isinstance(value, TrainedModel | ClosedFormModel):
        value = type(value)
    return value.__qualname__ if isinstance(value, type) else repr(value)


def _kind(value: object) -> str:
    dtype = getattr(value, "dtype", None)
    return "None" if value is None else f"{type(value).__name__}{f' of {dtype}' if dtype is not None else ''}"
