"""What is similar to items or users, and who would most likely want an item: frames with ids, best first.

The similarity of items is the scorer's own. The similarity of a user v to a user u is

    factors:        the cosine of their vectors
    item weights:   the cosine of the scores of all items for u and the 0/1 history of v
    blends:         Σ over scorers of weight · standardised similarity, as their scores are blended
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from triptych.data.dataset import Dataset
from triptych.data.ids import Id, Ids, id_series, id_text
from triptych.data.vocabulary import Vocabulary
from triptych.errors import InputError
from triptych.progress import Listener, ignore_progress
from triptych.ranking.given_scores import GivenScores
from triptych.ranking.own_scorer import similarity_of
from triptych.ranking.pairs import scores_of_item
from triptych.ranking.scorer import Blend, Factors, Scorer, SimpleScorer, standardised
from triptych.ranking.topk import check_k

HINT = "ask a model that knows more about it, for example content-ease, lightgcn or bm3"


def similar_items(scorer: Scorer, dataset: Dataset, items: Id | Ids, k: int, model: str) -> pl.DataFrame:
    """Return the k items most similar to one, or on average to several; see `Recommender.similar_items`."""
    check_k(k)
    ids = id_series(items if _is_list(items) else [items]).unique(maintain_order=True)
    if not len(ids):
        raise InputError("no item is given", hint="give one item id, or a list of them")
    rows = np.unique(dataset.items.rows(ids))
    similarity = mean_similarity(scorer, rows)
    others = np.delete(similarity, rows)
    one_number = isinstance(scorer, Factors) and scorer.items.shape[1] == 1  # cosines of 1, or 0
    if one_number or (len(others) > 1 and others.max() == others.min()):
        shown = f'"{ids[0]}"' + (f" and {len(ids) - 1} others" if len(ids) > 1 else "")
        raise InputError(f"{model} does not know which items are similar to {shown}", hint=HINT)
    similarity[rows] = -np.inf
    return _best("item", "similarity", dataset.items, similarity, min(k, len(others)))


def similar_users(
    scorer: Scorer, dataset: Dataset, lacking: NDArray[np.bool_], user: Id, k: int, model: str
) -> pl.DataFrame:
    """Return the k users most similar to one; see `Recommender.similar_users`. lacking: users to leave out."""
    check_k(k)
    row = int(dataset.users.rows([user])[0])
    name = id_text(user, "user")
    if lacking[row]:
        hint = "recommend gives the popular items to such a user"
        raise InputError(f'{model} knows nothing of user "{name}"', hint=hint)
    similarity = user_similarity(scorer, row)
    allowed = ~lacking
    allowed[row] = False
    others = similarity[allowed]
    one_number = isinstance(scorer, Factors) and scorer.users.shape[1] == 1
    if one_number or (len(others) > 1 and others.max() == others.min()):
        raise InputError(f'{model} does not know which users are similar to "{name}"', hint=HINT)
    similarity[~allowed] = -np.inf
    return _best("user", "similarity", dataset.users, similarity, min(k, len(others)))


def users_of_item(
    scorer: Scorer,
    dataset: Dataset,
    lacking: NDArray[np.bool_],
    item: Id,
    k: int,
    *,
    include_seen: bool,
    listener: Listener = ignore_progress,
) -> pl.DataFrame:
    """Return the k users with the highest scores of an item; see `Recommender.recommend_users`."""
    check_k(k)
    row = int(dataset.items.rows([item])[0])
    scores = scores_of_item(scorer, row, listener)
    left_out = lacking.copy()
    if not include_seen:
        left_out[dataset.interactions.users[dataset.interactions.items == row]] = True
    scores[left_out | np.isnan(scores)] = -np.inf
    return _best("user", "score", dataset.users, scores, k)


def mean_similarity(scorer: Scorer, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """float32 [n_items]: the mean similarity of each item to some items, int64 [n] rows."""
    if isinstance(scorer, Factors) and len(rows) > 1:  # the mean of cosines is the product with the mean
        unit = torch.nn.functional.normalize(scorer.items, dim=1)
        mean = unit @ unit[torch.from_numpy(rows).to(unit.device)].mean(dim=0)
        return mean.float().cpu().numpy()
    total = similarity_of(scorer, int(rows[0])).float()
    for row in rows[1:]:
        total = total + similarity_of(scorer, int(row))
    return np.array((total / len(rows)).numpy())


def user_similarity(scorer: Scorer, user: int) -> NDArray[np.float32]:
    """float32 [n_users]: the similarity of each user to one user row; see the equations above. Raises InputError."""
    if isinstance(scorer, Blend):
        total = torch.zeros(scorer.n_users)
        for each, weight in zip(scorer.scorers, scorer.weights, strict=True):
            total += weight * standardised(_similarity(each, user)[None])[0]
        return total.numpy()
    if not isinstance(scorer, SimpleScorer):
        raise InputError(
            "a scorer of your own does not say which users are similar",
            hint="give its scores as triptych.Factors or triptych.ItemWeights",
        )
    return _similarity(scorer, user).numpy()


def _similarity(scorer: SimpleScorer, user: int) -> Tensor:
    if isinstance(scorer, Factors):
        unit = torch.nn.functional.normalize(scorer.users, dim=1)
        return (unit @ unit[user]).float().cpu()
    if isinstance(scorer, GivenScores):
        return torch.zeros(scorer.n_users)
    scores: NDArray[Any] = scorer.score(np.array([user])).numpy()[0].astype(np.float64)
    lengths = np.sqrt(np.maximum(scorer.history.user_degrees, 1)) * max(float(np.linalg.norm(scores)), 1e-12)
    cosines = scorer.history.to_csr(dtype=np.float64) @ scores / lengths
    return torch.from_numpy(np.asarray(cosines, dtype=np.float32))


def _best(noun: str, kind: str, vocabulary: Vocabulary, values: NDArray[np.float32], k: int) -> pl.DataFrame:
    """Return the k ids of the highest values, those of equal values in the order of the rows; -inf is left out."""
    best = np.argsort(-values, kind="stable")[:k]
    best = best[values[best] > -np.inf]
    return pl.DataFrame(
        {
            f"{noun}_id": vocabulary.as_given(best),
            "rank": np.arange(1, len(best) + 1, dtype=np.int32),
            kind: values[best],
        }
    )


def _is_list(items: object) -> bool:
    return isinstance(items, Iterable) and not isinstance(items, str | bytes | UUID) and getattr(items, "ndim", 1) > 0
