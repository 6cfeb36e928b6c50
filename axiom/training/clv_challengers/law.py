"""From a learnt mean to a whole distribution, of customers who may have dropped out unseen.

A customer has dropped out with probability 1 - π and buys no more; else purchases are negative binomial with mean
E[Y]/π. Without the first part a customer who is gone and one who buys seldom look the same, and every challenger pays
for it in log score. π = 1 - belief · (1 - P(alive)) trusts the P(alive) of a probabilistic model as far as data do.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, cast

import numpy as np
from scipy import optimize

from axiom.clv.inputs import check_horizon, numbers
from axiom.clv.predictive import check_counts
from axiom.training.clv.mean_forecast import GammaPoisson, MeanForecast, log_pmf
from axiom.training.clv.rows import RfmArrays
from axiom.training.clv.spending import expected_per_purchase, spend_cdf, spend_quantiles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from axiom.clv.base import TransactionModel
    from axiom.maths.arrays import ArrayLike, FloatArray

_LOG_SIZES = (-7.0, 14.0)
# π stays above 1 - this, so that the mean given alive stays within a factor 20 of the mean.
_MOST_BELIEF = 0.95
_STEPS = 40


class AliveGammaPoisson(GammaPoisson):
    """`GammaPoisson` for customers who are alive with probability T; t is their mean if they are.

    Everything that is built on purchase models hands a history on, and this law reads its T alone: `histories` puts π
    there.
    """

    def probability_alive(
        self,
        x: ArrayLike = 0.0,  # noqa: ARG002
        t_x: ArrayLike = 0.0,  # noqa: ARG002
        T: ArrayLike = 0.0,
        t: ArrayLike = 0.0,  # noqa: ARG002
    ) -> FloatArray:
        """T itself."""
        return np.asarray(T, dtype=np.float64)

    def tail(
        self, n: ArrayLike, t: ArrayLike, x: ArrayLike = 0.0, t_x: ArrayLike = 0.0, T: ArrayLike = 0.0
    ) -> FloatArray:
        """P(Y >= n)."""
        count = numbers(n, "n")
        some = np.asarray(T) * super().tail(count, t, x, t_x, T)
        return np.where(np.broadcast_to(count, some.shape) > 0, some, 1.0)

    def purchase_pmf(
        self,
        n: ArrayLike,
        t: ArrayLike,
        x: ArrayLike = 0.0,  # noqa: ARG002
        t_x: ArrayLike = 0.0,  # noqa: ARG002
        T: ArrayLike = 0.0,
    ) -> FloatArray:
        """P(Y = n)."""
        return np.exp(_log_pmf(check_counts(n), check_horizon(t), np.asarray(T, dtype=np.float64), self.size))

    def expected_purchases(
        self, t: ArrayLike, x: ArrayLike = 0.0, t_x: ArrayLike = 0.0, T: ArrayLike = 0.0
    ) -> FloatArray:
        """E[Y]."""
        return np.asarray(np.asarray(T) * super().expected_purchases(t, x, t_x, T))


def _log_pmf(count: FloatArray, mean: FloatArray, alive: FloatArray, size: float) -> FloatArray:
    some = np.log(alive) + log_pmf(count, mean, size)
    return np.asarray(np.where(count > 0, some, np.logaddexp(some, np.log1p(-np.minimum(alive, 1.0 - 1e-16)))))


@dataclass(frozen=True)
class Spread:
    """The law around the means.

    Attributes:
        size: of the negative binomial law given alive; large values come close to Poisson.
        belief: how far P(alive) is trusted, in [0, 0.95]; 0 gives a plain negative binomial law.
    """

    size: float
    belief: float

    @classmethod
    def fit(cls, purchases: FloatArray, mean: FloatArray, p_alive: FloatArray) -> Spread:
        """Maximum likelihood, given each customer's mean.

        Take means that were predicted without knowledge of these purchases: fitted ones make every interval too narrow.

        Args:
            purchases: what happened, shape (n,).
            mean: predicted, > 0, shape (n,).
            p_alive: of a probabilistic model at the cut-off, shape (n,).
        """

        def loss(log_size: float, belief: float) -> float:
            alive = cls(np.exp(log_size), belief).alive(p_alive)
            return -float(_log_pmf(purchases, mean / alive, alive, np.exp(log_size)).sum())

        def best_size(belief: float) -> optimize.OptimizeResult:
            return optimize.minimize_scalar(
                lambda log_size: loss(log_size, belief),
                bounds=_LOG_SIZES,
                method="bounded",
                options={"maxiter": _STEPS},
            )

        found = optimize.minimize_scalar(
            lambda belief: best_size(belief).fun, bounds=(0.0, _MOST_BELIEF), method="bounded", options={"xatol": 1e-3}
        )
        # The search never tries the ends of its bracket, and no belief at all is the end that occurs.
        belief = min((0.0, float(found.x)), key=lambda each: best_size(each).fun)
        return cls(float(np.exp(best_size(belief).x)), belief)

    def alive(self, p_alive: FloatArray) -> FloatArray:
        """The π above."""
        return 1.0 - self.belief * (1.0 - p_alive)


@dataclass(frozen=True, eq=False, kw_only=True)
class LearntForecast(MeanForecast):
    """The forecast of a challenger.

    Attributes:
        believed: π of each customer, shape (n,).
        money: E[W], > 0, shape (n,); None multiplies purchases with the Gamma-Gamma value of one. Else the law of money
            is stretched for each customer to this mean; P(W = 0) stays P(Y = 0).
    """

    believed: FloatArray
    money: FloatArray | None = None

    @cached_property
    def expected_spend(self) -> FloatArray | None:
        """See `Forecast`."""
        return self.money if self.money is not None and self.spend is not None else super().expected_spend

    def pmf(self, count: FloatArray) -> FloatArray:
        """See `Forecast`."""
        return self._mixed.purchase_pmf(count, self._mean_if_alive, T=self.believed)

    def tail(self, count: FloatArray) -> FloatArray:
        """See `Forecast`."""
        return self._mixed.tail(count, self._mean_if_alive, T=self.believed)

    def purchase_quantiles(self, levels: Sequence[float]) -> FloatArray:
        """See `Forecast`."""
        found = self._mixed.purchase_quantile(np.asarray(levels), self._mean_if_alive, T=self.believed)
        return found.astype(np.float64)

    def spend_cdf(self, spend: FloatArray) -> FloatArray:
        """See `Forecast`."""
        model = cast("TransactionModel", self._mixed)
        return spend_cdf(self._known_spend, model, self._histories, self._mean_if_alive, spend / self._stretch)

    def spend_quantiles(self, levels: Sequence[float]) -> FloatArray:
        """See `Forecast`."""
        model = cast("TransactionModel", self._mixed)
        return spend_quantiles(self._known_spend, model, self._histories, self._mean_if_alive, levels) * self._stretch

    @property
    def _mixed(self) -> AliveGammaPoisson:
        return AliveGammaPoisson(self.size)

    @property
    def _mean_if_alive(self) -> FloatArray:
        return self.mean / self.believed

    @property
    def _histories(self) -> RfmArrays:
        """The customers with π in the place of T, as `AliveGammaPoisson` reads it."""
        t_x = np.where(self.rfm.x > 0, self.believed, 0.0)
        return RfmArrays(self.rfm.x, t_x, self.believed, self.rfm.mean_spend)

    @cached_property
    def _stretch(self) -> FloatArray:
        if self.money is None:
            return np.ones(len(self.rfm))
        return self.money / (self.mean * expected_per_purchase(self._known_spend, self.rfm))
