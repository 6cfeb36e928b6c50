"""CDNOW against the literature. Without a prior (`prior_sd=inf`) the fits are the maximum likelihood of the papers.

Sources: Fader, Hardie & Lee 2005 (BG/NBD), Batislam et al. 2007 (MBG/NBD), Fader & Hardie 2013 (Gamma-Gamma). Numbers
with more digits than printed there are an independent refit of the same data; mpmath marks a 50-digit evaluation.
"""

from __future__ import annotations

import numpy as np
import pytest

from axiom.clv import BetaGeo, GammaGamma, ModifiedBetaGeo, rfm_summary

WEEKS = 39.0
CUSTOMERS = {
    "x": np.array([2.0, 7.0, 0.0, 26.0, 1.0]),
    "t_x": np.array([30.43, 29.43, 0.0, 30.86, 1.71]),
    "T": np.array([38.86, 38.86, 38.86, 31.0, 38.86]),
}


@pytest.fixture(scope="module")
def beta_geo(cdnow) -> BetaGeo:
    return BetaGeo(prior_sd=np.inf).fit(*cdnow.history)


@pytest.fixture(scope="module")
def modified(cdnow) -> ModifiedBetaGeo:
    return ModifiedBetaGeo(prior_sd=np.inf).fit(*cdnow.history)


def test_beta_geo_has_the_published_parameters(beta_geo) -> None:
    published = {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426}
    assert {name: round(value, 3) for name, value in beta_geo.params_.items()} == published
    assert beta_geo.log_likelihood_ == pytest.approx(-9582.4256, abs=1e-4)
    assert beta_geo.converged_


def test_beta_geo_has_the_refitted_parameters_and_standard_errors(beta_geo) -> None:
    assert list(beta_geo.params_.values()) == pytest.approx([0.2426, 4.4135, 0.7929, 2.4258], abs=6e-5)
    errors = list(beta_geo.standard_errors_.values())
    assert errors == pytest.approx([0.012557, 0.378221, 0.185719, 0.705345], abs=1.5e-6)


def test_the_weak_prior_moves_beta_geo_by_a_small_part_of_a_standard_error(cdnow, beta_geo) -> None:
    model = BetaGeo().fit(*cdnow.history)
    moved = np.abs(np.subtract(list(model.params_.values()), list(beta_geo.params_.values())))
    assert (moved < 0.03 * np.array(list(beta_geo.standard_errors_.values()))).all()
    assert model.log_likelihood_ == pytest.approx(-9582.4256, abs=5e-4)


def test_beta_geo_predicts_the_published_customers(beta_geo) -> None:
    mean = beta_geo.expected_purchases(WEEKS, **CUSTOMERS)
    assert mean == pytest.approx([1.2259104, 3.3372396, 0.19478086, 20.750570, 0.20325063], rel=2e-7)
    alive = beta_geo.probability_alive(**CUSTOMERS)
    assert alive == pytest.approx([0.72660914, 0.64180064, 1.0, 0.96891972, 0.21222739], rel=1e-7)


def test_beta_geo_predicts_a_new_customer(beta_geo) -> None:
    assert beta_geo.expected_purchases([39.0, 78.0]) == pytest.approx([1.195016, 1.857972], abs=1e-6)
    # mpmath; naive code gives 4.9e-14 and NaN
    assert beta_geo.purchase_pmf([171, 200], WEEKS) == pytest.approx([1.16694976e-12, 4.06898233e-14], rel=2e-6)


def test_beta_geo_discounts_future_purchases(beta_geo) -> None:
    rate = np.log(1.15) / 52.1775
    found = beta_geo.discounted_purchases(rate, **CUSTOMERS)
    assert found[[0, 2, 1]] == pytest.approx([5.17950883, 1.01952996, 12.72554722], rel=2e-6)
    # At the rounded parameters below mpmath integrates 71.194026488; the refit reported 71.19378685.
    assert found[3] == pytest.approx(71.194026, rel=2e-6)


@pytest.mark.parametrize(
    ("x", "t_x", "T", "exact"),
    [(2, 30.43, 38.86, 5.17950712129), (0, 0, 38.86, 1.01952973877), (26, 30.86, 31, 71.194026488)],
)
def test_discounting_agrees_with_mpmath_at_fixed_parameters(x, t_x, T, exact) -> None:
    model = BetaGeo.from_params({"r": 0.242593, "alpha": 4.41353, "a": 0.792886, "b": 2.42575})
    assert model.discounted_purchases(np.log(1.15) / 52.1775, x, t_x, T) == pytest.approx(exact, rel=1e-11)


