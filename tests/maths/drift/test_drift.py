"""Two samples: what the measures of their distance are, and what they promise where nothing has changed."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import spatial, special, stats

from axiom.maths.drift import (
    Bins,
    benjamini_hochberg,
    homogeneity_p_value,
    jensen_shannon_divergence,
    ks_p_value,
    ks_statistic,
    population_stability_index,
    population_stability_noise,
    two_proportions_p_value,
    welch_t_test,
)

counts = st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500)), min_size=1, max_size=12)
numbers = st.lists(st.integers(-50, 50).map(float), min_size=2, max_size=60)


def test_a_shift_of_a_tenth_between_two_bins_has_the_index_of_the_formula() -> None:
    # (0.6 - 0.5) ln(0.6/0.5) + (0.4 - 0.5) ln(0.4/0.5), by hand
    found = population_stability_index([500_000, 500_000], [600_000, 400_000])
    assert found == pytest.approx(0.1 * math.log(1.2) - 0.1 * math.log(0.8), rel=1e-5)


@given(counts)
def test_the_index_is_the_symmetric_divergence_of_smoothed_shares(pairs: list[tuple[int, int]]) -> None:
    before, now = (np.array(column, dtype=float) for column in zip(*pairs, strict=True))
    assume(before.sum() > 0)
    assume(now.sum() > 0)
    held = before + now > 0
    p, q = (column[held] + 0.5 for column in (before, now))
    p, q = p / p.sum(), q / q.sum()
    oracle = special.rel_entr(p, q).sum() + special.rel_entr(q, p).sum()
    assert population_stability_index(before, now) == pytest.approx(oracle, abs=1e-12)
    assert population_stability_index(before, before) == 0
    assert population_stability_index(before, now) >= -1e-15


@given(counts)
def test_the_divergence_of_jensen_and_shannon_is_that_of_scipy(pairs: list[tuple[int, int]]) -> None:
    before, now = (np.array(column, dtype=float) for column in zip(*pairs, strict=True))
    assume(before.sum() > 0)
    assume(now.sum() > 0)
    found = jensen_shannon_divergence(before, now)
    assert found == pytest.approx(spatial.distance.jensenshannon(before, now, base=2) ** 2, abs=1e-12)
    assert 0 <= found <= 1
    assert found == pytest.approx(jensen_shannon_divergence(now, before), abs=1e-12)


def test_samples_without_a_common_bin_are_one_bit_apart() -> None:
    assert jensen_shannon_divergence([10, 0], [0, 7]) == pytest.approx(1)


def test_the_index_of_two_samples_of_one_distribution_is_chi_squared() -> None:
    rng = np.random.default_rng(7)
    p_values, found = [], []
    for _ in range(400):
        baseline, current = rng.gamma(2.0, size=2000), rng.gamma(2.0, size=800)
        bins = Bins.fit(baseline)
        before, now = bins.count(baseline), bins.count(current)
        p_values.append(homogeneity_p_value(before, now))
        found.append(population_stability_index(before, now))
    noise = population_stability_noise(before, now)
    assert noise == pytest.approx((1 / 2000 + 1 / 800) * 9)
    assert np.mean(found) == pytest.approx(noise, rel=0.1)
    assert 0.02 < np.mean(np.array(p_values) < 0.05) < 0.08
    assert stats.kstest(p_values, "uniform").pvalue > 0.001


@given(st.lists(st.tuples(st.integers(10, 500), st.integers(10, 500)), min_size=2, max_size=12))
def test_the_test_of_pearson_is_that_of_scipy(pairs: list[tuple[int, int]]) -> None:
    before, now = (np.array(column, dtype=float) for column in zip(*pairs, strict=True))
    assume((stats.contingency.expected_freq([before, now]) >= 5).all())
    oracle = stats.chi2_contingency([before, now], correction=False).pvalue
    assert homogeneity_p_value(before, now) == pytest.approx(oracle, rel=1e-9, abs=1e-300)


def test_rows_that_are_not_independent_make_a_change_less_sure() -> None:
    before, now = [100, 100, 100], [30, 40, 60]
    sure = homogeneity_p_value(before, now)
    assert homogeneity_p_value(before, now, independent=0.2) > sure
    assert homogeneity_p_value([100], [50]) == 1


def test_rare_bins_are_put_together_before_chance_is_judged() -> None:
    assert homogeneity_p_value([480, 10, 10], [240, 3, 7]) == pytest.approx(homogeneity_p_value([480, 20], [240, 10]))
    together = homogeneity_p_value([900, 94, 2, 3, 1], [450, 45, 2, 0, 3])
    assert together == pytest.approx(homogeneity_p_value([900, 94, 6], [450, 45, 5]))
    assert homogeneity_p_value([900, 100, 1], [450, 50, 1]) == pytest.approx(homogeneity_p_value([900, 101], [450, 51]))


def test_a_constant_that_becomes_another_constant_is_seen() -> None:
    bins = Bins.fit(np.full(200, 5.0))
    for other in (3.0, 7.0):
        assert population_stability_index(bins.count(np.full(200, 5.0)), bins.count(np.full(200, other))) > 5
    assert bins.count([5.0, 3.0]).tolist() == [1, 1]


@given(numbers, numbers)
def test_every_row_falls_into_one_bin(baseline: list[float], current: list[float]) -> None:
    for size in (2, 5, 10):
        bins = Bins.fit(baseline, size)
        assert bins.count(current).sum() == len(current)
        assert bins.count(baseline).size <= size + 1
        assert (np.diff(bins.points) > 0).all()


def test_the_bins_of_many_values_hold_about_the_same_number() -> None:
    values = np.random.default_rng(3).normal(size=10_000)
    held = Bins.fit(values, 10).count(values)
    assert held.tolist() == [1000] * 10


@given(numbers, numbers)
def test_the_distance_of_kolmogorov_and_smirnov_is_that_of_scipy(a: list[float], b: list[float]) -> None:
    assert ks_statistic(a, b) == pytest.approx(stats.ks_2samp(a, b, method="asymp").statistic, abs=1e-12)


def test_the_p_value_of_a_distance_is_near_the_exact_one() -> None:
    rng = np.random.default_rng(11)
    for n, m in ((60, 60), (80, 200), (150, 90)):
        for shift in (0.0, 0.2, 0.4):
            a, b = rng.normal(size=n), rng.normal(shift, size=m)
            exact = stats.ks_2samp(a, b, method="exact")
            close = 0.05 if exact.pvalue > 0.1 else 0.015
            assert ks_p_value(float(exact.statistic), n, m) == pytest.approx(exact.pvalue, abs=close)


@settings(max_examples=60)
@given(st.lists(st.floats(-1e3, 1e3), min_size=3, max_size=40), st.lists(st.floats(-1e3, 1e3), min_size=3, max_size=40))
def test_the_test_of_welch_is_that_of_scipy(a: list[float], b: list[float]) -> None:
    assume(np.std(a) > 1e-3)
    assume(np.std(b) > 1e-3)
    found, oracle = welch_t_test(a, b), stats.ttest_ind(a, b, equal_var=False)
    assert found.statistic == pytest.approx(oracle.statistic, rel=1e-6, abs=1e-9)
    assert found.degrees_of_freedom == pytest.approx(oracle.df, rel=1e-6)
    assert found.p_value == pytest.approx(oracle.pvalue, rel=1e-5, abs=1e-12)


def test_samples_without_spread_differ_for_sure_or_not_at_all() -> None:
    assert welch_t_test([2, 2], [2, 2, 2]).p_value == 1
    different = welch_t_test([2, 2], [3, 3])
    assert (different.statistic, different.p_value) == (-math.inf, 0)


def test_two_proportions_are_compared_as_by_the_chi_squared_of_their_table() -> None:
    oracle = stats.chi2_contingency([[30, 70], [45, 155]], correction=False).pvalue
    assert two_proportions_p_value(30, 100, 45, 200) == pytest.approx(oracle)
    assert two_proportions_p_value(0, 10, 0, 20) == two_proportions_p_value(10, 10, 20, 20) == 1


@given(st.lists(st.floats(0, 1), min_size=1, max_size=50))
def test_adjusted_p_values_are_those_of_scipy(p: list[float]) -> None:
    np.testing.assert_allclose(benjamini_hochberg(p), stats.false_discovery_control(p), atol=1e-12)


def test_the_published_example_of_benjamini_and_hochberg() -> None:
    # Benjamini & Hochberg 1995, section 3.2: fifteen hypotheses, of which four are rejected at 5 %.
    p = [
        0.0001,
        0.0004,
        0.0019,
        0.0095,
        0.0201,
        0.0278,
        0.0298,
        0.0344,
        0.0459,
        0.3240,
        0.4262,
        0.5719,
        0.6528,
        0.7590,
        1,
    ]
    assert (benjamini_hochberg(p) <= 0.05).sum() == 4


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: Bins.fit([1.0], 1), "bins must be at least 2"),
        (lambda: Bins.fit([]), "values must hold at least one row"),
        (lambda: population_stability_index([1, 2], [1]), "same length"),
        (lambda: population_stability_index([0, 0], [1, 2]), "must each hold at least one row"),
        (lambda: population_stability_index([-1, 2], [1, 2]), "must not be negative"),
        (lambda: homogeneity_p_value([1, 2], [1, 2], independent=0), "independent must lie in"),
        (lambda: ks_statistic([math.nan], [1]), "must be finite"),
        (lambda: ks_p_value(1.5, 3, 3), "statistic must lie in"),
        (lambda: ks_p_value(0.5, 0, 3), "both samples need rows"),
        (lambda: welch_t_test([1], [1, 2]), "needs two rows"),
        (lambda: two_proportions_p_value(5, 3, 1, 2), "successes of a"),
        (lambda: benjamini_hochberg([0.5, 2.0]), "must be probabilities"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(call: object, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        call()  # type: ignore[operator]
