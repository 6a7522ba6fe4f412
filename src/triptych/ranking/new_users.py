"""New users without training: a scorer from their histories.

Item weights score any history. For factors, the vectors of the known users are regressed on their histories:

    a_u = [Σ_{i ∈ N(u)} h_i / √(d_u d_i) ; mean of h_i over N(u)]        columns standardised
    M = argmin Σ_u ‖a_u M − (h_u − mean h)‖² + λ n ‖M‖²                   over known users
    a new user's vector = a_u M + mean h

This works for every model that ranks by an inner product. It is linear in the user's items, so the part of each item
is known.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from triptych.data.interactions import Interactions
from triptych.errors import InputError
from triptych.ranking.given_scores import GivenScores
from triptych.ranking.own_scorer import require_ours
from triptych.ranking.scorer import Blend, Factors, ItemWeights, OurScorer, Scorer

RIDGE = 1e-2  # λ
USED_FOR = "asked for users that it does not know"  # in the error for a scorer from outside
USERS = 50_000  # at most so many known users are used for the regression


def new_user_scorer(scorer: Scorer, train: Interactions, histories: Interactions) -> Factors | ItemWeights | Blend:
    """Return a scorer for new users. histories: their interactions, with user rows of their own and the same items.

    train: the training interactions of the scorer's users. Given scores are those of known users: a blend ranks for new
    ones without them. Raises InputError for a scorer from outside the package, and for given scores alone.
    """
    scorer = require_ours(scorer, USED_FOR)
    return scorer_of_histories(scorer, history_maps(scorer, train), histories)


def history_maps(scorer: OurScorer, train: Interactions) -> HistoryMaps:
    """Return M of every scorer of a blend, or of the one scorer; None for those that have no factors.

    They take about a second for our largest data, so `Recommender.history_maps` keeps them.
    """
    return tuple(history_map(each, train) if isinstance(each, Factors) else None for each in parts_of(scorer))


def parts_of(scorer: OurScorer) -> tuple[Factors | ItemWeights | GivenScores, ...]:
    """Return the scorers of a blend, or the one scorer."""
    return scorer.scorers if isinstance(scorer, Blend) else (scorer,)


def scorer_of_histories(scorer: OurScorer, maps: HistoryMaps, histories: Interactions) -> Factors | ItemWeights | Blend:
    """Return a scorer for new users, see `new_user_scorer`. maps: the result of `history_maps`."""
    kept = without_given_scores(scorer)
    kept_maps = [one for each, one in zip(parts_of(scorer), maps, strict=True) if not isinstance(each, GivenScores)]
    scorers = tuple(_of_histories(each, one, histories) for each, one in zip(_members(kept), kept_maps, strict=True))
    return Blend(scorers, kept.weights) if isinstance(kept, Blend) else scorers[0]


def without_given_scores(scorer: OurScorer) -> Factors | ItemWeights | Blend:
    """Return what ranks for users without given scores. Raises InputError if nothing does."""
    if isinstance(scorer, Factors | ItemWeights):
        return scorer
    members = [] if isinstance(scorer, GivenScores) else list(zip(scorer.scorers, scorer.weights, strict=True))
    kept = [(each, weight) for each, weight in members if not isinstance(each, GivenScores)]
    if not kept:
        raise InputError(
            "scores that were given for known users say nothing about new ones", hint="blend them with a model"
        )
    return Blend(tuple(each for each, _ in kept), tuple(weight for _, weight in kept))


@dataclass(frozen=True)
class HistoryMap:
    """M of the equations above, without the standardisation: a linear map from histories to user vectors.

    propagated, averaged: float64 [n_items, d]. Item i adds propagated_i / √n + averaged_i / n to a user with n items.
    constant: float64 [d]. explained: the share of Σ‖h_u − mean h‖² over known users that the map explains.
    """

    propagated: NDArray[np.float64]
    averaged: NDArray[np.float64]
    constant: NDArray[np.float64]
    explained: float

    def vectors(
        self,
        histories: Interactions,
        users: NDArray[np.int64] | None = None,
        weights: NDArray[np.float64] | None = None,
    ) -> Tensor:
        """float32 [n, d]: the vectors of some users of `histories`, int64 [n], or of all (None).

        weights: how much each of their items counts, in the order of `Interactions.items_of`, with mean 1 per user.
        """
        X: Any = histories.to_csr(users, dtype=np.float64)
        if weights is not None:
            X.data[:] = weights
        n = np.maximum(histories.user_degrees if users is None else histories.user_degrees[users], 1)[:, None]
        vectors = X @ self.propagated / np.sqrt(n) + X @ self.averaged / n + self.constant
        return torch.from_numpy(vectors.astype(np.float32))

    def item_parts(self, history: NDArray[np.int64]) -> NDArray[np.float64]:
        """float64 [n, d]: what each item of one user's history, int64 [n], adds to the user's vector."""
        n = max(1, len(history))
        return np.asarray(self.propagated[history] / n**0.5 + self.averaged[history] / n)


HistoryMaps = tuple[HistoryMap | None, ...]  # see `history_maps`


def _members(scorer: Factors | ItemWeights | Blend) -> list[Factors | ItemWeights]:
    return [each for each in parts_of(scorer) if not isinstance(each, GivenScores)]


def _of_histories(
    scorer: Factors | ItemWeights, one: HistoryMap | None, histories: Interactions
) -> Factors | ItemWeights:
    if isinstance(scorer, ItemWeights):
        return replace(scorer, history=histories)
    assert one is not None  # factors have one
    return Factors(one.vectors(histories), scorer.items)


def history_map(factors: Factors, train: Interactions) -> HistoryMap:
    """Fit M to the known users of `train`, or to `USERS` of them, evenly chosen."""
    items = factors.items.cpu().numpy().astype(np.float64)
    hops = items / np.sqrt(np.maximum(train.item_degrees, 1))[:, None]
    known = np.flatnonzero(train.user_degrees)
    known = known[np.unique(np.linspace(0, len(known) - 1, USERS).astype(np.int64))]
    X: Any = train.to_csr(known, dtype=np.float64)
    n = train.user_degrees[known][:, None]
    design_matrix = np.concatenate([X @ hops / np.sqrt(n), X @ items / n], axis=1)
    mean, h = design_matrix.mean(axis=0), factors.users[torch.from_numpy(known)].cpu().numpy().astype(np.float64)
    scale = design_matrix.std(axis=0)
    scale[scale < 1e-12] = 1.0
    a = (design_matrix - mean) / scale
    gram = a.T @ a + RIDGE * len(a) * np.eye(a.shape[1])
    M = np.linalg.solve(gram, a.T @ (h - h.mean(axis=0))) / scale[:, None]
    constant = h.mean(axis=0) - mean @ M
    residual = float(np.square(h - design_matrix @ M - constant).sum())
    total, d = float(np.square(h - h.mean(axis=0)).sum()) or 1.0, items.shape[1]
    return HistoryMap(hops @ M[:d], items @ M[d:], constant, 1 - residual / total)
