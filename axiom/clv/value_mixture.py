"""Mixtures of beta-prime laws for many customers at once: their CDF, and its inverse by safeguarded Newton steps.

A component of customer i says: with probability `mass`, W/scale is beta-prime(shape, rest). With l = ln w and
y = w/(w + scale) = expit(l - shift), shift = ln scale,

    F(l) = Σ mass I_y(shape, rest),     F'(l) = Σ mass y^shape (1-y)^rest / B(shape, rest).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import betainc, betaln, expit, logit, ndtri

if TYPE_CHECKING:
    from axiom.maths.arrays import BoolArray, FloatArray, IntArray

# After a Newton step this short (relative change of w) the error is of the order of its square.
_LAST_STEP = 1e-6
_LONGEST_STEP = 2.0
_MOST_STEPS = 200


@dataclass(frozen=True)
class Components:
    """Components of all customers, shape (e,) each; `row` says whose."""

    row: IntArray
    mass: FloatArray
    shape: FloatArray
    rest: FloatArray
    shift: FloatArray
    log_beta: FloatArray

    def of(self, customers: BoolArray) -> Components:
        """The components of some customers, who keep their numbers."""
        keep = customers[self.row]
        return Components(**{name: column[keep] for name, column in vars(self).items()})

    def summed(self, values: FloatArray, size: int) -> FloatArray:
        """Σ mass · values per customer, shape (size,)."""
        return np.bincount(self.row, self.mass * values, size).astype(np.float64)

    def cdf(self, log_w: FloatArray) -> FloatArray:
        """F at one point per customer, shape (n,)."""
        y: FloatArray = expit(log_w[self.row] - self.shift)
        return self.summed(np.asarray(betainc(self.shape, self.rest, y), dtype=np.float64), log_w.size)

    def density(self, log_w: FloatArray) -> FloatArray:
        """F' at one point per customer, shape (n,)."""
        place = log_w[self.row] - self.shift
        fade = np.log1p(np.exp(-np.abs(place)))
        log_y, log_not_y = np.minimum(place, 0.0) - fade, -np.maximum(place, 0.0) - fade
        return self.summed(np.exp(self.shape * log_y + self.rest * log_not_y - self.log_beta), log_w.size)


def components(tables: list[FloatArray], laws: list[tuple[float, FloatArray, FloatArray]]) -> Components:
    """Components of customers from their probabilities of n purchases, averaged over the tables.

    Args:
        tables: P(Y = n), each of shape (N + 1, m); N may differ.
        laws: For each table the shape per purchase, posterior shapes (m,) and posterior scales (m,).
    """
    parts = []
    for table, (p, rest, scale) in zip(tables, laws, strict=True):
        row, n = np.nonzero(table[1:].T)
        shape, own = p * (n + 1.0), rest[row]
        parts.append((row, table[n + 1, row] / len(tables), shape, own, np.log(scale)[row], betaln(shape, own)))
    return Components(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def quantile(mixture: Components, goal: FloatArray) -> FloatArray:
    """The ln w with F(ln w) = goal for each customer; -inf where goal <= 0.

    Newton steps on the log odds of F, which is close to linear in ln w, kept inside a bracket.

    Args:
        mixture: The components.
        goal: Shape (n,), below the total mass of the customer.
    """
    total = mixture.summed(np.ones_like(mixture.mass), goal.size)
    active = goal > 0
    mixture = mixture.of(active)
    total, level = np.where(active, total, 1.0), np.where(active, goal / np.where(active, total, 1.0), 0.5)
    log_w = _start(mixture, total, level)
    low, high = np.full(goal.shape, -np.inf), np.full(goal.shape, np.inf)
    for _ in range(_MOST_STEPS):
        if not active.any():
            break
        share = mixture.cdf(log_w) / total
        low, high = np.where(share < level, log_w, low), np.where(share < level, high, log_w)
        with np.errstate(all="ignore"):
            slope = mixture.density(log_w) / total / (share * (1.0 - share))
            step = (logit(level) - logit(share)) / slope
        step = np.where(np.isfinite(step), step, np.where(share < level, _LONGEST_STEP, -_LONGEST_STEP))
        moved = log_w + np.clip(step, -_LONGEST_STEP, _LONGEST_STEP)
        outside = (moved <= low) | (moved >= high)
        moved = np.where(outside & np.isfinite(low) & np.isfinite(high), 0.5 * (low + high), moved)
        done = active & (np.abs(moved - log_w) <= _LAST_STEP)
        log_w = np.where(active, moved, log_w)
        if done.any():
            active &= ~done
            mixture = mixture.of(active)
    return np.where(goal > 0, log_w, -np.inf)


def _start(mixture: Components, total: FloatArray, level: FloatArray) -> FloatArray:
    """The quantile of a log-normal law with about the moments of the mixture."""
    middle = np.log(mixture.shape / mixture.rest) + mixture.shift
    spread = 1.0 / mixture.shape + 1.0 / mixture.rest
    mean = mixture.summed(middle, total.size) / total
    variance = mixture.summed(np.square(middle) + spread, total.size) / total - np.square(mean)
    return mean + np.sqrt(np.maximum(variance, 0.0)) * ndtri(level)
