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

(Fader, Hardie & Lee 2005 for P; the rest follows from independence of λ and p given "alive".) All terms are positive: no
cancellation, no ₂F₁, no pole at a = 1. Customers who buy very often take the integral over p instead of the sum over n.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import betainc, expit, gammaln

from axiom.clv.geometric import dropout_log_odds
from axiom.clv.inputs import distinct_rows
from axiom.clv.products import log_rising, log_survival
from axiom.clv.quadrature import beta_nodes, gamma_nodes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from axiom.maths.arrays import BoolArray, FloatArray, IntArray

_BLOCK = 8_192
_LAWS_AT_ONCE = 32
# Sums stop when the rest cannot matter to the twelfth digit.
_ENOUGH = 1e-12
# Above these, P(N = 0) = exp(-exponent) nears the smallest double, or the integral is faster than the sum.
_LARGEST_EXPONENT = 600.0
_MOST_TERMS = 1_000.0
# Chebyshev points of the second kind; 49 of them resolve F over three orders of magnitude of κ to the last digit.
_CHEBYSHEV = np.cos(np.pi * np.arange(49) / 48)
_SIGNS = np.where(np.arange(49) % 2, -1.0, 1.0) * np.where((np.arange(49) == 0) | (np.arange(49) == 48), 0.5, 1.0)


@dataclass(frozen=True)
class Posterior:
    """What the history of each customer leaves, shape (n,) each.

    Attributes:
        shape: R = 1/u + x, of the gamma posterior of the rate.
        speed: 1/(α + T), so that odds = t * speed.
        coins: c, dropout coins survived.
        stay: s·B = 1 - phi + s c.
        whole: s·(a + B) = 1 + s c.
        phi: Mean dropout of the population.
        s: Dropout heterogeneity of the population.
        alive: P(alive now).
        gone: 1 - alive, accurate when small.
    """

    shape: FloatArray
    speed: FloatArray
    coins: FloatArray
    stay: FloatArray
    whole: FloatArray
    phi: FloatArray
    s: FloatArray
    alive: FloatArray
    gone: FloatArray

    def rows(self, which: slice | IntArray | BoolArray) -> Posterior:
        """Some of the customers."""
        return Posterior(**{name: column[which] for name, column in vars(self).items()})


def posterior(theta: FloatArray, x: FloatArray, t_x: FloatArray, T: FloatArray, first: int) -> Posterior:
    """Posterior of histories of shape (n,); `theta` is (4,) or (4, n)."""
    mu, u, s = np.exp(theta[0]), np.exp(theta[1]), np.exp(theta[3])
    coins = x + first
    d = dropout_log_odds(theta, x, t_x, T, first)
    columns = (
        1.0 / u + x,
        u * mu / (1.0 + u * mu * T),
        coins,
        expit(-theta[2]) + s * coins,
        1.0 + s * coins,
        expit(theta[2]),
        s,
        np.where(coins > 0, expit(-d), 1.0),
        np.where(coins > 0, expit(d), 0.0),
    )
    return Posterior(*(np.broadcast_to(column, x.shape) for column in columns))


def tail(post: Posterior, t: FloatArray, n: FloatArray) -> FloatArray:
    """P(Y >= n) for n >= 1, shape (n,)."""
    odds = t * post.speed
    chain = np.exp(log_survival(post.phi, post.stay, post.whole, post.s, n - 1.0))
    return np.asarray(post.alive * chain * betainc(n, post.shape, odds / (1.0 + odds)))


def pmf(post: Posterior, t: FloatArray, n: FloatArray) -> FloatArray:
    """P(Y = n) for n >= 0."""
    odds = t * post.speed
    m = np.maximum(n - 1.0, 0.0)
    quiet = post.shape * np.log1p(odds)
    with np.errstate(divide="ignore"):
        mean = np.log(post.shape * odds) - np.log1p(odds)
    exactly = np.exp(np.where(n > 0, n * mean, 0.0) - quiet + log_rising(post.shape, n) - gammaln(n + 1.0))
    last = post.phi / (post.whole + post.s * m)
    more = betainc(n + 1.0, post.shape, odds / (1.0 + odds))
    some = np.exp(log_survival(post.phi, post.stay, post.whole, post.s, m)) * (exactly + last * more)
    return post.alive * np.where(n > 0, some, np.exp(-quiet)) + np.where(n > 0, 0.0, post.gone)


