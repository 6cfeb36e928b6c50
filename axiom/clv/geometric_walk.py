"""Sums over the number of future purchases for the beta-geometric family, many customers abreast.

All quantities are given that the customer is alive, so they depend on (x, T) only: callers group customers by these.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from axiom.clv.quadrature import beta_nodes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from axiom.clv.geometric_law import Law
    from axiom.maths.arrays import FloatArray, IntArray

BLOCK = 8_192
# Sums stop when the rest cannot matter to the twelfth digit.
_ENOUGH = 1e-12
# Above these, P(N = 0) = exp(-exponent) nears the smallest double, or the integral is faster than the sum.
_LARGEST_EXPONENT = 600.0
MOST_TERMS = 1_000.0
_INTEGRALS_AT_ONCE = 1_000


@dataclass(frozen=True)
class Step:
    """The state of a walk over n = 0, 1, 2, ... for some customers.

    Attributes:
        n: The count reached.
        exactly: P(N = n).
        more: P(N >= n + 1).
        chain: g_n, the chance that n further coins are survived.
        lost: The chance that the coin after them is lost, phi/(1 + s (c + n)).
    """

    n: int
    exactly: FloatArray
    more: FloatArray
    chain: FloatArray
    lost: FloatArray


def walk(law: Law, t: FloatArray) -> Iterator[Step]:
    """Walk over n by recurrences. P(N >= n + 1) comes by subtraction: its absolute error is some ulps of P(N >= 1)."""
    odds = t * law.speed
    z = odds / (1.0 + odds)
    mean = law.shape * z
    quiet = -law.shape * np.log1p(odds)
    step = Step(0, np.exp(quiet), -np.expm1(quiet), np.ones(t.shape), law.phi / law.whole)
    while True:
        yield step
        n = step.n + 1
        exactly = step.exactly * ((mean + z * (n - 1)) / n)
        step = Step(
            n=n,
            exactly=exactly,
            more=np.maximum(step.more - exactly, 0.0),
            chain=step.chain * ((law.stay + law.s * (n - 1)) / (law.whole + law.s * (n - 1))),
            lost=law.phi / (law.whole + law.s * n),
        )


def terms_needed(law: Law, t: FloatArray) -> FloatArray:
    """About how far n has to go in sums over n; infinite where P(N = 0) would come near the smallest double."""
    odds = t * law.speed
    mean = law.shape * odds
    terms = mean + 8.0 * np.sqrt(mean * (1.0 + odds)) + 32.0 * (1.0 + odds)
    return np.where(law.shape * np.log1p(odds) > _LARGEST_EXPONENT, np.inf, terms)


def by_need(terms: FloatArray) -> tuple[IntArray, int]:
    """Rows in rising order of need, so that blocks end together, and how many of them are walked, not integrated."""
    order = np.argsort(terms)
    return order, int(np.searchsorted(terms[order], MOST_TERMS, side="right"))


def expected(law: Law, t: FloatArray) -> FloatArray:
    """E[Y | alive]."""
    return _split(law, t, _summed_mean, _integrated_mean)


def survival(law: Law, t: FloatArray) -> FloatArray:
    """P(alive at T + t | alive at T)."""
    return _split(law, t, _summed_survival, _integrated_survival)


def probabilities(law: Law, t: FloatArray, beyond: float) -> FloatArray:
    """P(Y = n | alive) for n = 0, ..., N with P(Y > N) <= `beyond` for all, shape (N + 1, n)."""
    steps = walk(law, t)
    before = next(steps)
    columns = [before.exactly]
    while (before.chain * before.more > beyond).any() and before.n < 4 * MOST_TERMS:
        step = next(steps)
        columns.append(before.chain * (step.exactly + before.lost * step.more))
        before = step
    return np.stack(columns)


@dataclass(frozen=True)
class Walker:
    """Customers under one model: distinct laws (m,) and their horizons; P(alive) and law of each customer (n,)."""

    law: Law
    t: FloatArray
    alive: FloatArray
    which: IntArray

    def of(self, customers: IntArray) -> Walker:
        """Some of the customers, and only the laws they follow."""
        laws, which = np.unique(self.which[customers], return_inverse=True)
        return Walker(self.law.rows(laws), self.t[laws], self.alive[customers], which)

    def need(self) -> FloatArray:
        """Terms needed for each customer, shape (n,)."""
        return terms_needed(self.law, self.t)[self.which]


def quantile(walkers: Sequence[Walker], beyond: FloatArray) -> IntArray:
    """Smallest n with mean over walkers of P(Y > n) <= beyond.

    Args:
        walkers: The same n customers under one model or several.
        beyond: Allowed mass above the quantile, shape (k,), each in (0, 1).

    Returns:
        Shape (k, n).
    """
    found = np.zeros((beyond.size, walkers[0].which.size), dtype=np.int64)
    searching = [np.arange(walkers[0].which.size)] * beyond.size
    for steps in zip(*(walk(walker.law, walker.t) for walker in walkers), strict=True):
        tails = [step.chain * step.more for step in steps]
        for i, mass in enumerate(beyond):
            rows = searching[i]
            above = sum(w.alive[rows] * tail[w.which[rows]] for w, tail in zip(walkers, tails, strict=True))
            searching[i] = rows = rows[above > mass * len(walkers)]
            found[i, rows] += 1
        if not any(rows.size for rows in searching) or steps[0].n > 4 * MOST_TERMS:
            break
    return found


def _split(
    law: Law,
    t: FloatArray,
    summed: Callable[[Law, FloatArray], FloatArray],
    integrated: Callable[[Law, FloatArray], FloatArray],
) -> FloatArray:
    out = np.empty(t.shape)
    order, light = by_need(terms_needed(law, t))
    for function, rows in ((summed, order[:light]), (integrated, order[light:])):
        for start in range(0, rows.size, BLOCK):
            block = rows[start : start + BLOCK]
            out[block] = function(law.rows(block), t[block])
    return out


def _summed_mean(law: Law, t: FloatArray) -> FloatArray:
    total, seen = np.zeros(t.shape), np.zeros(t.shape)
    mean = law.shape * t * law.speed
    for step in walk(law, t):
        total += step.chain * step.more
        seen += step.more
        # What is left of E[N] bounds what is left of the sum.
        if ((mean - seen) * step.chain <= _ENOUGH * total).all() or step.n > 4 * MOST_TERMS:
            break
    return total


def _summed_survival(law: Law, t: FloatArray) -> FloatArray:
    total = np.zeros(t.shape)
    for step in walk(law, t):
        total += step.chain * step.exactly
        if (step.more * step.chain <= _ENOUGH * total).all() or step.n > 4 * MOST_TERMS:
            break
    return total


def _integrated_mean(law: Law, t: FloatArray) -> FloatArray:
    return _over_dropout(law, t, lambda quiet, p: -np.expm1(-quiet) / p)


def _integrated_survival(law: Law, t: FloatArray) -> FloatArray:
    return _over_dropout(law, t, lambda quiet, _: np.exp(-quiet))


def _over_dropout(law: Law, t: FloatArray, function: Callable[[FloatArray, FloatArray], FloatArray]) -> FloatArray:
    """E over p ~ Beta(a, B) of function(R ln(1 + p odds), p)."""
    odds = t * law.speed
    a, b, pull = law.phi / law.s, law.stay / law.s, law.shape * odds
    out = np.empty(t.shape)
    for start in range(0, t.size, _INTEGRALS_AT_ONCE):
        rows = slice(start, start + _INTEGRALS_AT_ONCE)
        p, weight = beta_nodes(a[rows], b[rows], pull[rows])
        quiet = law.shape[rows, None] * np.log1p(p * odds[rows, None])
        out[rows] = (weight * function(quiet, p)).sum(axis=1)
    return out
