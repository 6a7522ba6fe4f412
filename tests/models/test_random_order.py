"""Random order ranks as chance does."""

from __future__ import annotations

import numpy as np

from triptych.data.split import split
from triptych.training.fit import fit
from worlds import random_dataset


def test_every_user_has_an_order_of_their_own_and_a_setting_draws_another() -> None:
    parts = split(random_dataset(), "ratio", seed=0)
    one, again, other = (fit("random", parts, {"draw": draw}).recommend(k=10).items for draw in (0, 0, 1))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    assert not np.array_equal(one[0], one[1])
