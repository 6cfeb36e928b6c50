"""Intervals: closed forms against brute force and published tables, coverage by simulation, the bootstrap."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import expit, logit

from axiom.maths.intervals import (
    MetricValue,
    bootstrap,
    bootstrap_draws,
    delong_interval,
    delong_test,
    each_draw,
    mean_interval,
    normal_interval,
    paired_bootstrap,
    paired_mean,
    wilson,
)
from axiom.maths.metrics import ScoreTable, brier_score, roc_auc


def brute_components(y, score):
    positive, negative = score[y == 1], score[y == 0]
    wins = (positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)
    return wins.mean(axis=1), wins.mean(axis=0)


def test_wilson_limits_of_newcombe_1998_table_one() -> None:
    # Statistics in Medicine 17, 857-872, method 3.
    for (successes, trials), (low, high) in {
        (81, 263): (0.2553, 0.3662),
        (15, 148): (0.0624, 0.1605),
        (0, 20): (0.0, 0.1611),
        (1, 29): (0.0061, 0.1718),
    }.items():
        value = wilson(successes, trials)
        assert (value.low, value.high) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 500), st.floats(0, 1), st.floats(0.5, 0.999))
def test_wilson_equals_scipy_and_encloses_the_share(trials: int, share: float, level: float) -> None:
    successes = round(share * trials)
    expected = stats.binomtest(successes, trials).proportion_ci(level, "wilson")
    value = wilson(successes, trials, level)
    assert value.low == pytest.approx(expected.low, abs=1e-12)
    assert value.high == pytest.approx(expected.high, abs=1e-12)
    assert 0 <= value.low <= value.value <= value.high <= 1


@pytest.mark.parametrize(("successes", "trials"), [(1, 0), (3, 2), (-1, 2), (1, np.nan), (np.nan, 3)])
def test_wilson_refuses_impossible_counts(successes: float, trials: float) -> None:
    with pytest.raises(ValueError, match=r"trials must be|successes must lie"):
        wilson(successes, trials)


@pytest.mark.parametrize("level", [0.0, 1.0, 95, np.nan])
def test_a_level_outside_the_unit_interval_is_refused(level: float) -> None:
    with pytest.raises(ValueError, match="level must lie strictly between 0 and 1"):
        normal_interval(1.0, 0.1, level)


def test_limits_that_miss_the_value_are_refused() -> None:
    with pytest.raises(ValueError, match="limits must enclose"):
        MetricValue(1.0, 1.1, 1.2)
    with pytest.raises(ValueError, match="limits must enclose"):
        MetricValue(np.nan, 0.0, 1.0)


def test_mean_interval_is_students_t() -> None:
    values = np.array([1.0, 2.0, 4.0, 8.0])
    low, high = stats.ttest_1samp(values, 0).confidence_interval()
    value = mean_interval(values)
    assert (value.value, value.low, value.high) == (3.75, pytest.approx(low), pytest.approx(high))


def test_paired_mean_is_the_paired_t_test() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(0, 1, 30), rng.normal(0.2, 1, 30)
    ours, expected = paired_mean(a, b), stats.ttest_rel(a, b)
    assert ours.p_value == pytest.approx(expected.pvalue)
    assert ours.difference.low == pytest.approx(expected.confidence_interval().low)


def test_paired_mean_of_the_same_losses_finds_nothing() -> None:
    losses = [0.1, 0.4, 0.2]
    assert paired_mean(losses, losses).p_value == 1.0
    assert paired_mean(losses, losses).difference == MetricValue(0.0, 0.0, 0.0)


def test_a_row_of_weight_zero_counts_for_nothing() -> None:
    assert mean_interval([1.0, 2.0, 4.0, 99.0], [1, 1, 1, 0]) == mean_interval([1.0, 2.0, 4.0])


def test_a_mean_of_one_row_has_no_interval() -> None:
    with pytest.raises(ValueError, match="at least two rows"):
        mean_interval([1.0, 2.0], [1, 0])


def test_delong_variance_equals_the_brute_force_of_all_pairs(scored) -> None:
    y, p = scored.y[:120], scored.p[:120]
    of_positives, of_negatives = brute_components(y, p)
    auc = of_positives.mean()
    error = np.sqrt(of_positives.var(ddof=1) / of_positives.size + of_negatives.var(ddof=1) / of_negatives.size)
    value = delong_interval(y, p)
    assert value.value == pytest.approx(auc)
    assert value.value == pytest.approx(roc_auc(y, p))
    half = 1.959964 * error / (auc * (1 - auc))
    assert value.low == pytest.approx(expit(logit(auc) - half), rel=1e-6)
    assert value.high == pytest.approx(expit(logit(auc) + half), rel=1e-6)


def test_delong_test_equals_the_brute_force_covariance(scored) -> None:
    y, a = scored.y[:150], scored.p[:150]
    b = np.round(a + np.random.default_rng(1).normal(0, 0.2, 150), 1)
    (pa, na), (pb, nb) = brute_components(y, a), brute_components(y, b)
    covariance = np.cov(pa, pb) / pa.size + np.cov(na, nb) / na.size
    z = (pa.mean() - pb.mean()) / np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    result = delong_test(y, a, b)
    assert result.difference.value == pytest.approx(pa.mean() - pb.mean())
    assert result.p_value == pytest.approx(2 * stats.norm.sf(abs(z)))
    assert (result.p_value < 0.05) == (not result.difference.low <= 0 <= result.difference.high)


def test_delong_covers_the_true_auc_as_often_as_promised() -> None:
    rng = np.random.default_rng(4)
    truth = stats.norm.cdf(1 / np.sqrt(2))  # AUC of N(1, 1) against N(0, 1)
    y = np.repeat([1, 0], [30, 70])
    covered = 0
    for _ in range(600):
        value = delong_interval(y, rng.normal(y, 1.0))
        covered += value.low <= truth <= value.high
    assert 0.93 <= covered / 600 <= 0.975


def test_the_delong_test_rejects_a_true_null_at_its_level() -> None:
    rng = np.random.default_rng(5)
    y = np.repeat([1, 0], [60, 90])
    rejected = 0
    for _ in range(400):
        signal = rng.normal(y, 1.0)
        rejected += delong_test(y, signal + rng.normal(0, 1, 150), signal + rng.normal(0, 1, 150)).p_value < 0.05
    assert 0.02 <= rejected / 400 <= 0.085


def test_perfect_ranking_keeps_an_honest_interval() -> None:
    value = delong_interval([0, 0, 0, 1, 1, 1], [1, 2, 3, 4, 5, 6])
    assert value.value == value.high == 1
    assert 0.3 < value.low < 0.5


def test_same_ranking_gives_no_difference_and_swapping_turns_the_sign(scored) -> None:
    same = delong_test(scored.y, scored.p, np.exp(scored.p))
    assert (same.difference, same.p_value) == (MetricValue(0.0, 0.0, 0.0), 1.0)
    other = np.random.default_rng(0).random(scored.y.size)
    there, back = delong_test(scored.y, scored.p, other), delong_test(scored.y, other, scored.p)
    assert there.difference.value == pytest.approx(-back.difference.value)
    assert there.p_value == pytest.approx(back.p_value)


def test_opposite_perfect_rankings_of_four_rows_are_not_certain() -> None:
    result = delong_test([0, 0, 1, 1], [1, 2, 3, 4], [4, 3, 2, 1])
    assert result.difference.value == 1
    assert result.p_value > 0.05
    assert result.difference.low < 0


@pytest.mark.parametrize(
    ("y", "score", "rule"),
    [
        ([1, 1, 1], [1, 2, 3], "at least two rows of each class, got 3 positive and 0 negative"),
        ([1, 0, 0], [1, 2, 3], "at least two rows of each class, got 1 positive"),
        ([1, 0], [1, 2, 3], "same length"),
        ([1, 0, 1], [1, np.nan, 3], "score must be finite"),
    ],
)
def test_delong_refuses_what_it_cannot_estimate(y, score, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        delong_interval(y, score)


def test_the_bootstrap_of_a_mean_agrees_with_theory() -> None:
    values = np.random.default_rng(6).exponential(1, 400)
    ours = bootstrap(lambda w: w @ values / w.sum(axis=1), 400, draws=2000)
    expected = mean_interval(values)
    assert ours.value == pytest.approx(expected.value)
    assert ours.low == pytest.approx(expected.low, abs=0.02)
    assert ours.high == pytest.approx(expected.high, abs=0.02)


def test_the_bootstrap_of_the_auc_agrees_with_delong(scored) -> None:
    table = ScoreTable.from_rows(scored.y, scored.p)
    ours = bootstrap(lambda w: table.reweight(w).roc_auc(), scored.y.size, strata=scored.y, draws=2000)
    expected = delong_interval(scored.y, scored.p)
    assert ours.value == pytest.approx(expected.value)
    assert ours.low == pytest.approx(expected.low, abs=0.01)
    assert ours.high == pytest.approx(expected.high, abs=0.01)


def test_one_seed_gives_one_answer_and_another_seed_another() -> None:
    values = np.random.default_rng(0).random(50)

    def mean(w):
        return w @ values / w.sum(axis=1)

    first, again, other = (bootstrap_draws(mean, 50, draws=20, seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_every_resample_has_as_many_rows_and_each_stratum_keeps_its_size() -> None:
    labels = np.repeat(["a", "b", "c"], [3, 10, 1])
    counts = bootstrap_draws(lambda w: w, 14, draws=25, strata=labels)
    assert counts.shape == (25, 14)
    for name in "abc":
        assert np.all(counts[:, labels == name].sum(axis=1) == (labels == name).sum())
    assert np.all(bootstrap_draws(lambda w: w, 14, draws=5).sum(axis=1) == 14)


def test_rows_are_drawn_evenly() -> None:
    counts = bootstrap_draws(lambda w: w, 10, draws=4000)
    np.testing.assert_allclose(counts.mean(axis=0), 1, atol=0.06)
    np.testing.assert_allclose(counts.var(axis=0), 0.9, atol=0.08)


def test_a_statistic_of_single_draws_is_lifted_to_batches(scored) -> None:
    lifted = each_draw(lambda w: brier_score(scored.y, scored.p, w))
    loss = (scored.p - scored.y) ** 2
    direct = bootstrap(lambda w: w @ loss / w.sum(axis=1), scored.y.size, draws=50)
    assert bootstrap(lifted, scored.y.size, draws=50).low == pytest.approx(direct.low)


def test_a_paired_bootstrap_sees_the_common_noise_cancel(scored) -> None:
    n = scored.y.size
    worse = np.clip(scored.p + 0.1, 0, 1)
    first = each_draw(lambda w: brier_score(scored.y, scored.p, w))
    second = each_draw(lambda w: brier_score(scored.y, worse, w))
    paired = paired_bootstrap(first, second, n, draws=400)
    single = bootstrap(first, n, draws=400)
    assert paired.difference.high - paired.difference.low < 0.7 * (single.high - single.low)
    expected = paired_mean((scored.p - scored.y) ** 2, (worse - scored.y) ** 2)
    assert paired.difference.low == pytest.approx(expected.difference.low, abs=0.002)
    assert paired_bootstrap(first, first, n, draws=40).p_value == 1.0
    hopeless = each_draw(lambda w: brier_score(scored.y, 1 - scored.p, w))
    assert paired_bootstrap(first, hopeless, n, draws=99).p_value == pytest.approx(2 / 100)


def test_a_biased_statistic_still_lies_within_its_limits() -> None:
    # Distinct rows in a resample: always fewer than in the sample itself.
    value = bootstrap(lambda w: (w > 0).sum(axis=1), 40, draws=200)
    assert value.low < value.value == value.high == 40


def test_impossible_bootstraps_are_refused(scored) -> None:
    table = ScoreTable.from_rows([1, 0, 0, 0], [1, 2, 3, 4])
    with pytest.raises(ValueError, match="both classes"):
        bootstrap(lambda w: table.reweight(w).roc_auc(), 4, draws=100)
    for n, draws in itertools.product((0, 5), (0, 1)):
        with pytest.raises(ValueError, match="at least one row and two draws"):
            bootstrap_draws(lambda w: w.sum(axis=1), n, draws=draws)
    with pytest.raises(ValueError, match="one label per row"):
        bootstrap_draws(lambda w: w.sum(axis=1), 3, strata=[1, 2])
    with pytest.raises(ValueError, match="finite on every resample"):
        bootstrap_draws(lambda w: w.sum(axis=1) * np.nan, 3)
    with pytest.raises(ValueError, match="one value per draw"):
        bootstrap_draws(lambda w: np.ones(1), 3)
