"""Rows sorted by score once; every ranking metric, for every resample, is then a few sums over the sorted table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from axiom.maths import checks

if TYPE_CHECKING:
    from axiom.maths.arrays import ArrayLike, FloatArray, IntArray


@dataclass(frozen=True)
class Confusion:
    """Weights of the four outcomes of a decision; arrays when the table holds several weightings.

    A share with nothing in its denominator (nobody selected, nobody positive) is 0, as scikit-learn's zero_division=0.
    """

    true_positive: FloatArray
    false_positive: FloatArray
    false_negative: FloatArray
    true_negative: FloatArray

    @property
    def precision(self) -> FloatArray:
        """Positives among the selected."""
        return _share(self.true_positive, self.true_positive + self.false_positive)

    @property
    def recall(self) -> FloatArray:
        """Selected among the positives."""
        return _share(self.true_positive, self.true_positive + self.false_negative)

    @property
    def f1(self) -> FloatArray:
        """Harmonic mean of precision and recall."""
        return _share(2 * self.true_positive, 2 * self.true_positive + self.false_positive + self.false_negative)


@dataclass(frozen=True)
class ScoreTable:
    """Weight of positives and negatives at each distinct score, best score first.

    `positives` and `negatives` have shape (..., k): a leading axis holds bootstrap resamples, so that
    `table.reweight(counts).roc_auc()` gives all draws without sorting again. Tied rows are one entry, hence no metric
    depends on the order of the rows.
    """

    scores: FloatArray
    positives: FloatArray
    negatives: FloatArray
    _order: IntArray
    _starts: IntArray
    _labels: FloatArray

    @classmethod
    def from_rows(cls, y: ArrayLike, score: ArrayLike, weights: ArrayLike | None = None) -> ScoreTable:
        """Sort `score` (n,) with outcomes `y` (n,) in {0, 1} and optional weights (n,).

        Raises:
            ValueError: lengths differ, or what `checks` refuses.
        """
        labels, values = checks.outcomes(y), checks.vector("score", score)
        checks.same_length(y=labels, score=values)
        order = np.argsort(-values)
        ordered = values[order]
        starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
        empty = np.empty(0)
        table = cls(ordered[starts], empty, empty, order, starts, labels[order])
        return table.reweight(checks.row_weights(weights, labels.shape[0]))

    def reweight(self, weights: FloatArray) -> ScoreTable:
        """Return the same ranking under other weights of shape (n,) or (draws, n), in the rows' original order."""
        n = self._order.size
        if weights.shape[-1] != n:
            raise ValueError(f"weights must have one value per row: {n} rows, {weights.shape[-1]} weights")
        w = weights[..., self._order]
        positives = w * self._labels
        if self._starts.size < n:
            w = np.add.reduceat(w, self._starts, axis=-1)
            positives = np.add.reduceat(positives, self._starts, axis=-1)
        return ScoreTable(self.scores, positives, w - positives, self._order, self._starts, self._labels)

    def roc_auc(self) -> FloatArray:
        """P(score of a positive > of a negative) + ½ P(equal) (Hanley & McNeil 1982).

        Raises:
            ValueError: a single class.
        """
        p, n = self.class_weights(both=True)
        above = np.cumsum(self.positives, axis=-1) - self.positives / 2
        return np.asarray((self.negatives * above).sum(axis=-1) / (p * n))

    def pr_auc(self) -> FloatArray:
        """Average precision Σ (R_k − R_{k−1})·P_k over distinct scores, no interpolation.

        Raises:
            ValueError: no positive.
        """
        p, _ = self.class_weights()
        hit = np.cumsum(self.positives, axis=-1)
        precision = _share(hit, hit + np.cumsum(self.negatives, axis=-1))
        return np.asarray((self.positives * precision).sum(axis=-1) / p)

    def recall_at(self, share: float) -> FloatArray:
        """Share of the positives found in the best `share` of the rows, in (0, 1].

        A tie at the cut contributes its average: the expectation over random orders of the tied rows.

        Raises:
            ValueError: share outside (0, 1], or no positive.
        """
        if not 0 < share <= 1:
            raise ValueError(f"share must lie in (0, 1], got {share:g}")
        p, n = self.class_weights()
        weight = self.positives + self.negatives
        cut = share * (p + n)
        before = np.cumsum(weight, axis=-1) - weight
        inside = np.clip(_share(cut[..., None] - before, weight), 0.0, 1.0)
        return np.asarray((self.positives * inside).sum(axis=-1) / p)

    def precision_at(self, share: float) -> FloatArray:
        """Positives among the best `share` of the rows; ties and errors as in `recall_at`."""
        p, n = self.class_weights()
        return np.asarray(self.recall_at(share) * p / (share * (p + n)))

    def lift_at(self, share: float) -> FloatArray:
        """Precision in the best `share` over the base rate: recall / share; ties and errors as in `recall_at`."""
        return np.asarray(self.recall_at(share) / share)

    def confusion(self, threshold: float) -> Confusion:
        """Outcomes of selecting every row with score >= threshold."""
        k = int(np.searchsorted(-self.scores, -threshold, side="right"))
        return Confusion(
            true_positive=self.positives[..., :k].sum(axis=-1),
            false_positive=self.negatives[..., :k].sum(axis=-1),
            false_negative=self.positives[..., k:].sum(axis=-1),
            true_negative=self.negatives[..., k:].sum(axis=-1),
        )

    def calibration_error(self, bins: int = 10) -> FloatArray:
        """Expected calibration error, scores read as probabilities; see `probability.expected_calibration_error`."""
        weight, predicted, observed = self.bin_sums(bins)
        return np.asarray(np.abs(observed - predicted).sum(axis=-1) / weight.sum(axis=-1))

    def bin_sums(self, bins: int) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Sums of weight, weight·score and weight·outcome in equal-count bins, lowest scores first; (..., bins) each.

        A distinct score falls as a whole in the bin of the middle of its weight: with few distinct scores some bins
        stay empty.

        Raises:
            ValueError: fewer than one bin.
        """
        if bins < 1:
            raise ValueError(f"bins must be at least 1, got {bins}")
        weight = np.atleast_2d(self.positives + self.negatives)
        middle = (np.cumsum(weight, axis=-1) - weight / 2) / weight.sum(axis=-1, keepdims=True)
        index = bins - 1 - np.minimum((middle * bins).astype(np.int64), bins - 1)
        index += np.arange(weight.shape[0])[:, None] * bins

        def total(values: FloatArray) -> FloatArray:
            sums = np.bincount(index.ravel(), weights=np.ravel(values), minlength=weight.shape[0] * bins)
            return sums.astype(np.float64).reshape(*self.positives.shape[:-1], bins)

        return total(weight), total(weight * self.scores), total(self.positives)

    def class_weights(self, *, both: bool = False) -> tuple[FloatArray, FloatArray]:
        """Total weight of positives and of negatives.

        Raises:
            ValueError: no positive; or no negative when `both` are needed.
        """
        p, n = self.positives.sum(axis=-1), self.negatives.sum(axis=-1)
        if not np.all(p > 0):
            raise ValueError("y must hold both classes, no row of positive weight is 1")
        if both and not np.all(n > 0):
            raise ValueError("y must hold both classes, no row of positive weight is 0")
        return p, n


def _share(part: FloatArray, whole: FloatArray) -> FloatArray:
    return np.divide(part, whole, out=np.zeros(np.shape(whole)), where=np.asarray(whole) > 0)
