"""Lifetime-value metrics: oracles, hand-made tables, simulated distributions."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as oracle

from axiom.maths.forecast import (
    LevelMap,
    count_log_score,
    count_table,
    decile_table,
    interval_coverage,
    mae,
    mape,
    mase,
    pinball_loss,
    pit_coverage,
    pit_histogram,
    pit_test,
    r_squared,
    randomised_pit,
    rmse,
    smape,
    total_bias,
)
from axiom.maths.intervals import bootstrap, each_draw

Y, F = np.array([0.0, 2.0, 4.0, 0.0]), np.array([1.0, 1.0, 5.0, 0.0])

cents = st.integers(0, 1_000_000).map(lambda n: n / 100)
values = st.lists(st.tuples(cents, cents), min_size=2, max_size=30)


def poisson_pit(rate, told, seed: int = 0):
    y = np.random.default_rng(seed).poisson(rate)
    return randomised_pit(stats.poisson.cdf(y - 1, told), stats.poisson.cdf(y, told), seed=seed + 1)


def test_point_errors_of_four_customers_by_hand() -> None:
    assert mae(Y, F) == 0.75
    assert rmse(Y, F) == pytest.approx(np.sqrt(0.75))
    assert total_bias(Y, F) == pytest.approx(1 / 6)
    assert smape(Y, F) == pytest.approx((2 + 2 / 3 + 2 / 9 + 0) / 4)
    assert mase(Y, F, naive=[2, 2, 2, 2]) == pytest.approx(0.75 / 1.5)


def test_mape_says_on_how_many_rows_it_rests() -> None:
    result = mape(Y, F)
    assert (result.defined_rows, result.rows) == (2, 4)
    assert result.value == pytest.approx((0.5 + 0.25) / 2)


def test_point_errors_equal_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    y, f, w = rng.exponential(5, 200) + 0.1, rng.exponential(5, 200), rng.uniform(0, 2, 200)
    assert mae(y, f, w) == pytest.approx(oracle.mean_absolute_error(y, f, sample_weight=w))
    assert rmse(y, f, w) == pytest.approx(oracle.root_mean_squared_error(y, f, sample_weight=w))
    assert r_squared(y, f, w) == pytest.approx(oracle.r2_score(y, f, sample_weight=w))
    assert mape(y, f, w).value == pytest.approx(oracle.mean_absolute_percentage_error(y, f, sample_weight=w))
    for level in (0.05, 0.5, 0.95):
        expected = oracle.mean_pinball_loss(y, f, alpha=level, sample_weight=w)
        assert pinball_loss(y, f, level, w) == pytest.approx(expected)


@settings(max_examples=60, deadline=None)
@given(values, st.floats(0.01, 100))
def test_errors_scale_with_the_currency_and_ratios_do_not(rows, rate: float) -> None:
    y, f = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
    assert mae(y * rate, f * rate) == pytest.approx(rate * mae(y, f), abs=1e-9)
    assert rmse(y * rate, f * rate) == pytest.approx(rate * rmse(y, f), abs=1e-9)
    assert smape(y * rate, f * rate) == pytest.approx(smape(y, f), abs=1e-9)
    assert mae(y, f) <= rmse(y, f) * (1 + 1e-9) + 1e-12
    assert 0 <= smape(y, f) <= 2


def test_a_forecast_of_the_mean_explains_nothing_and_the_truth_everything() -> None:
    assert r_squared(Y, np.full(4, Y.mean())) == pytest.approx(0)
    assert r_squared(Y, Y) == 1
    assert (mae(Y, Y), rmse(Y, Y), smape(Y, Y), total_bias(Y, Y)) == (0, 0, 0, 0)


def test_any_point_error_takes_a_bootstrap_interval() -> None:
    rng = np.random.default_rng(1)
    y, f = rng.poisson(3, 300), rng.uniform(2, 4, 300)
    value = bootstrap(each_draw(lambda w: total_bias(y, f, w)), 300, draws=200)
    assert value.low < value.value < value.high
    assert value.value == pytest.approx(f.sum() / y.sum() - 1)


@pytest.mark.parametrize(
    ("call", "rule"),
    [
        (lambda: r_squared([2, 2], [1, 3]), "actual must vary"),
        (lambda: r_squared([0.1] * 3, [1, 2, 3]), "actual must vary"),
        (lambda: mape([0, 0], [1, 1]), "MAPE has no defined row"),
        (lambda: mase([1, 2], [1, 1], [1, 2]), "naive must err somewhere"),
        (lambda: total_bias([0, 0], [1, 1]), "actual must not sum to 0"),
        (lambda: pinball_loss([1], [1], 1.0), "level must lie strictly"),
        (lambda: interval_coverage([1], [2], [1]), "low must not exceed high"),
    ],
)
def test_undefined_metrics_are_refused_and_never_nan(call, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        call()


@pytest.mark.parametrize("metric", [mae, rmse, r_squared, mape, smape, total_bias, decile_table])
@pytest.mark.parametrize(
    ("y", "f", "rule"),
    [
        ([], [], "at least one row"),
        ([1, 2], [1], "same length"),
        ([1, np.nan], [1, 2], "actual must be finite"),
        ([1, 2], [1, np.inf], "predicted must be finite"),
    ],
)
def test_bad_rows_are_refused_by_name(metric, y, f, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        metric(y, f)


def test_negative_weights_are_refused() -> None:
    with pytest.raises(ValueError, match="weights must not be negative"):
        mae([1, 2], [1, 2], [-1, 2])


@settings(max_examples=30, deadline=None)
@given(st.floats(0.02, 0.98))
def test_pinball_is_least_at_the_quantile(level: float) -> None:
    y = np.random.default_rng(0).exponential(1, 300)
    best = np.quantile(y, level, method="inverted_cdf")
    loss = pinball_loss(y, np.full(300, best), level)
    for other in np.linspace(0, 5, 40):
        assert loss <= pinball_loss(y, np.full(300, other), level) + 1e-12


def test_coverage_counts_both_ends_in() -> None:
    value = interval_coverage([1, 2, 3, 9], [1, 1, 1, 1], [3, 3, 3, 3])
    assert value.value == 0.75
    assert 0 < value.low < 0.75 < value.high < 1


def test_log_score_of_counts_and_its_floor() -> None:
    result = count_log_score([0.5, 0.25, 1.0])
    assert result.score.value == pytest.approx(np.log(8) / 3)
    assert result.impossible == 0
    flawed = count_log_score([0.0, 1.0])
    assert (flawed.impossible, flawed.score.value) == (1, pytest.approx(708.396 / 2, abs=1e-3))
    with pytest.raises(ValueError, match="pmf_at_outcome must be probabilities"):
        count_log_score([1.1, 0.2])


def test_pit_of_a_right_forecast_is_uniform_and_of_a_wrong_one_is_not() -> None:
    rate = np.random.default_rng(3).gamma(2, 1, 3000)
    right, low, narrow = poisson_pit(rate, rate), poisson_pit(rate, rate * 0.7), poisson_pit(rate, rate.mean())
    assert min(pit_test(right).ks_p_value, pit_test(right).chi_square_p_value) > 0.01
    for wrong in (low, narrow):
        assert max(pit_test(wrong).ks_p_value, pit_test(wrong).chi_square_p_value) < 1e-6
    assert pit_histogram(low)[-1] > 1.3
    assert pit_histogram(narrow)[[0, -1]].min() > 1.1


def test_pit_tests_equal_scipy() -> None:
    u = np.random.default_rng(0).beta(1.2, 1, 400)
    result = pit_test(u, bins=8)
    observed = np.histogram(u, bins=8, range=(0, 1))[0]
    assert result.ks_p_value == pytest.approx(stats.kstest(u, "uniform").pvalue)
    assert result.chi_square_p_value == pytest.approx(stats.chisquare(observed).pvalue)
    np.testing.assert_allclose(pit_histogram(u, 8), observed / 50)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=20), st.integers(0, 100))
def test_pit_lies_between_its_two_values_and_repeats_with_its_seed(rows, seed: int) -> None:
    below, at = np.sort(np.array(rows), axis=1).T
    pit = randomised_pit(below, at, seed)
    assert np.all((below <= pit) & (pit <= at))
    np.testing.assert_array_equal(pit, randomised_pit(below, at, seed))


def test_bad_pit_input_is_refused() -> None:
    with pytest.raises(ValueError, match="cdf_below must not exceed cdf_at"):
        randomised_pit([0.5], [0.4])
    with pytest.raises(ValueError, match="cdf_at must be probabilities"):
        randomised_pit([0.5], [1.4])
    with pytest.raises(ValueError, match="bins must be at least 2"):
        pit_histogram([0.5], 1)
    for low, high in ((0.6, 0.4), (-0.1, 0.5), (0.5, 1.5), (np.nan, 0.5)):
        with pytest.raises(ValueError, match="levels must be ordered"):
            pit_coverage([0.5], low, high)
    with pytest.raises(ValueError, match="pit must be probabilities"):
        pit_test([1.5])


def test_deciles_of_twenty_customers_by_hand() -> None:
    rows = decile_table(np.arange(20), np.arange(20))
    assert [row.rows for row in rows] == [2] * 10
    assert (rows[0].group, rows[0].mean_predicted, rows[0].mean_actual) == (1, 18.5, 18.5)
    assert rows[0].captured == pytest.approx(37 / 190)
    assert rows[-1].captured == pytest.approx(1)


def test_deciles_do_not_depend_on_the_order_of_tied_rows() -> None:
    rng = np.random.default_rng(0)
    y, f = rng.poisson(2, 95).astype(float), np.round(rng.random(95), 1)
    order = rng.permutation(95)
    for one, other in zip(decile_table(y, f), decile_table(y[order], f[order]), strict=True):
        assert one.rows == other.rows
        assert one.mean_actual == pytest.approx(other.mean_actual)
    assert sum(r.rows * r.mean_actual for r in decile_table(y, f)) == pytest.approx(y.sum())


def test_few_rows_and_no_purchases_leave_the_decile_table_whole() -> None:
    rows = decile_table([0, 0, 0], [1, 2, 3])
    assert len(rows) == 3
    assert [row.captured for row in rows] == [0, 0, 0]
    with pytest.raises(ValueError, match="groups must be at least 1"):
        decile_table([1], [1], 0)


def test_count_table_by_hand() -> None:
    rows = count_table([0, 0, 1, 5], [[0.5, 0.3], [0.5, 0.3], [0.5, 0.3], [0.1, 0.2]])
    assert [row.purchases for row in rows] == ["0", "1", "2+"]
    assert [row.observed for row in rows] == [2, 1, 1]
    assert [row.expected for row in rows] == pytest.approx([1.6, 1.1, 1.3])
    assert rows[0].standard_deviation == pytest.approx(np.sqrt(3 * 0.25 + 0.09))


def test_counts_drawn_from_the_model_stay_near_their_expectation() -> None:
    rate = np.random.default_rng(1).gamma(1, 2, 5000)
    y = np.random.default_rng(2).poisson(rate)
    for row in count_table(y, stats.poisson.pmf(np.arange(7), rate[:, None])):
        assert abs(row.observed - row.expected) < 4 * row.standard_deviation


@pytest.mark.parametrize(
    ("actual", "pmf", "rule"),
    [
        ([0.5], [[0.5, 0.5]], "whole numbers"),
        ([-1], [[0.5, 0.5]], "actual must not be negative"),
        ([1], [[0.9, 0.5]], "sum to at most 1"),
        ([1], [[-0.1, 0.5]], "probabilities >= 0"),
        ([1, 2], [[0.1, 0.5]], "same length"),
        ([1], [0.1], "non-empty table"),
    ],
)
def test_impossible_counts_are_refused(actual, pmf, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        count_table(actual, pmf)


def test_recalibrated_levels_restore_the_coverage_at_the_next_origin() -> None:
    rate = np.random.default_rng(3).gamma(2, 1.5, 20_000)
    told = rate**0.6 * 1.2  # too flat and biased: nominal intervals miss
    levels = LevelMap.fit(poisson_pit(rate, told, seed=10))
    later = poisson_pit(rate, told, seed=20)
    for nominal in (0.80, 0.90, 0.95):
        ends = np.array([0.5 - nominal / 2, 0.5 + nominal / 2])
        assert pit_coverage(later, *levels.level(ends)).value == pytest.approx(nominal, abs=0.01)
        assert abs(pit_coverage(later, *ends).value - nominal) > 0.02


def test_levels_of_a_right_forecast_stay_where_they_are() -> None:
    pit = (np.arange(1, 1000)) / 1000
    nominal = np.array([0.05, 0.5, 0.95, 0.995])
    np.testing.assert_allclose(LevelMap.fit(pit).level(nominal), nominal, atol=1e-12)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=20, max_size=60))
def test_levels_rise_and_stay_inside_the_unit_interval(pit) -> None:
    levels = LevelMap.fit(pit).level(np.linspace(0.0005, 0.9995, 300))
    assert np.all(np.diff(levels) >= -1e-15)
    assert np.all((levels > 0) & (levels < 1))


def test_the_upper_level_covers_a_new_value_as_split_conformal_promises() -> None:
    rng = np.random.default_rng(0)
    covered = [rng.beta(5, 1) <= LevelMap.fit(rng.beta(5, 1, 49)).level(0.9) for _ in range(2000)]
    assert np.mean(covered) == pytest.approx(0.9, abs=0.02)


def test_a_level_map_survives_json_and_refuses_torn_states() -> None:
    fit = LevelMap.fit(np.random.default_rng(0).random(100))
    assert LevelMap.from_dict(json.loads(json.dumps(fit.to_dict()))) == fit
    with pytest.raises(ValueError, match="stored level map lacks 'adjusted'"):
        LevelMap.from_dict({"nominal": [0, 1]})


def test_too_few_pit_values_leave_levels_nominal_with_a_warning() -> None:
    with pytest.warns(RuntimeWarning, match="7 PIT values are fewer than 20"):
        fit = LevelMap.fit(np.full(7, 0.9))
    assert fit.level(0.9) == pytest.approx(0.9)


@pytest.mark.parametrize("nominal", [0.0, 1.0, [0.5, np.nan]])
def test_nominal_levels_outside_the_unit_interval_are_refused(nominal) -> None:
    with pytest.raises(ValueError, match="strictly between 0 and 1"):
        LevelMap.fit(np.linspace(0, 1, 30)).level(nominal)
