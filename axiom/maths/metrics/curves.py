"""The curves behind the areas: one point per distinct score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from axiom.maths.metrics.table import ScoreTable

if TYPE_CHECKING:
    from axiom.maths.arrays import ArrayLike, FloatArray


@dataclass(frozen=True)
class RocCurve:
    """False and true positive rates (k + 1,) from (0, 0) to (1, 1); `thresholds` falls from infinity."""

    false_positive_rate: FloatArray
    true_positive_rate: FloatArray
    thresholds: FloatArray


@dataclass(frozen=True)
class PrCurve:
    """Precision and recall (k + 1,) from recall 0 (precision 1 by convention); `thresholds` falls from infinity."""

    precision: FloatArray
    recall: FloatArray
    thresholds: FloatArray


@dataclass(frozen=True)
class GainsCurve:
    """Share of the positives found (`captured`) against share of the rows taken, best first, both (k + 1,) from 0 to 1.

    `lift` = captured / share; at share 0 it is the lift of the first point.
    """

    share: FloatArray
    captured: FloatArray
    lift: FloatArray


def roc_curve(y: ArrayLike, score: ArrayLike, weights: ArrayLike | None = None) -> RocCurve:
    """ROC curve over all distinct scores.

    Raises:
        ValueError: a single class, or what `ScoreTable.from_rows` refuses.
    """
    table = ScoreTable.from_rows(y, score, weights)
    table.class_weights(both=True)
    hit, miss = _from_zero(table.positives), _from_zero(table.negatives)
    return RocCurve(miss / miss[-1], hit / hit[-1], np.concatenate(([np.inf], table.scores)))


def pr_curve(y: ArrayLike, score: ArrayLike, weights: ArrayLike | None = None) -> PrCurve:
    """Precision-recall curve over all distinct scores.

    Raises:
        ValueError: a single class, or what `ScoreTable.from_rows` refuses.
    """
    table = ScoreTable.from_rows(y, score, weights)
    table.class_weights(both=True)
    hit, miss = _from_zero(table.positives), _from_zero(table.negatives)
    taken = hit + miss
    precision = np.divide(hit, taken, out=np.ones(hit.size), where=taken > 0)
    return PrCurve(precision, hit / hit[-1], np.concatenate(([np.inf], table.scores)))


def gains_curve(y: ArrayLike, score: ArrayLike, weights: ArrayLike | None = None) -> GainsCurve:
    """Cumulative gains (and lift) over all distinct scores.

    Raises:
        ValueError: a single class, or what `ScoreTable.from_rows` refuses.
    """
    table = ScoreTable.from_rows(y, score, weights)
    table.class_weights(both=True)
    taken, hit = _from_zero(table.positives + table.negatives), _from_zero(table.positives)
    share, captured = taken / taken[-1], hit / hit[-1]
    lift = np.divide(captured, share, out=np.zeros(share.size), where=share > 0)
    lift[share == 0] = lift[int(np.argmax(share > 0))]
    return GainsCurve(share, captured, lift)


def _from_zero(values: FloatArray) -> FloatArray:
    return np.concatenate(([0.0], np.cumsum(values)))