def expected(post: Posterior, t: FloatArray) -> FloatArray:
    """E[Y]."""
    return post.alive * _split(post, t, _summed_mean, _integrated_mean)


def alive_at(post: Posterior, t: FloatArray) -> FloatArray:
    """P(alive at T + t)."""
    return post.alive * _split(post, t, _summed_survival, _integrated_survival)


def terms_needed(post: Posterior, t: FloatArray) -> FloatArray:
    """About how far n has to go in sums over n; infinite where P(N = 0) would come near the smallest double."""
    odds = t * post.speed
    mean = post.shape * odds
    terms = mean + 8.0 * np.sqrt(mean * (1.0 + odds)) + 32.0 * (1.0 + odds)
    return np.where(post.shape * np.log1p(odds) > _LARGEST_EXPONENT, np.inf, terms)


def _split(
    post: Posterior,
    t: FloatArray,
    summed: Callable[[Posterior, FloatArray], FloatArray],
    integrated: Callable[[Posterior, FloatArray], FloatArray],
) -> FloatArray:
    out = np.empty(t.shape)
    terms = terms_needed(post, t)
    # Rows of one block are walked together: sorted, they end together.
    order = np.argsort(terms)
    light = int(np.searchsorted(terms[order], _MOST_TERMS, side="right"))
    for function, rows in ((summed, order[:light]), (integrated, order[light:])):
        for start in range(0, rows.size, _BLOCK):
            block = rows[start : start + _BLOCK]
            out[block] = function(post.rows(block), t[block])
    return out


@dataclass
class Step:
    """The state of a walk over n = 0, 1, 2, ... for some customers, given they are alive now.

    Attributes:
        n: The count reached.
        exactly: P(N = n).
        more: P(N >= n + 1).
        chain: g_n, the chance that n further coins are survived.
        last: The chance that the next coin is lost, phi/(1 + s (c + n)).
    """

    n: int
    exactly: FloatArray
    more: FloatArray
    chain: FloatArray
    last: FloatArray


def walk(post: Posterior, t: FloatArray) -> Iterator[Step]:
    """Walk over n by recurrences. P(N >= n + 1) comes by subtraction: its absolute error is some ulps of P(N >= 1)."""
    odds = t * post.speed
    z = odds / (1.0 + odds)
    mean = post.shape * z
    quiet = -post.shape * np.log1p(odds)
    step = Step(0, np.exp(quiet), -np.expm1(quiet), np.ones(t.shape), post.phi / post.whole)
    while True:
        yield step
        n = step.n + 1
        exactly = step.exactly * ((mean + z * (n - 1)) / n)
        step = Step(
            n=n,
            exactly=exactly,
            more=np.maximum(step.more - exactly, 0.0),
            chain=step.chain * ((post.stay + post.s * step.n) / (post.whole + post.s * step.n)),
            last=post.phi / (post.whole + post.s * n),
        )


def _summed_mean(post: Posterior, t: FloatArray) -> FloatArray:
    total, seen = np.zeros(t.shape), np.zeros(t.shape)
    mean = post.shape * t * post.speed
    for step in walk(post, t):
        total += step.chain * step.more
        seen += step.more
        # What is left of E[N] bounds what is left of the sum.
        if ((mean - seen) * step.chain <= _ENOUGH * total).all() or step.n > 4 * _MOST_TERMS:
            return total
    raise AssertionError("the walk does not end")


def _summed_survival(post: Posterior, t: FloatArray) -> FloatArray:
    total = np.zeros(t.shape)
    for step in walk(post, t):
        total += step.chain * step.exactly
        if (step.more * step.chain <= _ENOUGH * total).all() or step.n > 4 * _MOST_TERMS:
            return total
    raise AssertionError("the walk does not end")


def _integrated_mean(post: Posterior, t: FloatArray) -> FloatArray:
    return _over_dropout(post, t, lambda quiet, p: -np.expm1(-quiet) / p)


