"""The form of every reported number, and the intervals of means and proportions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from axiom.maths import checks

if TYPE_CHECKING:
    from axiom.maths.arrays import ArrayLike


@dataclass(frozen=True)
class MetricValue:
    """A number with its confidence limits, `low <= value <= high`."""

    value: float
    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.low <= self.value <= self.high:
            raise ValueError(f"limits must enclose the value, got {self.low} <= {self.value} <= {self.high}")

    @classmethod
    def enclosing(cls, value: float, low: float, high: float) -> MetricValue:
        """Build from limits that may miss the value (by rounding, or a biased bootstrap): they are widened to it."""
        return cls(float(value), min(float(value), float(low)), max(float(value), float(high)))


@dataclass(frozen=True)
class PairedTest:
    """The difference a − b of two models on the same rows, and the two-sided p-value of no difference."""

    difference: MetricValue
    p_value: float


def z_of(level: float) -> float:
    """Normal quantile of a two-sided interval of `level`."""
    return float(special.ndtri(0.5 + checks.fraction("level", level) / 2))


def normal_interval(value: float, standard_error: float, level: float = 0.95) -> MetricValue:
    """Wald interval value ± z·se."""
    half = z_of(level) * standard_error
    return MetricValue(value, value - half, value + half)


def wilson(successes: float, trials: float, level: float = 0.95) -> MetricValue:
    """Interval of a proportion by inverting the score test (Wilson 1927, JASA 22, 209-212).

    Args:
        successes: count or weight of successes, in [0, trials].
        trials: count or weight of trials, > 0.
        level: confidence level.

    Raises:
        ValueError: no trials, or successes outside [0, trials].
    """
    if not (math.isfinite(trials) and trials > 0):
        raise ValueError(f"trials must be a positive number, got {trials:g}")
    if not 0 <= successes <= trials:
        raise ValueError(f"successes must lie in [0, trials], got {successes:g} of {trials:g}")
    z2 = z_of(level) ** 2
    share = successes / trials
    centre = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = math.sqrt(z2 * (share * (1 - share) / trials + z2 / (4 * trials**2))) / (1 + z2 / trials)
    return MetricValue.enclosing(share, max(0.0, centre - half), min(1.0, centre + half))


def mean_interval(values: ArrayLike, weights: ArrayLike | None = None, level: float = 0.95) -> MetricValue:
    """Weighted mean of per-row values with Student's t limits.

    se² = Σ w²(v − m)² / (Σ w)² · n/(n − 1), the linearised (sandwich) variance; with equal weights it is s²/n.
    Serves every metric that is a mean over rows: Brier score, log loss, MAE, pinball, coverage.

    Raises:
        ValueError: fewer than two rows of positive weight, or what `checks` refuses.
    """
    mean, error, degrees = mean_and_error(values, weights)
    half = float(special.stdtrit(degrees, 0.5 + checks.fraction("level", level) / 2)) * error
    return MetricValue(mean, mean - half, mean + half)


def paired_mean(a: ArrayLike, b: ArrayLike, weights: ArrayLike | None = None, level: float = 0.95) -> PairedTest:
    """Paired t test of two per-row losses on the same rows: mean of a − b, its limits and p-value.

    Raises:
        ValueError: lengths differ, or what `mean_interval` refuses.
    """
    first, second = checks.vector("a", a), checks.vector("b", b)
    checks.same_length(a=first, b=second)
    interval = mean_interval(first - second, weights, level)
    mean, error, degrees = mean_and_error(first - second, weights)
    if error == 0:
        return PairedTest(interval, 1.0 if mean == 0 else 0.0)
    return PairedTest(interval, float(2 * special.stdtr(degrees, -abs(mean) / error)))


def mean_and_error(values: ArrayLike, weights: ArrayLike | None = None) -> tuple[float, float, int]:
    """Weighted mean, its standard error and the degrees of freedom, as `mean_interval` uses them; the same errors."""
    v = checks.vector("values", values)
    w = checks.row_weights(weights, v.shape[0])
    n = int(np.count_nonzero(w))
    if n < 2:
        raise ValueError("an interval of a mean needs at least two rows of positive weight, got one")
    share = w / w.sum()
    mean = float(share @ v)
    error = math.sqrt(float(share**2 @ (v - mean) ** 2) * n / (n - 1))
    return mean, error, n - 1
