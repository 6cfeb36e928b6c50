"""Predictive distribution of the beta-geometric family, without special functions that overflow or cancel.

Given a history, the customer is alive with P = 1/(1 + 1{c>0} e^d); then the rate is Gamma(R, α + T) with R = r + x, and
the dropout probability is Beta(a, B) with B = b + c (c coins survived). Over a further time t such a customer makes
Y = min(K, N) purchases: N is negative binomial with odds t/(α + T), and K >= 1 is the purchase after which the customer
drops out, P(K >= n) = g_{n-1}:

    P(Y >= n) = P · g_{n-1} · I_z(n, R),   g_m = Π_{j<m} (1 - phi/(1 + s (c + j))),   z = t/(α + T + t),   n >= 1
    P(Y = n)  = P · { g_{n-1} P(N = n) + g_{n-1} phi/(1 + s (c + n - 1)) · P(N >= n + 1) }
    E[Y]      = Σ_{n>=1} P(Y >= n) = P · E_p[(1 - (1 + p t/(α+T))^-R) / p]
    P(alive at T + t) = P · E[g_N] = P · E_p[(1 + p t/(α+T))^-R]
    DERT      = P · E[λ/(δ + λ p)]

(Fader, Hardie & Lee 2005 for P; the rest follows from independence of λ and p given "alive".) All terms are positive:
no cancellation, no ₂F₁, no pole at a = 1. `geometric_walk` sums or integrates,
`geometric_discount` discounts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import betainc, expit, gammaln, xlogy

from axiom.clv.geometric import dropout_log_odds
from axiom.clv.products import log_rising, log_survival

if TYPE_CHECKING:
    from axiom.maths.arrays import FloatArray, IntArray


@dataclass(frozen=True)
class Law:
    """What the history leaves to a customer who is alive, shape (n,) each. It does not depend on t_x.

    Attributes:
        shape: R = 1/u + x, of the gamma posterior of the rate.
        speed: 1/(α + T), so that odds = t * speed.
        stay: s·B = 1 - phi + s c.
        whole: s·(a + B) = 1 + s c.
        phi: s·a, mean dropout of the population.
        s: Dropout heterogeneity of the population.
    """

    shape: FloatArray
    speed: FloatArray
    stay: FloatArray
    whole: FloatArray
    phi: FloatArray
    s: FloatArray

    @classmethod
    def of(cls, theta: FloatArray, x: FloatArray, T: FloatArray, first: int) -> Law:
        """Laws after histories of shape (n,); `theta` is (4,) or (4, n), `first` the coins of the first purchase."""
        mu, u, s = np.exp(theta[0]), np.exp(theta[1]), np.exp(theta[3])
        coins = s * (x + first)
        columns = (
            1.0 / u + x,
            u * mu / (1.0 + u * mu * T),
            expit(-theta[2]) + coins,
            1.0 + coins,
            expit(theta[2]),
            s,
        )
        return cls(*(np.broadcast_to(column, x.shape) for column in columns))

    def rows(self, which: slice | IntArray) -> Law:
        """Some of the customers."""
        return Law(**{name: column[which] for name, column in vars(self).items()})


def alive_and_gone(
    theta: FloatArray, x: FloatArray, t_x: FloatArray, T: FloatArray, first: int
) -> tuple[FloatArray, FloatArray]:
    """P(alive now) and its complement, each accurate when small."""
    d = dropout_log_odds(theta, x, t_x, T, first)
    tossed = x + first > 0
    return np.where(tossed, expit(-d), 1.0), np.where(tossed, expit(d), 0.0)


def none_log_odds(theta: FloatArray, t: float, x: FloatArray, t_x: FloatArray, T: FloatArray, first: int) -> FloatArray:
    """Log-odds of P(Y = 0), shape (n,): with q = -ln P(Y = 0 | alive) they are ln(e^d + e^-q) - ln(1 - e^-q)."""
    mu, u = np.exp(theta[0]), np.exp(theta[1])
    q = (1.0 / u + x) * np.log1p(t * u * mu / (1.0 + u * mu * T))
    d = np.where(x + first > 0, dropout_log_odds(theta, x, t_x, T, first), -np.inf)
    return np.asarray(np.logaddexp(d, -q) - np.log(-np.expm1(-q)))


def tail(law: Law, t: FloatArray, n: FloatArray) -> FloatArray:
    """P(Y >= n | alive) for n >= 1."""
    odds = t * law.speed
    chain = np.exp(log_survival(law.phi, law.stay, law.whole, law.s, n - 1.0))
    return np.asarray(chain * betainc(n, law.shape, odds / (1.0 + odds)))


def pmf(law: Law, t: FloatArray, n: FloatArray) -> FloatArray:
    """P(Y = n | alive) for n >= 0."""
    odds = t * law.speed
    m = np.maximum(n - 1.0, 0.0)
    quiet = law.shape * np.log1p(odds)
    power = xlogy(n, law.shape * odds) - n * np.log1p(odds)
    exactly = np.exp(power - quiet + log_rising(law.shape, n) - gammaln(n + 1.0))
    last = law.phi / (law.whole + law.s * m)
    more = betainc(n + 1.0, law.shape, odds / (1.0 + odds))
    some = np.exp(log_survival(law.phi, law.stay, law.whole, law.s, m)) * (exactly + last * more)
    return np.where(n > 0, some, np.exp(-quiet))
