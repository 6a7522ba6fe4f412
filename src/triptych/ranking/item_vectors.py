"""Vectors whose cosine says how similar two items are: of the model, of who has the items, or of their features.

    factors      v_i = h_i
    item weights v_i = column i of the weights that multiply a history, as far as its largest singular vectors say it
    blend        v_i = the unit vectors of its models, side by side, each times √|weight|

So each is the vector of the item whose inner product with one of the user is the score. Wide vectors are compressed to
WIDTH values: to Qᵀv with an orthonormal Q that a seeded randomised range finder takes from them (Halko et al., 2011).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from triptych.data.features import Features
from triptych.data.interactions import Interactions
from triptych.errors import SettingsError, did_you_mean
from triptych.ranking.scorer import Blend, Factors, ItemWeights, RestrictedScorer, Scorer

MODEL, INTERACTIONS = "model", "interactions"  # similarities that are no modality
WIDTH = 128
OVERSAMPLING = 16  # more columns while the range is sought, as the method wants

FloatArray = NDArray[np.float32]
Product = Callable[[FloatArray], FloatArray]


def item_vectors(
    similarity: str, scorer: Scorer, interactions: Interactions, features: Mapping[str, Features]
) -> FloatArray:
    """float32 [n_items, d]: vectors of length 1; zeros for items of which nothing is known.

    similarity: "model", "interactions" (items are similar if the same users have them) or a modality. interactions: of
    the users of the scorer. Raises SettingsError for an unknown similarity, or a scorer that has no vectors of items.
    """
    if similarity == MODEL:
        return model_vectors(scorer)
    if similarity == INTERACTIONS:
        return interaction_vectors(interactions)
    if similarity not in features:
        hint = did_you_mean(similarity, (MODEL, INTERACTIONS, *features))
        hint += "" if features else " A model that was opened from a folder has no features."
        raise SettingsError(f'unknown similarity "{similarity}"', hint=hint)
    return _compressed(np.asarray(features[similarity].table, dtype=np.float32))


def model_vectors(scorer: Scorer) -> FloatArray:
    """float32 [n_items, d], of length 1; see the module. Raises SettingsError for a scorer of another kind."""
    if isinstance(scorer, RestrictedScorer):
        return model_vectors(scorer.scorer)
    if isinstance(scorer, Factors):
        return _compressed(scorer.items.detach().cpu().numpy().astype(np.float32, copy=False))
    if isinstance(scorer, ItemWeights):
        return unit_rows(_weight_vectors(scorer))
    if isinstance(scorer, Blend):
        parts = [
            model_vectors(each) * np.float32(abs(weight) ** 0.5)
            for each, weight in zip(scorer.scorers, scorer.weights, strict=True)
            if weight
        ]
        return unit_rows(np.concatenate(parts, axis=1)) if parts else np.zeros((scorer.n_items, 1), np.float32)
    raise SettingsError(
        f"{type(scorer).__name__} has no vectors of items", hint=f'choose the similarity "{INTERACTIONS}" or a modality'
    )


def interaction_vectors(interactions: Interactions) -> FloatArray:
    """float32 [n_items, d], of length 1: compressed from the columns of the users that have each item."""
    units = unit_columns(interactions)
    return unit_rows(_compressed_columns(lambda x: _dense(units @ x), lambda x: _dense(units.T @ x), units.shape[1]))


def unit_columns(interactions: Interactions) -> Any:
    """Return a sparse float32 matrix [n_users, n_items]: the users of each item as a column of length 1."""
    scale = 1 / np.sqrt(np.maximum(interactions.item_degrees, 1))
    return sparse.csr_array(interactions.to_csr() * scale.astype(np.float32)[None, :])


def unit_rows(rows: FloatArray) -> FloatArray:
    """float32 [n, d]: rows of length 1. A row of zeros stays zero."""
    lengths = np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
    return (rows / np.where(lengths > 0, lengths, 1)).astype(np.float32)


def _compressed(table: FloatArray) -> FloatArray:
    """float32 [n, d]: unit rows of a table, compressed if it is wide."""
    rows = unit_rows(table)
    if rows.shape[1] <= 2 * WIDTH:
        return rows
    return unit_rows(_compressed_columns(lambda x: rows.T @ x, lambda x: rows @ x, len(rows)))


def _weight_vectors(scorer: ItemWeights) -> FloatArray:
    weights, spread, direct = scorer.weights, scorer.spread, scorer.direct

    def times(x: FloatArray) -> FloatArray:
        """W x, with W = (I + spread) weights + direct."""
        result = _dense(weights @ x)
        result = result if spread is None else result + _dense(spread @ result)
        return result if direct is None else result + _dense(direct @ x)

    def transposed(x: FloatArray) -> FloatArray:
        """Wᵀ x."""
        result = _dense(weights.T @ (x if spread is None else x + _dense(spread.T @ x)))
        return result if direct is None else result + _dense(direct.T @ x)

    return _compressed_columns(times, transposed, scorer.n_items)


def _compressed_columns(times: Product, transposed: Product, n: int) -> FloatArray:
    """float32 [n, at most WIDTH]: the n columns of a matrix A in the basis of its largest singular vectors.

    times, transposed: x -> A x and Aᵀ x.
    """
    width = min(WIDTH + OVERSAMPLING, n)
    start = np.random.default_rng(0).standard_normal((n, width)).astype(np.float32)
    basis = np.linalg.qr(times(transposed(np.linalg.qr(times(start))[0])))[0]
    vectors = transposed(np.ascontiguousarray(basis))  # (Qᵀ A)ᵀ
    _, axes = np.linalg.eigh(vectors.T.astype(np.float64) @ vectors)
    return np.ascontiguousarray(vectors @ axes[:, ::-1][:, :WIDTH].astype(np.float32))


def _dense(matrix: Any) -> FloatArray:
    return np.asarray(matrix if isinstance(matrix, np.ndarray) else matrix.toarray(), dtype=np.float32)
