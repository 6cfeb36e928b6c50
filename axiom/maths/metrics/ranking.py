"""Ranking and threshold metrics of one classifier on (n,) rows. For resamples use `ScoreTable` directly.

Every function takes outcomes `y` in {0, 1}, scores of any scale (higher = likelier 1) and optional weights >= 0, and
raises ValueError for empty input, NaN, lengths that differ or negative weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from axiom.maths.metrics.table import ScoreTable

if TYPE_CHECKING:
    from axiom.maths.arrays import ArrayLike


def roc_auc(y: ArrayLike, score: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Area under the ROC curve in [0, 1], ties counted half (Hanley & McNeil 1982). ValueError: a single class."""
    return float(ScoreTable.from_rows(y, score, weights).roc_auc())


def pr_auc(y: ArrayLike, score: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Average precision in (0, 1], the step-wise area under the PR curve. ValueError: no positive."""
    return float(ScoreTable.from_rows(y, score, weights).pr_auc())


def precision_at(y: ArrayLike, score: ArrayLike, share: float = 0.1, weights: ArrayLike | None = None) -> float:
    """Positives among the best `share` of the rows. ValueError: share outside (0, 1], or no positive."""
    return float(ScoreTable.from_rows(y, score, weights).precision_at(share))


def recall_at(y: ArrayLike, score: ArrayLike, share: float = 0.1, weights: ArrayLike | None = None) -> float:
    """Share of the positives among the best `share` of the rows. ValueError: share outside (0, 1], or no positive."""
    return float(ScoreTable.from_rows(y, score, weights).recall_at(share))


def lift_at(y: ArrayLike, score: ArrayLike, share: float = 0.1, weights: ArrayLike | None = None) -> float:
    """Precision among the best `share` over the base rate. ValueError: share outside (0, 1], or no positive."""
    return float(ScoreTable.from_rows(y, score, weights).lift_at(share))


def precision(y: ArrayLike, score: ArrayLike, threshold: float = 0.5, weights: ArrayLike | None = None) -> float:
    """Positives among rows with score >= threshold; 0 when there are none."""
    return float(ScoreTable.from_rows(y, score, weights).confusion(threshold).precision)


def recall(y: ArrayLike, score: ArrayLike, threshold: float = 0.5, weights: ArrayLike | None = None) -> float:
    """Share of the positives with score >= threshold; 0 when there are no positives."""
    return float(ScoreTable.from_rows(y, score, weights).confusion(threshold).recall)


def f1_score(y: ArrayLike, score: ArrayLike, threshold: float = 0.5, weights: ArrayLike | None = None) -> float:
    """Harmonic mean of precision and recall at score >= threshold; 0 when both are undefined or 0."""
    return float(ScoreTable.from_rows(y, score, weights).confusion(threshold).f1)
