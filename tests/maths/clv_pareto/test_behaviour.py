"""What a user sees: directions that must hold, quantiles, storage, and refusals of bad input."""

from __future__ import annotations

import numpy as np
import pytest

from axiom.clv import ParetoNBD

CDNOW = {"r": 0.5533, "alpha": 10.578, "s": 0.6061, "beta": 11.656}


@pytest.fixture
def model():
    return ParetoNBD.from_params(CDNOW)


def test_silence_makes_dropout_likelier_and_it_never_reaches_certainty_of_life(model):
    T = np.array([30.43, 35.0, 50.0, 200.0])
    alive = model.probability_alive(2, 30.43, T)
    assert alive[0] == 1.0
    assert (np.diff(alive) < 0).all()
    # Unlike BG/NBD, a customer who never came back may be gone.
    assert 0 < model.probability_alive(0, 0, 38.86) < 1


def test_the_future_only_adds_purchases_and_takes_customers_away(model):
    t = np.array([0.0, 1.0, 10.0, 100.0, 1e4])
    assert (np.diff(model.expected_purchases(t, 2, 30.43, 38.86)) > 0).all()
    assert (np.diff(model.probability_alive(2, 30.43, 38.86, t)) < 0).all()
    assert model.expected_purchases_between(3.0, 10.0, 2, 30.43, 38.86) == pytest.approx(
        model.expected_purchases(10.0, 2, 30.43, 38.86) - model.expected_purchases(3.0, 2, 30.43, 38.86)
    )


def test_quantiles_are_the_smallest_counts_that_reach_their_level(model):
    x, t_x, T = np.array([0, 2, 26, 2]), np.array([0.0, 30.43, 30.86, 30.43]), np.array([38.86, 38.86, 31.0, 38.86])
    levels = np.array([0.05, 0.5, 0.95, 0.999])
    quantile = model.purchase_quantile(levels, 39.0, x, t_x, T)
    assert quantile.shape == (4, 4)
    reached = model.purchase_cdf(quantile, 39.0, x, t_x, T)
    below = np.where(quantile > 0, model.purchase_cdf(np.maximum(quantile - 1, 0), 39.0, x, t_x, T), 0.0)
    assert (reached >= levels[:, None]).all()
    assert (below < levels[:, None]).all()
    assert quantile[:, 1].tolist() == quantile[:, 3].tolist()


def test_intervals_widen_when_the_parameters_are_uncertain(draw_customers):
    model = ParetoNBD().fit(*draw_customers(CDNOW, 80, 40.0, 1))
    plugged = model.purchase_quantile(0.99, 300.0, 5, 30.0, 40.0)
    assert model.purchase_quantile(0.99, 300.0, 5, 30.0, 40.0, parameter_draws=40, seed=1) > plugged


def test_predictions_agree_with_simulated_futures(draw_customers, model):
    """A million new customers: the share with n purchases, against P(Y = n), within five standard errors."""
    x, _, ages = draw_customers(CDNOW, 1_000_000, 39.0, 2)
    n = np.arange(8)
    horizon, counts = np.unique(ages, return_counts=True)
    wanted = (model.purchase_pmf(n[:, None], horizon) * counts).sum(axis=1) / counts.sum()
    seen = np.array([(x == k).mean() for k in n])
    assert (np.abs(seen - wanted) < 5 * np.sqrt(wanted / x.size)).all()


def test_shapes_broadcast_and_empty_stays_empty(model):
    assert model.tail(np.arange(3)[:, None], 10.0, [0, 1], [0.0, 5.0], [9.0, 9.0]).shape == (3, 2)
    assert model.expected_purchases(10.0).shape == ()
    assert model.probability_alive([], [], []).shape == (0,)
    assert model.purchase_quantile([0.1, 0.9], 10.0, [], [], []).shape == (2, 0)
    assert model.purchase_quantile(0.5, 10.0).shape == ()


