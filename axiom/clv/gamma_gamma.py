"""Gamma-Gamma: what a purchase is worth, and with a purchase model what a customer will be worth."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from scipy.special import expit

from axiom.clv.fitted import FittedModel
from axiom.clv.newton import GaussianPrior
from axiom.clv.spend import Spend, SpendTotals, check_buyers, check_spend, spend_terms
from axiom.clv.value import ValuePredictive

if TYPE_CHECKING:
    from collections.abc import Mapping

    from axiom.clv.newton import Objective, Terms
    from axiom.maths.arrays import ArrayLike, FloatArray


class GammaGamma(FittedModel, ValuePredictive):
    """Gamma-Gamma model of Fader & Hardie (2013), "The Gamma-Gamma model of monetary value".

    The value of a purchase of one customer is Gamma(p, ν), and ν is Gamma(q, gamma) over customers, independent of how
    often they buy. Working parameters: theta = (ln p, ln(q-1), ln m) with the population mean m = p gamma/(q-1); only
    ln m depends on the currency unit, and the mean is finite whatever the data.

    Args:
        prior_sd: As `FittedModel`, on ln p and ln(q-1).
        correlation_limit: `fit` warns when x and mean spend clearly correlate beyond it, as the model takes
            them to be independent.

    After `fit`, besides the attributes of `FittedModel`:
        correlation_: Correlation of x and mean spend over repeat buyers.
    """

    name: ClassVar[str] = "gamma-gamma"
    parameter_names: ClassVar[tuple[str, ...]] = ("p", "q", "gamma")

    correlation_: float = 0.0

    def __init__(self, prior_sd: float = 4.0, correlation_limit: float = 0.3) -> None:
        super().__init__(prior_sd)
        self.correlation_limit = correlation_limit

    def fit(
        self,
        x: ArrayLike,
        mean_spend: ArrayLike,
        weights: ArrayLike | None = None,
        start: Mapping[str, float] | None = None,
    ) -> Self:
        """Learn from repeat buyers; customers with x = 0 are left out, whatever their mean spend.

        Args:
            x: Repeat purchases, whole numbers >= 0, shape (n,).
            mean_spend: Mean value of the repeat purchases, > 0 where x > 0, shape (n,), any currency.
            weights: Positive, shape (n,).
            start: Natural parameters to start from.

        Returns:
            The model itself.

        Raises:
            ValueError: Fewer than two repeat buyers, an amount <= 0, or another rule of `check_spend` is broken.

        Warns:
            UserWarning: Spend and frequency correlate beyond `correlation_limit`, or the fit did not converge.
        """
        spend = check_buyers(x, mean_spend, weights)
        return self.fit_sums(lambda theta: self.objective(theta, spend), SpendTotals.of(spend), start=start)

    def fit_sums(self, objective: Objective, totals: SpendTotals, *, start: Mapping[str, float] | None = None) -> Self:
        """Learn from an objective that is a sum over shards of repeat buyers; see `TransactionModel.fit_sums`."""
        self.check_learnable(totals)
        theta = self.initial(totals) if start is None else self.checked_working(start)
        return self._learn(objective, self.prior(), theta, totals.buyers)

    def check_learnable(self, totals: SpendTotals) -> None:
        """Store the correlation of x and mean spend; refuse too few buyers or equal spend, warn about a strong one."""
        if totals.buyers < 2:
            raise ValueError(
                f"{totals.buyers:.0f} repeat buyers are too few: a spend model needs at least two customers with x > 0"
            )
        if not totals.varies:
            raise ValueError(
                f"all repeat buyers spend the same ({totals.value_per_purchase:.6g} a purchase), so there is no spread "
                "to learn; multiply expected purchases by that amount instead"
            )
        self.correlation_ = totals.correlation
        # Two standard errors beyond the limit: in a handful of customers any correlation occurs by chance.
        if abs(self.correlation_) - 2.0 / np.sqrt(totals.buyers) > self.correlation_limit:
            warnings.warn(
                f"x and mean spend correlate with {self.correlation_:.2f} (limit {self.correlation_limit}): "
                "Gamma-Gamma assumes independence, so expect biased values for the most frequent buyers",
                UserWarning,
                stacklevel=4,
            )

    def objective(self, theta: FloatArray, shard: Spend) -> Terms:
        """Log likelihood of a shard of repeat buyers, gradient (3,) and Hessian (3, 3) in theta; shards add up."""
        return spend_objective(theta, np.ones((shard.x.size, 1)), shard)

    def initial(self, totals: SpendTotals) -> FloatArray:
        """The mean value of a purchase, and moderate spread within and between customers."""
        return np.array([0.5, 0.5, np.log(totals.value_per_purchase)])

    def prior(self) -> GaussianPrior:
        """Sd `prior_sd` on ln p and ln(q-1); none on ln m."""
        return GaussianPrior(mean=np.zeros(3), sd=np.array([self.prior_sd, self.prior_sd, np.inf]))

    def log_natural(self, theta: FloatArray) -> FloatArray:
        """Logarithms of (p, q, gamma)."""
        return np.stack([theta[0], np.logaddexp(0.0, theta[1]), theta[2] + theta[1] - theta[0]])

    def log_natural_jacobian(self, theta: FloatArray) -> FloatArray:
        """Derivative of `log_natural`, shape (3, 3)."""
        share = float(expit(theta[1]))
        return np.array([[1.0, 0.0, 0.0], [0.0, share, 0.0], [-1.0, 1.0, 1.0]])

    def working(self, params: Mapping[str, float]) -> FloatArray:
        """Theta of (p, q, gamma); q must exceed 1, as the mean spend is infinite otherwise."""
        p, q, gamma = (params[name] for name in self.parameter_names)
        if q <= 1:
            raise ValueError(f"q must exceed 1 (the mean spend is infinite otherwise), not {q}")
        return np.array([np.log(p), np.log(q - 1.0), np.log(p) + np.log(gamma) - np.log(q - 1.0)])

    @property
    def population_mean_(self) -> float:
        """Mean value of a purchase over the population, p gamma/(q - 1)."""
        return float(np.exp(self._fitted_theta()[2]))

    def expected_spend(self, x: ArrayLike, mean_spend: ArrayLike) -> FloatArray:
        """E[value of a future purchase] = p (gamma + S)/(p x + q - 1), S = x * mean spend (Fader & Hardie 2013, eq. 5).

        Args:
            x: Repeat purchases, whole numbers >= 0.
            mean_spend: Their mean value, > 0 where x > 0; ignored where x = 0.

        Returns:
            The common shape; the population mean where x = 0.
        """
        count, amount = check_spend(x, mean_spend)
        ln_p, ln_excess, ln_m = self._fitted_theta()
        weight = np.exp(ln_p - ln_excess) * count
        return np.asarray((np.exp(ln_m) + weight * amount) / (1.0 + weight))

    def spend_law(self, x: FloatArray, mean_spend: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        """(p, q + p x, gamma + S); see `ValuePredictive.spend_law`."""
        p, q, gamma = np.exp(self.log_natural(self._fitted_theta()))
        # Customers with parameters of their own differ in gamma only.
        return float(p.flat[0]), q + p * x, gamma + x * mean_spend

    def _settings(self) -> dict[str, Any]:
        return super()._settings() | {"correlation_limit": self.correlation_limit, "correlation": self.correlation_}

    def _restore(self, stored: dict[str, Any]) -> None:
        super()._restore(stored)
        self.correlation_limit = float(stored["correlation_limit"])
        self.correlation_ = float(stored["correlation"])


def spend_objective(theta: FloatArray, design: FloatArray, spend: Spend) -> Terms:
    """Log likelihood in theta = (ln p, ln(q-1), ln m, effects on ln m), with `design` = (1, covariates), (n, 1 + k)."""
    p, excess = np.exp(theta[:2])
    f, g, H = spend_terms(p, 1.0 + excess, np.append(theta[2] + theta[1] - theta[0], theta[3:]), design, spend)
    chain = np.eye(theta.size)
    chain[0, 0], chain[1, 1], chain[2, :2] = p, excess, (-1.0, 1.0)
    H = chain.T @ H @ chain
    H[0, 0] += p * g[0]
    H[1, 1] += excess * g[1]
    return f, chain.T @ g, H
