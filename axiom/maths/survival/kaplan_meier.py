"""Kaplan-Meier curves with bands, and the log-rank test of their equality."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from axiom.maths import checks
from axiom.maths.intervals import MetricValue
from axiom.maths.intervals.values import z_of

if TYPE_CHECKING:
    from axiom.maths.arrays import ArrayLike, BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class KaplanMeier:
    """A survival curve as a step function: arrays (k,) over time 0 and every distinct duration.

    `at_risk` counts customers (weight) just before each time, `events` and `censored` those who left at it; `survival`
    is S(t) from that time on, `low` and `high` its confidence limits.
    """

    times: FloatArray
    at_risk: FloatArray
    events: FloatArray
    censored: FloatArray
    survival: FloatArray
    low: FloatArray
    high: FloatArray

    def at(self, times: ArrayLike) -> FloatArray:
        """S(t) (m,) at times >= 0; beyond the last duration the last value holds, which data neither show nor deny.

        Raises:
            ValueError: a negative time, NaN or empty.
        """
        asked = checks.non_negative("times", times)
        return np.asarray(self.survival[np.searchsorted(self.times, asked, side="right") - 1])

    def quantile(self, share_gone: float = 0.5) -> MetricValue:
        """First time by which `share_gone` of the customers have left; infinity where a curve never falls so far.

        Limits invert the band (Brookmeyer & Crowley 1982).

        Raises:
            ValueError: share outside (0, 1).
        """
        left = 1 - checks.fraction("share_gone", share_gone)
        return MetricValue(*(self._first_at_or_below(curve, left) for curve in (self.survival, self.low, self.high)))

    def median(self) -> MetricValue:
        """Median time to churn with limits; infinity where fewer than half have left."""
        return self.quantile(0.5)

    def _first_at_or_below(self, curve: FloatArray, left: float) -> float:
        reached = curve <= left + 1e-12  # a product of exact shares may miss 0.5 by rounding
        return float(self.times[int(np.argmax(reached))]) if reached.any() else float("inf")


@dataclass(frozen=True)
class LogRankTest:
    """Chi-square of no difference between groups; `observed` and `expected` events (g,) follow the sorted labels."""

    statistic: float
    degrees_of_freedom: int
    p_value: float
    observed: FloatArray
    expected: FloatArray


def kaplan_meier(
    durations: ArrayLike, events: ArrayLike, weights: ArrayLike | None = None, level: float = 0.95
) -> KaplanMeier:
    """Product-limit estimate S(t) = Π (1 − d/n) with log-log limits from Greenwood's variance.

    Limits exp(−exp(ln(−ln S) ± z·√(Σ d/(n(n − d)))/ln S)) stay inside [0, 1] (Kalbfleisch & Prentice 1980, 1.14). Where
    S is 1 both are 1; where S has reached 0 the variance is undefined and the upper limit keeps its last value.

    Args:
        durations: (n,) time to churn or to the end of observation, >= 0.
        events: (n,) 1 = churned, 0 = still a customer.
        weights: (n,) optional, read as numbers of customers.
        level: pointwise confidence level.

    Raises:
        ValueError: negative durations, events not 0/1, NaN, empty, lengths that differ or bad weights.
    """
    t, e, w = checked_durations(durations, events, weights)
    times, index = np.unique(t, return_inverse=True)
    left, deaths = sums_at(index, w), sums_at(index, w * e)
    at_risk = np.cumsum(left[::-1])[::-1]
    if times[0] > 0:
        times, at_risk = np.concatenate(([0.0], times)), np.concatenate((at_risk[:1], at_risk))
        left, deaths = np.concatenate(([0.0], left)), np.concatenate(([0.0], deaths))
    remaining = at_risk - deaths
    # Sums of weights in different orders can leave 1e-16 of a customer behind.
    remaining[remaining <= 1e-12 * at_risk] = 0.0
    survival = np.cumprod(np.divide(remaining, at_risk, out=np.ones(times.size), where=at_risk > 0)).astype(np.float64)
    variance = np.cumsum(np.divide(deaths, at_risk * remaining, out=np.zeros(times.size), where=remaining > 0))
    low, high = _log_log_limits(survival, variance, z_of(level))
    return KaplanMeier(times, at_risk, deaths, left - deaths, survival, low, high)


def log_rank_test(durations: ArrayLike, events: ArrayLike, groups: ArrayLike) -> LogRankTest:
    """Log-rank test of equal hazards in g groups, hypergeometric variance (Mantel 1966; Peto & Peto 1972).

    Args:
        durations: (n,) >= 0.
        events: (n,) 1 = churned.
        groups: (n,) labels of any sortable type, at least two distinct.

    Raises:
        ValueError: one group only, no event, or what `kaplan_meier` refuses.
    """
    t, e, _ = checked_durations(durations, events, None)
    names, group = checks.groups("groups", groups, t.size)
    if names.size < 2:
        raise ValueError("groups must hold at least two labels to compare")
    if not e.any():
        raise ValueError("events must hold at least one 1: without events there is nothing to compare")
    times = np.unique(t[e])
    g, k = names.size, times.size
    # A row is at risk at the first `seen` event times.
    seen = np.searchsorted(times, t, side="right")
    at_risk = np.bincount(group * (k + 1) + seen, minlength=g * (k + 1)).reshape(g, k + 1)
    at_risk = np.cumsum(at_risk[:, ::-1], axis=1)[:, ::-1][:, 1:].astype(np.float64)
    deaths = np.bincount(seen[e] - 1, minlength=k).astype(np.float64)
    observed = np.bincount(group[e], minlength=g).astype(np.float64)
    total = at_risk.sum(axis=0)
    expected = at_risk @ (deaths / total)
    spread = np.divide(deaths * (total - deaths), total**2 * (total - 1), out=np.zeros(k), where=total > 1)
    covariance = np.diag(at_risk @ (spread * total)) - (at_risk * spread) @ at_risk.T
    excess = (observed - expected)[:-1]
    statistic = float(excess @ np.linalg.pinv(covariance[:-1, :-1]) @ excess)
    return LogRankTest(statistic, g - 1, float(special.chdtrc(g - 1, statistic)), observed, expected)


def checked_durations(
    durations: ArrayLike, events: ArrayLike, weights: ArrayLike | None
) -> tuple[FloatArray, BoolArray, FloatArray]:
    """Durations >= 0, event flags and weights of one length.

    Raises:
        ValueError: names the broken rule.
    """
    t, e = checks.non_negative("durations", durations), checks.events(events)
    checks.same_length(durations=t, events=e)
    return t, e, checks.row_weights(weights, t.size)


def sums_at(index: IntArray, values: FloatArray) -> FloatArray:
    """Sum of `values` for each index from 0 up."""
    return np.bincount(index, weights=values).astype(np.float64)


def _log_log_limits(survival: FloatArray, variance: FloatArray, z: float) -> tuple[FloatArray, FloatArray]:
    low, high = np.ones(survival.size), np.ones(survival.size)
    inside = (survival > 0) & (survival < 1)
    log_s = np.log(survival[inside])
    shift = z * np.sqrt(variance[inside]) / log_s
    low[inside] = np.exp(log_s * np.exp(-shift))
    high[inside] = np.exp(log_s * np.exp(shift))
    gone = survival == 0
    low[gone] = 0.0
    if gone.any():
        first = int(np.argmax(gone))
        high[gone] = high[first - 1] if first else 1.0
    return low, high
