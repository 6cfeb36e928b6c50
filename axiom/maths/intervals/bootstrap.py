"""The seeded bootstrap of any statistic that is a function of row weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from axiom.maths import checks
from axiom.maths.intervals.values import MetricValue, PairedTest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from axiom.maths.arrays import ArrayLike, FloatArray, IntArray

    Statistic = Callable[[FloatArray], FloatArray]

_CELLS_AT_ONCE = 4_000_000  # weights held in memory at a time: 32 MB


def each_draw(statistic: Callable[[FloatArray], float]) -> Statistic:
    """Turn a statistic of one weight vector (n,) into the batched form (draws, n) -> (draws,)."""
    return lambda weights: np.array([statistic(row) for row in weights])


def bootstrap_draws(
    statistic: Statistic, n: int, *, draws: int = 1000, seed: int = 0, strata: ArrayLike | None = None
) -> FloatArray:
    """Evaluate `statistic` on resamples of the rows with replacement (Efron 1979).

    A resample is a vector of counts: how often each row was drawn. Two models evaluated inside one statistic therefore
    see the same resample, which is what makes a comparison paired.

    Args:
        statistic: maps counts (batch, n) to values (batch, ...).
        n: rows.
        draws: resamples, >= 2.
        seed: the same seed gives the same draws.
        strata: (n,) labels; each stratum keeps its size, so a resample never loses a class.

    Returns:
        (draws, ...) values.

    Raises:
        ValueError: no rows, fewer than two draws, strata of the wrong length, or a statistic that is not finite.
    """
    if n < 1 or draws < 2:
        raise ValueError(f"the bootstrap needs at least one row and two draws, got {n} rows and {draws} draws")
    values = np.concatenate([np.asarray(statistic(w), dtype=np.float64) for w in _counts(n, draws, seed, strata)])
    if values.shape[0] != draws:
        raise ValueError(f"statistic must return one value per draw, got {values.shape[0]} for {draws} draws")
    if not np.isfinite(values).all():
        raise ValueError("statistic must be finite on every resample; pass strata to keep each class in")
    return values


def bootstrap(
    statistic: Statistic,
    n: int,
    *,
    level: float = 0.95,
    draws: int = 1000,
    seed: int = 0,
    strata: ArrayLike | None = None,
) -> MetricValue:
    """Percentile interval of a scalar statistic; see `bootstrap_draws` for the arguments and errors.

    A metric that resampling biases (ECE) can fall outside its percentile limits: they are widened to enclose it.
    """
    tail = 0.5 - checks.fraction("level", level) / 2
    value = float(statistic(np.ones((1, n)))[0])
    sample = bootstrap_draws(statistic, n, draws=draws, seed=seed, strata=strata)
    low, high = np.quantile(sample, [tail, 1 - tail])
    return MetricValue.enclosing(value, low, high)


def paired_bootstrap(
    statistic_a: Statistic,
    statistic_b: Statistic,
    n: int,
    *,
    level: float = 0.95,
    draws: int = 1000,
    seed: int = 0,
    strata: ArrayLike | None = None,
) -> PairedTest:
    """Interval and p-value of a − b, both evaluated on the same resamples.

    p = 2·min(P*(d <= 0), P*(d >= 0)), one draw added to each so that it is never 0 (Davison & Hinkley 1997, 4.11).
    """

    def difference(weights: FloatArray) -> FloatArray:
        return statistic_a(weights) - statistic_b(weights)

    tail = 0.5 - checks.fraction("level", level) / 2
    value = float(difference(np.ones((1, n)))[0])
    sample = bootstrap_draws(difference, n, draws=draws, seed=seed, strata=strata)
    low, high = np.quantile(sample, [tail, 1 - tail])
    smaller = min(np.count_nonzero(sample <= 0), np.count_nonzero(sample >= 0))
    p_value = min(1.0, 2 * (smaller + 1) / (draws + 1))
    return PairedTest(MetricValue.enclosing(value, low, high), p_value)


def _counts(n: int, draws: int, seed: int, strata: ArrayLike | None) -> Iterator[FloatArray]:
    rng = np.random.default_rng(seed)
    members = _members(n, strata)
    batch = max(1, min(draws, _CELLS_AT_ONCE // n))
    for start in range(0, draws, batch):
        size = min(batch, draws - start)
        counts = np.empty((size, n))
        shift = np.arange(size)[:, None]
        for rows in members:
            m = rows.size
            picks = rng.integers(0, m, size=(size, m)) + shift * m
            counts[:, rows] = np.bincount(picks.ravel(), minlength=size * m).reshape(size, m)
        yield counts


def _members(n: int, strata: ArrayLike | None) -> list[IntArray]:
    if strata is None:
        return [np.arange(n)]
    _, codes = checks.groups("strata", strata, n)
    return [np.flatnonzero(codes == code) for code in range(int(codes.max()) + 1)]
