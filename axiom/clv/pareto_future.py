"""What the Pareto/NBD says of the future of a customer who is alive at T; given that, t_x no longer matters.

The customer buys at a rate Gamma(r+x, alpha+T) and drops out at a rate Gamma(s, beta+T). In decays F(τ) of
`axiom.clv.pareto_integral`, with rho = (r+x)/(alpha+T):

    survival to τ              exp(-D(τ)),   D of slope s/(beta+T) and bend 1/(beta+T)
    N(τ) = n, if alive         c_n τ^n exp(-B_n(τ)),  B_n of slope (r+x+n)/(alpha+T) and bend 1/(alpha+T),
                               ln c_n = Σ_{j<n} ln((r+x+j)/(alpha+T)) - ln n!

so that the n-th purchase comes at τ with density (n/τ) c_n τ^n exp(-B_n - D), and given alive at T

    P(Y >= n) = n c_n ∫_0^t τ^(n-1) exp(-B_n - D) dτ
    P(Y = n)  = c_n { t^n exp(-B_n(t) - D(t)) + ∫_0^t τ^n D'(τ) exp(-B_n - D) dτ }
    E[Y]      = rho ∫_0^t exp(-D) dτ,     DERT = rho ∫_0^∞ exp(-rate·τ - D) dτ

All terms are positive, where Fader & Hardie (2014, "Deriving the Conditional PMF of the Pareto/NBD Model") subtract.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import gammaln

from axiom.clv.pareto_integral import Decay, log_integral, stretched
from axiom.clv.pareto_likelihood import rates
from axiom.clv.products import log_rising

if TYPE_CHECKING:
    from axiom.maths.arrays import FloatArray


@dataclass(frozen=True)
class Law:
    """The future of n customers alive at T; every array here and in the methods has shape (n,).

    Attributes:
        rho: Mean purchase rate.
        shape: r + x.
        bend: 1/(alpha+T).
        dropout: D above.
    """

    rho: FloatArray
    shape: FloatArray
    bend: FloatArray
    dropout: Decay

    @classmethod
    def of(cls, theta: FloatArray, x: FloatArray, T: FloatArray) -> Law:
        """The law of each history (x, T)."""
        mu, u, nu, v = rates(theta)
        buyer, dier = 1.0 + u * mu * T, 1.0 + v * nu * T
        return cls(
            rho=mu * (1.0 + u * x) / buyer,
            shape=1.0 / u + x,
            bend=u * mu / buyer,
            dropout=Decay(nu / dier, v * nu / dier),
        )

    def survival(self, t: FloatArray) -> FloatArray:
        """P(alive at T + t)."""
        return np.exp(-self.dropout(t))

    def mean(self, t: FloatArray) -> FloatArray:
        """E[Y]; integrated through expm1, so that s = 1 is no exception."""
        log_time = stretched(self.dropout.bend, t)
        power = (self.dropout.slope - self.dropout.bend) * log_time
        shrink = np.where(power == 0, 1.0, -np.expm1(-power) / np.where(power == 0, 1.0, power))
        return self.rho * log_time * shrink

    def discounted(self, rate: FloatArray) -> FloatArray:
        """DERT at a continuous discount rate > 0."""
        none = np.zeros_like(rate)
        return self.rho * np.exp(log_integral(none, Decay(rate, none), self.dropout, none + np.inf))

    def tail(self, n: FloatArray, t: FloatArray) -> FloatArray:
        """P(Y >= n), 1 for n <= 0."""
        count = np.maximum(n, 1.0)
        arrivals = log_integral(count - 1.0, self._buying(count), self.dropout, t)
        return np.where(n <= 0, 1.0, np.minimum(np.exp(np.log(count) + self._log_paths(count) + arrivals), 1.0))

    def pmf(self, n: FloatArray, t: FloatArray) -> FloatArray:
        """P(Y = n) for n >= 0."""
        paths, buying, D = self._log_paths(n), self._buying(n), self.dropout
        log_t = np.log(np.where(t > 0, t, 1.0))
        stayed = np.where((t > 0) | (n == 0), np.exp(paths + n * log_t - buying(t) - D(t)), 0.0)
        # D' exp(-D) is the density of dropout: the survival with s + 1 in the place of s.
        left = paths + np.log(D.slope) + log_integral(n, buying, Decay(D.slope + D.bend, D.bend), t)
        return stayed + np.exp(left)

    def _buying(self, n: FloatArray) -> Decay:
        return Decay(self.rho * (1.0 + n / self.shape), self.bend)

    def _log_paths(self, n: FloatArray) -> FloatArray:
        """The ln c_n above."""
        return n * np.log(self.rho) + log_rising(self.shape, n) - gammaln(n + 1.0)
