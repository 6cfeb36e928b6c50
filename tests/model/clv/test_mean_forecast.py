from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import stats

from axiom.training.clv import RfmArrays
from axiom.training.clv.mean_forecast import GammaPoisson, MeanForecast, fit_size
from axiom.training.clv.probabilistic import Probabilistic

if TYPE_CHECKING:
    from axiom.training.clv import Origin

MEANS = np.array([0.01, 0.3, 2.0, 40.0])


@pytest.mark.parametrize("size", [0.2, 1.0, 50.0])
def test_counts_are_those_of_the_negative_binomial(size: float) -> None:
    law, true = GammaPoisson(size), stats.nbinom(size, size / (size + MEANS))
    for n in (0, 1, 3, 60):
        assert law.purchase_pmf(n, MEANS) == pytest.approx(true.pmf(n), rel=1e-9)
        assert law.tail(n, MEANS) == pytest.approx(true.sf(n - 1), rel=1e-9)
    assert law.purchase_quantile(0.9, MEANS).tolist() == true.ppf(0.9).tolist()


def test_a_mean_of_nothing_is_no_purchase_for_certain() -> None:
    law = GammaPoisson(1.0)
    assert law.purchase_pmf([0, 1], 0.0).tolist() == [1.0, 0.0]
    assert law.tail(1, 0.0) == 0.0


def test_operational_time_says_nothing_of_discounting() -> None:
    with pytest.raises(NotImplementedError, match="nothing of when"):
        GammaPoisson(1.0).discounted_purchases(0.1)


@pytest.mark.parametrize("size", [0.3, 2.0])
def test_the_size_is_recovered(size: float) -> None:
    rng = np.random.default_rng(1)
    mean = rng.gamma(1.0, 1.0, 20_000)
    assert fit_size(rng.negative_binomial(size, size / (size + mean)).astype(float), mean) == pytest.approx(
        size, rel=0.08
    )


def test_money_is_the_spend_of_so_many_purchases(origins: list[Origin]) -> None:
    fitted = Probabilistic("bg_nbd").fit_rfm(origins[1].rfm)
    assert fitted.spend is not None
    rfm = RfmArrays(np.array([4.0]), np.array([50.0]), np.array([60.0]), np.array([12.0]))
    forecast = MeanForecast(np.array([1.5]), 0.8, np.array([1.0]), rfm, fitted.spend)
    p, shape, scale = fitted.spend.spend_law(rfm.x, rfm.mean_spend)
    rng = np.random.default_rng(2)
    counts = rng.negative_binomial(0.8, 0.8 / 2.3, 200_000)
    rates = rng.gamma(shape[0], 1 / scale[0], 200_000)
    money = np.where(counts > 0, rng.gamma(np.maximum(p * counts, 1e-9), 1 / rates), 0.0)
    assert forecast.expected_spend == pytest.approx(money.mean(), rel=0.02)
    for w in (0.0, 10.0, 40.0):
        assert forecast.spend_cdf(np.array([w]))[0] == pytest.approx((money <= w).mean(), abs=0.005)
    low, high = forecast.spend_quantiles([0.6, 0.95])[:, 0]
    assert [low, high] == pytest.approx(np.quantile(money, [0.6, 0.95]), rel=0.02)


def test_without_amounts_there_is_no_money() -> None:
    rfm = RfmArrays(*(np.zeros(1) for _ in range(4)))
    forecast = MeanForecast(np.ones(1), 1.0, np.ones(1), rfm)
    assert forecast.expected_spend is None
    with pytest.raises(ValueError, match="no amounts"):
        forecast.spend_quantiles([0.5])
