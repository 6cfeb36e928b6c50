"""Tests that may be looked at after every single observation: confidence sequences for means of bounded numbers.

A usual interval keeps its promise once, at a sample size fixed beforehand; looked at after each batch it is wrong far
more often than it says. A confidence sequence holds at all sample sizes together:

    P(for all n: |mean of x_1..x_n − μ_n| ≤ width_n) ≥ 1 − α,   μ_n = (1/n) Σ E[x_i | past],

so one may look whenever one likes and stop as soon as one likes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import gammainc, gammaln

from axiom.maths import checks

if TYPE_CHECKING:
    from axiom.maths.arrays import ArrayLike, BoolArray, FloatArray

_HALVINGS = 60  # of the bracket around the boundary: beyond the precision of a float


@dataclass(frozen=True)
class SequentialMean:
    """A mean with an interval that holds at every sample size at once.

    Attributes:
        n: observations so far.
        mean: of them.
        low: lower end of the interval.
        high: upper end.
        alpha: probability that the sequence of intervals ever misses.
    """

    n: int
    mean: float
    low: float
    high: float
    alpha: float


def sequential_mean(
    x: ArrayLike, *, scale: float, alpha: float, tuned_to: float, predicted: ArrayLike | None = None
) -> SequentialMean:
    """Empirical-Bernstein confidence sequence at the present sample size.

    Howard, Ramdas, McAuliffe & Sekhon 2021, "Time-uniform, nonparametric, nonasymptotic confidence sequences",
    Theorem 4 with the boundary of Proposition 9: with predictions x̂_i that know x_1..x_{i−1} only, and
    |x_i − x̂_i| ≤ c, the interval is

        mean ± u(V_n) / n,   V_n = Σ (x_i − x̂_i)²,

    u being the two-sided gamma-exponential mixture boundary. Nothing is assumed about the law of x beyond its bounds,
    and the conditional means may drift: the interval is about their average.

    Args:
        x: observations in the order in which they came, shape (n,).
        scale: c, which no |x_i − x̂_i| can exceed; fixed before the first observation.
        alpha: probability of ever missing, in (0, 1).
        tuned_to: V at which the interval is to be tightest, > 0; fixed before the first observation. A wrong guess
            costs width, never validity.
        predicted: x̂, shape (n,); default: the mean of the observations before, and of half of `scale` once.

    Raises:
        ValueError: empty or not finite, a deviation above `scale`, `scale` or `tuned_to` not positive, `alpha` no
            fraction.
    """
    values = checks.vector("x", x)
    guesses = running_mean(values, first=scale / 2) if predicted is None else checks.vector("predicted", predicted)
    checks.same_length(x=values, predicted=guesses)
    deviations = values - guesses
    if (worst := float(np.abs(deviations).max())) > scale * (1 + 1e-9):
        raise ValueError(f"scale must bound every deviation from its prediction, got {worst:g} above {scale:g}")
    n, mean = len(values), float(values.mean())
    variance = np.array([float(deviations @ deviations)])
    width = float(boundary(variance, scale=scale, alpha=alpha / 2, tuned_to=tuned_to)[0]) / n
    return SequentialMean(n, mean, mean - width, mean + width, alpha)


def running_mean(x: FloatArray, first: float) -> FloatArray:
    """Mean of everything before each observation and of `first`, which stands for what is expected at the outset."""
    before = np.concatenate(([0.0], np.cumsum(x)[:-1]))
    return np.asarray((first + before) / np.arange(1, len(x) + 1))


def boundary(v: ArrayLike, *, scale: float, alpha: float, tuned_to: float) -> FloatArray:
    """The sum s that a sub-exponential process of intrinsic time v exceeds at any time with probability at most α.

    Solves `log_mixture`(s, v) = ln(1 / α) for s >= 0 by halving, for each v.

    Args:
        v: intrinsic times, >= 0, shape (n,).
        scale: c > 0 of the sub-exponential process.
        alpha: one-sided error, in (0, 1).
        tuned_to: intrinsic time at which it is to be tightest, > 0.

    Raises:
        ValueError: out of range.
    """
    times = checks.non_negative("v", v)
    level = np.log(1 / checks.fraction("alpha", alpha))
    rho = mixture_rho(tuned_to, alpha)
    low, high = np.zeros_like(times), np.sqrt(2 * level * (times + rho)) + scale * level
    while (short := log_mixture(high, times, scale=scale, rho=rho) < level).any():
        high = np.where(short, 2 * high, high)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        below = log_mixture(middle, times, scale=scale, rho=rho) < level
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.asarray(high)


def log_mixture(s: ArrayLike, v: ArrayLike, *, scale: float, rho: float) -> FloatArray:
    """Logarithm of the gamma-exponential mixture supermartingale m(s, v) (same paper, Proposition 9).

    m(s, v) = ∫ exp{λ s − ψ_E(λ) v} dF(λ) with ψ_E(λ) = (−ln(1 − cλ) − cλ) / c². With 1 − cλ = u of density proportional
    to u^{ρ/c² − 1} e^{−u ρ/c²} on (0, 1], a = (v + ρ)/c², b = (cs + v + ρ)/c² and P the regularised lower incomplete
    gamma function:

        ln m = ln Γ(a) + ln P(a, b) − a ln b + (cs + v)/c² − [ln Γ(r) + ln P(r, r) − r ln r],   r = ρ/c².

    A process that stays below ln(1/α) with probability 1 − α at all times together (Ville 1939).

    Args:
        s: sums of deviations, >= 0, shape (n,).
        v: intrinsic times, >= 0, shape (n,).
        scale: c > 0.
        rho: mixing parameter, > 0.

    Raises:
        ValueError: out of range.
    """
    if not (scale > 0 and rho > 0):
        raise ValueError(f"scale and rho must be positive, got {scale:g} and {rho:g}")
    sums, times = np.asarray(s, dtype=np.float64), np.asarray(v, dtype=np.float64)
    square = scale * scale
    shape, r = (times + rho) / square, rho / square
    rate = shape + sums / scale
    start = gammaln(r) + np.log(gammainc(r, r)) - r * np.log(r)
    return np.asarray(
        gammaln(shape) + np.log(gammainc(shape, rate)) - shape * np.log(rate) + (sums / scale + times / square) - start
    )


def mixture_rho(tuned_to: float, alpha: float) -> float:
    """ρ that makes the one-sided boundary tight at intrinsic time `tuned_to`: t / (2 ln(1/α) + ln(1 + 2 ln(1/α))).

    The approximation of the same paper's section 3.5 for the normal mixture, which the gamma mixture resembles there.

    Raises:
        ValueError: `tuned_to` is not positive, or `alpha` no fraction.
    """
    if not tuned_to > 0:
        raise ValueError(f"tuned_to must be positive, got {tuned_to:g}")
    level = 2 * float(np.log(1 / checks.fraction("alpha", alpha)))
    return float(tuned_to / (level + np.log1p(level)))


def split_differences(loss: ArrayLike, treated: BoolArray, share: ArrayLike, *, most: float) -> FloatArray:
    """Per unit of a randomised split, a number whose mean is the mean loss of the treated minus that of the others.

        z_i = (loss_i − m_i) · (T_i / s_i − (1 − T_i) / (1 − s_i)),

    the inverse-propensity estimate (Horvitz & Thompson 1952) around m_i, the mean loss of the units before, which
    changes no expectation, because E[T/s − (1 − T)/(1 − s)] = 0, and takes away most of the variance.

    Args:
        loss: of each unit in the order in which they came, in [0, most], shape (n,).
        treated: T, who drew the treatment, shape (n,).
        share: s, the probability with which each unit could draw it, strictly inside (0, 1), shape (n,).
        most: the largest possible loss; |z_i| <= most / min(s_i, 1 − s_i).

    Raises:
        ValueError: out of range, or lengths differ.
    """
    losses, shares = checks.non_negative("loss", loss), checks.probabilities(share, "share")
    checks.same_length(loss=losses, treated=treated, share=shares)
    if losses.max() > most * (1 + 1e-9):
        raise ValueError(f"loss must be at most {most:g}, got {losses.max():g}")
    if shares.min() <= 0 or shares.max() >= 1:
        raise ValueError(f"share must lie strictly between 0 and 1, got {shares.min():g} to {shares.max():g}")
    weights = np.where(treated, 1 / shares, -1 / (1 - shares))
    return np.asarray((losses - running_mean(losses, first=most / 2)) * weights)


def concordance(x: ArrayLike, y: ArrayLike) -> FloatArray:
    """Per disjoint pair of neighbours, whether x and y order it alike: 1 alike, −1 the other way, 0 where one ties.

    The mean of sign(x_{2k} − x_{2k+1}) · sign(y_{2k} − y_{2k+1}) over disjoint pairs is an unbiased estimate of
    Kendall's τ (Kendall 1938), of independent bounded terms, which is what a confidence sequence needs. A pair that
    ties in both counts as 1: the two agree.

    Args:
        x: shape (n,), in random order.
        y: shape (n,), of the same units.

    Returns:
        shape (n // 2,).

    Raises:
        ValueError: fewer than two units, not finite, or lengths differ.
    """
    first, second = checks.vector("x", x), checks.vector("y", y)
    checks.same_length(x=first, y=second)
    if len(first) < 2:
        raise ValueError("x must hold at least two units to compare")
    even = len(first) // 2 * 2
    steps = [np.sign(values[0:even:2] - values[1:even:2]) for values in (first, second)]
    return np.where((steps[0] == 0) & (steps[1] == 0), 1.0, steps[0] * steps[1])
