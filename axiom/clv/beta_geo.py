"""BG/NBD: purchases while alive are Poisson, and after each repeat purchase a customer may drop out."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
from scipy.special import expit, log_expit

from axiom.clv.geometric import coin_terms, history_terms, rate_terms
from axiom.clv.geometric_predictive import GeometricPredictive
from axiom.clv.newton import GaussianPrior

if TYPE_CHECKING:
    from collections.abc import Mapping

    from axiom.clv.inputs import Table, Totals
    from axiom.clv.newton import Terms
    from axiom.maths.arrays import FloatArray

# Rows of a shard that are worked on at once: temporaries of 64 kB stay in the cache and are not given back each time.
BLOCK = 8_192
# Where the entries of a symmetric matrix are in its upper triangle, packed row by row.
_SQUARE = np.array([[0, 1, 2, 3], [1, 4, 5, 6], [2, 5, 7, 8], [3, 6, 8, 9]])


class BetaGeo(GeometricPredictive):
    """BG/NBD of Fader, Hardie & Lee (2005), "Counting your customers" the easy way, Marketing Science 24(2).

    Natural parameters: rates are Gamma(r, alpha), dropout probabilities Beta(a, b). Working parameters:
    theta = (ln mu, ln u, logit phi, ln s) of `axiom.clv.geometric`; only ln mu depends on the unit of time.
    """

    name: ClassVar[str] = "beta-geo"
    parameter_names: ClassVar[tuple[str, ...]] = ("r", "alpha", "a", "b")
    first_coins: ClassVar[int] = 0

    def objective(self, theta: FloatArray, shard: Table) -> Terms:
        """Log likelihood of a shard, gradient (4,) and Hessian (4, 4) in theta; see `TransactionModel.objective`."""
        f, g, packed = self._product_terms(theta, shard)
        for start in range(0, shard.x.size, BLOCK):
            rows = slice(start, start + BLOCK)
            value, gradient, hessian = history_terms(
                theta, shard.x[rows], shard.t_x[rows], shard.T[rows], self.first_coins
            )
            weight = shard.weight[rows]
            f += float(value @ weight)
            g += gradient @ weight
            packed += hessian @ weight
        return f, g, packed[_SQUARE]

    def _product_terms(self, theta: FloatArray, shard: Table) -> tuple[float, FloatArray, FloatArray]:
        """The sums over j, each weighted with the customers that reach it; the Hessian as in `history_terms`."""
        reached = np.bincount(shard.x.astype(np.int64), weights=shard.weight)
        beyond = reached[::-1].cumsum()[::-1]
        buys = beyond[1:]
        tosses = beyond if self.first_coins else buys
        j = np.arange(beyond.size, dtype=np.float64)
        rate, rate_g, rate_h = rate_terms(theta[1], j[: buys.size])
        coin, coin_g, coin_h = coin_terms(theta[2], theta[3], j[: tosses.size])
        purchases = buys.sum()
        f = float(purchases * theta[0] + buys @ rate + tosses @ coin)
        g = np.array([purchases, buys @ rate_g, *(coin_g @ tosses)])
        packed = np.zeros(10)
        packed[4] = buys @ rate_h
        packed[7:] = coin_h @ tosses
        return f, g, packed

    def initial(self, totals: Totals) -> FloatArray:
        """The observed purchase rate, raised for the silence after dropout, and moderate heterogeneity."""
        rate = 1.5 * totals.purchases / totals.exposure
        return np.array([np.log(rate), 1.0, -1.0, -1.0])

    def prior(self, totals: Totals) -> GaussianPrior:  # noqa: ARG002 - every parameter but ln mu is free of units
        """Sd `prior_sd` on ln u, logit phi (centre -1) and ln s; none on ln mu."""
        return GaussianPrior(mean=np.array([0.0, 0.0, -1.0, 0.0]), sd=np.array([np.inf, *[self.prior_sd] * 3]))

    def log_natural(self, theta: FloatArray) -> FloatArray:
        """Logarithms of (r, alpha, a, b)."""
        ln_mu, ln_u, logit_phi, ln_s = theta
        return np.stack([-ln_u, -ln_u - ln_mu, log_expit(logit_phi) - ln_s, log_expit(-logit_phi) - ln_s])

    def log_natural_jacobian(self, theta: FloatArray) -> FloatArray:
        """Derivative of `log_natural`, shape (4, 4)."""
        phi = float(expit(theta[2]))
        return np.array(
            [[0.0, -1.0, 0.0, 0.0], [-1.0, -1.0, 0.0, 0.0], [0.0, 0.0, 1.0 - phi, -1.0], [0.0, 0.0, -phi, -1.0]]
        )

    def working(self, params: Mapping[str, float]) -> FloatArray:
        """Theta of (r, alpha, a, b)."""
        ln_r, ln_alpha, ln_a, ln_b = (np.log(params[name]) for name in self.parameter_names)
        return np.array([ln_r - ln_alpha, -ln_r, ln_a - ln_b, -np.logaddexp(ln_a, ln_b)])
