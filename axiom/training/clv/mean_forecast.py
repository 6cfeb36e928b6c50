"""From a learnt mean to a whole distribution: what challengers that predict E[purchases] forecast with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Self, cast

import numpy as np
from scipy import optimize, special

from axiom.clv.inputs import check_horizon, numbers
from axiom.clv.predictive import Predictive, check_counts
from axiom.training.clv.spending import expected_per_purchase, spend_cdf, spend_quantiles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from axiom.clv import GammaGamma
    from axiom.clv.base import TransactionModel
    from axiom.maths.arrays import ArrayLike, FloatArray, IntArray
    from axiom.training.clv.rows import RfmArrays

_LOG_SIZES = (-7.0, 14.0)


class GammaPoisson(Predictive):
    """Counts that are Poisson with a Gamma(size, size) rate: negative binomial with mean t and variance t + t²/size.

    Time is *operational*: every customer buys once a unit of it, so t is the mean that a challenger predicts for the
    customer. The history plays no part and nobody drops out. With it a predicted mean fits everything that is built on
    purchase models, the money of Gamma-Gamma above all.

    Args:
        size: > 0; large values come close to Poisson.
    """

    def __init__(self, size: float) -> None:
        self.size = size

    def probability_alive(
        self,
        x: ArrayLike = 0.0,
        t_x: ArrayLike = 0.0,  # noqa: ARG002
        T: ArrayLike = 0.0,  # noqa: ARG002
        t: ArrayLike = 0.0,  # noqa: ARG002
    ) -> FloatArray:
        """1: nobody drops out."""
        return np.ones(np.shape(x))

    def tail(
        self,
        n: ArrayLike,
        t: ArrayLike,
        x: ArrayLike = 0.0,  # noqa: ARG002
        t_x: ArrayLike = 0.0,  # noqa: ARG002
        T: ArrayLike = 0.0,  # noqa: ARG002
    ) -> FloatArray:
        """P(Y >= n) = I_{t/(t + size)}(n, size)."""
        count, mean = np.broadcast_arrays(numbers(n, "n"), check_horizon(t))
        some = special.betainc(np.maximum(count, 1.0), self.size, mean / (mean + self.size))
        return np.where(count > 0, some, 1.0)

    def purchase_pmf(
        self,
        n: ArrayLike,
        t: ArrayLike,
        x: ArrayLike = 0.0,  # noqa: ARG002
        t_x: ArrayLike = 0.0,  # noqa: ARG002
        T: ArrayLike = 0.0,  # noqa: ARG002
    ) -> FloatArray:
        """P(Y = n), accurate in relative terms."""
        return np.exp(log_pmf(check_counts(n), check_horizon(t), self.size))

    def expected_purchases(
        self,
        t: ArrayLike,
        x: ArrayLike = 0.0,
        t_x: ArrayLike = 0.0,  # noqa: ARG002
        T: ArrayLike = 0.0,  # noqa: ARG002
    ) -> FloatArray:
        """T itself."""
        return np.broadcast_arrays(check_horizon(t), np.asarray(x))[0].astype(np.float64)

    def discounted_purchases(
        self,
        rate: float,
        x: ArrayLike = 0.0,
        t_x: ArrayLike = 0.0,
        T: ArrayLike = 0.0,
    ) -> FloatArray:
        """Not defined: operational time says nothing of when the purchases come."""
        raise NotImplementedError("a predicted mean says nothing of when the purchases come")

    def rows(self, which: IntArray) -> Self:  # noqa: ARG002
        """Itself: customers differ by their operational time alone."""
        return self

    def own(self) -> list[FloatArray]:
        """Nothing: likewise."""
        return []

    def _models(self, parameter_draws: int, seed: int) -> Sequence[Self]:  # noqa: ARG002
        return [self]


def log_pmf(count: FloatArray, mean: FloatArray, size: float) -> FloatArray:
    """Logarithm of P(Y = count) of the negative binomial law, any common shape; -inf for count > 0 at mean 0."""
    rising = special.gammaln(count + size) - special.gammaln(size) - special.gammaln(count + 1.0)
    quiet = -size * np.log1p(mean / size)
    return np.asarray(rising + quiet + special.xlogy(count, mean / (mean + size)))


def fit_size(purchases: FloatArray, mean: FloatArray) -> float:
    """Size of the negative binomial law by maximum likelihood, given each customer's mean.

    Take means that were predicted without knowledge of these purchases: means that were fitted to them make the size
    too large and every interval too narrow.

    Args:
        purchases: what happened, shape (n,).
        mean: predicted, > 0, shape (n,).
    """

    def loss(log_size: float) -> float:
        return -float(log_pmf(purchases, mean, np.exp(log_size)).sum())

    return float(np.exp(optimize.minimize_scalar(loss, bounds=_LOG_SIZES, method="bounded").x))


@dataclass(frozen=True, eq=False)
class MeanForecast:
    """Negative binomial counts around predicted means; money by Gamma-Gamma.

    Attributes:
        mean: E[purchases] of n customers, >= 0.
        size: of the negative binomial law, see `fit_size`.
        alive: P(still a customer), from a probabilistic model.
        rfm: the customers.
        spend: fitted, or None without amounts.
    """

    mean: FloatArray
    size: float
    alive: FloatArray
    rfm: RfmArrays
    spend: GammaGamma | None = None

    @property
    def p_alive(self) -> FloatArray:
        """See `Forecast`."""
        return self.alive

    @property
    def expected_purchases(self) -> FloatArray:
        """See `Forecast`."""
        return self.mean

    @cached_property
    def expected_spend(self) -> FloatArray | None:
        """See `Forecast`."""
        return None if self.spend is None else self.mean * expected_per_purchase(self.spend, self.rfm)

    def pmf(self, count: FloatArray) -> FloatArray:
        """See `Forecast`."""
        return self._law.purchase_pmf(count, self.mean)

    def tail(self, count: FloatArray) -> FloatArray:
        """See `Forecast`."""
        return self._law.tail(count, self.mean)

    def purchase_quantiles(self, levels: Sequence[float]) -> FloatArray:
        """See `Forecast`."""
        return self._law.purchase_quantile(np.asarray(levels), self.mean).astype(np.float64)

    def spend_cdf(self, spend: FloatArray) -> FloatArray:
        """See `Forecast`."""
        return spend_cdf(self._known_spend, self._model, self.rfm, self.mean, spend)

    def spend_quantiles(self, levels: Sequence[float]) -> FloatArray:
        """See `Forecast`."""
        return spend_quantiles(self._known_spend, self._model, self.rfm, self.mean, levels)

    @property
    def _law(self) -> GammaPoisson:
        return GammaPoisson(self.size)

    @property
    def _model(self) -> TransactionModel:
        # Gamma-Gamma asks a purchase model for E[Y] and a table of P(Y = n) only, which `Predictive` has.
        return cast("TransactionModel", self._law)

    @property
    def _known_spend(self) -> GammaGamma:
        if self.spend is None:
            raise ValueError("there is no spend model: the data have no amounts")
        return self.spend
