"""Intervals, tests and corrections agree with scipy and with textbook examples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from triptych.studies import statistics
from triptych.studies.statistics import holm, interval, paired_p


def test_an_interval_agrees_with_an_independent_bootstrap(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).exponential(size=400)
    found = interval(values, np.random.default_rng(1))
    expected = stats.bootstrap((values,), np.mean, n_resamples=5000, method="percentile", rng=2).confidence_interval
    assert found.mean == values.mean()
    width = expected.high - expected.low
    assert abs(found.low - expected.low) < 0.1 * width
    assert abs(found.high - expected.high) < 0.1 * width
    monkeypatch.setattr(statistics, "CHUNK_VALUES", 1)  # one resample per chunk
    assert interval(values, np.random.default_rng(1)) == found


def test_paired_tests_use_the_differences_per_user() -> None:
    generator = np.random.default_rng(3)
    one = generator.random(300)
    other = one + 0.01 + 0.001 * generator.standard_normal(300)
    assert paired_p(one, other) < 1e-100  # although the two distributions overlap almost completely
    noise = one + 0.1 * generator.standard_normal(300)
    assert paired_p(one, noise) == pytest.approx(stats.ttest_rel(one, noise).pvalue)
    assert paired_p(one, one) == 1.0


def test_holm_corrects_a_textbook_example() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_a_corrected_p_is_not_smaller_keeps_the_order_and_is_at_most_one(p: list[float]) -> None:
    corrected = holm(p)
    assert all(before <= after <= 1 for before, after in zip(p, corrected, strict=True))
    assert all(corrected[a] <= corrected[b] for a in range(len(p)) for b in range(len(p)) if p[a] < p[b])
