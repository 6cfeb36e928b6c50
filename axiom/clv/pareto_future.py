"""What the Pareto/NBD says of the future of a customer with a given history.

Alive at T, the customer buys at a rate Gamma(r+x, alpha+T) and drops out at a rate Gamma(s, beta+T). In decays F(τ) of
`axiom.clv.pareto_integral`, with rho = (r+x)/(alpha+T):

    survival to τ              exp(-D(τ)),   D of slope s/(beta+T) and bend 1/(beta+T)
    no purchase up to τ        exp(-B(τ)),   B of slope rho        and bend 1/(alpha+T)
    N(τ) = n, if alive         c_n τ^n exp(-B_n(τ)),  B_n of slope (r+x+n)/(alpha+T),
                               ln c_n = Σ_{j<n} ln((r+x+j)/(alpha+T)) - ln n!

so that the n-th purchase comes at τ with density (n/τ) c_n τ^n exp(-B_n), and

    P(Y >= n) = P(alive) n c_n ∫_0^t τ^(n-1) exp(-B_n - D) dτ
    P(Y = n)  = P(alive) c_n { t^n exp(-B_n(t) - D(t)) + ∫_0^t τ^n D'(τ) exp(-B_n - D) dτ }    (+ P(dead) at n = 0)

All terms are positive, where Fader & Hardie (2014, "Deriving the Conditional PMF of the Pareto/NBD Model") subtract ₂F₁s.
Every function here takes theta and checked float arrays of one shape (n,).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit, gammaln

from axiom.clv.pareto_integral import Decay, log_integral, stretched
from axiom.clv.pareto_likelihood import death_log_odds, rates
from axiom.clv.products import log_rising

if TYPE_CHECKING:
    from axiom.maths.arrays import FloatArray


@dataclass(frozen=True)
class Alive:
    """A customer alive at T.

    Attributes:
        log_odds_dead: ln P(dead at T)/P(alive at T).
        rho: Mean purchase rate.
        shape: r + x.
        patience: 1/(alpha+T).
        dropout: D above.
    """

    log_odds_dead: FloatArray
    rho: FloatArray
    shape: FloatArray
    patience: FloatArray
    dropout: Decay

    @property
    def probability(self) -> FloatArray:
        """P(alive at T)."""
        return np.asarray(expit(-self.log_odds_dead))


def alive(theta: FloatArray, x: FloatArray, t_x: FloatArray, T: FloatArray) -> Alive:
    """The posterior of one customer each."""
    mu, u, nu, v = rates(theta)
    buyer, dier = 1.0 + u * mu * T, 1.0 + v * nu * T
    return Alive(
        log_odds_dead=death_log_odds(theta, x, t_x, T),
        rho=mu * (1.0 + u * x) / buyer,
        shape=1.0 / u + x,
        patience=u * mu / buyer,
        dropout=Decay(nu / dier, v * nu / dier),
    )


def probability_alive(theta: FloatArray, t: FloatArray, x: FloatArray, t_x: FloatArray, T: FloatArray) -> FloatArray:
    """P(alive at T + t)."""
    now = alive(theta, x, t_x, T)
    return now.probability * np.exp(-now.dropout(t))


def expected_purchases(theta: FloatArray, t: FloatArray, x: FloatArray, t_x: FloatArray, T: FloatArray) -> FloatArray:
    """E[Y] = P(alive) rho ∫_0^t exp(-D(τ)) dτ, integrated through expm1 so that s = 1 is no exception."""
    now = alive(theta, x, t_x, T)
    log_time = stretched(now.dropout.bend, t)
    power = (now.dropout.slope - now.dropout.bend) * log_time
    shrink = np.where(power == 0, 1.0, -np.expm1(-power) / np.where(power == 0, 1.0, power))
    return now.probability * now.rho * log_time * shrink


def discounted_purchases(
    theta: FloatArray, rate: FloatArray, x: FloatArray, t_x: FloatArray, T: FloatArray
) -> FloatArray:
    """P(alive) rho ∫_0^∞ exp(-rate τ - D) dτ."""
    now = alive(theta, x, t_x, T)
    none = np.zeros_like(x)
    return now.probability * now.rho * np.exp(log_integral(none, Decay(rate, none), now.dropout, none + np.inf))


def tail(theta: FloatArray, n: FloatArray, t: FloatArray, x: FloatArray, t_x: FloatArray, T: FloatArray) -> FloatArray:
    """P(Y >= n), 1 for n <= 0."""
    now = alive(theta, x, t_x, T)
    count = np.maximum(n, 1.0)
    log_density = _log_paths(now, count) + np.log(count)
    log_tail = log_density + log_integral(count - 1.0, _buying(now, count), now.dropout, t)
    return np.where(n <= 0, 1.0, now.probability * np.minimum(np.exp(log_tail), 1.0))


def pmf(theta: FloatArray, n: FloatArray, t: FloatArray, x: FloatArray, t_x: FloatArray, T: FloatArray) -> FloatArray:
    """P(Y = n)."""
    now = alive(theta, x, t_x, T)
    paths, buying, D = _log_paths(now, n), _buying(now, n), now.dropout
    log_t = np.log(np.where(t > 0, t, 1.0))
    stayed = np.where((t > 0) | (n == 0), np.exp(paths + n * log_t - buying(t) - D(t)), 0.0)
    # D' exp(-D) is the density of dropout: the survival with s + 1 in the place of s.
    left = paths + np.log(D.slope) + log_integral(n, buying, Decay(D.slope + D.bend, D.bend), t)
    dead = np.where(n == 0, expit(now.log_odds_dead), 0.0)
    return np.asarray(dead + now.probability * (stayed + np.exp(left)))


def _buying(now: Alive, n: FloatArray) -> Decay:
    return Decay(now.rho * (1.0 + n / now.shape), now.patience)


def _log_paths(now: Alive, n: FloatArray) -> FloatArray:
    """The ln c_n above."""
    return n * np.log(now.rho) + log_rising(now.shape, n) - gammaln(n + 1.0)
