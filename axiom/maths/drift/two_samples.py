"""Tests of two samples of numbers: shape (Kolmogorov-Smirnov), mean (Welch), proportion."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from axiom.maths import checks

if TYPE_CHECKING:
    from axiom.maths.arrays import ArrayLike


def ks_statistic(a: ArrayLike, b: ArrayLike) -> float:
    """Largest distance of the two empirical distribution functions, sup |F_a(x) − F_b(x)|, in [0, 1].

    Args:
        a: one sample, shape (n,).
        b: the other, shape (m,).

    Raises:
        ValueError: what `checks.vector` refuses.
    """
    one, other = np.sort(checks.vector("a", a)), np.sort(checks.vector("b", b))
    both = np.concatenate((one, other))
    below_a = np.searchsorted(one, both, side="right") / one.size
    below_b = np.searchsorted(other, both, side="right") / other.size
    return float(np.abs(below_a - below_b).max())


def ks_p_value(statistic: float, n: float, m: float) -> float:
    """Probability of a distance at least this large where both samples come from one continuous distribution.

    Kolmogorov's limit at (√e + 0.12 + 0.11/√e)·D with e = n·m/(n + m) (Stephens 1970, JRSS B 32, 115-122). Where values
    are tied it is too large: the distance of a discrete distribution is stochastically smaller.

    Args:
        statistic: the distance, in [0, 1].
        n: independent rows of one sample, > 0; need not be whole.
        m: of the other, > 0.

    Raises:
        ValueError: a distance outside [0, 1], or a sample without rows.
    """
    if not 0 <= statistic <= 1:
        raise ValueError(f"statistic must lie in [0, 1], got {statistic:g}")
    if not (n > 0 and m > 0):
        raise ValueError(f"both samples need rows, got {n:g} and {m:g}")
    root = math.sqrt(n * m / (n + m))
    return float(special.kolmogorov((root + 0.12 + 0.11 / root) * statistic))


@dataclass(frozen=True)
class WelchTest:
    """Difference of two means in its own standard error, and the two-sided p-value of no difference."""

    statistic: float
    degrees_of_freedom: float
    p_value: float


def welch_t_test(a: ArrayLike, b: ArrayLike) -> WelchTest:
    """Welch's test of equal means without equal variances (Welch 1947, Biometrika 34, 28-35).

    t = (ā − b̄) / √(s_a²/n + s_b²/m), degrees of freedom by Satterthwaite. Two samples without any spread give p = 1
    where their means are equal, and p = 0 where they are not.

    Args:
        a: one sample, shape (n,), n >= 2.
        b: the other, shape (m,), m >= 2.

    Raises:
        ValueError: fewer than two rows, or what `checks.vector` refuses.
    """
    one, other = checks.vector("a", a), checks.vector("b", b)
    if min(one.size, other.size) < 2:
        raise ValueError(f"Welch's test needs two rows of each sample, got {one.size} and {other.size}")
    difference = float(one.mean() - other.mean())
    of_a, of_b = float(one.var(ddof=1)) / one.size, float(other.var(ddof=1)) / other.size
    squared = of_a + of_b
    if squared == 0:
        equal = difference == 0
        infinite = math.copysign(math.inf, difference)
        return WelchTest(0.0 if equal else infinite, float(one.size + other.size - 2), 1.0 if equal else 0.0)
    # Shares of the variance, not the variances: their squares may underflow.
    part_a, part_b = of_a / squared, of_b / squared
    freedom = 1 / (part_a**2 / (one.size - 1) + part_b**2 / (other.size - 1))
    t = difference / math.sqrt(squared)
    return WelchTest(t, freedom, float(2 * special.stdtr(freedom, -abs(t))))


def two_proportions_p_value(successes_a: float, trials_a: float, successes_b: float, trials_b: float) -> float:
    """Two-sided p-value of equal proportions by the pooled score test (Agresti 2013, Categorical Data Analysis, 3.2.1).

    Args:
        successes_a: of one sample, in [0, trials_a].
        trials_a: > 0.
        successes_b: of the other, in [0, trials_b].
        trials_b: > 0.

    Raises:
        ValueError: no trials, or successes outside [0, trials].
    """
    for name, successes, trials in (("a", successes_a, trials_a), ("b", successes_b, trials_b)):
        if not (trials > 0 and 0 <= successes <= trials):
            raise ValueError(
                f"successes of {name} must lie in [0, trials], trials > 0, got {successes:g} of {trials:g}"
            )
    pooled = (successes_a + successes_b) / (trials_a + trials_b)
    variance = pooled * (1 - pooled) * (1 / trials_a + 1 / trials_b)
    if variance == 0:
        return 1.0  # all or none of either: no difference
    z = abs(successes_a / trials_a - successes_b / trials_b) / math.sqrt(variance)
    return float(2 * special.ndtr(-z))
