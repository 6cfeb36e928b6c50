"""Pareto/NBD: purchases while alive are Poisson, and a lifetime of constant hazard ends unseen."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from axiom.clv import pareto_future as future
from axiom.clv.base import TransactionModel
from axiom.clv.geometric import rate_terms
from axiom.clv.inputs import check_histories, check_horizon, numbers, refuse
from axiom.clv.newton import GaussianPrior
from axiom.clv.pareto_likelihood import history_terms
from axiom.clv.predictive import check_counts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from axiom.clv.inputs import Table, Totals
    from axiom.clv.newton import Terms
    from axiom.maths.arrays import ArrayLike, FloatArray

# Rows that are worked on at once: (rows x nodes) temporaries then stay in the processor's cache.
_BLOCK = 1024


class ParetoNBD(TransactionModel):
    """Pareto/NBD of Schmittlein, Morrison & Colombo (1987), "Counting your customers", Management Science 33(1).

    Natural parameters: purchase rates are Gamma(r, alpha), dropout rates Gamma(s, beta). Working parameters:
    theta = (ln mu, ln u, ln(nu/mu), ln v) of `axiom.clv.pareto_likelihood`; only ln mu depends on the unit of time.

    Its formulas for the future of a customer are in `axiom.clv.pareto_future`.
    """

    name: ClassVar[str] = "pareto-nbd"
    parameter_names: ClassVar[tuple[str, ...]] = ("r", "alpha", "s", "beta")

    def objective(self, theta: FloatArray, shard: Table) -> Terms:
        """Log likelihood of a shard, gradient (4,) and Hessian (4, 4) in theta; see `TransactionModel.objective`."""
        reached = np.bincount(shard.x.astype(np.int64), weights=shard.weight)
        buys = reached[::-1].cumsum()[::-1][1:]
        rate, rate_g, rate_h = rate_terms(theta[1], np.arange(buys.size, dtype=np.float64))
        f = float(buys.sum() * theta[0] + buys @ rate)
        g = np.array([buys.sum(), buys @ rate_g, 0.0, 0.0])
        H = np.diag([0.0, float(buys @ rate_h), 0.0, 0.0])
        for start in range(0, shard.x.size, _BLOCK):
            value, gradient, hessian = history_terms(theta, shard, slice(start, start + _BLOCK))
            f, g, H = f + value, g + gradient, H + hessian
        return f, g, H

    def initial(self, totals: Totals) -> FloatArray:
        """The observed purchase rate, doubled for the silence after dropout, and moderate heterogeneity."""
        return np.array([np.log(2.0 * totals.purchases / totals.exposure), 0.5, -1.0, 0.5])

    def prior(self, totals: Totals) -> GaussianPrior:  # noqa: ARG002 - every parameter but ln mu is free of units
        """Sd `prior_sd` on ln u, ln(nu/mu) (centre -1) and ln v; none on ln mu."""
        return GaussianPrior(mean=np.array([0.0, 0.0, -1.0, 0.0]), sd=np.array([np.inf, *[self.prior_sd] * 3]))

    def log_natural(self, theta: FloatArray) -> FloatArray:
        """Logarithms of (r, alpha, s, beta)."""
        return self.log_natural_jacobian(theta) @ theta

    def log_natural_jacobian(self, theta: FloatArray) -> FloatArray:  # noqa: ARG002 - the map is linear
        """Derivative of `log_natural`, shape (4, 4)."""
        return np.array([[0.0, -1.0, 0.0, 0.0], [-1.0, -1.0, 0.0, 0.0], [0.0, 0.0, 0.0, -1.0], [-1.0, 0.0, -1.0, -1.0]])

    def working(self, params: Mapping[str, float]) -> FloatArray:
        """Theta of (r, alpha, s, beta)."""
        ln_r, ln_alpha, ln_s, ln_beta = (np.log(params[name]) for name in self.parameter_names)
        return np.array([ln_r - ln_alpha, -ln_r, (ln_s - ln_beta) - (ln_r - ln_alpha), -ln_s])

    def probability_alive(
        self, x: ArrayLike = 0.0, t_x: ArrayLike = 0.0, T: ArrayLike = 0.0, t: ArrayLike = 0.0
    ) -> FloatArray:
        """P(alive at T + t) = P(alive at T) ((beta + T)/(beta + T + t))^s."""
        return self._map(future.probability_alive, x, t_x, T, check_horizon(t))

    def expected_purchases(
        self, t: ArrayLike, x: ArrayLike = 0.0, t_x: ArrayLike = 0.0, T: ArrayLike = 0.0
    ) -> FloatArray:
        """E[Y] = P(alive) (r+x)/(alpha+T) ∫_0^t ((beta+T)/(beta+T+τ))^s dτ (Fader & Hardie 2005), s = 1 included."""
        return self._map(future.expected_purchases, x, t_x, T, check_horizon(t))

    def tail(
        self, n: ArrayLike, t: ArrayLike, x: ArrayLike = 0.0, t_x: ArrayLike = 0.0, T: ArrayLike = 0.0
    ) -> FloatArray:
        """P(Y >= n) = P(alive) ∫_0^t (density of the n-th purchase at τ) ((beta+T)/(beta+T+τ))^s dτ, 1 for n <= 0."""
        count = numbers(n, "n")
        refuse(count != np.floor(count), "n (purchases) must be whole")
        return self._map(future.tail, x, t_x, T, count, check_horizon(t))

    def purchase_pmf(
        self, n: ArrayLike, t: ArrayLike, x: ArrayLike = 0.0, t_x: ArrayLike = 0.0, T: ArrayLike = 0.0
    ) -> FloatArray:
        """P(Y = n) for whole n >= 0, as a sum over dropout beyond t and within t: no digit is lost in the tail."""
        return self._map(future.pmf, x, t_x, T, check_counts(n), check_horizon(t))

    def discounted_purchases(
        self, rate: float, x: ArrayLike = 0.0, t_x: ArrayLike = 0.0, T: ArrayLike = 0.0
    ) -> FloatArray:
        """DERT = P(alive) (r+x)/(alpha+T) ∫_0^∞ e^(-rate τ) ((beta+T)/(beta+T+τ))^s dτ.

        Source: Fader, Hardie & Lee (2005), "RFM and CLV: using iso-value curves", Journal of Marketing Research 42(4).
        See `Predictive.discounted_purchases` for the arguments.
        """
        if not 0 < rate < np.inf:
            raise ValueError(f"rate (continuous discount rate) must be positive and finite, not {rate}")
        return self._map(future.discounted_purchases, x, t_x, T, np.asarray(rate, dtype=np.float64))

    def _map(
        self, predict: Callable[..., FloatArray], x: ArrayLike, t_x: ArrayLike, T: ArrayLike, *asked: FloatArray
    ) -> FloatArray:
        """`predict(theta, *asked, x, t_x, T)` on the common shape of its arguments, block by block."""
        theta = self._fitted_theta()
        columns = np.broadcast_arrays(*asked, *check_histories(x, t_x, T))
        flat = [column.ravel() for column in columns]
        result = np.empty(flat[0].size)
        for start in range(0, result.size, _BLOCK):
            rows = slice(start, start + _BLOCK)
            result[rows] = predict(theta, *(column[rows] for column in flat))
        return result.reshape(columns[0].shape)
