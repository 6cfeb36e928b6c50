"""Static covariates: effects are recovered, and customers are predicted with parameters of their own."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit

from axiom.clv import (
    BetaGeo,
    BetaGeoRegression,
    GammaGamma,
    GammaGammaRegression,
    ModifiedBetaGeo,
    ModifiedBetaGeoRegression,
)
from axiom.clv.beta_geo_regression import CovariateTable
from axiom.clv.inputs import Table

KINDS = [(BetaGeoRegression, BetaGeo, 0), (ModifiedBetaGeoRegression, ModifiedBetaGeo, 1)]
RATE_EFFECTS, DROPOUT_EFFECT = np.array([0.1, -0.5]), 0.6


def draw(simulate, seed: int, n: int, first: int):
    """Customers whose rate depends on a year and a flag, and whose dropout depends on a level."""
    rng = np.random.default_rng(seed)
    rate = np.column_stack([rng.normal(2000.0, 3.0, n), rng.random(n) < 0.4])
    dropout = rng.integers(0, 3, n).astype(float)
    r, s = 0.8, 0.6
    mean_rate = 0.15 * np.exp((rate - [2000.0, 0.0]) @ RATE_EFFECTS)
    phi = expit(logit(0.25) + DROPOUT_EFFECT * dropout)
    people = simulate(
        rng, rng.gamma(r, mean_rate / r), rng.beta(phi / s, (1 - phi) / s), np.ceil(rng.uniform(20, 60, n)), first
    )
    return people, rate, dropout


@pytest.mark.parametrize(("kind", "plain", "first"), KINDS)
def test_effects_are_recovered_within_sampling_error(kind, plain, first, simulate) -> None:
    away = []
    for seed in range(12):
        people, rate, dropout = draw(simulate, seed, 3_000, first)
        model = kind().fit(*people.history, rate=rate, dropout=dropout)
        assert model.converged_
        error = model.theta_[4:] - [*RATE_EFFECTS, DROPOUT_EFFECT]
        away.append(error @ np.linalg.solve(model.theta_covariance_[4:, 4:], error))
    # Chi-squared with three degrees of freedom.
    assert abs(np.mean(away) - 3.0) < 4 * np.sqrt(6.0 / 12)
    assert isinstance(model.baseline(), plain)


@pytest.mark.parametrize(("kind", "plain", "first"), KINDS)
def test_gradient_and_hessian_are_the_derivatives(kind, plain, first, simulate) -> None:
    people, rate, dropout = draw(simulate, 0, 300, first)
    shard = CovariateTable(Table(*people.history, np.ones(300)), rate - [2000.0, 0.0], dropout[:, None])
    model, theta = kind(), np.array([-2.0, 0.3, -1.0, -0.5, 0.2, -0.3, 0.4])
    _, g, H = model.objective(theta, shard)
    for i, e in enumerate(1e-4 * np.eye(7)):
        at = [model.objective(theta + k * e, shard) for k in (-2, -1, 1, 2)]
        slope, bend = ((at[0][k] - 8 * at[1][k] + 8 * at[2][k] - at[3][k]) / 12e-4 for k in (0, 1))
        assert g[i] == pytest.approx(slope, rel=1e-7, abs=1e-6)
        np.testing.assert_allclose(H[i], bend, rtol=1e-7, atol=1e-6)


@pytest.mark.parametrize(("kind", "plain", "first"), KINDS)
def test_with_effects_of_nothing_it_is_the_plain_model(kind, plain, first, cdnow) -> None:
    """A covariate that explains nothing leaves the likelihood at most half a chi-squared above the plain one."""
    noise = np.random.default_rng(3).normal(size=cdnow.x.size)
    with_noise, without = kind().fit(*cdnow.history, dropout=noise), plain().fit(*cdnow.history)
    assert -0.1 < with_noise.log_likelihood_ - without.log_likelihood_ < 4.0
    own = [with_noise.params_[name] for name in plain.parameter_names]
    np.testing.assert_allclose(own, list(without.params_.values()), rtol=0.1)


@pytest.mark.parametrize(("kind", "plain", "first"), KINDS)
def test_customers_are_predicted_with_their_own_parameters(kind, plain, first, simulate) -> None:
    people, rate, dropout = draw(simulate, 1, 800, first)
    model = kind().fit(*people.history, rate=rate, dropout=dropout)
    spend = GammaGamma.from_params({"p": 6.0, "q": 4.0, "gamma": 15.0})
    together, z = model.customers(rate, dropout), np.full(800, 20.0)
    history = people.history
    everyone = [
        together.expected_purchases(30.0, *history),
        together.probability_alive(*history, t=5.0),
        together.discounted_purchases(0.01, *history),
        *together.purchase_quantile([0.5, 0.95], 30.0, *history),
        *spend.value_quantile([0.9, 0.99], together, 30.0, *history, z),
        spend.value_cdf(40.0, together, 30.0, *history, z),
    ]
    for i in (0, 17, 400):
        natural = np.exp(plain().log_natural(together.theta_[:, i]))
        one = plain.from_params(dict(zip(plain.parameter_names, natural, strict=True)))
        own = tuple(column[i] for column in history)
        alone = [
            one.expected_purchases(30.0, *own),
            one.probability_alive(*own, t=5.0),
            one.discounted_purchases(0.01, *own),
            *one.purchase_quantile([0.5, 0.95], 30.0, *own),
            *spend.value_quantile([0.9, 0.99], one, 30.0, *own, 20.0),
            spend.value_cdf(40.0, one, 30.0, *own, 20.0),
        ]
        np.testing.assert_allclose([column[i] for column in everyone], alone, rtol=1e-8)


def test_draws_of_a_regression_widen_the_intervals_of_its_customers(simulate) -> None:
    people, rate, dropout = draw(simulate, 2, 150, 0)
    model = BetaGeoRegression().fit(*people.history, rate=rate, dropout=dropout)
    customers = model.customers(rate, dropout)
    plain = customers.purchase_quantile([0.01, 0.99], 300.0, *people.history)
    mixed = customers.purchase_quantile([0.01, 0.99], 300.0, *people.history, parameter_draws=40, seed=1)
    assert (mixed[1] - mixed[0]).sum() > (plain[1] - plain[0]).sum()


def test_spend_effects_are_recovered_and_used() -> None:
    away = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        x, level = 1.0 + rng.poisson(3.0, 1_500), rng.integers(0, 3, 1_500).astype(float)
        scale = rng.gamma(3.74, 1 / (15.4 * np.exp(0.3 * level)))
        z = rng.gamma(6.25 * x) / scale / x
        model = GammaGammaRegression().fit(x, z, spend=level, spend_names=["level"])
        assert model.converged_
        away.append((model.coefficients_["ratio(spend.level)"] - 0.3) / np.sqrt(model.theta_covariance_[3, 3]))
    assert abs(np.mean(np.square(away)) - 1.0) < 4 * np.sqrt(2.0 / 20)
    customers = model.customers(level)
    one = GammaGamma.from_params(
        dict(zip(GammaGamma.parameter_names, np.exp(customers.log_natural(customers.theta_[:, 5])), strict=True))
    )
    assert customers.expected_spend(x, z)[5] == pytest.approx(float(one.expected_spend(x[5], z[5])))
    purchases = BetaGeo.from_params({"r": 0.5, "alpha": 5.0, "a": 0.8, "b": 3.0})
    T = np.full(x.size, 30.0)
    together = customers.value_quantile(0.9, purchases, 20.0, x, T - 3.0, T, z)
    assert together[5] == pytest.approx(float(one.value_quantile(0.9, purchases, 20.0, x[5], 27.0, 30.0, z[5])))


def test_discrete_covariates_are_grouped_and_weights_count(cdnow) -> None:
    flag = (np.arange(cdnow.x.size) % 2).astype(float)
    once = BetaGeoRegression().fit(*cdnow.history, rate=flag, weights=np.full(flag.size, 2.0))
    twice = BetaGeoRegression().fit(*(np.tile(column, 2) for column in cdnow.history), rate=np.tile(flag, 2))
    np.testing.assert_allclose(once.theta_, twice.theta_, rtol=1e-7)


GOOD = {"x": [0, 2, 5, 1], "t_x": [0.0, 3.0, 9.0, 4.0], "T": [10.0, 10.0, 10.0, 8.0]}


@pytest.mark.parametrize(
    ("covariates", "message"),
    [
        ({}, "needs a covariate of rate or of dropout"),
        ({"rate": [1.0, 2.0]}, "rate must have one row per customer"),
        ({"rate": [1.0, 2.0, np.nan, 3.0]}, r"rate must be finite.*index 2"),
        ({"dropout": [1.0, 1.0, 1.0, 1.0]}, r"must vary between customers; columns \[0\] of dropout"),
        ({"rate": [1.0, 2.0, 3.0, 4.0], "rate_names": ["a", "b"]}, "rate has 1 columns"),
        ({"rate": np.eye(4)[:, :2], "rate_names": ["a", "a"]}, "different names"),
    ],
)
def test_bad_covariates_are_refused(covariates, message) -> None:
    with pytest.raises(ValueError, match=message):
        BetaGeoRegression().fit(**GOOD, **covariates)


def test_customers_need_the_covariates_of_the_fit_and_as_many_histories(cdnow) -> None:
    z = np.random.default_rng(0).normal(size=cdnow.x.size)
    model = BetaGeoRegression().fit(*cdnow.history, rate=z)
    with pytest.raises(ValueError, match=r"the model has \[1, 0\] covariates"):
        model.customers(np.column_stack([z, z]))
    with pytest.raises(ValueError, match=r"the model has \[1, 0\] covariates"):
        model.customers(z, z)
    with pytest.raises(ValueError, match="parameters of 3 customers, not of 2357"):
        model.customers(z[:3]).expected_purchases(1.0, *cdnow.history)
    with pytest.raises(ValueError, match="is not fitted"):
        BetaGeoRegression().customers(z)
    for ask in (lambda: model.customers(z).params_, lambda: model.customers(z).to_json()):
        with pytest.raises(ValueError, match="ask the regression"):
            ask()
    spend = GammaGammaRegression().fit(cdnow.x, cdnow.mean_spend, spend=z)
    with pytest.raises(ValueError, match="the model has 1 covariates of spend"):
        spend.customers(np.column_stack([z, z]))
