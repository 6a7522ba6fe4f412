"""Values that are not finite are found in every precision; the largest finite value is accepted."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import DTypeLike

from triptych.data.features import first_non_finite


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize(
    ("value", "name"), [(np.nan, "NaN"), (-np.nan, "NaN"), (np.inf, "infinity"), (-np.inf, "infinity")]
)
def test_the_first_value_that_is_not_finite_is_reported(dtype: DTypeLike, value: float, name: str) -> None:
    rows = np.full((4, 3), -np.finfo(dtype).max, dtype=dtype)
    assert first_non_finite(rows) is None
    assert first_non_finite(rows[:0]) is None
    rows[2, 1] = value
    assert first_non_finite(rows) == (2, 1, name)
    assert first_non_finite(rows[:, ::2]) is None
