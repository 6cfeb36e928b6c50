"""Errors of point forecasts over customers: `actual` and `predicted` are (n,) in one unit, weights optional.

Every function raises ValueError for empty input, NaN, lengths that differ and bad weights. All are sums over rows, so
`intervals.bootstrap(each_draw(lambda w: rmse(actual, predicted, w)), n)` gives an interval for any of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from axiom.maths import checks

if TYPE_CHECKING:
    from axiom.maths.arrays import ArrayLike, FloatArray


@dataclass(frozen=True)
class Defined:
    """A mean over the rows for which it is defined, and how many these are of all rows."""

    value: float
    defined_rows: int
    rows: int


def mae(actual: ArrayLike, predicted: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Mean absolute error. Alone it rewards forecasts biased towards the median: read `total_bias` beside it."""
    y, f, w = _rows(actual, predicted, weights)
    return float(w @ np.abs(f - y) / w.sum())


def rmse(actual: ArrayLike, predicted: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Root mean squared error."""
    y, f, w = _rows(actual, predicted, weights)
    return math.sqrt(float(w @ (f - y) ** 2 / w.sum()))


def r_squared(actual: ArrayLike, predicted: ArrayLike, weights: ArrayLike | None = None) -> float:
    """1 − Σ(y − f)² / Σ(y − ȳ)², at most 1, negative when worse than the mean.

    Raises:
        ValueError: every actual value is the same.
    """
    y, f, w = _rows(actual, predicted, weights)
    if np.ptp(y[w > 0]) == 0:
        raise ValueError("actual must vary: R² of a constant is undefined")
    return 1 - float(w @ (f - y) ** 2) / float(w @ (y - w @ y / w.sum()) ** 2)


def mape(actual: ArrayLike, predicted: ArrayLike, weights: ArrayLike | None = None) -> Defined:
    """Mean of |f − y| / |y| over the rows with y ≠ 0, as a ratio (1 = 100 %), and how many rows these are.

    Raises:
        ValueError: every actual value (of positive weight) is 0.
    """
    y, f, w = _rows(actual, predicted, weights)
    defined = (y != 0) & (w > 0)
    if not defined.any():
        raise ValueError("actual must hold a value other than 0: MAPE has no defined row")
    ratio = np.abs(f - y)[defined] / np.abs(y[defined])
    return Defined(float(w[defined] @ ratio / w[defined].sum()), int(defined.sum()), y.size)


def smape(actual: ArrayLike, predicted: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Mean of 2|f − y| / (|y| + |f|), in [0, 2]; a row with y = f = 0 counts 0 (Makridakis 1993).

    A customer with y = 0 gives 2 whatever the forecast, so it hardly tells models of sparse buyers apart.
    """
    y, f, w = _rows(actual, predicted, weights)
    size = np.abs(y) + np.abs(f)
    ratio = np.divide(2 * np.abs(f - y), size, out=np.zeros(y.size), where=size > 0)
    return float(w @ ratio / w.sum())


def mase(actual: ArrayLike, predicted: ArrayLike, naive: ArrayLike, weights: ArrayLike | None = None) -> float:
    """MAE over the MAE of a naive forecast (n,) for the same rows, such as past rate × horizon; below 1 beats it.

    Scaled error of Hyndman & Koehler 2006 with the naive forecast given, because a customer has no long series.

    Raises:
        ValueError: the naive forecast makes no error at all.
    """
    scale = mae(actual, naive, weights)
    if scale == 0:
        raise ValueError("naive must err somewhere: MASE divides by its mean absolute error")
    return mae(actual, predicted, weights) / scale


def total_bias(actual: ArrayLike, predicted: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Σf / Σy − 1: relative bias of the total, +0.1 = forecast 10 % too high.

    Raises:
        ValueError: the actual total is 0.
    """
    y, f, w = _rows(actual, predicted, weights)
    total = float(w @ y)
    if total == 0:
        raise ValueError("actual must not sum to 0: the relative bias of the total is undefined")
    return float(w @ f) / total - 1


def _rows(
    actual: ArrayLike, predicted: ArrayLike, weights: ArrayLike | None
) -> tuple[FloatArray, FloatArray, FloatArray]:
    y, f = checks.vector("actual", actual), checks.vector("predicted", predicted)
    checks.same_length(actual=y, predicted=f)
    return y, f, checks.row_weights(weights, y.size)
