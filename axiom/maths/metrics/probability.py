"""Are the probabilities right? Proper scores, calibration error, calibration line and reliability curve."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from axiom.maths import checks
from axiom.maths.intervals import MetricValue, normal_interval, wilson
from axiom.maths.logistic import fit_logistic, logit
from axiom.maths.metrics.table import ScoreTable

if TYPE_CHECKING:
    from axiom.maths.arrays import ArrayLike, FloatArray


@dataclass(frozen=True)
class CalibrationLine:
    """logit P(y = 1) = intercept + slope·logit p, with Wald limits (Cox 1958, Biometrika 45, 562-565).

    Perfect: slope 1, intercept 0. Slope < 1: predictions too extreme. `in_the_large` is the intercept with the slope
    held at 1: its sign tells whether the predictions are too low (> 0) or too high (< 0) on the whole.
    """

    slope: MetricValue
    intercept: MetricValue
    in_the_large: MetricValue


@dataclass(frozen=True)
class Reliability:
    """Mean prediction and observed rate per non-empty equal-count bin, with Wilson limits; arrays (bins,)."""

    weight: FloatArray
    predicted: FloatArray
    observed: FloatArray
    low: FloatArray
    high: FloatArray


def squared_errors(y: ArrayLike, p: ArrayLike) -> FloatArray:
    """Per-row (p − y)², whose mean is the Brier score (for `mean_interval` and `paired_mean`)."""
    labels, prob = checks.predictions(y, p)
    return (prob - labels) ** 2


def log_losses(y: ArrayLike, p: ArrayLike) -> FloatArray:
    """Per-row −ln of the probability given to what happened; p is clipped to [eps, 1 − eps], at most 36.04 a row."""
    labels, prob = checks.predictions(y, p)
    prob = np.clip(prob, checks.EPS, 1 - checks.EPS)
    return -np.where(labels == 1, np.log(prob), np.log1p(-prob))


def brier_score(y: ArrayLike, p: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Mean of (p − y)², in [0, 1] (Brier 1950).

    Raises:
        ValueError: p outside [0, 1], y not 0/1, lengths differ, empty, NaN or bad weights.
    """
    return _mean(squared_errors(y, p), weights)


def log_loss(y: ArrayLike, p: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Mean negative log-likelihood in nats, clipped as in `log_losses`; errors as `brier_score`."""
    return _mean(log_losses(y, p), weights)


def expected_calibration_error(y: ArrayLike, p: ArrayLike, bins: int = 10, weights: ArrayLike | None = None) -> float:
    """Σ_b (w_b / w)·|observed rate − mean prediction| over equal-count bins, in [0, 1] (Naeini et al. 2015).

    Equal predictions stay in one bin. The estimate is biased upwards on small samples even for perfect probabilities.

    Raises:
        ValueError: fewer than one bin, or what `brier_score` refuses.
    """
    checks.predictions(y, p)
    return float(ScoreTable.from_rows(y, p, weights).calibration_error(bins))


def reliability(
    y: ArrayLike, p: ArrayLike, bins: int = 10, weights: ArrayLike | None = None, level: float = 0.95
) -> Reliability:
    """Reliability curve over equal-count bins; empty bins are left out. Errors as `expected_calibration_error`."""
    checks.predictions(y, p)
    weight, predicted, observed = ScoreTable.from_rows(y, p, weights).bin_sums(bins)
    filled = weight > 0
    weight, predicted, observed = weight[filled], predicted[filled], observed[filled]
    limits = [wilson(min(o, w), w, level) for o, w in zip(observed, weight, strict=True)]
    return Reliability(
        weight,
        predicted / weight,
        observed / weight,
        np.array([limit.low for limit in limits]),
        np.array([limit.high for limit in limits]),
    )


def calibration_line(
    y: ArrayLike, p: ArrayLike, weights: ArrayLike | None = None, level: float = 0.95
) -> CalibrationLine:
    """Fit Cox's calibration line by Newton; p is clipped to [eps, 1 − eps] before the logit.

    Raises:
        ValueError: a single class; predictions all equal (no slope); predictions that separate the classes
            perfectly (infinite slope); or what `brier_score` refuses.
    """
    labels, prob = checks.predictions(y, p)
    w = checks.row_weights(weights, labels.shape[0])
    labels, z, w = labels[w > 0], logit(prob[w > 0]), w[w > 0]
    checks.both_classes(labels)
    _refuse_unidentified(labels, z)
    centre = float(w @ z / w.sum())
    design = np.column_stack([np.ones(z.size), z - centre])
    beta, covariance = fit_logistic(design, labels, w)
    shift, shift_variance = fit_logistic(np.ones((z.size, 1)), labels, w, offset=z)
    back = np.array([1.0, -centre])
    return CalibrationLine(
        slope=normal_interval(float(beta[1]), math.sqrt(covariance[1, 1]), level),
        intercept=normal_interval(float(back @ beta), math.sqrt(back @ covariance @ back), level),
        in_the_large=normal_interval(float(shift[0]), math.sqrt(shift_variance[0, 0]), level),
    )


def _refuse_unidentified(labels: FloatArray, z: FloatArray) -> None:
    if z.min() == z.max():
        raise ValueError("p must vary: one common prediction has no calibration slope")
    zeros, ones = z[labels == 0], z[labels == 1]
    if zeros.max() <= ones.min() or ones.max() <= zeros.min():
        raise ValueError("p must not separate the classes perfectly: the calibration slope would be infinite")


def _mean(losses: FloatArray, weights: ArrayLike | None) -> float:
    w = checks.row_weights(weights, losses.shape[0])
    return float(w @ losses / w.sum())
