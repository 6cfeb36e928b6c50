"""Brier score of predicted survival under censoring."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from axiom.maths import checks
from axiom.maths.survival.kaplan_meier import checked_durations, sums_at

if TYPE_CHECKING:
    from axiom.maths.arrays import ArrayLike, BoolArray, FloatArray


@dataclass(frozen=True)
class BrierCurve:
    """Score (m,) at each time, in [0, 1] up to weighting noise, and its mean over the time span (trapezoid rule)."""

    times: FloatArray
    score: FloatArray
    integrated: float


def ipcw_brier(
    durations: ArrayLike,
    events: ArrayLike,
    survival: ArrayLike,
    times: ArrayLike,
    weights: ArrayLike | None = None,
) -> BrierCurve:
    """Brier score with inverse probability of censoring weights (Graf et al. 1999, Stat. Med. 18, 2529-2545).

        BS(t) = Σ w·[ S(t)²·1{T <= t, event}/G(T−) + (1 − S(t))²·1{T > t}/G(t) ] / Σ w

    with G the Kaplan-Meier curve of censoring on the same rows (of equal times, churn comes before censoring). Without
    censoring it is the plain Brier score of "still a customer at t".

    Args:
        durations: (n,) >= 0.
        events: (n,) 1 = churned.
        survival: (n, m) predicted P(T > t) for every customer and time.
        times: (m,) increasing, >= 0.
        weights: (n,) optional.

    Raises:
        ValueError: times not increasing or at which G is 0 (nobody observed any more), survival outside [0, 1] or of
            another shape, or what `kaplan_meier` refuses.
    """
    t, e, w = checked_durations(durations, events, weights)
    asked, s = checks.non_negative("times", times), checks.matrix("survival", survival)
    if s.shape != (t.size, asked.size):
        raise ValueError(f"survival must have shape (rows, times) = ({t.size}, {asked.size}), got {s.shape}")
    if s.min() < 0 or s.max() > 1:
        raise ValueError(f"survival must be probabilities in [0, 1], got {s.min():g} to {s.max():g}")
    if np.any(np.diff(asked) <= 0):
        raise ValueError("times must increase strictly")
    steps, g = _censoring_curve(t, e, w)
    g_at = g[np.searchsorted(steps, asked, side="right")]
    if g_at.min() <= 0:
        raise ValueError(f"times must end before the last observation {t.max():g}: nobody is observed at {asked[-1]:g}")
    g_before = g[np.searchsorted(steps, t, side="left")]
    # A churner has weight in G just before the churn, so the division is safe exactly where it is used.
    gone = np.divide(w * e, g_before, out=np.zeros(t.size), where=e)
    churned: BoolArray = t[:, None] <= asked
    score = (gone[:, None] * churned * s**2 + (w[:, None] / g_at) * ~churned * (1 - s) ** 2).sum(axis=0) / w.sum()
    integrated = float(np.trapezoid(score, asked) / np.ptp(asked)) if asked.size > 1 else float(score[0])
    return BrierCurve(asked, score, integrated)


def _censoring_curve(t: FloatArray, e: BoolArray, w: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Times and G after each of them, preceded by G = 1: `g[searchsorted(times, t, side)]` reads G(t) or G(t−)."""
    times, index = np.unique(t, return_inverse=True)
    left, lost = sums_at(index, w), sums_at(index, w * ~e)
    at_risk = np.cumsum(left[::-1])[::-1] - (left - lost)
    share = np.divide(lost, at_risk, out=np.zeros(times.size), where=lost > 0)
    return times, np.concatenate(([1.0], np.cumprod(np.maximum(1 - share, 0.0))))
