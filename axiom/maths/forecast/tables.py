"""Tables that show where a forecast is wrong: by decile of the prediction, and by number of purchases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from axiom.maths import checks

if TYPE_CHECKING:
    from axiom.maths.arrays import ArrayLike


@dataclass(frozen=True)
class DecileRow:
    """One group of customers, group 1 with the highest predictions.

    `captured` is the share of the actual total in this and the better groups (0 when the total is 0).
    """

    group: int
    rows: int
    mean_predicted: float
    mean_actual: float
    captured: float


@dataclass(frozen=True)
class CountRow:
    """Customers with `purchases` of them ("0", "1", …, "7+"): observed, expected, and sd of the observed if true."""

    purchases: str
    observed: int
    expected: float
    standard_deviation: float


def decile_table(actual: ArrayLike, predicted: ArrayLike, groups: int = 10) -> tuple[DecileRow, ...]:
    """Mean forecast against mean outcome in groups of equal size, best first (fewer groups than 10 on fewer rows).

    Tied predictions that straddle a border share their mean outcome, so the order of the rows does not matter.

    Raises:
        ValueError: fewer than one group, NaN, empty or lengths that differ.
    """
    y, f = checks.vector("actual", actual), checks.vector("predicted", predicted)
    checks.same_length(actual=y, predicted=f)
    if groups < 1:
        raise ValueError(f"groups must be at least 1, got {groups}")
    _, tie = np.unique(f, return_inverse=True)
    shared = (np.bincount(tie, weights=y) / np.bincount(tie))[tie]
    order = np.argsort(-f, kind="stable")
    total, found, rows = float(y.sum()), 0.0, []
    for number, members in enumerate(np.array_split(order, min(groups, y.size)), start=1):
        found += float(shared[members].sum())
        captured = found / total if total else 0.0
        means = float(f[members].mean()), float(shared[members].mean())
        rows.append(DecileRow(number, members.size, *means, captured))
    return tuple(rows)


def count_table(actual: ArrayLike, pmf: ArrayLike) -> tuple[CountRow, ...]:
    """Observed against expected number of customers with 0, 1, …, k − 1 and k or more purchases.

    Expected is Σ_i P(Y_i = n); the standard deviation of the observed number under the model is √Σ p(1 − p).

    Args:
        actual: (n,) whole numbers >= 0.
        pmf: (n, k) P(Y_i = 0 … k − 1); what is missing to 1 is the last row "k+".

    Raises:
        ValueError: counts that are negative or not whole, probabilities outside [0, 1] or summing above 1, NaN, empty
            or lengths that differ.
    """
    y, p = checks.non_negative("actual", actual), checks.matrix("pmf", pmf)
    checks.same_length(actual=y, pmf=p)
    if np.any(y != np.floor(y)):
        raise ValueError("actual must hold whole numbers of purchases")
    tail = 1 - p.sum(axis=1)
    if p.min() < 0 or tail.min() < -1e-9:
        raise ValueError("pmf must hold probabilities >= 0 that sum to at most 1 in every row")
    k = p.shape[1]
    full = np.column_stack([p, np.maximum(tail, 0.0)])
    observed = np.bincount(np.minimum(y, k).astype(np.int64), minlength=k + 1)
    deviation = np.sqrt((full * (1 - full)).sum(axis=0))
    names = [str(n) for n in range(k)] + [f"{k}+"]
    expected = full.sum(axis=0)
    return tuple(
        CountRow(name, int(o), float(e), float(s))
        for name, o, e, s in zip(names, observed, expected, deviation, strict=True)
    )
