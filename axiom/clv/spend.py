"""What a spend model eats, and the Gamma-Gamma likelihood in natural parameters.

For a repeat buyer with x purchases of mean z̄ and total S = x z̄ (Fader & Hardie 2013, eq. 1a):

    l = -ln B(p x, q) - q ln(1 + S/gamma) - p x ln(1 + gamma/S) - ln z̄
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import polygamma

from axiom.clv.inputs import numbers, refuse
from axiom.clv.products import digamma_error, log_gamma_error

if TYPE_CHECKING:
    from axiom.clv.newton import Terms
    from axiom.maths.arrays import ArrayLike, FloatArray


@dataclass(frozen=True)
class Spend:
    """Repeat buyers, shape (n,) each.

    Attributes:
        x: Repeat purchases, >= 1.
        mean: Mean value of these purchases, > 0.
        weight: > 0.
    """

    x: FloatArray
    mean: FloatArray
    weight: FloatArray


@dataclass(frozen=True)
class SpendTotals:
    """Weighted sums over repeat buyers; they add over shards with `+`."""

    buyers: float
    x: float
    mean: float
    x_x: float
    mean_mean: float
    x_mean: float

    @classmethod
    def of(cls, spend: Spend) -> SpendTotals:
        """The totals of one shard."""
        w, x, z = spend.weight, spend.x, spend.mean
        return cls(*(float(w @ column) for column in (np.ones_like(x), x, z, x * x, z * z, x * z)))

    def __add__(self, other: SpendTotals) -> SpendTotals:
        return SpendTotals(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    @property
    def value_per_purchase(self) -> float:
        """Mean value of a purchase, over all purchases."""
        return self.x_mean / self.x

    @property
    def varies(self) -> bool:
        """Whether mean spend differs between customers by more than 0.003 %."""
        mean = self.mean / self.buyers
        return self.mean_mean / self.buyers - mean**2 > 1e-9 * mean**2

    @property
    def correlation(self) -> float:
        """Correlation of x and mean spend; 0 where one of them does not vary."""
        mean_x, mean_z = self.x / self.buyers, self.mean / self.buyers
        spread_x = max(self.x_x / self.buyers - mean_x**2, 0.0)
        spread_z = max(self.mean_mean / self.buyers - mean_z**2, 0.0)
        if spread_x <= 1e-12 * mean_x**2 or spread_z <= 1e-12 * mean_z**2:
            return 0.0
        return float((self.x_mean / self.buyers - mean_x * mean_z) / np.sqrt(spread_x * spread_z))


def check_spend(x: ArrayLike, mean_spend: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Repeat purchases and mean spend, broadcast against each other, as float64; mean spend is 0 where x = 0.

    Args:
        x: Whole numbers >= 0.
        mean_spend: Finite and > 0 where x > 0; anything (also NaN) where x = 0.

    Raises:
        ValueError: A rule above is broken; the message names the rule and the first rows.
    """
    count, given = numbers(x, "x"), np.asarray(mean_spend, dtype=np.float64)
    try:
        count, amount = np.broadcast_arrays(count, given)
    except ValueError:
        raise ValueError(f"x and mean_spend must have one shape, not {count.shape}, {given.shape}") from None
    refuse((count < 0) | (count != np.floor(count)), "x (repeat purchases) must be whole and not negative")
    refuse((count > 0) & ~np.isfinite(amount), "mean_spend must be finite where x > 0")
    refuse((count > 0) & (amount <= 0), "mean_spend must be positive where x > 0 (take refunds and gifts out first)")
    return count, np.where(count > 0, amount, 0.0)


def check_buyers(x: ArrayLike, mean_spend: ArrayLike, weights: ArrayLike | None) -> Spend:
    """The repeat buyers of a population.

    Raises:
        ValueError: As `check_spend`; the arrays are not one-dimensional and of one length; a weight is not positive.
    """
    shapes = {np.shape(x), np.shape(mean_spend), np.shape(x if weights is None else weights)}
    if len(shapes) != 1 or len(np.shape(x)) != 1:
        raise ValueError(f"x, mean_spend and weights must be one-dimensional and of one length, not {sorted(shapes)}")
    count, amount = check_spend(x, mean_spend)
    w = np.ones_like(count) if weights is None else numbers(weights, "weights")
    refuse(w <= 0, "weights must be positive")
    buyers = count > 0
    return Spend(count[buyers], amount[buyers], w[buyers])


def spend_terms(p: float, q: float, effects: FloatArray, design: FloatArray, spend: Spend) -> Terms:
    """Log likelihood of repeat buyers, gradient and Hessian in (p, q, effects), where ln gamma = design @ effects.

    With a = p x, N = a + q, share = S/(gamma + S), its mode a/N and the distance d = ln(z̄ q) - ln(gamma p) of their log
    odds, everything is written in ln(share/mode) and ln((1 - share)/(1 - mode)), which are small where terms like
    a ln(share) - ln B(a, q) are huge and cancel: amounts may vary as little as one in ten thousand.

    Args:
        p: Shape of a purchase.
        q: Shape of the law of scales.
        effects: Shape (k,).
        design: Shape (n, k); a column of ones where all customers have the same gamma.
        spend: The repeat buyers, n of them.
    """
    x, w = spend.x, spend.weight
    a = p * x
    total = a + q
    mode = a / total
    d = np.log(spend.mean) + np.log(q) - np.log(p) - design @ effects
    log_share = -np.log1p((q / total) * np.expm1(-d))
    log_rest = -np.log1p(mode * np.expm1(d))
    # Gamma functions depend on x alone, which takes few values.
    reached = np.bincount(x.astype(np.int64), weights=w)
    counts = np.flatnonzero(reached)
    buyers, shape = reached[counts], p * counts
    whole = shape + q
    level = 0.5 * np.log(shape * q / (2.0 * np.pi * whole))
    level += log_gamma_error(whole) - log_gamma_error(shape) - log_gamma_error(q)
    f = float(buyers @ level + w @ (a * log_share + q * log_rest - np.log(spend.mean)))
    common, curve = digamma_error(whole), polygamma(1, whole)
    slope_p = (buyers * counts) @ (common - digamma_error(shape)) + (w * x) @ log_share
    slope_q = buyers @ (common - digamma_error(q)) + w @ log_rest
    g = np.concatenate([[slope_p, slope_q], design.T @ (w * a * np.expm1(log_share))])
    share, rest = mode * np.exp(log_share), (q / total) * np.exp(log_rest)
    H = np.empty((g.size, g.size))
    H[0, 0] = -(buyers * counts**2) @ (polygamma(1, shape) - curve)
    H[0, 1] = H[1, 0] = (buyers * counts) @ curve
    H[1, 1] = -buyers @ (polygamma(1, q) - curve)
    H[0, 2:] = H[2:, 0] = -design.T @ (w * x * rest)
    H[1, 2:] = H[2:, 1] = design.T @ (w * share)
    H[2:, 2:] = -design.T @ ((w * total * share * rest)[:, None] * design)
    return f, g, H
