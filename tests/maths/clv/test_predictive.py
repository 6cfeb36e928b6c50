"""What predictions must be, whatever the model: consistent with each other, monotone, and right in the limits."""

from __future__ import annotations

import numpy as np
import pytest

from axiom.clv import BetaGeo, GammaGamma, ModifiedBetaGeo, ParetoNBD

MODELS = [BetaGeo, ModifiedBetaGeo]
PARAMS = {"r": 0.24, "alpha": 4.4, "a": 0.8, "b": 2.4}
X = np.array([0.0, 0, 1, 2, 7, 26, 300])
T_X = np.array([0.0, 0, 1.71, 30.43, 29.43, 30.86, 38.0])
T = np.array([38.86, 0, 38.86, 38.86, 38.86, 31.0, 38.86])


@pytest.fixture(params=MODELS, ids=["BG", "MBG"])
def model(request):
    return request.param.from_params(PARAMS)


def test_the_probabilities_of_all_counts_sum_to_one_and_give_the_mean(model) -> None:
    n = np.arange(6_000)[:, None]
    mass = model.purchase_pmf(n, 39.0, X, T_X, T)
    assert (mass >= 0).all()
    np.testing.assert_allclose(mass.sum(axis=0), 1.0, rtol=1e-11)
    np.testing.assert_allclose((n * mass).sum(axis=0), model.expected_purchases(39.0, X, T_X, T), rtol=1e-10)


def test_tail_and_cdf_are_sums_of_probabilities(model) -> None:
    n = np.arange(50)[:, None]
    below = model.purchase_pmf(n, 39.0, X, T_X, T).cumsum(axis=0)
    np.testing.assert_allclose(model.purchase_cdf(n, 39.0, X, T_X, T), below, atol=1e-13)
    np.testing.assert_allclose(model.tail(n + 1, 39.0, X, T_X, T), 1 - below, atol=1e-13)
    np.testing.assert_array_equal(model.tail(np.array([-3, 0])[:, None], 39.0, X, T_X, T), 1.0)


@pytest.mark.parametrize("t", [0.5, 39.0, 2_000.0])
def test_a_quantile_is_the_smallest_count_that_reaches_the_level(model, t) -> None:
    for q in (0.01, 0.5, 0.9, 0.95, 0.999):
        found = model.purchase_quantile(q, t, X, T_X, T)
        assert found.dtype == np.int64
        assert (model.purchase_cdf(found, t, X, T_X, T) >= q - 1e-13).all()
        lower = found > 0
        assert (model.purchase_cdf(found - lower, t, X, T_X, T)[lower] < q).all()


def test_quantiles_of_several_levels_come_in_rows(model) -> None:
    levels = [0.05, 0.5, 0.95]
    together = model.purchase_quantile(levels, 39.0, X, T_X, T)
    assert together.shape == (3, X.size)
    for row, level in zip(together, levels, strict=True):
        np.testing.assert_array_equal(row, model.purchase_quantile(level, 39.0, X, T_X, T))
    assert (np.diff(together, axis=0) >= 0).all()


def test_walked_quantiles_equal_searched_ones(model) -> None:
    """The generic search (as used by every other model) and the walk agree, also for busy customers."""
    from axiom.clv.predictive import Predictive

    for t in (5.0, 100.0, 3_000.0):
        walked = model.purchase_quantile([0.05, 0.5, 0.99], t, X, T_X, T)
        np.testing.assert_array_equal(walked, Predictive.purchase_quantile(model, [0.05, 0.5, 0.99], t, X, T_X, T))


def test_busy_customers_take_the_integral_and_agree_with_the_sum(monkeypatch) -> None:
    from axiom.clv import geometric_walk

    model = BetaGeo.from_params({"r": 5.0, "alpha": 1.0, "a": 0.3, "b": 20.0})
    t = np.array([0.1, 3.0, 30.0, 60.0])
    summed = model.expected_purchases(t), model.probability_alive(t=t)
    monkeypatch.setattr(geometric_walk, "MOST_TERMS", 0.0)
    np.testing.assert_allclose(model.expected_purchases(t), summed[0], rtol=1e-11)
    np.testing.assert_allclose(model.probability_alive(t=t), summed[1], rtol=1e-11)


def test_nothing_happens_in_no_time(model) -> None:
    assert (model.expected_purchases(0.0, X, T_X, T) == 0).all()
    assert (model.purchase_quantile(0.99, 0.0, X, T_X, T) == 0).all()
    np.testing.assert_allclose(model.purchase_pmf([[0], [1]], 0.0, X, T_X, T), [[1.0] * X.size, [0.0] * X.size])
    np.testing.assert_allclose(model.probability_alive(X, T_X, T, t=0.0), model.probability_alive(X, T_X, T))


def test_more_time_means_more_purchases_and_fewer_alive(model) -> None:
    t = np.array([1.0, 10.0, 100.0, 1_000.0])[:, None]
    assert (np.diff(model.expected_purchases(t, X, T_X, T), axis=0) > 0).all()
    assert (np.diff(model.probability_alive(X, T_X, T, t=t), axis=0) < 0).all()


def test_a_longer_silence_means_a_smaller_chance_to_be_alive(model) -> None:
    assert (np.diff(model.probability_alive(5.0, np.linspace(1.0, 30.0, 20), 30.0)) > 0).all()


