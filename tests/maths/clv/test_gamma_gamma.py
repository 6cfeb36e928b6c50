"""Gamma-Gamma: derivatives, units, limits, and the predictive distribution of money."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import betainc

from axiom.clv import BetaGeo, GammaGamma, ModifiedBetaGeo, ParetoNBD
from axiom.clv.spend import Spend, SpendTotals, check_buyers

PURCHASES = {"r": 0.24, "alpha": 4.4, "a": 0.8, "b": 2.4}
SPEND = {"p": 6.25, "q": 3.74, "gamma": 15.4}
X = np.array([0.0, 1, 2, 7, 26, 26])
T_X = np.array([0.0, 1.71, 30.43, 29.43, 30.86, 30.86])
T = np.array([38.86, 38.86, 38.86, 38.86, 31.0, 31.0])
MEAN_SPEND = np.array([0.0, 11.77, 22.35, 73.7, 20.0, 200.0])
BUYERS = Spend(np.array([1.0, 2, 5, 80]), np.array([3.0, 40.0, 7.5, 22.0]), np.array([1.0, 2.0, 1.0, 0.5]))


@pytest.fixture
def purchases() -> BetaGeo:
    return BetaGeo.from_params(PURCHASES)


@pytest.fixture
def spend() -> GammaGamma:
    return GammaGamma.from_params(SPEND)


@settings(max_examples=40, deadline=None)
@given(theta=st.tuples(st.floats(-3, 5), st.floats(-3, 4), st.floats(-2, 6)).map(np.array))
def test_gradient_and_hessian_are_the_derivatives(theta) -> None:
    model, h = GammaGamma(), 1e-4
    f, g, H = model.objective(theta, BUYERS)
    for i in range(3):
        e = np.eye(3)[i] * h
        at = [model.objective(theta + k * e, BUYERS) for k in (-2, -1, 1, 2)]
        slope, bend = ((a[0] - 8 * a[1] + 8 * a[2] - a[3]) / (12 * h) for a in zip(*(p[:2] for p in at), strict=True))
        assert g[i] == pytest.approx(slope, rel=1e-6, abs=1e-7 * (1 + abs(f)))
        np.testing.assert_allclose(H[i], bend, rtol=1e-6, atol=1e-7 * (1 + np.abs(H).max()))


def test_the_currency_does_not_matter(cdnow) -> None:
    dollars = GammaGamma().fit(cdnow.x, cdnow.mean_spend)
    cents = GammaGamma().fit(cdnow.x, 100.0 * cdnow.mean_spend)
    scaled = cents.params_ | {"gamma": cents.params_["gamma"] / 100.0}
    np.testing.assert_allclose(list(scaled.values()), list(dollars.params_.values()), rtol=1e-6)
    assert cents.log_likelihood_ + 946 * np.log(100.0) == pytest.approx(dollars.log_likelihood_, rel=1e-10)
    assert cents.population_mean_ == pytest.approx(100.0 * dollars.population_mean_, rel=1e-8)


def test_customers_without_repeat_purchase_get_the_population_mean(spend) -> None:
    mean = 6.25 * 15.4 / 2.74
    assert spend.population_mean_ == pytest.approx(mean)
    assert spend.expected_spend([0, 0], [np.nan, 55.0]) == pytest.approx([mean, mean])
    # With many purchases their own mean counts.
    assert spend.expected_spend(10_000, 7.0) == pytest.approx(7.0, rel=1e-2)


def test_customers_without_repeat_purchase_teach_nothing(cdnow) -> None:
    buyers = cdnow.x > 0
    all_of_them = GammaGamma().fit(cdnow.x, np.where(buyers, cdnow.mean_spend, np.nan))
    only_buyers = GammaGamma().fit(cdnow.x[buyers], cdnow.mean_spend[buyers])
    assert all_of_them.params_ == only_buyers.params_


def test_weights_and_shards_add(cdnow) -> None:
    buyers = check_buyers(cdnow.x, cdnow.mean_spend, None)
    shards = [Spend(*(column[i::3] for column in (buyers.x, buyers.mean, buyers.weight))) for i in range(3)]
    totals = SpendTotals.of(shards[0]) + SpendTotals.of(shards[1]) + SpendTotals.of(shards[2])
    model = GammaGamma()

    def objective(theta):
        parts = [model.objective(theta, shard) for shard in shards]
        return tuple(sum(part[i] for part in parts) for i in range(3))

    spread, whole = model.fit_sums(objective, totals), GammaGamma().fit(cdnow.x, cdnow.mean_spend)
    np.testing.assert_allclose(spread.theta_, whole.theta_, rtol=1e-9)
    assert spread.correlation_ == pytest.approx(whole.correlation_, rel=1e-9)
    twice = GammaGamma().fit(np.tile(cdnow.x, 2), np.tile(cdnow.mean_spend, 2))
    heavy = GammaGamma().fit(cdnow.x, cdnow.mean_spend, weights=np.full(cdnow.x.size, 2.0))
    np.testing.assert_allclose(heavy.theta_, twice.theta_, rtol=1e-9)


def test_known_parameters_are_recovered() -> None:
    away = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        x = 1.0 + rng.poisson(3.0, 1_500)
        scale = rng.gamma(3.74, 1 / 15.4, x.size)
        model = GammaGamma().fit(x, rng.gamma(6.25 * x) / scale / x)
        assert model.converged_
        error = model.log_natural(model.theta_) - np.log([6.25, 3.74, 15.4])
        away.append(error @ np.linalg.solve(model.covariance_, error))
    # Chi-squared with three degrees of freedom.
    assert abs(np.mean(away) - 3.0) < 4 * np.sqrt(6.0 / 40)


@pytest.mark.parametrize("spread", [0.3, 1e-2, 1e-4])
@pytest.mark.parametrize("size", [30, 3_000])
def test_prices_that_hardly_vary_still_converge(spread, size) -> None:
    rng = np.random.default_rng(0)
    x = 1.0 + rng.poisson(3.0, size)
    for within in (1.0, 1.0 / np.sqrt(x)):
        model = GammaGamma().fit(x, 12.0 * np.exp(spread * within * rng.standard_normal(size)))
        assert model.converged_
        assert model.population_mean_ == pytest.approx(12.0, rel=6 * spread / np.sqrt(size) + spread**2)


def test_spend_is_learnt_where_all_buy_equally_often() -> None:
    model = GammaGamma().fit(np.full(300, 4.0), np.random.default_rng(0).gamma(3.0, 10.0, 300))
    assert model.converged_


def test_money_is_the_mixture_over_counts(purchases, spend) -> None:
    w, n = 50.0, np.arange(1, 400)[:, None]
    mass = purchases.purchase_pmf(n, 39.0, X, T_X, T)
    y = w / (w + 15.4 + X * MEAN_SPEND)
    mixture = purchases.purchase_pmf(0, 39.0, X, T_X, T) + (mass * betainc(6.25 * n, 3.74 + 6.25 * X, y)).sum(axis=0)
    np.testing.assert_allclose(spend.value_cdf(w, purchases, 39.0, X, T_X, T, MEAN_SPEND), mixture, rtol=1e-10)


@pytest.mark.parametrize("kind", [BetaGeo, ModifiedBetaGeo, ParetoNBD])
@pytest.mark.parametrize("t", [1.0, 39.0, 400.0])
def test_money_quantiles_invert_the_cdf(kind, t, spend) -> None:
    names = kind.parameter_names
    model = kind.from_params(dict(zip(names, (0.5, 8.0, 0.7, 6.0), strict=True)))
    levels = np.array([0.05, 0.3, 0.5, 0.9, 0.95, 0.99])
    money = spend.value_quantile(levels, model, t, X, T_X, T, MEAN_SPEND)
    assert money.shape == (6, X.size)
    nothing = model.purchase_pmf(0, t, X, T_X, T)
    np.testing.assert_array_equal(money == 0, levels[:, None] <= nothing)
    reached = spend.value_cdf(money, model, t, X, T_X, T, MEAN_SPEND)
    np.testing.assert_allclose(reached, np.maximum(levels[:, None], nothing), rtol=1e-8)


@pytest.mark.parametrize(
    "params",
    [{"p": 1e6, "q": 1e6, "gamma": 10.0}, {"p": 3e3, "q": 5e3, "gamma": 10.0}, {"p": 0.004, "q": 1.2, "gamma": 100.0}],
    ids=["one price", "few prices", "mostly tips"],
)
def test_extreme_prices_have_quantiles_too(params, purchases) -> None:
    money = GammaGamma.from_params(params)
    levels = np.array([0.5, 0.9, 0.97])
    found = money.value_quantile(levels, purchases, 39.0, X, T_X, T, MEAN_SPEND)
    nothing = purchases.purchase_pmf(0, 39.0, X, T_X, T)
    reached = money.value_cdf(found, purchases, 39.0, X, T_X, T, MEAN_SPEND)
    np.testing.assert_allclose(reached, np.maximum(levels[:, None], nothing), rtol=1e-6)


def test_a_quantile_of_little_mass_is_found_too(purchases, spend) -> None:
    """Levels just above P(no purchase) are deep in the left tail of the spend."""
    nothing = float(purchases.purchase_pmf(0, 39.0, 7, 29.43, 38.86))
    money = spend.value_quantile(nothing + 1e-7, purchases, 39.0, 7, 29.43, 38.86, 20.0)
    assert 0 < money < 5.0
    above = spend.value_cdf(money, purchases, 39.0, 7, 29.43, 38.86, 20.0) - nothing
    assert above == pytest.approx(1e-7, rel=1e-5)


def test_money_of_nothing_is_nothing(purchases, spend) -> None:
    assert (spend.value_quantile(0.99, purchases, 0.0, X, T_X, T, MEAN_SPEND) == 0).all()
    assert (spend.value_cdf([[-1.0]], purchases, 39.0, X, T_X, T, MEAN_SPEND) == 0).all()
    np.testing.assert_allclose(
        spend.value_cdf(0.0, purchases, 39.0, X, T_X, T, MEAN_SPEND), purchases.purchase_pmf(0, 39.0, X, T_X, T)
    )


def test_expected_money_is_purchases_times_spend(purchases, spend) -> None:
    mean = spend.expected_value(purchases, 39.0, X, T_X, T, MEAN_SPEND)
    np.testing.assert_allclose(
        mean, purchases.expected_purchases(39.0, X, T_X, T) * spend.expected_spend(X, MEAN_SPEND)
    )
    parts = spend.expected_value_between(purchases, [[0.0], [10.0]], [[10.0], [39.0]], X, T_X, T, MEAN_SPEND)
    np.testing.assert_allclose(parts.sum(axis=0), mean)
    discounted = spend.discounted_value(0.01, purchases, X, T_X, T, MEAN_SPEND)
    np.testing.assert_allclose(
        discounted, purchases.discounted_purchases(0.01, X, T_X, T) * spend.expected_spend(X, MEAN_SPEND)
    )


def test_expected_money_is_the_area_above_the_cdf(purchases, spend) -> None:
    w = np.exp(np.linspace(-8, 16, 4_000))[:, None]
    above = 1 - spend.value_cdf(w, purchases, 39.0, 7, 29.43, 38.86, 20.0)
    area = float((above * w)[:, 0].sum() * (24 / 3_999))
    assert spend.expected_value(purchases, 39.0, 7, 29.43, 38.86, 20.0) == pytest.approx(area, rel=1e-4)


def test_quantiles_scale_with_the_money(purchases) -> None:
    one = GammaGamma.from_params(SPEND).value_quantile(0.9, purchases, 39.0, X, T_X, T, MEAN_SPEND)
    cents = GammaGamma.from_params(SPEND | {"gamma": 1540.0}).value_quantile(
        0.9, purchases, 39.0, X, T_X, T, 100.0 * MEAN_SPEND
    )
    np.testing.assert_allclose(cents, 100.0 * one, rtol=1e-9)


def test_parameter_draws_mix_both_models(cdnow) -> None:
    few = slice(0, 150)
    history = tuple(column[few] for column in cdnow.history)
    purchases = BetaGeo().fit(*history)
    spend = GammaGamma().fit(cdnow.x[few], cdnow.mean_spend[few])
    busy = (26.0, 30.86, 31.0, 20.0)
    plain = spend.value_quantile([0.05, 0.95], purchases, 39.0, *busy)
    mixed = spend.value_quantile([0.05, 0.95], purchases, 39.0, *busy, parameter_draws=50, seed=3)
    again = spend.value_quantile([0.05, 0.95], purchases, 39.0, *busy, parameter_draws=50, seed=3)
    np.testing.assert_array_equal(mixed, again)
    assert mixed[1] - mixed[0] > plain[1] - plain[0]
    reached = spend.value_cdf(mixed, purchases, 39.0, *busy, parameter_draws=50, seed=3)
    assert reached == pytest.approx([0.05, 0.95], rel=1e-5)


def test_draws_of_known_parameters_are_the_plain_quantiles(purchases, spend) -> None:
    """Without uncertainty the slow mixture and the fast tables must agree."""
    plain = spend.value_quantile([0.3, 0.9], purchases, 39.0, X, T_X, T, MEAN_SPEND)
    mixed = spend.value_quantile([0.3, 0.9], purchases, 39.0, X, T_X, T, MEAN_SPEND, parameter_draws=2)
    np.testing.assert_allclose(mixed, plain, rtol=1e-4)
