"""A value that is not finite is found whatever the precision, and the largest finite one is none."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import DTypeLike

from triptych.data.features import first_bad_value


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize(
    ("value", "what"), [(np.nan, "NaN"), (-np.nan, "NaN"), (np.inf, "infinity"), (-np.inf, "infinity")]
)
def test_the_first_value_that_is_not_finite_is_named(dtype: DTypeLike, value: float, what: str) -> None:
    rows = np.full((4, 3), -np.finfo(dtype).max, dtype=dtype)
    assert first_bad_value(rows) is None
    assert first_bad_value(rows[:0]) is None
    rows[2, 1] = value
    assert first_bad_value(rows) == (2, 1, what)
    assert first_bad_value(rows[:, ::2]) is None
