"""Kaplan-Meier, log-rank, concordance and the censored Brier score."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lifelines import KaplanMeierFitter
from lifelines.datasets import load_rossi, load_waltons
from lifelines.statistics import multivariate_logrank_test
from lifelines.utils import concordance_index as lifelines_concordance

from axiom.maths.metrics import brier_score, roc_auc
from axiom.maths.survival import concordance_index, ipcw_brier, kaplan_meier, log_rank_test

rows = st.lists(
    st.tuples(st.integers(0, 6), st.booleans(), st.integers(-3, 3), st.sampled_from([0.5, 1.0, 2.0])),
    min_size=2,
    max_size=25,
)


def columns(sample):
    t, e, r, w = (np.array(column, dtype=float) for column in zip(*sample, strict=True))
    return t, e, r, w


def test_reference_numbers_of_waltons() -> None:
    # lifelines 0.30.3 on its own data set (163 rows).
    data = load_waltons()
    curve = kaplan_meier(data["T"], data["E"])
    assert curve.median().value == 56
    assert curve.at([33, 56]) == pytest.approx([0.802531, 0.429903], abs=5e-7)
    assert log_rank_test(data["T"], data["E"], data["group"]).statistic == pytest.approx(122.24913, abs=5e-6)


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_curve_and_band_equal_lifelines(level: float) -> None:
    data = load_waltons()
    ours = kaplan_meier(data["T"], data["E"], level=level)
    theirs = KaplanMeierFitter(alpha=1 - level).fit(data["T"], data["E"])
    np.testing.assert_array_equal(ours.times, theirs.timeline)
    np.testing.assert_allclose(ours.survival, theirs.survival_function_.iloc[:, 0], atol=1e-12)
    alive = ours.survival > 0
    band = theirs.confidence_interval_.to_numpy()[alive]
    np.testing.assert_allclose(np.column_stack([ours.low, ours.high])[alive], band, atol=1e-9)
    table = theirs.event_table
    np.testing.assert_array_equal(ours.at_risk, table["at_risk"])
    np.testing.assert_array_equal(ours.events, table["observed"])
    np.testing.assert_array_equal(ours.censored, table["censored"])


def test_without_censoring_the_curve_is_the_share_still_there() -> None:
    t = np.array([1.0, 2.0, 2.0, 5.0])
    assert kaplan_meier(t, np.ones(4)).at([0, 1, 2, 4.9, 5, 9]).tolist() == [1, 0.75, 0.25, 0.25, 0, 0]


def test_a_curve_that_never_halves_has_an_infinite_median() -> None:
    median = kaplan_meier([1, 2, 3, 4], [1, 0, 0, 0]).median()
    assert median.value == np.inf
    assert median.high == np.inf


def test_after_everybody_left_the_band_stays_open_above() -> None:
    curve = kaplan_meier([1, 2, 3], [1, 1, 1])
    assert curve.survival[-1] == 0
    assert curve.low[-1] == 0
    assert curve.high[-1] == curve.high[-2] > 0


def test_nobody_left_means_a_flat_curve() -> None:
    curve = kaplan_meier([3, 5], [0, 0])
    assert curve.survival.tolist() == [1, 1, 1]
    assert curve.low.tolist() == curve.high.tolist() == [1, 1, 1]


def test_a_churn_at_time_zero_is_counted_once() -> None:
    curve = kaplan_meier([0, 0, 3, 4], [1, 1, 1, 0])
    assert curve.times.tolist() == [0, 3, 4]
    assert curve.survival == pytest.approx([0.5, 0.25, 0.25])


@settings(max_examples=60, deadline=None)
@given(rows)
def test_curves_fall_inside_their_band_and_weights_repeat_customers(sample) -> None:
    t, e, _, w = columns(sample)
    curve = kaplan_meier(t, e, w)
    assert np.all(np.diff(curve.survival) <= 0)
    assert np.all((curve.low <= curve.survival) & (curve.survival <= curve.high))
    assert np.all((curve.low >= 0) & (curve.high <= 1))
    whole = (2 * w).astype(int)
    repeated = kaplan_meier(np.repeat(t, whole), np.repeat(e, whole))
    np.testing.assert_allclose(kaplan_meier(t, e, whole).high, repeated.high, atol=1e-12)


def test_log_rank_of_several_groups_equals_lifelines() -> None:
    data = load_rossi()
    group = data["prio"].clip(upper=3).map({0: "none", 1: "one", 2: "two", 3: "more"})
    ours = log_rank_test(data["week"], data["arrest"], group)
    theirs = multivariate_logrank_test(data["week"], group, data["arrest"])
    assert ours.statistic == pytest.approx(theirs.test_statistic)
    assert ours.p_value == pytest.approx(theirs.p_value)
    assert ours.degrees_of_freedom == 3
    assert ours.observed.sum() == pytest.approx(ours.expected.sum())


def test_equal_groups_do_not_differ() -> None:
    t, e = np.tile([1.0, 2.0, 3.0, 4.0], 2), np.tile([1, 0, 1, 1], 2)
    result = log_rank_test(t, e, np.repeat([0, 1], 4))
    assert result.statistic == pytest.approx(0, abs=1e-20)
    assert result.p_value == 1


@pytest.mark.parametrize(
    ("call", "rule"),
    [
        (lambda: kaplan_meier([-1], [1]), "durations must not be negative"),
        (lambda: kaplan_meier([1, np.nan], [1, 0]), "durations must be finite"),
        (lambda: kaplan_meier([1], [2]), "events must hold only 0 and 1"),
        (lambda: kaplan_meier([1, 2], [1]), "same length"),
        (lambda: kaplan_meier([], []), "at least one row"),
        (lambda: kaplan_meier([1, 2], [1, 0], [-1, 2]), "weights must not be negative"),
        (lambda: kaplan_meier([1], [1]).quantile(1.0), "share_gone must lie strictly"),
        (lambda: kaplan_meier([1], [1]).at([-1]), "times must not be negative"),
        (lambda: log_rank_test([1, 2], [1, 1], ["a", "a"]), "at least two labels"),
        (lambda: log_rank_test([1, 2], [0, 0], ["a", "b"]), "without events"),
        (lambda: log_rank_test([1, 2], [1, 0], ["a"]), "one label per row"),
        (lambda: concordance_index([1, 2], [0, 0], [1, 2]), "no comparable pair"),
        (lambda: concordance_index([1, 1], [1, 1], [1, 2]), "no comparable pair"),
        (lambda: concordance_index([1, 2], [1, 0], [1]), "same length"),
        (lambda: concordance_index([1, 2], [1, 0], [1, np.nan]), "risk must be finite"),
    ],
)
def test_bad_rows_are_refused_by_name(call, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        call()


def brute_concordance(t, e, r, w) -> tuple[float, float]:
    won = pairs = 0.0
    for i in np.flatnonzero(e):
        for j in range(t.size):
            if t[j] > t[i] or (t[j] == t[i] and not e[j]):
                pairs += w[i] * w[j]
                won += w[i] * w[j] * ((r[i] > r[j]) + 0.5 * (r[i] == r[j]))
    return won, pairs


@settings(max_examples=150, deadline=None)
@given(rows)
def test_concordance_equals_the_count_over_all_pairs(sample) -> None:
    t, e, r, w = columns(sample)
    won, pairs = brute_concordance(t, e, r, w)
    if pairs == 0:
        with pytest.raises(ValueError, match="no comparable pair"):
            concordance_index(t, e, r, w)
        return
    assert concordance_index(t, e, r, w) == pytest.approx(won / pairs, abs=1e-12)
    assert concordance_index(t, e, -r, w) == pytest.approx(1 - won / pairs, abs=1e-12)
    assert concordance_index(t, e, np.exp(r), w) == pytest.approx(won / pairs, abs=1e-12)


def test_concordance_equals_lifelines_on_tied_data(followed) -> None:
    risk = np.round(followed.x[:, 0], 1)
    expected = lifelines_concordance(followed.durations, -risk, followed.events)
    assert concordance_index(followed.durations, followed.events, risk) == pytest.approx(expected)


def test_concordance_at_one_horizon_is_the_auc() -> None:
    rng = np.random.default_rng(0)
    y, risk = rng.integers(0, 2, 200), np.round(rng.random(200), 1)
    assert concordance_index(np.where(y == 1, 1, 2), y, risk) == pytest.approx(roc_auc(y, risk))


def test_without_censoring_the_censored_brier_score_is_the_plain_one() -> None:
    rng = np.random.default_rng(1)
    t, s = rng.exponential(10, 100), rng.random((100, 3))
    curve = ipcw_brier(t, np.ones(100), s, [2, 5, 9])
    for k, time in enumerate([2, 5, 9]):
        assert curve.score[k] == pytest.approx(brier_score(t > time, s[:, k]))
    assert curve.integrated == pytest.approx(((curve.score[:2].mean() * 3) + (curve.score[1:].mean() * 4)) / 7)


def test_censored_brier_score_equals_the_formula_row_by_row(followed) -> None:
    t, e = followed.durations, followed.events
    s = np.random.default_rng(2).random((t.size, 2))

    def g(time: float, *, before: bool = False) -> float:
        value = 1.0
        for u in np.unique(t[~e]):
            if u < time or (u == time and not before):
                value *= 1 - (~e & (t == u)).sum() / ((t > u) | (~e & (t == u))).sum()
        return value

    curve = ipcw_brier(t, e, s, [6.0, 20.0])
    for k, time in enumerate([6.0, 20.0]):
        total = 0.0
        for i in range(t.size):
            if t[i] <= time and e[i]:
                total += s[i, k] ** 2 / g(t[i], before=True)
            elif t[i] > time:
                total += (1 - s[i, k]) ** 2 / g(time)
        assert curve.score[k] == pytest.approx(total / t.size)


def test_weighting_undoes_censoring_that_is_independent_of_churn() -> None:
    rng = np.random.default_rng(3)
    churn, end = rng.exponential(10, 40_000), rng.exponential(15, 40_000)
    told = np.full((40_000, 1), 0.6)
    censored = ipcw_brier(np.minimum(churn, end), churn <= end, told, [8.0])
    assert censored.score[0] == pytest.approx(brier_score(churn > 8, told[:, 0]), abs=0.004)


def test_the_true_curve_scores_best() -> None:
    rng = np.random.default_rng(4)
    churn, end = rng.exponential(10, 20_000), rng.uniform(5, 30, 20_000)
    t, e, times = np.minimum(churn, end), churn <= end, np.array([2.0, 6.0, 12.0])
    scores = [ipcw_brier(t, e, np.tile(np.exp(-times / m), (t.size, 1)), times).integrated for m in (6, 10, 16)]
    assert scores[1] == min(scores)


@pytest.mark.parametrize(
    ("survival", "times", "rule"),
    [
        ([[0.5], [0.5]], [9.0], "nobody is observed at 9"),
        ([[1.5], [0.5]], [1.0], "survival must be probabilities"),
        ([[0.5], [0.5]], [1.0, 2.0], "survival must have shape"),
        ([[0.5, 0.4], [0.5, 0.4]], [2.0, 1.0], "times must increase"),
        ([[np.nan], [0.5]], [1.0], "survival must be finite"),
    ],
)
def test_impossible_survival_predictions_are_refused(survival, times, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        ipcw_brier([1.0, 5.0], [1, 0], survival, times)
