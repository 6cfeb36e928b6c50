"""Proper scores and calibration diagnostics."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit
from sklearn import metrics as oracle
from sklearn.linear_model import LogisticRegression

from axiom.maths.metrics import (
    ScoreTable,
    brier_score,
    calibration_line,
    expected_calibration_error,
    log_loss,
    log_losses,
    reliability,
)


def test_published_example_values() -> None:
    # scikit-learn's brier_score_loss and log_loss pages.
    assert brier_score([0, 1, 1, 0], [0.1, 0.9, 0.8, 0.3]) == pytest.approx(0.0375)
    assert log_loss([1, 0, 0, 1], [0.9, 0.1, 0.2, 0.65]) == pytest.approx(0.21616, abs=1e-5)


def test_proper_scores_equal_scikit_learn(scored) -> None:
    y, p, w = scored
    assert brier_score(y, p, w) == pytest.approx(oracle.brier_score_loss(y, p, sample_weight=w))
    assert log_loss(y, p, w) == pytest.approx(oracle.log_loss(y, p, sample_weight=w))


def test_certainty_that_fails_costs_much_but_not_infinity() -> None:
    losses = log_losses([1, 0, 1, 0], [0.0, 1.0, 1.0, 0.0])
    assert np.isfinite(losses).all()
    assert losses[:2].min() > 36
    assert losses[2:].max() < 1e-15


@settings(max_examples=50, deadline=None)
@given(st.floats(0.02, 0.98), st.floats(0.0, 1.0))
def test_expected_scores_are_best_at_the_truth(truth: float, told: float) -> None:
    y, p = np.array([1, 0]), np.array([told, told])
    weights = np.array([truth, 1 - truth])
    honest = np.array([truth, truth])
    assert brier_score(y, p, weights) >= brier_score(y, honest, weights) - 1e-12
    assert log_loss(y, p, weights) >= log_loss(y, honest, weights) - 1e-12


def test_calibration_error_of_a_small_table_by_hand() -> None:
    # Two bins of four: mean .2 against 1/4 observed, mean .7 against 2/4 observed.
    p = [0.1, 0.2, 0.2, 0.3, 0.6, 0.7, 0.7, 0.8]
    y = [0, 1, 0, 0, 1, 0, 0, 1]
    assert expected_calibration_error(y, p, bins=2) == pytest.approx((0.05 + 0.2) / 2)


def test_equal_predictions_are_never_torn_apart() -> None:
    y = [1, 0, 1, 0, 1, 0, 1, 0]
    assert expected_calibration_error(y, [0.5] * 8, bins=4) == 0
    assert expected_calibration_error(y[::-1], [0.5] * 8, bins=4) == 0
    assert reliability(y, [0.5] * 8, bins=4).weight.tolist() == [8.0]


def test_calibration_error_of_a_batch_equals_one_by_one(scored) -> None:
    draws = np.random.default_rng(5).integers(0, 3, (3, scored.y.size)).astype(float)
    batch = ScoreTable.from_rows(scored.y, scored.p).reweight(draws).calibration_error(10)
    single = [expected_calibration_error(scored.y, scored.p, 10, w) for w in draws]
    np.testing.assert_allclose(batch, single)


def test_reliability_rows_carry_all_weight_in_order_with_limits_around(scored) -> None:
    curve = reliability(scored.y, scored.p, 8, scored.weights)
    assert curve.weight.sum() == pytest.approx(scored.weights.sum())
    assert np.all(np.diff(curve.predicted) > 0)
    assert np.all((curve.low <= curve.observed) & (curve.observed <= curve.high))
    total = (np.abs(curve.observed - curve.predicted) * curve.weight).sum() / curve.weight.sum()
    assert total == pytest.approx(expected_calibration_error(scored.y, scored.p, 8, scored.weights))


def test_calibration_line_equals_unpenalised_logistic_regression(scored) -> None:
    y, p, w = scored
    fit = LogisticRegression(C=np.inf, tol=1e-12, max_iter=1000, solver="newton-cholesky")
    fit.fit(logit(p)[:, None], y, sample_weight=w)
    line = calibration_line(y, p, w)
    assert line.slope.value == pytest.approx(fit.coef_[0, 0], abs=1e-6)
    assert line.intercept.value == pytest.approx(fit.intercept_[0], abs=1e-6)


def test_calibration_line_limits_are_wald_limits_of_the_information(scored) -> None:
    y, p, _ = scored
    line = calibration_line(y, p)
    z = np.column_stack([np.ones(y.size), logit(p)])
    fitted = expit(z @ [line.intercept.value, line.slope.value])
    error = np.sqrt(np.diag(np.linalg.inv(z.T @ (z * (fitted * (1 - fitted))[:, None]))))
    assert line.intercept.high - line.intercept.value == pytest.approx(1.959964 * error[0], rel=1e-5)
    assert line.slope.high - line.slope.value == pytest.approx(1.959964 * error[1], rel=1e-5)


def test_a_known_distortion_of_the_log_odds_is_recovered() -> None:
    rng = np.random.default_rng(2)
    truth = rng.normal(-1, 1.5, 40_000)
    y = rng.random(40_000) < expit(truth)
    line = calibration_line(y, expit((truth - 0.3) / 0.7))  # logit y = 0.3 + 0.7·logit p
    assert line.slope.low < 0.7 < line.slope.high
    assert line.intercept.low < 0.3 < line.intercept.high
    assert line.slope.high - line.slope.low < 0.06


def test_calibration_in_the_large_tells_the_direction_of_the_error(scored) -> None:
    assert calibration_line(scored.y, scored.p * 0.5).in_the_large.low > 0
    assert calibration_line(scored.y, scored.p**0.4).in_the_large.high < 0


def test_calibration_in_the_large_matches_the_observed_total(scored) -> None:
    shift = calibration_line(scored.y, scored.p * 0.5).in_the_large.value
    assert expit(logit(scored.p * 0.5) + shift).sum() == pytest.approx(scored.y.sum())


def test_extreme_predictions_leave_the_line_finite() -> None:
    y = np.array([0, 1] * 50)
    line = calibration_line(y, np.where(np.arange(100) % 10 < 3, 1.0, 0.0))
    assert np.isfinite([line.slope.value, line.intercept.value, line.in_the_large.value]).all()


@pytest.mark.parametrize(
    ("y", "p", "rule"),
    [
        ([1, 1, 1], [0.1, 0.2, 0.3], "both classes, every row is 1"),
        ([0, 1, 0], [0.3, 0.3, 0.3], "p must vary"),
        ([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9], "separate the classes perfectly"),
        ([1, 1, 0, 0], [0.1, 0.2, 0.8, 0.9], "separate the classes perfectly"),
        ([0, 0, 1, 1], [0.1, 0.5, 0.5, 0.9], "separate the classes perfectly"),
    ],
)
def test_an_unidentified_calibration_line_is_refused(y, p, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        calibration_line(y, p)


def test_rows_of_weight_zero_do_not_bring_in_a_class() -> None:
    with pytest.raises(ValueError, match="both classes"):
        calibration_line([0, 0, 1], [0.1, 0.4, 0.3], weights=[1, 1, 0])


@pytest.mark.parametrize("metric", [brier_score, log_loss, expected_calibration_error, reliability, calibration_line])
@pytest.mark.parametrize(
    ("y", "p", "rule"),
    [
        ([0, 1], [0.5, 1.1], "p must be probabilities in"),
        ([0, 1], [-0.1, 0.5], "p must be probabilities in"),
        ([0, 1], [np.nan, 0.5], "p must be finite"),
        ([0, 1, 1], [0.1, 0.5], "same length"),
        ([], [], "at least one row"),
        ([0, 3], [0.1, 0.5], "y must hold only 0 and 1"),
    ],
)
def test_bad_rows_are_refused_by_name(metric, y, p, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        metric(y, p)


def test_weights_and_bins_are_checked() -> None:
    with pytest.raises(ValueError, match="weights must not be negative"):
        brier_score([0, 1], [0.1, 0.5], [1, -1])
    with pytest.raises(ValueError, match="bins must be at least 1"):
        expected_calibration_error([0, 1], [0.1, 0.5], bins=0)
