"""Automatic choice of a calibrator on a slice later than the training data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from axiom.maths import checks
from axiom.maths.calibration.calibrators import (
    Calibrator,
    Identity,
    Isotonic,
    Platt,
    calibration_rows,
    told_too_little,
    too_little,
)
from axiom.maths.intervals import MetricValue, mean_and_error, mean_interval
from axiom.maths.metrics.probability import log_losses

if TYPE_CHECKING:
    from axiom.maths.arrays import ArrayLike, FloatArray, IntArray


@dataclass(frozen=True)
class CalibratorChoice:
    """The chosen calibrator, fitted on all rows, and the cross-fitted log loss of every candidate with its limits."""

    calibrator: Calibrator
    losses: dict[str, MetricValue]


def choose_calibrator(
    y: ArrayLike,
    p: ArrayLike,
    time: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    *,
    folds: int = 5,
    level: float = 0.95,
) -> CalibratorChoice:
    """Choose identity, Platt or isotonic by cross-fitted log loss; the simpler wins unless beaten clearly.

    Rows are cut into `folds` contiguous blocks of time; each block is predicted by calibrators fitted on the others.
    In the order identity, Platt, isotonic a candidate replaces the choice when its mean paired gain in log loss exceeds
    the standard error of that gain. With fewer distinct times than folds (one cut-off), rows are dealt to the folds in
    turn within each class instead.

    Args:
        y: (n,) outcomes of a slice later than the training data.
        p: (n,) predictions of the model.
        time: (n,) time of each row; None means that the rows are in order of time.
        weights: (n,) optional.
        folds: blocks, at least 2.
        level: confidence level of the reported losses.

    Warns:
        RuntimeWarning: fewer than 20 rows or a single class; the choice is the identity.
            Predictions that rank backwards.

    Raises:
        ValueError: fewer than two folds, or what the fits refuse.
    """
    if folds < 2:
        raise ValueError(f"folds must be at least 2, got {folds}")
    labels, prob, w = calibration_rows(y, p, weights)
    if told_too_little(labels[w > 0]):
        return CalibratorChoice(Identity(), {})
    fold = _folds(labels, _time_ranks(time, labels.size), folds)
    losses = {"identity": log_losses(labels, Identity().predict(prob))}
    for method in (Platt, Isotonic):
        losses[method.kind] = log_losses(labels, _held_out(method, labels, prob, w, fold))
    choice: type[Platt | Isotonic] | None = None
    for method in (Platt, Isotonic):
        best = choice.kind if choice else Identity.kind
        gain, error, _ = mean_and_error(losses[best] - losses[method.kind], w)
        if gain > error:
            choice = method
    calibrator = choice.fit(labels, prob, w) if choice else Identity()
    return CalibratorChoice(calibrator, {name: mean_interval(loss, w, level) for name, loss in losses.items()})


def _held_out(
    method: type[Platt | Isotonic], labels: FloatArray, prob: FloatArray, w: FloatArray, fold: IntArray
) -> FloatArray:
    """Predictions of each fold by a calibrator fitted on the other folds."""
    predicted = Identity().predict(prob)
    for k in range(int(fold.max()) + 1):
        inside = fold == k
        rest = ~inside & (w > 0)
        if not too_little(labels[rest]):
            predicted[inside] = method.fit(labels[rest], prob[rest], w[rest]).predict(prob[inside])
    return predicted


def _time_ranks(time: ArrayLike | None, n: int) -> IntArray:
    if time is None:
        return np.arange(n)
    return checks.groups("time", time, n)[1]


def _folds(labels: FloatArray, ranks: IntArray, folds: int) -> IntArray:
    """Contiguous blocks of time; rows dealt in turn within each class when there are fewer times than folds."""
    if ranks.max() + 1 >= folds:
        position = np.argsort(np.argsort(ranks, kind="stable"), kind="stable")
        return position * folds // ranks.size
    fold = np.empty(labels.size, dtype=np.int64)
    for value in (0.0, 1.0):
        members = np.flatnonzero(labels == value)
        fold[members] = np.arange(members.size) % folds
    return fold
