"""EASE's weights are those of the textbook, in both forms, and what does not fit is refused with its size."""

from __future__ import annotations

import numpy as np
import pytest

from triptych.errors import TrainingError
from triptych.models import ridge
from triptych.models.ridge import dense_weights, sparse_weights
from worlds import random_dataset


def textbook(penalty: float) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    x = random_dataset().interactions.to_csr().toarray().astype(np.float64)
    p = np.linalg.inv(x.T @ x + penalty * np.eye(x.shape[1]))
    b = -p / np.diag(p)
    np.fill_diagonal(b, 0)
    return b


@pytest.mark.parametrize("penalty", [0.5, 10.0, 300.0])
def test_dense_weights_are_the_textbook_s(penalty: float) -> None:
    weights = dense_weights(random_dataset().interactions, penalty)
    assert weights.dtype == np.float32
    assert np.allclose(weights, textbook(penalty), atol=2e-5)


def test_regressed_on_all_others_the_sparse_form_is_the_dense_one() -> None:
    taken = random_dataset(density=0.7).interactions  # any two items have a user in common: nothing is left out
    weights = sparse_weights(taken, 10.0, 24).toarray()
    assert np.allclose(weights, dense_weights(taken, 10.0), atol=2e-5)


def test_the_sparse_form_keeps_to_its_neighbourhood() -> None:
    weights = sparse_weights(random_dataset().interactions, 10.0, 5)
    assert (np.diff(weights.tocsc().indptr) <= 5).all()
    assert not weights.diagonal().any()


def test_what_does_not_fit_is_refused_with_its_size_and_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ridge, "free_bytes", lambda: 1000)
    with pytest.raises(TrainingError, match=r"25 items need .* GB, and .* GB are free") as caught:
        dense_weights(random_dataset().interactions, 10.0)
    assert "form=sparse" in str(caught.value.hint)
