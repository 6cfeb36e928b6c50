"""Is the predictive distribution right? Quantiles, intervals, counts and the probability integral transform (PIT)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from axiom.maths import checks
from axiom.maths.intervals import MetricValue, mean_interval, wilson

if TYPE_CHECKING:
    from axiom.maths.arrays import ArrayLike, FloatArray

_IMPOSSIBLE = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True)
class CountLogScore:
    """Mean −ln P(Y = y) with limits, in nats, lower is better; `impossible` rows had probability 0."""

    score: MetricValue
    impossible: int


@dataclass(frozen=True)
class PitTest:
    """Tests of uniformity of PIT values: Kolmogorov-Smirnov distance and chi-square over equal bins."""

    ks_statistic: float
    ks_p_value: float
    chi_square: float
    chi_square_p_value: float


def pinball_losses(actual: ArrayLike, quantile: ArrayLike, level: float) -> FloatArray:
    """Per-row pinball loss max(τ·(y − q), (τ − 1)·(y − q)) of the quantile q at level τ (Koenker & Bassett 1978).

    Raises:
        ValueError: level outside (0, 1), NaN, empty or lengths that differ.
    """
    tau = checks.fraction("level", level)
    y, q = checks.vector("actual", actual), checks.vector("quantile", quantile)
    checks.same_length(actual=y, quantile=q)
    return np.maximum(tau * (y - q), (tau - 1) * (y - q))


def pinball_loss(actual: ArrayLike, quantile: ArrayLike, level: float, weights: ArrayLike | None = None) -> float:
    """Mean of `pinball_losses`; the same errors."""
    losses = pinball_losses(actual, quantile, level)
    w = checks.row_weights(weights, losses.size)
    return float(w @ losses / w.sum())


def interval_coverage(actual: ArrayLike, low: ArrayLike, high: ArrayLike, level: float = 0.95) -> MetricValue:
    """Share of rows with low <= y <= high, with Wilson limits of confidence `level`.

    For counts this exceeds the nominal coverage even for a perfect model, because an integer interval cannot be cut
    finer; judge counts by `pit_coverage`.

    Raises:
        ValueError: low > high in a row, NaN, empty or lengths that differ.
    """
    y, lo, hi = checks.vector("actual", actual), checks.vector("low", low), checks.vector("high", high)
    checks.same_length(actual=y, low=lo, high=hi)
    if np.any(lo > hi):
        raise ValueError(f"low must not exceed high, {int((lo > hi).sum())} rows do")
    return wilson(int(((lo <= y) & (y <= hi)).sum()), y.size, level)


def count_log_score(pmf_at_outcome: ArrayLike, weights: ArrayLike | None = None, level: float = 0.95) -> CountLogScore:
    """Logarithmic score of count forecasts from P(Y = y) (n,) at what happened (Gneiting & Raftery 2007).

    A probability of 0 is scored as the smallest normal number (708.4 nats): the mean stays finite and shows the flaw.

    Raises:
        ValueError: a value outside [0, 1], NaN, empty, bad weights or fewer than two rows.
    """
    pmf = checks.probabilities(pmf_at_outcome, "pmf_at_outcome")
    score = mean_interval(-np.log(np.maximum(pmf, _IMPOSSIBLE)), weights, level)
    return CountLogScore(score, int((pmf < _IMPOSSIBLE).sum()))


def randomised_pit(cdf_below: ArrayLike, cdf_at: ArrayLike, seed: int = 0) -> FloatArray:
    """PIT values u = F(y−) + v·(F(y) − F(y−)), v uniform: uniform on [0, 1] exactly when F is right (Smith 1985).

    Args:
        cdf_below: (n,) P(Y < y). For a count this is F(y − 1); for money with a point mass at 0 it is 0 at y = 0.
        cdf_at: (n,) P(Y <= y). Equal to `cdf_below` where the distribution is continuous.
        seed: the same seed gives the same values.

    Raises:
        ValueError: a value outside [0, 1], cdf_below > cdf_at, NaN, empty or lengths that differ.
    """
    below, at = checks.probabilities(cdf_below, "cdf_below"), checks.probabilities(cdf_at, "cdf_at")
    checks.same_length(cdf_below=below, cdf_at=at)
    if np.any(below > at):
        raise ValueError(f"cdf_below must not exceed cdf_at, {int((below > at).sum())} rows do")
    return below + np.random.default_rng(seed).random(below.size) * (at - below)


def pit_coverage(pit: ArrayLike, low_level: float, high_level: float, level: float = 0.95) -> MetricValue:
    """Share of PIT values between two quantile levels, with Wilson limits: coverage that is exact for counts too.

    Args:
        pit: (n,) values of `randomised_pit`.
        low_level: level of the lower quantile, such as 0.05, or what `LevelMap.level` asks for in its place.
        high_level: level of the upper quantile.
        level: confidence level of the limits.

    Raises:
        ValueError: levels not ordered inside [0, 1], a value outside [0, 1], NaN or empty.
    """
    u = checks.probabilities(pit, "pit")
    if not 0 <= low_level <= high_level <= 1:
        raise ValueError(f"levels must be ordered inside [0, 1], got {low_level:g} and {high_level:g}")
    return wilson(int(((low_level <= u) & (u <= high_level)).sum()), u.size, level)


def pit_histogram(pit: ArrayLike, bins: int = 10) -> FloatArray:
    """Relative frequency (bins,) per equal bin of [0, 1]; 1 everywhere is perfect. U shape: intervals too narrow.

    Raises:
        ValueError: a value outside [0, 1], NaN, empty or fewer than two bins.
    """
    u = checks.probabilities(pit, "pit")
    if bins < 2:
        raise ValueError(f"bins must be at least 2, got {bins}")
    return np.histogram(u, bins=bins, range=(0.0, 1.0))[0] * (bins / u.size)


def pit_test(pit: ArrayLike, bins: int = 10) -> PitTest:
    """Test PIT values for uniformity; p-values ignore that the parameters were estimated, so they are slightly high.

    Raises:
        ValueError: as `pit_histogram`.
    """
    from scipy import stats  # slow to import and only needed here

    u = checks.probabilities(pit, "pit")
    heights = pit_histogram(u, bins)
    ks = stats.kstest(u, "uniform")
    chi_square = float(u.size / bins * ((heights - 1) ** 2).sum())
    return PitTest(float(ks.statistic), float(ks.pvalue), chi_square, float(special.chdtrc(bins - 1, chi_square)))
