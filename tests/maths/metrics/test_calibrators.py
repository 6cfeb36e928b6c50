"""Calibrators against scikit-learn, their promises as properties, and the automatic choice."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit
from sklearn.calibration import _SigmoidCalibration
from sklearn.isotonic import IsotonicRegression

from axiom.maths.calibration import Identity, Isotonic, Platt, calibrator_from_dict, choose_calibrator
from axiom.maths.metrics import calibration_line, log_loss

samples = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0.0, 0.05, 0.3, 0.31, 0.5, 0.9, 1.0])), min_size=20, max_size=60
).filter(lambda rows: 0 < sum(y for y, _ in rows) < len(rows))


def overconfident(n: int, seed: int = 3):
    rng = np.random.default_rng(seed)
    truth = rng.normal(-0.5, 1.0, n)
    return (rng.random(n) < expit(truth)).astype(float), expit(2.5 * truth + 0.5)


def test_platt_equals_scikit_learns_sigmoid_on_the_log_odds() -> None:
    y, p = overconfident(500)
    expected = _SigmoidCalibration().fit(logit(p), y)
    ours = Platt.fit(y, p)
    assert ours.slope == pytest.approx(-expected.a_, abs=2e-4)
    assert ours.intercept == pytest.approx(-expected.b_, abs=2e-4)


def test_platt_stands_at_the_top_of_its_likelihood() -> None:
    y, p = overconfident(300)
    w = np.random.default_rng(0).uniform(0.5, 2, 300)
    fit = Platt.fit(y, p, w)
    positive, negative = w @ y, w @ (1 - y)
    target = np.where(y == 1, (positive + 1) / (positive + 2), 1 / (negative + 2))
    residual = w * (target - fit.predict(p))
    assert residual.sum() == pytest.approx(0, abs=1e-7)
    assert residual @ logit(p) == pytest.approx(0, abs=1e-7)


def test_platt_stays_finite_under_perfect_separation() -> None:
    y = np.repeat([0, 1], 20)
    fit = Platt.fit(y, np.where(y == 1, 0.9, 0.1))
    assert np.isfinite([fit.slope, fit.intercept]).all()
    assert fit.predict([0.9])[0] == pytest.approx(21 / 22)


def test_platt_moves_a_constant_prediction_to_the_base_rate() -> None:
    y = np.array([1] * 6 + [0] * 24)
    fit = Platt.fit(y, np.full(30, 0.6))
    assert fit.slope == 1
    assert fit.predict([0.6])[0] == pytest.approx((6 * 7 / 8 + 24 / 26) / 30)


def test_predictions_that_rank_backwards_become_the_base_rate_with_a_warning() -> None:
    y, p = overconfident(200)
    with pytest.warns(RuntimeWarning, match="rank backwards"):
        fit = Platt.fit(y, 1 - p)
    assert fit.slope == 0
    assert fit.predict([0.1, 0.9]) == pytest.approx(np.full(2, y.mean()), abs=0.01)


@pytest.mark.parametrize("weighted", [False, True])
def test_isotonic_equals_scikit_learn_between_its_bounds(scored, weighted: bool) -> None:
    y, p, weights = scored
    w = weights if weighted else None
    expected = IsotonicRegression(out_of_bounds="clip").fit(p, y, sample_weight=w)
    bound = 1 / (y.size + 2)
    np.testing.assert_allclose(
        Isotonic.fit(y, p, w).predict(p), np.clip(expected.predict(p), bound, 1 - bound), atol=1e-12
    )
    inside = np.linspace(0.3, 0.6, 50)  # between knots, where no bound reaches
    np.testing.assert_allclose(Isotonic.fit(y, p, w).predict(inside), expected.predict(inside), atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(samples, st.sampled_from([Platt, Isotonic]))
def test_calibrators_never_reverse_the_ranking_nor_reach_certainty(rows, method) -> None:
    y, p = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "predictions rank backwards")
        fit = method.fit(y, p)
    out = fit.predict(np.linspace(0, 1, 50))
    assert np.all(np.diff(out) >= -1e-15)
    assert np.all((out > 0) & (out < 1))
    with_rows_shuffled = method.fit(y[::-1], p[::-1]) if fit.to_dict().get("slope") != 0 else fit
    np.testing.assert_allclose(with_rows_shuffled.predict(p), fit.predict(p), atol=1e-8)


def test_isotonic_matches_the_observed_total(scored) -> None:
    assert Isotonic.fit(scored.y, scored.p).predict(scored.p).sum() == pytest.approx(scored.y.sum(), abs=1.0)


@pytest.mark.parametrize("method", [Platt, Isotonic])
def test_a_calibrator_survives_json(method) -> None:
    y, p = overconfident(200)
    fit = method.fit(y, p)
    back = calibrator_from_dict(json.loads(json.dumps(fit.to_dict())))
    assert back == fit
    assert calibrator_from_dict(Identity().to_dict()) == Identity()


def test_an_unknown_or_torn_state_is_refused() -> None:
    with pytest.raises(ValueError, match="must be one of identity, platt, isotonic, got 'spline'"):
        calibrator_from_dict({"kind": "spline"})
    with pytest.raises(ValueError, match="stored platt calibrator lacks 'intercept'"):
        calibrator_from_dict({"kind": "platt", "slope": 1.0})


@pytest.mark.parametrize("method", [Platt, Isotonic])
@pytest.mark.parametrize(("y", "reason"), [([0, 1] * 9, "18 rows are fewer than 20"), ([1] * 30, "every outcome is 1")])
def test_too_little_to_learn_from_leaves_probabilities_as_they_are(method, y, reason: str) -> None:
    p = np.linspace(0, 1, len(y))
    with pytest.warns(RuntimeWarning, match=reason):
        fit = method.fit(y, p)
    np.testing.assert_allclose(fit.predict(p), p, atol=1e-12)
    with pytest.warns(RuntimeWarning, match=reason):
        choice = choose_calibrator(y, p)
    assert choice.calibrator == Identity()
    assert choice.losses == {}


def test_identity_only_keeps_certainty_out() -> None:
    out = Identity().predict([0.0, 0.3, 1.0])
    assert 0 < out[0] < 1e-15
    assert out[1] == 0.3
    assert 1 - 1e-15 < out[2] < 1


def test_the_choice_leaves_good_probabilities_alone() -> None:
    rng = np.random.default_rng(1)
    p = rng.beta(2, 3, 2000)
    choice = choose_calibrator(rng.random(2000) < p, p)
    assert choice.calibrator == Identity()
    assert set(choice.losses) == {"identity", "platt", "isotonic"}


def test_a_gain_within_the_noise_does_not_unseat_the_identity() -> None:
    kept = best = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        p = rng.beta(2, 3, 300)
        choice = choose_calibrator(rng.random(300) < p, p)
        kept += choice.calibrator.kind == "identity"
        best += choice.losses["identity"].value == min(loss.value for loss in choice.losses.values())
    assert kept >= 38
    assert best < 35


def test_the_choice_straightens_a_distorted_scale_with_platt() -> None:
    y, p = overconfident(3000)
    choice = choose_calibrator(y, p, time=np.arange(3000))
    assert choice.calibrator.kind == "platt"
    later_y, later_p = overconfident(20_000, seed=9)
    line = calibration_line(later_y, choice.calibrator.predict(later_p))
    assert 0.9 < line.slope.value < 1.1
    assert choice.losses["platt"].value < choice.losses["identity"].value


def test_the_choice_takes_isotonic_for_a_bent_scale() -> None:
    rng = np.random.default_rng(2)
    p = rng.random(8000)
    truth = np.where(p < 0.5, 0.1, 0.6)  # a step no sigmoid can follow
    choice = choose_calibrator(rng.random(8000) < truth, p)
    assert choice.calibrator.kind == "isotonic"


def test_blocks_follow_time_and_not_the_order_of_rows() -> None:
    y, p = overconfident(1000)
    time = np.datetime64("2024-01-01") + np.arange(1000)
    shuffled = np.random.default_rng(0).permutation(1000)
    straight = choose_calibrator(y, p, time)
    mixed = choose_calibrator(y[shuffled], p[shuffled], time[shuffled])
    assert mixed.losses["platt"].value == pytest.approx(straight.losses["platt"].value)
    assert choose_calibrator(y[shuffled], p[shuffled]).losses["platt"].value != straight.losses["platt"].value


def test_rows_of_one_cut_off_are_dealt_within_classes_even_when_sorted_by_outcome() -> None:
    y, p = overconfident(600)
    order = np.argsort(y, kind="stable")
    choice = choose_calibrator(y[order], p[order], time=np.zeros(600))
    assert choice.calibrator.kind == "platt"


def test_the_cross_fitted_loss_is_that_of_predictions_never_fitted_on() -> None:
    y, p = overconfident(100)
    held_out = np.concatenate([Platt.fit(y[50:], p[50:]).predict(p[:50]), Platt.fit(y[:50], p[:50]).predict(p[50:])])
    assert choose_calibrator(y, p, folds=2).losses["platt"].value == pytest.approx(log_loss(y, held_out))


def test_rows_of_weight_zero_do_not_matter() -> None:
    y, p = overconfident(300)
    w = np.where(np.arange(300) < 200, 1.0, 0.0)
    for method in (Platt, Isotonic):
        assert method.fit(y, p, w).predict(p) == pytest.approx(method.fit(y[:200], p[:200]).predict(p))


@pytest.mark.parametrize("call", [Platt.fit, Isotonic.fit, choose_calibrator])
@pytest.mark.parametrize(
    ("y", "p", "weights", "rule"),
    [
        ([0, 1] * 15, np.full(30, 1.2), None, "p must be probabilities"),
        ([0, 1] * 15, np.full(30, np.nan), None, "p must be finite"),
        ([0, 1] * 15, np.full(29, 0.5), None, "same length"),
        ([0, 2] * 15, np.full(30, 0.5), None, "y must hold only 0 and 1"),
        ([], [], None, "at least one row"),
        ([0, 1] * 15, np.full(30, 0.5), np.full(30, -1.0), "weights must not be negative"),
    ],
)
def test_bad_rows_are_refused_by_name(call, y, p, weights, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        call(y, p, weights=weights)


def test_bad_arguments_of_the_choice_and_of_predict_are_refused() -> None:
    y, p = overconfident(50)
    with pytest.raises(ValueError, match="folds must be at least 2"):
        choose_calibrator(y, p, folds=1)
    with pytest.raises(ValueError, match="time must have one label per row"):
        choose_calibrator(y, p, time=[1, 2])
    with pytest.raises(ValueError, match="time must not hold missing labels, 1 do"):
        choose_calibrator(y, p, time=np.where(np.arange(50) == 3, np.nan, 1.0))
    for fit in (Identity(), Platt(1.0, 0.0), Isotonic.fit(y, p)):
        with pytest.raises(ValueError, match="p must be probabilities"):
            fit.predict([1.5])