def test_a_stored_model_predicts_the_same(tmp_path, draw_customers):
    x, t_x, T = draw_customers(CDNOW, 200, 40.0, 3)
    model = ParetoNBD().fit(x, t_x, T)
    model.save(tmp_path / "model.json")
    again = ParetoNBD.load(tmp_path / "model.json")
    np.testing.assert_array_equal(again.tail(1, 10.0, x, t_x, T), model.tail(1, 10.0, x, t_x, T))
    assert again.summary() == model.summary()
    assert again.params_ == model.params_


def test_another_models_file_is_refused(model):
    text = model.to_json().replace("pareto-nbd", "beta-geo")
    with pytest.raises(ValueError, match="beta-geo"):
        ParetoNBD.from_json(text)


def test_natural_parameters_survive_the_way_there_and_back(model):
    assert model.params_ == pytest.approx(CDNOW, rel=1e-14)
    with pytest.raises(ValueError, match="beta"):
        ParetoNBD.from_params({**CDNOW, "beta": 0.0})
    with pytest.raises(ValueError, match="parameters"):
        ParetoNBD.from_params({"r": 1.0})


BAD_HISTORIES = [
    ([1.0], [5.0], [4.0], "after T"),
    ([1.0], [0.0], [4.0], "t_x > 0"),
    ([0.0], [2.0], [4.0], "t_x = 0"),
    ([-1.0], [2.0], [4.0], "negative"),
    ([1.5], [2.0], [4.0], "whole"),
    ([np.nan], [2.0], [4.0], "finite"),
    ([1.0], [2.0], [np.inf], "finite"),
    ([0.0], [0.0], [-1.0], "negative"),
]


@pytest.mark.parametrize(("x", "t_x", "T", "rule"), BAD_HISTORIES)
def test_a_broken_history_is_refused_in_fit_and_in_every_prediction(model, x, t_x, T, rule):
    good = [2.0, 0.0, 0.0], [3.0, 0.0, 0.0], [4.0, 4.0, 4.0]
    with pytest.raises(ValueError, match=rule):
        ParetoNBD().fit(*(first + last for first, last in zip(good, (x, t_x, T), strict=True)))
    for predict in (
        lambda: model.probability_alive(x, t_x, T),
        lambda: model.expected_purchases(1.0, x, t_x, T),
        lambda: model.tail(1, 1.0, x, t_x, T),
        lambda: model.purchase_pmf(1, 1.0, x, t_x, T),
        lambda: model.purchase_quantile(0.5, 1.0, x, t_x, T),
        lambda: model.discounted_purchases(0.1, x, t_x, T),
    ):
        with pytest.raises(ValueError, match=rule):
            predict()


@pytest.mark.parametrize(
    ("x", "t_x", "T", "weights", "rule"),
    [
        ([0, 0], [0, 0], [9, 8], None, "nobody repeats"),
        ([1], [3], [9], None, "one customer"),
        ([], [], [], None, "no customers"),
        ([1, 2], [3, 4], [9], None, "one length"),
        ([1, 2], [3, 4], [9, 9], [1, 0], "weights must be positive"),
    ],
)
def test_a_population_nothing_can_be_learnt_from_is_refused(x, t_x, T, weights, rule):
    with pytest.raises(ValueError, match=rule):
        ParetoNBD().fit(x, t_x, T, weights=weights)


def test_a_population_nobody_ever_watched_is_refused():
    with pytest.warns(UserWarning, match="T = 0"), pytest.raises(ValueError, match="T is 0"):
        ParetoNBD().fit([0, 0], [0, 0], [0, 0])


def test_impossible_questions_are_refused(model):
    with pytest.raises(ValueError, match="future time"):
        model.expected_purchases(-1.0)
    with pytest.raises(ValueError, match="whole"):
        model.tail(1.5, 1.0)
    with pytest.raises(ValueError, match="whole and not negative"):
        model.purchase_pmf(-1, 1.0)
    with pytest.raises(ValueError, match="rate"):
        model.discounted_purchases(0.0)
    with pytest.raises(ValueError, match="probability"):
        model.purchase_quantile(1.0, 1.0)
    with pytest.raises(ValueError, match="not fitted"):
        ParetoNBD().expected_purchases(1.0)
