"""DeLong's variance of the AUC and the paired test of two AUCs, in O(n log n)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from axiom.maths import checks
from axiom.maths.intervals.values import MetricValue, PairedTest, wilson, z_of

if TYPE_CHECKING:
    from axiom.maths.arrays import ArrayLike, FloatArray, IntArray


def delong_interval(y: ArrayLike, score: ArrayLike, level: float = 0.95) -> MetricValue:
    """AUC with DeLong's variance, limits set on the logit scale so that they stay inside (0, 1).

    Var(A) = Var(V10)/m + Var(V01)/n with the structural components V of the m positives and n negatives
    (DeLong, DeLong & Clarke-Pearson 1988), computed from midranks (Sun & Xu 2014, IEEE SPL 21, eq. 5-8). When
    the estimated variance is zero (AUC exactly 0 or 1) the interval is Wilson's on min(m, n) trials, because
    Var(A) <= A(1 − A)/min(m, n) (Birnbaum & Klose 1957).

    Raises:
        ValueError: fewer than two rows of either class, or what `checks` refuses.
    """
    labels, scores = checks.outcomes(y), checks.vector("score", score)
    of_positives, of_negatives = _components(labels, scores)
    value, error = float(of_positives.mean()), _standard_error(of_positives, of_negatives)
    if error == 0 or not 0 < value < 1:
        smaller = min(of_positives.size, of_negatives.size)
        return wilson(value * smaller, smaller, level)
    half = z_of(level) * error / (value * (1 - value))
    centre = float(special.logit(value))
    return MetricValue.enclosing(value, special.expit(centre - half), special.expit(centre + half))


def delong_test(y: ArrayLike, score_a: ArrayLike, score_b: ArrayLike, level: float = 0.95) -> PairedTest:
    """Test whether AUC(a) = AUC(b) on the same rows; the difference is a − b.

    Equal rankings give difference 0 and p-value 1. If the estimated variance is zero though the AUCs differ (both
    0, ½ or 1, tiny samples) the widths of the two single intervals are added, which no correlation exceeds.

    Raises:
        ValueError: lengths differ, fewer than two rows of either class, or what `checks` refuses.
    """
    labels = checks.outcomes(y)
    positives_a, negatives_a = _components(labels, checks.vector("score_a", score_a))
    positives_b, negatives_b = _components(labels, checks.vector("score_b", score_b))
    difference = float(positives_a.mean() - positives_b.mean())
    error = _standard_error(positives_a - positives_b, negatives_a - negatives_b)
    z = z_of(level)
    if error == 0:
        if difference == 0:
            return PairedTest(MetricValue(0.0, 0.0, 0.0), 1.0)
        smaller = min(positives_a.size, negatives_a.size)
        top = wilson(max(positives_a.mean(), positives_b.mean()) * smaller, smaller, level)
        bottom = wilson(min(positives_a.mean(), positives_b.mean()) * smaller, smaller, level)
        error = (top.value - top.low + bottom.high - bottom.value) / z
    interval = MetricValue(difference, max(-1.0, difference - z * error), min(1.0, difference + z * error))
    return PairedTest(interval, float(2 * special.ndtr(-abs(difference) / error)))


def _components(labels: FloatArray, score: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Per positive the share of negatives it outranks (m,), per negative the share of positives above it (n,)."""
    checks.same_length(y=labels, score=score)
    positive = labels == 1
    m, n = int(positive.sum()), int((~positive).sum())
    if min(m, n) < 2:
        raise ValueError(f"DeLong's variance needs at least two rows of each class, got {m} positive and {n} negative")
    overall = _midranks(score)
    of_positives = (overall[positive] - _midranks(score[positive])) / n
    of_negatives = 1 - (overall[~positive] - _midranks(score[~positive])) / m
    return of_positives, of_negatives


def _standard_error(of_positives: FloatArray, of_negatives: FloatArray) -> float:
    m, n = of_positives.size, of_negatives.size
    return math.sqrt(float(of_positives.var(ddof=1) / m + of_negatives.var(ddof=1) / n))


def _midranks(values: FloatArray) -> FloatArray:
    """1-based ranks, ties sharing their mean rank."""
    order: IntArray = np.argsort(values)
    ordered = values[order]
    first = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    size = np.diff(np.append(first, values.size))
    ranks = np.empty(values.size)
    ranks[order] = np.repeat(first + (size + 1) / 2, size)
    return ranks