def _integrated_survival(post: Posterior, t: FloatArray) -> FloatArray:
    return _over_dropout(post, t, lambda quiet, _: np.exp(-quiet))


def _over_dropout(
    post: Posterior, t: FloatArray, function: Callable[[FloatArray, FloatArray], FloatArray]
) -> FloatArray:
    """E over p ~ Beta(a, B) of function(R ln(1 + p odds), p)."""
    odds = t * post.speed
    out = np.empty(t.shape)
    for start in range(0, t.size, 1_000):
        rows = slice(start, start + 1_000)
        p, weight = beta_nodes(
            post.phi[rows] / post.s[rows], post.stay[rows] / post.s[rows], post.shape[rows] * odds[rows]
        )
        quiet = post.shape[rows, None] * np.log1p(p * odds[rows, None])
        out[rows] = (weight * function(quiet, p)).sum(axis=1)
    return out


def discounted(post: Posterior, rate: float) -> FloatArray:
    """P(alive) · E[λ/(rate + λ p)] = P · R · F(κ), F(κ) = E[1/(κ + v p)], v ~ Gamma(R + 1), κ = rate (α + T).

    F depends on the history through R, a and B only and is analytic in ln κ, so customers who share these three read it
    off one Chebyshev interpolant when they are many.
    """
    a, b, ln_kappa = post.phi / post.s, post.stay / post.s, np.log(rate / post.speed)
    first, group = distinct_rows(post.shape, a, b)
    laws = np.stack([post.shape[first] + 1.0, a[first], b[first]])
    middle, half = _ranges(ln_kappa, group, first.size)
    many = np.bincount(group) > _CHEBYSHEV.size
    out = np.empty(ln_kappa.shape)

    alone = np.flatnonzero(~many[group])
    out[alone] = _stieltjes(laws[:, group[alone]], np.exp(ln_kappa[alone]))

    shared = np.flatnonzero(many)
    nodes = middle[shared, None] + half[shared, None] * _CHEBYSHEV
    values = _stieltjes(np.repeat(laws[:, shared], _CHEBYSHEV.size, axis=1), np.exp(nodes.ravel())).reshape(nodes.shape)
    rank = np.cumsum(many) - 1
    rows = np.flatnonzero(many[group])
    place = (ln_kappa - middle[group])[rows] / half[group][rows]
    out[rows] = _barycentric(values, rank[group[rows]], place)
    return post.alive * post.shape * out


def _ranges(values: FloatArray, group: IntArray, count: int) -> tuple[FloatArray, FloatArray]:
    """Middle and half width of the values of each group; the width is never 0."""
    low, high = np.full(count, np.inf), np.full(count, -np.inf)
    np.minimum.at(low, group, values)
    np.maximum.at(high, group, values)
    return 0.5 * (low + high), 0.5 * (high - low) + 1e-6


def _stieltjes(laws: FloatArray, kappa: FloatArray) -> FloatArray:
    """E[1/(κ + v p)] for v ~ Gamma(laws[0]) and p ~ Beta(laws[1], laws[2]), one law and one κ a row."""
    out = np.empty(kappa.shape)
    order = np.lexsort((kappa, *laws))
    for start in range(0, order.size, _LAWS_AT_ONCE):
        rows = order[start : start + _LAWS_AT_ONCE]
        v, v_weight = gamma_nodes(laws[0, rows])
        p, p_weight = beta_nodes(laws[1, rows], laws[2, rows], laws[0, rows] / kappa[rows])
        inner = 1.0 / (kappa[rows, None, None] + v[:, :, None] * p[:, None, :])
        out[rows] = np.einsum("iv,ivp,ip->i", v_weight, inner, p_weight, optimize=True)
    return out


def _barycentric(values: FloatArray, group: IntArray, place: FloatArray) -> FloatArray:
    """Chebyshev interpolants `values` (groups, nodes), read at `place` in [-1, 1] (Berrut & Trefethen 2004)."""
    above, below = np.zeros(place.shape), np.zeros(place.shape)
    for node, sign, column in zip(_CHEBYSHEV, _SIGNS, values.T, strict=True):
        distance = place - node
        share = sign / np.where(distance == 0.0, 1e-300, distance)
        above += share * column[group]
        below += share
    return above / below
