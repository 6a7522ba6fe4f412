"""Similar items are those that a model finds similar; a model that does not know says so."""

from __future__ import annotations

import pytest

from triptych.errors import InputError
from triptych.studies.blend import weighted_blend
from triptych.training.fit import fit
from worlds import random_split


def test_popularity_does_not_answer_with_the_order_of_the_rows() -> None:
    popularity = fit("popularity", random_split())
    with pytest.raises(InputError, match='popularity does not know which items are similar to "i03"') as caught:
        popularity.similar_items("i03", k=3)
    assert caught.value.hint
    with pytest.raises(InputError, match="blend does not know"):
        weighted_blend([popularity, popularity], (1.0, 1.0)).similar_items("i03")


def test_the_others_answer() -> None:
    for name in ("random", "item-knn", "ease"):
        assert len(fit(name, random_split()).similar_items("i03", k=3)) == 3
