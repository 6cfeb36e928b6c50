"""Pareto/NBD: purchases while alive are Poisson, and a lifetime of constant hazard ends unseen."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
from scipy.special import expit

from axiom.clv.base import TransactionModel
from axiom.clv.geometric import rate_terms
from axiom.clv.inputs import check_histories, check_horizon, distinct_rows, numbers, refuse
from axiom.clv.newton import GaussianPrior
from axiom.clv.pareto_future import Law
from axiom.clv.pareto_likelihood import death_log_odds, history_terms
from axiom.clv.predictive import check_counts, check_rate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from axiom.clv.inputs import Table, Totals
    from axiom.clv.newton import Terms
    from axiom.maths.arrays import ArrayLike, FloatArray, IntArray

# Rows that are worked on at once: (rows x nodes) temporaries then stay in the processor's cache.
_BLOCK = 1024
# Repeat buyers below which the likelihood was seen to have two summits.
_SMALL = 1000.0


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
        """The observed purchase rate, doubled for the silence after dropout, and moderate heterogeneity.

        A small population may have two summits (dropout rare and even, or frequent and unequal): it gets more starts.
        """
        usual = np.array([np.log(2.0 * totals.purchases / totals.exposure), 0.5, -1.0, 0.5])
        if totals.repeaters >= _SMALL:
            return usual
        shifts: FloatArray = np.array([[0.0, 0.0, 0.0, 0.0], [0.0, 0.0, -3.5, 0.0], [0.0, 0.0, 2.0, 2.5]])
        return np.asarray(usual + shifts)

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
        return self._predict(Law.survival, x, t_x, T, check_horizon(t))[0]

    def expected_purchases(
        self, t: ArrayLike, x: ArrayLike = 0.0, t_x: ArrayLike = 0.0, T: ArrayLike = 0.0
    ) -> FloatArray:
        """E[Y] = P(alive) (r+x)/(alpha+T) ∫_0^t ((beta+T)/(beta+T+τ))^s dτ (Fader & Hardie 2005), s = 1 included."""
        return self._predict(Law.mean, x, t_x, T, check_horizon(t))[0]

    def tail(
        self, n: ArrayLike, t: ArrayLike, x: ArrayLike = 0.0, t_x: ArrayLike = 0.0, T: ArrayLike = 0.0
    ) -> FloatArray:
        """P(Y >= n) = P(alive) ∫_0^t (density of the n-th purchase at τ) ((beta+T)/(beta+T+τ))^s dτ, 1 for n <= 0."""
        count = numbers(n, "n")
        refuse(count != np.floor(count), "n (purchases) must be whole")
        some, _ = self._predict(Law.tail, x, t_x, T, count, check_horizon(t))
        return np.where(np.broadcast_to(count, some.shape) <= 0, 1.0, some)

    def purchase_pmf(
        self, n: ArrayLike, t: ArrayLike, x: ArrayLike = 0.0, t_x: ArrayLike = 0.0, T: ArrayLike = 0.0
    ) -> FloatArray:
        """P(Y = n) for whole n >= 0, as a sum over dropout beyond t and within t: no digit is lost in the tail."""
        count = check_counts(n)
        some, dead = self._predict(Law.pmf, x, t_x, T, count, check_horizon(t))
        return np.asarray(some + np.where(np.broadcast_to(count, some.shape) > 0, 0.0, dead))

    def purchase_quantile(
        self,
        q: ArrayLike,
        t: ArrayLike,
        x: ArrayLike = 0.0,
        t_x: ArrayLike = 0.0,
        T: ArrayLike = 0.0,
        *,
        parameter_draws: int = 0,
        seed: int = 0,
    ) -> IntArray:
        """Smallest n with P(Y <= n) >= q; see `Predictive.purchase_quantile`. Identical rows are searched once."""
        columns = np.broadcast_arrays(check_horizon(t), *check_histories(x, t_x, T))
        flat = [column.ravel() for column in columns]
        rows, which = distinct_rows(*flat)
        found = super().purchase_quantile(q, *(each[rows] for each in flat), parameter_draws=parameter_draws, seed=seed)
        return found[..., which].reshape(found.shape[:-1] + columns[0].shape)

    def discounted_purchases(
        self, rate: float, x: ArrayLike = 0.0, t_x: ArrayLike = 0.0, T: ArrayLike = 0.0
    ) -> FloatArray:
        """DERT = P(alive) (r+x)/(alpha+T) ∫_0^∞ e^(-rate τ) ((beta+T)/(beta+T+τ))^s dτ.

        Source: Fader, Hardie & Lee (2005), "RFM and CLV: using iso-value curves", Journal of Marketing Research 42(4).
        See `Predictive.discounted_purchases` for the arguments.
        """
        check_rate(rate)
        return self._predict(Law.discounted, x, t_x, T, np.asarray(rate, dtype=np.float64))[0]

    def _predict(
        self, of_law: Callable[..., FloatArray], x: ArrayLike, t_x: ArrayLike, T: ArrayLike, *asked: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """P(alive) times `of_law(law, *asked)`, and P(dead), on the common shape of all arguments."""
        theta = self._fitted_theta()
        *asked_, x_, t_x_, T_ = np.broadcast_arrays(*asked, *check_histories(x, t_x, T))
        odds = _by_block(lambda *history: death_log_odds(theta, *history), x_, t_x_, T_)
        future = _by_block(lambda x, T, *rest: of_law(Law.of(theta, x, T), *rest), x_, T_, *asked_)
        return np.asarray(expit(-odds) * future), np.asarray(expit(odds))


def _by_block(function: Callable[..., FloatArray], *columns: FloatArray) -> FloatArray:
    """`function` of equally shaped columns, once for identical rows, and block by block."""
    flat = [column.ravel() for column in columns]
    rows, which = distinct_rows(*flat)
    blocks = np.split(rows, np.arange(_BLOCK, rows.size, _BLOCK))
    return np.concatenate([function(*(column[block] for column in flat)) for block in blocks])[which].reshape(
        columns[0].shape
    )
