"""Harrell's concordance index in O(n log n), without a loop over customers."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

from axiom.maths import checks
from axiom.maths.survival.kaplan_meier import checked_durations

if TYPE_CHECKING:
    from axiom.maths.arrays import ArrayLike, BoolArray, FloatArray, IntArray

    Array = TypeVar("Array", FloatArray, IntArray)


def concordance_index(
    durations: ArrayLike, events: ArrayLike, risk: ArrayLike, weights: ArrayLike | None = None
) -> float:
    """Share of comparable pairs in which the one who churned first had the higher risk, ties in risk counted half.

    A pair is comparable when one of the two churned and the other was observed longer, or was censored at that very
    time (Harrell, Lee & Mark 1996). A weighted pair counts the product of its weights.

    Args:
        durations: (n,) >= 0.
        events: (n,) 1 = churned.
        risk: (n,) any scale, higher = expected to churn earlier.
        weights: (n,) optional.

    Returns:
        A number in [0, 1]; 0.5 for a constant risk.

    Raises:
        ValueError: no comparable pair, NaN, empty, lengths that differ, negative durations or weights.
    """
    t, e, w = checked_durations(durations, events, weights)
    r = checks.vector("risk", risk)
    checks.same_length(durations=t, risk=r)
    # End of observation as a rank in which a censored customer leaves just after those who churn at the same time.
    order = np.lexsort((~e, t))
    end = _dense_ranks(t[order], e[order], order)
    level = np.unique(r, return_inverse=True)[1]
    later = _weight_of_larger(end, w)
    comparable = float((w * later)[e].sum())
    if comparable <= 0:
        raise ValueError("no comparable pair: nobody was observed beyond a churn of another customer")
    # Risk downwards and, within a tie, end downwards: rows of lower risk and later end are then exactly the following
    # rows of larger end.
    walk = np.lexsort((-end, -level))
    concordant = _following_larger(end[walk], w[walk], e[walk])
    pairs = level * (int(end.max()) + 1) + end
    tied = _weight_of_larger(pairs, w) - _weight_of_larger(level, w)
    return (concordant + 0.5 * float((w * tied)[e].sum())) / comparable


def _dense_ranks(times: FloatArray, churned: BoolArray, order: IntArray) -> IntArray:
    new = np.concatenate(([False], (times[1:] != times[:-1]) | (churned[1:] != churned[:-1])))
    ranks = np.empty(times.size, dtype=np.int64)
    ranks[order] = np.cumsum(new)
    return ranks


def _weight_of_larger(keys: IntArray, w: FloatArray) -> FloatArray:
    """Per row the weight of all rows with a strictly larger key."""
    _, index = np.unique(keys, return_inverse=True)
    mass = np.bincount(index, weights=w)
    return np.asarray((mass.sum() - np.cumsum(mass))[index])


def _following_larger(keys: IntArray, w: FloatArray, counted: BoolArray) -> float:
    """Σ over counted i and j > i with keys[j] > keys[i] of w_i·w_j.

    Two ranks differ first at some binary digit, where the smaller has 0 and the larger 1. From the highest digit down,
    rows are kept in blocks that agree on all higher digits, in their original order; each 0 then meets the 1s that
    follow it in its block. Ranks form a permutation of 0 … 2^bits − 1, so every block is half zeros, half ones, and
    splitting it needs no sort.
    """
    n = keys.size
    bits = max(1, (n - 1).bit_length())
    rank = np.arange(1 << bits)
    rank[np.lexsort((-np.arange(n), keys))] = np.arange(n)  # of equal keys the later row gets the smaller rank
    mass, credit = np.zeros(1 << bits), np.zeros(1 << bits)
    mass[:n] = w
    credit[:n] = np.where(counted, w, 0.0)
    total = 0.0
    for bit in reversed(range(bits)):
        upper = (rank >> bit & 1).astype(bool)
        above = np.cumsum(np.where(upper, mass, 0.0)).reshape(-1, 2 << bit)
        following = (above[:, -1:] - above).ravel()
        total += float(np.where(upper, 0.0, credit) @ following)
        rank, mass, credit = _split(rank, upper, bit), _split(mass, upper, bit), _split(credit, upper, bit)
    return total


def _split(values: Array, upper: BoolArray, bit: int) -> Array:
    parts = values[~upper].reshape(-1, 1 << bit), values[upper].reshape(-1, 1 << bit)
    return np.concatenate(parts, axis=1).ravel()