def test_alive_customers_are_those_of_the_definition() -> None:
    assert BetaGeo.from_params(PARAMS).probability_alive(0, 0, [0.0, 10.0]) == pytest.approx([1.0, 1.0])
    modified = ModifiedBetaGeo.from_params(PARAMS).probability_alive(0, 0, [0.0, 10.0])
    # A new customer of the MBG/NBD has tossed one coin: b/(a + b).
    assert modified[0] == pytest.approx(2.4 / 3.2)
    assert modified[1] < modified[0]


def test_purchases_between_two_dates_add_up(model) -> None:
    parts = model.expected_purchases_between([0.0, 10.0, 25.0], [10.0, 25.0, 60.0], 3, 20.0, 30.0)
    assert parts.sum() == pytest.approx(float(model.expected_purchases(60.0, 3, 20.0, 30.0)))


def test_the_next_purchase_comes_at_its_quantile(model) -> None:
    q = np.array([0.05, 0.3, 0.6])
    when = model.next_purchase_quantile(q, 7, 29.43, 38.86)
    assert model.next_purchase_probability(when, 7, 29.43, 38.86) == pytest.approx(q, rel=1e-12)
    assert np.isinf(model.next_purchase_quantile(0.9, 7, 29.43, 38.86))


def test_a_discount_rate_of_years_sees_the_next_purchases_only(model) -> None:
    """As the rate falls the discounted sum grows; for a long finite horizon it is near the undiscounted mean."""
    rates = np.array([1.0, 0.1, 0.01])
    values = np.array([model.discounted_purchases(rate, X, T_X, T) for rate in rates])
    assert (np.diff(values, axis=0) > 0).all()
    # DERT = rate ∫ exp(-rate s) E[Y(s)] ds, here by brute force in ln s.
    s = np.exp(np.linspace(-14, 7.5, 3_000))
    weight = 0.1 * np.exp(-0.1 * s) * s * np.log(s[1] / s[0])
    integral = (weight[:, None] * model.expected_purchases(s[:, None], X[:6], T_X[:6], T[:6])).sum(axis=0)
    np.testing.assert_allclose(values[1, :6], integral, rtol=1e-5)


def test_discounting_many_customers_by_interpolation_equals_one_by_one(model) -> None:
    T_many = np.linspace(5.0, 500.0, 120)
    together = model.discounted_purchases(0.003, 4.0, 0.9 * T_many, T_many)
    single = [model.discounted_purchases(0.003, 4.0, 0.9 * age, age) for age in T_many[::17]]
    np.testing.assert_allclose(together[::17], single, rtol=1e-12)


def test_any_unit_of_the_table_of_counts_holds_all_but_the_given_mass(model) -> None:
    t = np.full(X.size, 39.0)
    for beyond in (1e-3, 1e-9):
        table = model.purchase_table(beyond, t, X, T_X, T)
        assert (1 - table.sum(axis=0) <= beyond + 1e-14).all()
        np.testing.assert_allclose(table, model.purchase_pmf(np.arange(len(table))[:, None], t, X, T_X, T), atol=1e-14)


def test_predictions_broadcast_like_numpy(model) -> None:
    grid = model.expected_purchases(np.array([[1.0], [2.0]]), X, T_X, T)
    assert grid.shape == (2, X.size)
    assert model.purchase_quantile([0.5, 0.9], 1.0).shape == (2,)
    assert model.purchase_quantile(0.5, 1.0).shape == ()


def test_nobody_gets_no_predictions(model, cdnow) -> None:
    none, fitted = np.array([]), type(model)().fit(*cdnow.history)
    spend = GammaGamma().fit(cdnow.x, cdnow.mean_spend)
    nobody = (none, none, none)
    assert fitted.expected_purchases(1.0, *nobody).shape == (0,)
    assert fitted.probability_alive(*nobody, t=2.0).shape == (0,)
    assert fitted.discounted_purchases(0.1, *nobody).shape == (0,)
    for draws in (0, 2):
        assert fitted.purchase_quantile([0.1, 0.5], 1.0, *nobody, parameter_draws=draws).shape == (2, 0)
        assert spend.value_quantile([0.1, 0.5], fitted, 1.0, *nobody, none, parameter_draws=draws).shape == (2, 0)
        assert spend.value_cdf(3.0, fitted, 1.0, *nobody, none, parameter_draws=draws).shape == (0,)


@pytest.mark.parametrize("kind", [BetaGeo, ModifiedBetaGeo, ParetoNBD])
def test_parameter_draws_are_seeded_and_widen_the_interval(kind, cdnow) -> None:
    few = slice(0, 150)
    fitted = kind().fit(*(column[few] for column in cdnow.history))
    busy = (26.0, 30.86, 31.0)
    plain = fitted.purchase_quantile([0.01, 0.99], 200.0, *busy)
    mixed = fitted.purchase_quantile([0.01, 0.99], 200.0, *busy, parameter_draws=60, seed=4)
    np.testing.assert_array_equal(
        mixed, fitted.purchase_quantile([0.01, 0.99], 200.0, *busy, parameter_draws=60, seed=4)
    )
    assert mixed[1] - mixed[0] > plain[1] - plain[0]


def test_draws_have_the_covariance_of_the_posterior(cdnow) -> None:
    fitted = BetaGeo().fit(*cdnow.history)
    thetas = np.array([drawn.theta_ for drawn in fitted.draws(4_000, seed=1)])
    np.testing.assert_allclose(thetas.mean(axis=0), fitted.theta_, atol=0.05)
    np.testing.assert_allclose(
        np.cov(thetas.T), fitted.theta_covariance_, atol=0.1 * np.abs(fitted.theta_covariance_).max()
    )
