"""Vectors whose inner product is the score of a model: one per user and one per item.

Factors are such vectors. A blend of factors has them too, although it standardises each model's scores per user: with
v̄ the mean of a model's item vectors and C their covariance, the mean of u's scores is u·v̄ and their variance uᵀC u, so

    s(u, i) = Σ over models of w (u·v_i − u·v̄) / √(uᵀC u) = [w u / √(uᵀC u) of every model] · [v_i − v̄ of every model]
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from triptych.data.vocabulary import Vocabulary
from triptych.errors import InputError
from triptych.ranking.given_scores import GivenScores
from triptych.ranking.own_scorer import require_ours
from triptych.ranking.recommender import Recommender
from triptych.ranking.scorer import Blend, Factors, Scorer

SAME = 1e-6  # standard deviation below which a user's scores are equal, relative to their size: rounding in float32


@dataclass(frozen=True)
class Vectors:
    """The vectors of a model with their ids: user_vectors · item_vectors are its scores.

    item_ids: series [n_items] of text or integers, as they came; row i is item i. item_vectors: float32 [n_items, d].
    user_ids: series [n], likewise.
    user_rows: int64 [n]. user_vectors: float32 [n, d]. left_out: the number of users without a vector, because the
    model knows nothing of them.
    """

    item_ids: pl.Series
    item_vectors: NDArray[np.float32]
    user_ids: pl.Series
    user_rows: NDArray[np.int64]
    user_vectors: NDArray[np.float32]
    left_out: int = 0

    @property
    def dimensions(self) -> int:
        return int(self.item_vectors.shape[1])


def vectors_of(model: Recommender) -> Vectors:
    """Return the vectors of a model that ranks by an inner product. Raises InputError for other models.

    Users of whom the model knows nothing get no vector: theirs would be random, and `recommend` gives them the popular
    items.
    """
    factors = inner_product(model)
    users, items = (matrix.detach().cpu().numpy().astype(np.float32) for matrix in (factors.users, factors.items))
    known = np.flatnonzero(~model.users_of_whom_nothing_is_known())
    return Vectors(
        ids_of(model.dataset.items),
        np.ascontiguousarray(items),
        ids_of(model.dataset.users, known),
        known,
        np.ascontiguousarray(users[known]),
        len(users) - len(known),
    )


def ids_of(vocabulary: Vocabulary, rows: NDArray[np.int64] | None = None) -> pl.Series:
    """Return ids of some rows, or of all, as they came: as integers, or as text."""
    ids = vocabulary.as_given(np.arange(len(vocabulary)) if rows is None else rows)
    return ids if ids.dtype.is_integer() else ids.cast(pl.String)


def inner_product(model: Recommender) -> Factors:
    """Return factors for all users and items whose inner product is the score of a model. Raises InputError."""
    scorer = require_ours(model.scorer, "exported")
    if isinstance(scorer, Factors):
        return scorer
    if isinstance(scorer, Blend):
        factors = [each for each in scorer.scorers if isinstance(each, Factors)]
        if len(factors) == len(scorer.scorers):
            return blended_factors(factors, scorer.weights)
        if any(isinstance(each, GivenScores) for each in scorer.scorers):
            what = "a blend with scores that were given from outside has no user vectors"
            raise InputError(what, hint="blend models with vectors only, or write lists: triptych recommend")
        what = "a blend with a model that ranks by item weights has no user vectors"
        raise InputError(what, hint="blend models with vectors only, or export onnx:FILE, which takes histories")
    if isinstance(scorer, GivenScores):
        raise InputError("scores that were given from outside have no vectors", hint="export a model")
    name = model.about.get("model", "this model")
    raise InputError(
        f"{name} has no user vectors: it adds up weights between the items of a history and every item",
        hint="export onnx:FILE, which takes histories, or a model with vectors, for example bpr, lightgcn or bm3",
    )


def has_inner_product(scorer: Scorer) -> bool:
    """Whether `inner_product` finds vectors for this scorer."""
    scorers = scorer.scorers if isinstance(scorer, Blend) else (scorer,)
    return all(isinstance(each, Factors) for each in scorers)


def blended_factors(factors: list[Factors], weights: tuple[float, ...]) -> Factors:
    """Return factors whose inner product is the score of a blend of factors; see the equation above."""
    users, items = [], []
    for each, weight in zip(factors, weights, strict=True):
        u, v = (matrix.detach().cpu().numpy().astype(np.float64) for matrix in (each.users, each.items))
        centred = v - v.mean(axis=0)
        covariance = centred.T @ centred / len(v)
        deviation = np.sqrt(np.maximum(np.einsum("ud,de,ue->u", u, covariance, u, optimize=True), 0))
        size = np.linalg.norm(u, axis=1) * np.sqrt(np.square(v).sum(axis=1).max(initial=0.0))
        differ = deviation > SAME * size  # the others have equal scores, which the blend standardises to 0
        users.append(u * np.divide(weight, deviation, out=np.zeros_like(deviation), where=differ)[:, None])
        items.append(centred)
    return Factors(*(torch.from_numpy(np.concatenate(side, axis=1).astype(np.float32)) for side in (users, items)))