def test_modified_beta_geo_has_the_refitted_numbers(modified) -> None:
    assert list(modified.params_.values()) == pytest.approx([0.524838, 6.182988, 0.891356, 1.614000], rel=2e-6)
    assert modified.log_likelihood_ == pytest.approx(-9582.13, abs=5e-3)
    assert modified.expected_purchases(WEEKS, 2, 30.43, 38.86) == pytest.approx(1.262671, abs=1e-6)
    assert modified.probability_alive(2, 30.43, 38.86) == pytest.approx(0.706126, abs=1e-6)


def test_gamma_gamma_has_the_published_parameters(cdnow) -> None:
    model = GammaGamma(prior_sd=np.inf).fit(cdnow.x, cdnow.mean_spend)
    assert model.customers_ == 946
    assert list(model.params_.values()) == pytest.approx([6.2488, 3.7446, 15.4477], rel=1e-5)
    assert model.log_likelihood_ == pytest.approx(-4055.9232, abs=1e-4)
    assert model.correlation_ == pytest.approx(0.11, abs=0.005)


def test_gamma_gamma_expects_the_published_spend(cdnow) -> None:
    model = GammaGamma(prior_sd=np.inf).fit(cdnow.x, cdnow.mean_spend)
    spend = model.expected_spend(cdnow.x, cdnow.mean_spend)[[0, 1, 2, 5, 8]]
    assert spend == pytest.approx([24.658619, 18.911489, 35.170981, 71.462843, 27.282408], rel=1e-6)


def _holdout(transactions, customers: np.ndarray) -> np.ndarray:
    """Purchase days of October 1997 to June 1998."""
    late = transactions.day > np.datetime64("1997-09-30")
    days = np.unique(np.column_stack([transactions.customer[late], transactions.day[late].astype(int)]), axis=0)
    return np.bincount(np.searchsorted(customers, days[:, 0]), minlength=customers.size)


def _calibration(transactions):
    return rfm_summary(transactions.customer, transactions.day, as_of="1997-09-30", unit="W")


def test_the_summary_of_transactions_is_the_published_one(cdnow, cdnow_sample) -> None:
    summary = rfm_summary(cdnow_sample.customer, cdnow_sample.day, cdnow_sample.amount, as_of="1997-09-30", unit="W")
    np.testing.assert_array_equal(summary.x, cdnow.x)
    np.testing.assert_allclose(summary.t_x, cdnow.t_x, atol=0.0051)
    np.testing.assert_allclose(summary.T, cdnow.T, atol=0.0051)
    np.testing.assert_allclose(summary.mean_spend, cdnow.mean_spend, atol=0.0051)


def test_beta_geo_misses_the_cumulative_purchases_of_week_78_by_four_percent(cdnow_sample) -> None:
    summary = _calibration(cdnow_sample)
    model = BetaGeo(prior_sd=np.inf).fit(summary.x, summary.t_x, summary.T)
    actual = summary.x.sum() + _holdout(cdnow_sample, summary.customer_id).sum()
    assert model.expected_purchases(summary.T + WEEKS).sum() / actual - 1 == pytest.approx(-0.04, abs=0.0015)


@pytest.mark.parametrize(("kind", "mae", "rmse"), [(BetaGeo, 0.7855, 1.6080), (ModifiedBetaGeo, 0.7648, 1.6072)])
def test_holdout_errors_of_the_sample_are_the_refitted_ones(cdnow_sample, kind, mae, rmse) -> None:
    summary = _calibration(cdnow_sample)
    history = summary.x, summary.t_x, summary.T
    error = kind().fit(*history).expected_purchases(WEEKS, *history) - _holdout(cdnow_sample, summary.customer_id)
    assert np.abs(error).mean() == pytest.approx(mae, abs=1e-4)
    assert np.sqrt(np.square(error).mean()) == pytest.approx(rmse, abs=1e-4)


@pytest.mark.parametrize(
    ("kind", "mae", "rmse", "bias"), [(BetaGeo, 0.8187, 1.7329, -0.143), (ModifiedBetaGeo, 0.7945, 1.7396, -0.191)]
)
def test_holdout_errors_of_all_customers_are_the_refitted_ones(cdnow_full, kind, mae, rmse, bias) -> None:
    summary = _calibration(cdnow_full)
    assert summary.x.size == 23_570
    history, actual = (summary.x, summary.t_x, summary.T), _holdout(cdnow_full, summary.customer_id)
    mean = kind().fit(*history).expected_purchases(WEEKS, *history)
    assert np.abs(mean - actual).mean() == pytest.approx(mae, abs=1e-4)
    assert np.sqrt(np.square(mean - actual).mean()) == pytest.approx(rmse, abs=1e-4)
    assert mean.sum() / actual.sum() - 1 == pytest.approx(bias, abs=1e-3)
