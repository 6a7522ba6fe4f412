"""Vectors whose cosine says how similar two items are: of the model, of who has the items, or of their features.

    factors       v_i = h_i
    item weights  v_i = column i of the weights that multiply a history
    blend         v_i = the unit vectors of its models, side by side, each times √|weight|

So each is the vector of the item whose inner product with one of the user is the score. Wide ones are compressed
(`ranking/unit_vectors.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import sparse

from triptych.data.features import Features
from triptych.data.interactions import Interactions
from triptych.errors import SettingsError, did_you_mean
from triptych.ranking.scorer import OurScorer, RestrictedScorer, Scorer
from triptych.ranking.unit_vectors import FloatArray, matrix_vectors, table_vectors

MODEL, INTERACTIONS = "model", "interactions"  # similarities that are no modality


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
        return matrix_vectors(unit_columns(interactions))
    if similarity not in features:
        hint = did_you_mean(similarity, (MODEL, INTERACTIONS, *features))
        hint += "" if features else " A model that was opened from a folder has no features."
        raise SettingsError(f'unknown similarity "{similarity}"', hint=hint)
    return table_vectors(np.asarray(features[similarity].table, dtype=np.float32))


def model_vectors(scorer: Scorer) -> FloatArray:
    """float32 [n_items, d], of length 1; see the module. Raises SettingsError for a scorer of another kind."""
    if isinstance(scorer, RestrictedScorer):
        return model_vectors(scorer.scorer)
    if isinstance(scorer, OurScorer):
        return scorer.item_vectors
    raise SettingsError(
        f"{type(scorer).__name__} has no vectors of items", hint=f'choose the similarity "{INTERACTIONS}" or a modality'
    )


def users_of_items(interactions: Interactions) -> sparse.csr_array:
    """Return float32 [n_items, n_users], sparse: the users of each item as a vector of length 1."""
    return sparse.csr_array(unit_columns(interactions).T)


def unit_columns(interactions: Interactions) -> Any:
    """Return a sparse float32 matrix [n_users, n_items]: the users of each item as a column of length 1."""
    scale = 1 / np.sqrt(np.maximum(interactions.item_degrees, 1))
    return sparse.csr_array(interactions.to_csr() * scale.astype(np.float32)[None, :])
