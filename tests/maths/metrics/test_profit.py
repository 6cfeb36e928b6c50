"""The profit of a campaign by hand, its threshold, and its directions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axiom.maths.profit import RetentionCosts, break_even_probability, expected_contact_profit, profit_curve

COSTS = RetentionCosts(contact_cost=1, offer_cost=10, save_rate=0.3)

money = st.floats(0, 100)
costs = st.builds(RetentionCosts, money, money, st.floats(0, 1), st.floats(0, 1))


def test_a_campaign_of_four_customers_by_hand() -> None:
    # Churner saved with 0.3: 0.3·(200 − 10) − 1 = 56; stayer takes the offer: −10 − 1 = −11.
    curve = profit_curve([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.1], COSTS, 200)
    np.testing.assert_allclose(curve.profit, [0, 56, 45, 101, 90])
    np.testing.assert_allclose(curve.share, [0, 0.25, 0.5, 0.75, 1])
    assert (curve.best_profit, curve.best_share, curve.best_threshold) == (pytest.approx(101), 0.75, 0.7)


def test_the_formula_of_neslin_2006_for_a_whole_campaign() -> None:
    # Π = Nα[βγ(V − c − δ) + β(1 − γ)(−c) + (1 − β)(−c − δ)]; contact c, offer δ, hit rate β.
    y = np.array([1] * 30 + [0] * 70)
    gamma, value, c, delta, beta = 0.3, 200, 1, 10, 0.3
    expected = 100 * (beta * gamma * (value - c - delta) - beta * (1 - gamma) * c - (1 - beta) * (c + delta))
    assert profit_curve(y, np.zeros(100), COSTS, value).profit[-1] == pytest.approx(expected)


def test_break_even_probability_is_where_the_expected_profit_is_zero() -> None:
    p = break_even_probability(COSTS, 200)
    assert p == pytest.approx(11 / 67)
    assert expected_contact_profit([p], COSTS, 200)[0] == pytest.approx(0, abs=1e-12)


@settings(max_examples=80, deadline=None)
@given(costs, money)
def test_no_probability_below_break_even_is_worth_a_contact(table: RetentionCosts, value: float) -> None:
    p = break_even_probability(table, value)
    assert 0 <= p <= 1
    below = np.linspace(0, p, 20)
    assert np.all(expected_contact_profit(below, table, value) <= 1e-9)


@settings(max_examples=50, deadline=None)
@given(costs, st.integers(0, 2**32 - 1))
def test_the_best_point_beats_contacting_nobody_and_everybody(table: RetentionCosts, seed: int) -> None:
    rng = np.random.default_rng(seed)
    y, score = rng.integers(0, 2, 30), np.round(rng.random(30), 1)
    curve = profit_curve(y, score, table, rng.uniform(0, 300, 30))
    assert curve.best_profit >= max(0.0, curve.profit[-1])
    assert np.all(np.diff(curve.threshold) < 0)
    contacted = score >= curve.best_threshold
    assert contacted.mean() == pytest.approx(curve.best_share)


def test_a_dearer_contact_never_enlarges_the_campaign() -> None:
    rng = np.random.default_rng(0)
    p = rng.random(500)
    y = rng.random(500) < p
    shares = [profit_curve(y, p, RetentionCosts(c, 10, 0.3), 100).best_share for c in (0, 2, 5, 10, 40)]
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] == 0


def test_a_hopeless_campaign_contacts_nobody_at_a_finite_threshold() -> None:
    curve = profit_curve([1, 0], [0.9, 0.1], RetentionCosts(50, 10, 0.1), 20)
    assert (curve.best_profit, curve.best_share) == (0, 0)
    assert 0.9 < curve.best_threshold < np.inf
    assert break_even_probability(RetentionCosts(50, 10, 0.1), 20) == 1
    assert break_even_probability(RetentionCosts(0, 0, 0.0), 20) == 1


def test_ranking_by_expected_profit_finds_the_valuable_customers() -> None:
    y, p, value = np.array([1, 1, 0, 0]), np.array([0.9, 0.5, 0.6, 0.1]), np.array([20, 500, 20, 20])
    by_probability = profit_curve(y, p, COSTS, value)
    by_profit = profit_curve(y, expected_contact_profit(p, COSTS, value), COSTS, value)
    assert by_profit.best_profit > by_probability.best_profit
    assert by_profit.best_share < by_probability.best_share


def test_tied_scores_enter_together_whatever_their_order() -> None:
    y, score, value = np.array([1, 0, 1, 0]), np.array([0.5, 0.5, 0.5, 0.2]), np.array([10, 20, 300, 40])
    forward, backward = profit_curve(y, score, COSTS, value), profit_curve(y[::-1], score[::-1], COSTS, value[::-1])
    np.testing.assert_allclose(forward.profit, backward.profit)
    assert forward.profit.size == 3


def test_weights_repeat_customers() -> None:
    y, p = np.array([1, 0, 1]), np.array([0.9, 0.5, 0.3])
    weighted = profit_curve(y, p, COSTS, 100, [2, 1, 3])
    repeated = profit_curve(np.repeat(y, [2, 1, 3]), np.repeat(p, [2, 1, 3]), COSTS, 100)
    np.testing.assert_allclose(weighted.profit, repeated.profit)


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ((-1, 0, 0.1), "contact_cost must be"),
        ((1, np.inf, 0.1), "offer_cost must be"),
        ((1, 1, 1.1), "save_rate must lie"),
        ((1, 1, 0.1, -0.5), "take_rate must lie"),
        ((np.nan, 1, 0.1), "contact_cost must be"),
    ],
)
def test_impossible_costs_are_refused_by_name(arguments, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        RetentionCosts(*arguments)


def test_bad_rows_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="value_at_risk must not be negative"):
        profit_curve([0, 1], [0.1, 0.2], COSTS, [-1, 2])
    with pytest.raises(ValueError, match="same length"):
        profit_curve([0, 1], [0.1, 0.2], COSTS, [1, 2, 3])
    with pytest.raises(ValueError, match="same length"):
        profit_curve([0, 1], [0.1], COSTS, 1)
    with pytest.raises(ValueError, match="value_at_risk must be finite"):
        break_even_probability(COSTS, np.nan)
    with pytest.raises(ValueError, match="p must be probabilities"):
        expected_contact_profit([1.2], COSTS, 10)
