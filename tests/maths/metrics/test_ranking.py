"""Ranking and threshold metrics against scikit-learn, golden values and properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from axiom.maths.metrics import (
    ScoreTable,
    f1_score,
    gains_curve,
    lift_at,
    pr_auc,
    pr_curve,
    precision,
    precision_at,
    recall,
    recall_at,
    roc_auc,
    roc_curve,
)

# The worked example of scikit-learn's roc_auc_score and average_precision_score pages.
Y, SCORE = [0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]

samples = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0])), min_size=4, max_size=40
).filter(lambda rows: 0 < sum(y for y, _ in rows) < len(rows))


def test_published_example_values() -> None:
    assert roc_auc(Y, SCORE) == 0.75
    assert pr_auc(Y, SCORE) == pytest.approx(5 / 6)


@pytest.mark.parametrize("weighted", [False, True])
def test_areas_equal_scikit_learn_with_ties_and_weights(scored, weighted: bool) -> None:
    w = scored.weights if weighted else None
    assert roc_auc(scored.y, scored.p, w) == pytest.approx(oracle.roc_auc_score(scored.y, scored.p, sample_weight=w))
    expected = oracle.average_precision_score(scored.y, scored.p, sample_weight=w)
    assert pr_auc(scored.y, scored.p, w) == pytest.approx(expected)


@pytest.mark.parametrize("threshold", [0.0, 0.2, 0.31, 0.5, 0.99, 1.5])
def test_threshold_metrics_equal_scikit_learn(scored, threshold: float) -> None:
    y, p, w = scored
    chosen = p >= threshold
    options = {"sample_weight": w, "zero_division": 0}
    assert precision(y, p, threshold, w) == pytest.approx(oracle.precision_score(y, chosen, **options))
    assert recall(y, p, threshold, w) == pytest.approx(oracle.recall_score(y, chosen, **options))
    assert f1_score(y, p, threshold, w) == pytest.approx(oracle.f1_score(y, chosen, **options))


def test_curves_equal_scikit_learn(scored) -> None:
    y, p, w = scored
    fpr, tpr, thresholds = oracle.roc_curve(y, p, sample_weight=w, drop_intermediate=False)
    ours = roc_curve(y, p, w)
    np.testing.assert_allclose(ours.false_positive_rate, fpr, atol=1e-12)
    np.testing.assert_allclose(ours.true_positive_rate, tpr, atol=1e-12)
    np.testing.assert_array_equal(ours.thresholds, thresholds)
    precisions, recalls, _ = oracle.precision_recall_curve(y, p, sample_weight=w)
    curve = pr_curve(y, p, w)
    np.testing.assert_allclose(curve.precision, precisions[::-1], atol=1e-12)
    np.testing.assert_allclose(curve.recall, recalls[::-1], atol=1e-12)


def test_area_under_the_roc_curve_is_the_auc(scored) -> None:
    curve = roc_curve(scored.y, scored.p)
    area = np.trapezoid(curve.true_positive_rate, curve.false_positive_rate)
    assert area == pytest.approx(roc_auc(scored.y, scored.p))


def test_top_share_counts_the_best_rows_when_scores_differ() -> None:
    y = [1, 0, 1, 0, 0, 0, 0, 1, 0, 0]
    score = np.arange(10)[::-1]
    assert precision_at(y, score, 0.3) == pytest.approx(2 / 3)
    assert recall_at(y, score, 0.3) == pytest.approx(2 / 3)
    assert lift_at(y, score, 0.3) == pytest.approx((2 / 3) / 0.3)


def test_a_tie_at_the_cut_counts_its_average() -> None:
    # One row above the tie; half of the four tied rows, one in two of them positive, fits under the cut.
    assert precision_at([1, 1, 1, 0, 0, 0], [9, 5, 5, 5, 5, 1], 0.5) == pytest.approx((1 + 2 * 0.5) / 3)


def test_a_useless_score_finds_the_base_rate_at_every_share(scored) -> None:
    constant = np.zeros(scored.y.size)
    assert roc_auc(scored.y, constant) == 0.5
    for share in (0.01, 0.1, 1.0):
        assert precision_at(scored.y, constant, share) == pytest.approx(scored.y.mean())
        assert lift_at(scored.y, constant, share) == pytest.approx(1.0)


def test_gains_curve_runs_from_nothing_to_everything_and_agrees_with_lift(scored) -> None:
    curve = gains_curve(scored.y, scored.p, scored.weights)
    assert (curve.share[0], curve.captured[0], curve.share[-1], curve.captured[-1]) == (0, 0, 1, pytest.approx(1))
    assert np.all(np.diff(curve.share) > 0)
    assert np.all(np.diff(curve.captured) >= 0)
    k = 20
    expected = lift_at(scored.y, scored.p, float(curve.share[k]), scored.weights)
    assert curve.lift[k] == pytest.approx(expected)
    assert gains_curve([1, 0], [2, 1]).lift.tolist() == [2, 2, 1]


@settings(max_examples=60, deadline=None)
@given(samples)
def test_rank_metrics_ignore_monotone_maps_and_row_order(rows: list[tuple[bool, float]]) -> None:
    y, score = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
    shuffled = np.random.default_rng(0).permutation(y.size)
    for metric in (roc_auc, pr_auc, precision_at, recall_at, lift_at):
        value = metric(y, score)
        assert metric(y, np.exp(3 * score) - 5) == pytest.approx(value)
        assert metric(y[shuffled], score[shuffled]) == pytest.approx(value)


@settings(max_examples=60, deadline=None)
@given(samples)
def test_auc_stays_in_bounds_and_turns_round_with_the_score(rows: list[tuple[bool, float]]) -> None:
    y, score = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
    auc = roc_auc(y, score)
    assert 0 <= auc <= 1
    assert roc_auc(y, -score) == pytest.approx(1 - auc)
    assert roc_auc(~y, -score) == pytest.approx(auc)


@settings(max_examples=40, deadline=None)
@given(samples)
def test_a_whole_weight_equals_repeated_rows(rows: list[tuple[bool, float]]) -> None:
    y, score = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
    count = np.random.default_rng(1).integers(1, 4, y.size)
    for metric in (roc_auc, pr_auc, precision_at, f1_score):
        repeated = metric(np.repeat(y, count), np.repeat(score, count))
        assert metric(y, score, weights=count) == pytest.approx(repeated)


def test_reweighting_a_table_equals_starting_again(scored) -> None:
    table = ScoreTable.from_rows(scored.y, scored.p)
    draws = np.random.default_rng(3).integers(0, 3, (4, scored.y.size)).astype(float)
    batch = table.reweight(draws)
    for i, w in enumerate(draws):
        assert batch.roc_auc()[i] == pytest.approx(roc_auc(scored.y, scored.p, w))
        assert batch.pr_auc()[i] == pytest.approx(pr_auc(scored.y, scored.p, w))
        assert batch.precision_at(0.1)[i] == pytest.approx(precision_at(scored.y, scored.p, 0.1, w))
        assert batch.confusion(0.4).f1[i] == pytest.approx(f1_score(scored.y, scored.p, 0.4, w))


@pytest.mark.parametrize(
    ("y", "score", "weights", "rule"),
    [
        ([], [], None, "at least one row"),
        ([0, 1], [0.1], None, "same length, got y 2, score 1"),
        ([0, 1], [0.1, np.nan], None, "score must be finite"),
        ([0, np.nan], [0.1, 0.2], None, "y must be finite"),
        ([0, 2], [0.1, 0.2], None, "y must hold only 0 and 1"),
        ([[0, 1]], [0.1, 0.2], None, "y must be one-dimensional"),
        (["no", "yes"], [0.1, 0.2], None, "y must be numeric"),
        ([0, 1], [0.1, 0.2], [1, -1], "weights must not be negative"),
        ([0, 1], [0.1, 0.2], [0, 0], "weights must not all be zero"),
        ([0, 1], [0.1, 0.2], [1], "one value per row"),
        ([1, 1], [0.1, 0.2], None, "both classes"),
        ([0, 0], [0.1, 0.2], None, "both classes"),
        ([0, 1], [0.1, 0.2], [1, 0], "both classes"),
    ],
)
@pytest.mark.parametrize("metric", [roc_auc, roc_curve, pr_curve, gains_curve])
def test_bad_rows_are_refused_by_name(metric, y, score, weights, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        metric(y, score, weights=weights)


def test_average_precision_and_top_share_need_a_positive() -> None:
    with pytest.raises(ValueError, match="no row of positive weight is 1"):
        pr_auc([0, 0], [0.1, 0.2])
    with pytest.raises(ValueError, match="no row of positive weight is 1"):
        precision_at([0, 0], [0.1, 0.2])


@pytest.mark.parametrize("share", [0.0, -0.1, 1.1, np.nan])
def test_a_share_outside_the_unit_interval_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="share must lie in"):
        precision_at(Y, SCORE, share)


def test_a_batch_of_weights_must_fit_the_table() -> None:
    with pytest.raises(ValueError, match="4 rows, 3 weights"):
        ScoreTable.from_rows(Y, SCORE).reweight(np.ones((2, 3)))
