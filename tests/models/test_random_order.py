"""Random order: every user has another list, and the setting `draw` seeds it."""

from __future__ import annotations

import numpy as np

from triptych.data.split import split
from triptych.training.fit import fit
from worlds import random_dataset


def test_users_have_different_orders_and_the_draw_setting_changes_them() -> None:
    data = split(random_dataset(), "ratio", seed=0)
    first, repeated, other = (fit("random", data, {"draw": draw}).recommend(k=10).items for draw in (0, 0, 1))
    assert np.array_equal(first, repeated)
    assert not np.array_equal(first, other)
    assert not np.array_equal(first[0], first[1])
