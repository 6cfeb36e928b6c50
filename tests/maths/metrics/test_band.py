"""The band of a calibrated probability: what its limits are, and what they promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta

from axiom.maths.calibration import ReliabilityBand

outcomes = st.lists(st.tuples(st.booleans(), st.floats(0, 1, allow_nan=False)), min_size=1, max_size=400)


def test_one_bin_has_the_limits_of_jeffreys() -> None:
    band = ReliabilityBand.fit([1] * 7 + [0] * 33, np.full(40, 0.2))
    np.testing.assert_allclose(np.ravel(band.interval(0.2)), beta(7.5, 33.5).ppf([0.05, 0.5, 0.95]))
    np.testing.assert_allclose(np.ravel(band.interval(0.99)), np.ravel(band.interval(0.2)))


def test_the_band_holds_the_true_rate_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    inside = []
    for _ in range(200):
        p = rng.beta(2, 3, 1000)
        low, _, high = (band := ReliabilityBand.fit(rng.random(1000) < p, p)).interval(band.centre)
        inside.append(np.mean((low <= band.centre) & (band.centre <= high)))
    assert 0.89 < np.mean(inside) < 0.99  # 90 %, a little more where limits were moved outwards


def test_more_rows_narrow_the_band() -> None:
    rng = np.random.default_rng(1)
    p = rng.random(20_000)
    y = rng.random(20_000) < p
    low, middle, high = ReliabilityBand.fit(y, p).interval(np.linspace(0.05, 0.95, 50))
    few_low, _, few_high = ReliabilityBand.fit(y[:1000], p[:1000]).interval(np.linspace(0.05, 0.95, 50))
    assert (high - low).mean() < (few_high - few_low).mean() / 3
    np.testing.assert_allclose(middle, np.linspace(0.05, 0.95, 50), atol=0.05)


@settings(max_examples=60, deadline=None)
@given(outcomes)
def test_limits_are_ordered_monotone_and_probabilities(rows: list[tuple[bool, float]]) -> None:
    y, p = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    low, middle, high = ReliabilityBand.fit(y, p).interval(np.linspace(0, 1, 101))
    assert (low >= 0).all()
    assert (high <= 1).all()
    assert (low <= middle + 1e-12).all()
    assert (middle <= high + 1e-12).all()
    for limit in (low, middle, high):
        assert (np.diff(limit) >= -1e-12).all()


def test_a_probability_that_is_unknown_has_no_limits() -> None:
    band = ReliabilityBand.fit([0, 1] * 20, np.linspace(0, 1, 40))
    low, middle, high = band.interval([0.3, np.nan])
    assert np.isnan([low[1], middle[1], high[1]]).all()
    assert np.isfinite([low[0], middle[0], high[0]]).all()


@pytest.mark.parametrize(("y", "p"), [([0, 2], [0.1, 0.2]), ([0, 1], [0.1, 1.2]), ([0], [0.1, 0.2]), ([], [])])
def test_what_is_no_outcome_or_no_probability_is_refused(y: list[float], p: list[float]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        ReliabilityBand.fit(y, p)
