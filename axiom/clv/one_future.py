"""The future of one customer by scalar mathematics: for a server, where the overhead of arrays of length one is all.

The formulas are those of `geometric_law`, `geometric_walk`, `pareto_likelihood` and `pareto_future`. Counts with more
than negligible mass are few, so sums over them are a handful of operations on one short vector. Customers who buy so
often that they are not (None is answered) are left to the batch path, which integrates.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from axiom.clv.geometric_walk import MOST_TERMS
from axiom.clv.one_integral import death_log_odds, legendre
from axiom.clv.pareto_likelihood import rates

if TYPE_CHECKING:
    from axiom.maths.arrays import FloatArray

# Beyond, P(N = 0) nears the smallest double.
_LARGEST_EXPONENT = 600.0
# Mass of very many purchases, relative to that of any, that is left out.
_IGNORED = 1e-11
_COUNTS = np.arange(int(MOST_TERMS) + 2, dtype=np.float64)
_NODES = (24, 40, 64, 96, 128)


class Future(NamedTuple):
    """Y, the purchases of one customer in the horizon.

    Attributes:
        alive: P(still a customer now).
        mean: E[Y].
        some: P(Y >= 1).
        mass: P(Y = n) for n = 1, 2, …, up to a common factor, shape (n,); what is left out is negligible.
    """

    alive: float
    mean: float
    some: float
    mass: FloatArray


class OneFuture(ABC):
    """Futures over one horizon, the parameters worked out beforehand."""

    @abstractmethod
    def of(self, x: float, t_x: float, T: float) -> Future | None:
        """The future after a checked history; None where the batch path has to do it."""


class GeometricFuture(OneFuture):
    """BG/NBD and MBG/NBD.

    Args:
        theta: working parameters, shape (4,).
        first: coins tossed at the first purchase.
        t: the horizon.
    """

    def __init__(self, theta: FloatArray, first: int, t: float) -> None:
        ln_mu, ln_u, logit_phi, ln_s = theta.tolist()
        self._first, self._t = first, t
        self._rate, self._r, self._s = math.exp(ln_u) * math.exp(ln_mu), 1.0 / math.exp(ln_u), math.exp(ln_s)
        self._phi, self._stay = _expit(logit_phi), _expit(-logit_phi)
        self._ln_phi = -_softplus(-logit_phi)
        self._tosses = self._s * _COUNTS

    def of(self, x: float, t_x: float, T: float) -> Future | None:
        """See `OneFuture.of`."""
        shape = self._r + x
        odds = self._t * self._rate / (1.0 + self._rate * T)
        size = _terms(shape, odds)
        if size is None:
            return None
        coins = x + self._first
        alive = 1.0 if coins == 0 else _expit(-self._dropout_log_odds(x, t_x, T))
        tosses = self._s * coins + self._tosses[:size]
        whole = 1.0 + tosses
        z = odds / (1.0 + odds)
        quiet = -shape * math.log1p(odds)
        some = -math.expm1(quiet)
        exactly = math.exp(quiet) * np.cumprod(z * (shape + _COUNTS[:size]) / _COUNTS[1 : size + 1])
        more = np.maximum(some - np.cumsum(exactly), 0.0)
        chain = np.cumprod((self._stay + tosses) / whole)
        above = chain * more
        mean = some + float(np.add.reduce(above))
        mass = exactly + self._phi / whole * more
        mass[1:] *= chain[:-1]
        kept = int(np.count_nonzero(above > _IGNORED * some)) + 1
        return Future(alive, alive * mean, alive * some, mass[:kept])

    def none_log_odds(self, x: float, t_x: float, T: float) -> float:
        """`geometric_law.none_log_odds` of one customer."""
        q = (self._r + x) * math.log1p(self._t * self._rate / (1.0 + self._rate * T))
        ln_some = math.log(-math.expm1(-q))
        if x + self._first == 0:
            return -q - ln_some
        d = self._dropout_log_odds(x, t_x, T)
        return max(d, -q) + math.log1p(math.exp(-abs(d + q))) - ln_some

    def _dropout_log_odds(self, x: float, t_x: float, T: float) -> float:
        j = max(x + self._first - 1.0, 0.0)
        silence = (self._r + x) * math.log1p(self._rate * (T - t_x) / (1.0 + self._rate * t_x))
        return silence + self._ln_phi - math.log(self._stay + self._s * j)


class ParetoFuture(OneFuture):
    """Pareto/NBD: negative binomial counts, mixed over the time of dropout.

    With D and N as in `pareto_future`, P(Y = n | alive) = P(N(t) = n) e^(-D(t)) + ∫_0^t D'(τ) e^(-D(τ)) P(N(τ) = n) dτ,
    by Gauss-Legendre in ln(1 + κτ) on one set of nodes for all n.

    Args:
        theta: working parameters, shape (4,).
        t: the horizon.
    """

    def __init__(self, theta: FloatArray, t: float) -> None:
        self._t = t
        self._mu, self._u, self._nu, self._v = (float(rate) for rate in rates(theta))
        self._nodes = {count: legendre(count) for count in _NODES}

    def of(self, x: float, t_x: float, T: float) -> Future | None:
        """See `OneFuture.of`."""
        t, mu, u, nu, v = self._t, self._mu, self._u, self._nu, self._v
        buyer, dier = 1.0 + u * mu * T, 1.0 + v * nu * T
        shape, bend, rho = 1.0 / u + x, u * mu / buyer, mu * (1.0 + u * x) / buyer
        slope, fade = nu / dier, v * nu / dier
        size = _terms(shape, t * bend)
        if size is None:
            return None
        count = _nodes_needed(rho, bend, slope, fade, t, shape)
        if count is None:
            return None
        abscissa, weight = self._nodes[count]
        rate = max(rho, slope, bend, fade)
        width = math.log1p(rate * t)
        y = width * abscissa
        tau = np.append(np.expm1(y) / rate, t)
        stayed = np.log1p(fade * tau) * (slope / fade)
        death = np.exp(y - stayed[:-1]) * weight * (width / rate * slope) / (1.0 + fade * tau[:-1])
        lives = np.append(death, math.exp(-float(stayed[-1])))
        odds = bend * tau
        quiet = shape * np.log1p(odds)
        steps = np.multiply.outer((shape + _COUNTS[:size]) / _COUNTS[1 : size + 1], odds / (1.0 + odds))
        mass = np.multiply.accumulate(steps) @ (lives * np.exp(-quiet))
        some = min(float(np.add.reduce(lives * -np.expm1(-quiet))), 1.0)  # weights add up to 1 but for rounding
        alive = 1.0 if t_x == T else _expit(-death_log_odds(mu, u, nu, v, x, t_x, T))
        above = some - np.cumsum(mass)
        kept = int(np.count_nonzero(above > _IGNORED * some)) + 1
        return Future(alive, alive * self._mean(rho, slope, fade), alive * some, mass[:kept])

    def _mean(self, rho: float, slope: float, fade: float) -> float:
        log_time = math.log1p(fade * self._t) / fade
        power = (slope - fade) * log_time
        return rho * log_time * (1.0 if power == 0 else -math.expm1(-power) / power)


def _terms(shape: float, odds: float) -> int | None:
    """How far sums over the negative binomial counts have to go; None where that is too far."""
    mean = shape * odds
    if shape * math.log1p(odds) > _LARGEST_EXPONENT:
        return None
    terms = mean + 8.0 * math.sqrt(mean * (1.0 + odds)) + 32.0 * (1.0 + odds)
    return math.ceil(terms) if terms <= MOST_TERMS else None


def _nodes_needed(rho: float, bend: float, slope: float, fade: float, t: float, shape: float) -> int | None:
    """Nodes that resolve P(N(τ) = n), whose width in ln τ is that of a gamma mixture of gamma times."""
    mean = rho * t
    spread = math.sqrt(1.0 / (1.0 + mean) + 1.0 / (1.0 + shape))
    wanted = 16.0 + 3.0 * math.log1p(max(rho, slope, bend, fade) * t) / spread
    return next((count for count in _NODES if count >= wanted), None)


def _expit(value: float) -> float:
    if value >= 0.0:
        return 1.0 / (1.0 + math.exp(-value)) if value < 700.0 else 1.0
    odds = math.exp(value) if value > -745.0 else 0.0
    return odds / (1.0 + odds)


def _softplus(value: float) -> float:
    return max(value, 0.0) + math.log1p(math.exp(-abs(value)))
