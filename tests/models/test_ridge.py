"""EASE's weights equal the textbook formula in both forms; too large a problem is an error that says its size."""

from __future__ import annotations

import numpy as np
import pytest

from triptych.errors import TrainingError
from triptych.models import ridge
from triptych.models.ridge import dense_weights, sparse_weights
from worlds import random_dataset


def textbook_weights(penalty: float) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    x = random_dataset().interactions.to_csr().toarray().astype(np.float64)
    p = np.linalg.inv(x.T @ x + penalty * np.eye(x.shape[1]))
    b = -p / np.diag(p)
    np.fill_diagonal(b, 0)
    return b


@pytest.mark.parametrize("penalty", [0.5, 10.0, 300.0])
def test_dense_weights_equal_the_textbook_formula(penalty: float) -> None:
    weights = dense_weights(random_dataset().interactions, penalty)
    assert weights.dtype == np.float32
    assert np.allclose(weights, textbook_weights(penalty), atol=2e-5)


def test_the_sparse_form_with_all_neighbours_equals_the_dense_form() -> None:
    interactions = random_dataset(density=0.7).interactions  # any two items share a user, so N is all other items
    weights = sparse_weights(interactions, 10.0, 24).toarray()
    assert np.allclose(weights, dense_weights(interactions, 10.0), atol=2e-5)


def test_the_sparse_form_has_at_most_n_neighbours_entries_per_column() -> None:
    weights = sparse_weights(random_dataset().interactions, 10.0, 5)
    assert (np.diff(weights.tocsc().indptr) <= 5).all()
    assert not weights.diagonal().any()


def test_too_little_memory_is_an_error_with_the_needed_size_and_a_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ridge, "free_bytes", lambda: 1000)
    with pytest.raises(TrainingError, match=r"25 items need .* GB, and .* GB are free") as caught:
        dense_weights(random_dataset().interactions, 10.0)
    assert "form=sparse" in str(caught.value.hint)
