"""Intervals over customers: what one customer does at two cut-offs is not two independent facts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, precision_score, recall_score, roc_auc_score

from axiom.maths.intervals import bootstrap, delong_test, each_draw, mean_interval, paired_bootstrap, paired_mean
from axiom.maths.metrics import (
    calibration_line,
    expected_calibration_error,
    lift_at,
    log_losses,
    pr_auc,
    precision_at,
    squared_errors,
)
from axiom.training.clv.metrics import paired_test
from axiom.training.evaluate import EvaluationOptions
from axiom.training.evaluate_influence import LINE, linear_metrics
from axiom.training.evaluate_resample import RANKING, Resampler

N = 600
OPTIONS = EvaluationOptions(draws=200, seed=5)


@pytest.fixture
def sample() -> Any:
    rng = np.random.default_rng(3)
    z = rng.normal(size=N)
    y = rng.random(N) < 1 / (1 + np.exp(-z))
    p, q = (1 / (1 + np.exp(-(z + noise * rng.normal(size=N)))) for noise in (0.5, 1.0))
    return y, p, q, np.arange(N)


def test_values_are_those_of_the_plain_metrics(sample: Any) -> None:
    y, p, _, customer = sample
    found = linear_metrics(y, p, customer)
    line = calibration_line(y, p)
    assert found["auc"].value == pytest.approx(roc_auc_score(y, p), abs=1e-12)
    assert found["brier"].value == pytest.approx(np.mean((p - y) ** 2))
    assert [found[name].value for name in LINE] == [line.slope.value, line.intercept.value, line.in_the_large.value]
    assert all(metric.influence.sum() == pytest.approx(0.0, abs=1e-9) for metric in found.values())


def test_with_one_row_a_customer_errors_are_those_of_the_exact_formulas(sample: Any) -> None:
    y, p, q, customer = sample
    one, other = linear_metrics(y, p, customer), linear_metrics(y, q, customer)
    exact = delong_test(y, p, q)
    close = paired_test(one["auc"], other["auc"], 0.95)
    assert close is not None
    assert close.difference.value == pytest.approx(exact.difference.value)
    assert close.difference.low == pytest.approx(exact.difference.low, rel=0.02)
    assert close.p_value == pytest.approx(exact.p_value, rel=0.1)
    brier = mean_interval(squared_errors(y, p))
    assert one["brier"].interval(0.95).low == pytest.approx(brier.low, rel=1e-3)
    loss = paired_mean(log_losses(y, p), log_losses(y, q))
    clustered = paired_test(one["log_loss"], other["log_loss"], 0.95)
    assert clustered is not None
    assert clustered.difference.high == pytest.approx(loss.difference.high, rel=0.01)


def test_the_error_of_the_calibration_line_is_near_the_wald_error_where_the_model_is_right() -> None:
    rng = np.random.default_rng(8)
    p = rng.uniform(0.05, 0.95, 20_000)
    y = rng.random(p.size) < p
    found, line = linear_metrics(y, p, np.arange(p.size)), calibration_line(y, p)
    for name, wald in zip(LINE, (line.slope, line.intercept, line.in_the_large), strict=True):
        assert found[name].error == pytest.approx((wald.high - wald.low) / (2 * 1.959964), rel=0.03)


def test_the_same_customers_twice_are_no_more_evidence_than_once(sample: Any) -> None:
    y, p, _, customer = sample
    once = linear_metrics(y, p, customer)
    twice = linear_metrics(np.tile(y, 2), np.tile(p, 2), np.tile(customer, 2))
    for name, metric in once.items():
        assert twice[name].value == pytest.approx(metric.value)
        assert twice[name].error == pytest.approx(metric.error, rel=1e-6)
    as_if_independent = linear_metrics(np.tile(y, 2), np.tile(p, 2), np.arange(2 * N))
    assert as_if_independent["auc"].error < 0.75 * once["auc"].error


def test_the_bootstrap_draws_customers_with_all_their_rows(sample: Any) -> None:
    y, p, _, customer = sample
    once = Resampler(y, customer, OPTIONS).intervals(p, 0.4)
    twice = Resampler(np.tile(y, 2), np.tile(customer, 2), OPTIONS).intervals(np.tile(p, 2), 0.4)
    assert list(once) == list(RANKING)
    for name, single in once.items():
        double = twice[name]
        assert single is not None
        assert double is not None
        if name != "ece":  # a pair of equal predictions falls into one bin
            assert (double.low, double.high) == pytest.approx((single.low, single.high)), name


def test_values_and_intervals_are_those_of_the_single_metrics(sample: Any) -> None:
    y, p, _, customer = sample
    plain = {
        "pr_auc": average_precision_score(y, p),
        "precision": precision_score(y, p >= 0.4),
        "recall": recall_score(y, p >= 0.4),
        "f1": f1_score(y, p >= 0.4),
        "precision_at_10": precision_at(y, p, 0.1),
        "lift_at_10": lift_at(y, p, 0.1),
        "ece": expected_calibration_error(y, p),
    }
    for name, metric in Resampler(y, customer, OPTIONS).intervals(p, 0.4).items():
        assert metric is not None
        assert metric.value == pytest.approx(plain[name]), name
    single = bootstrap(each_draw(lambda w: pr_auc(y, p, w)), N, draws=200, seed=5)
    assert Resampler(y, customer, OPTIONS).intervals(p, 0.4)["pr_auc"] == single


def test_a_difference_turns_around_and_is_that_of_the_plain_bootstrap(sample: Any) -> None:
    y, p, q, customer = sample
    one, other = (p, 0.4), (q, 0.5)
    there, back = (Resampler(y, customer, OPTIONS).differences(*order) for order in ((one, other), (other, one)))
    for name, gap in there.items():
        turned = back[name]
        assert gap is not None
        assert turned is not None
        assert gap.difference.value == -turned.difference.value
        assert gap.p_value == turned.p_value
    statistics = [each_draw(lambda w, scores=scores: pr_auc(y, scores, w)) for scores in (p, q)]
    assert there["pr_auc"] == paired_bootstrap(*statistics, N, draws=200, seed=5)


def test_a_resample_that_could_lose_a_class_keeps_it() -> None:
    y = np.zeros(200, dtype=bool)
    y[:2] = True
    found = Resampler(y, np.arange(200), OPTIONS).intervals(np.linspace(1, 0, 200), 0.5)["pr_auc"]
    assert found is not None
    assert found.value == 1.0


def test_a_single_class_has_no_interval() -> None:
    resampler = Resampler(np.zeros(30, dtype=bool), np.arange(30), OPTIONS)
    nothing = dict.fromkeys(RANKING)
    assert resampler.intervals(np.linspace(0, 1, 30), 0.5) == nothing
    assert resampler.differences((np.ones(30), 0.5), (np.zeros(30), 0.5)) == nothing
