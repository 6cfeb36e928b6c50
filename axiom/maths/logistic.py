"""Logistic regression on one or two coefficients by damped Newton: the engine of recalibration."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from axiom.maths.checks import EPS

if TYPE_CHECKING:
    from axiom.maths.arrays import FloatArray

_MAX_STEPS = 100
_LARGEST_MOVE = 5.0  # in logits; a full Newton step from a saturated start would overshoot to the other end


def logit(p: FloatArray) -> FloatArray:
    """Log-odds of probabilities, clipped to [eps, 1 - eps] so that 0 and 1 stay finite (about -36 and 36)."""
    return np.asarray(special.logit(np.clip(p, EPS, 1 - EPS)), dtype=np.float64)


def fit_logistic(
    design: FloatArray, target: FloatArray, weights: FloatArray, offset: FloatArray | float = 0.0
) -> tuple[FloatArray, FloatArray]:
    """Maximise Σ w·[t·η − ln(1 + e^η)], η = design @ β + offset.

    Args:
        design: (n, k) regressors of full rank.
        target: (n,) values in [0, 1]; fractions are allowed (Platt's smoothed targets).
        weights: (n,) non-negative.
        offset: fixed part of η.

    Returns:
        Coefficients (k,) and their covariance (k, k), the inverse information.

    Warns:
        RuntimeWarning: Newton did not converge, as under perfect separation, which callers exclude beforehand.
    """
    beta = np.zeros(design.shape[1])
    best = _log_likelihood(design @ beta + offset, target, weights)
    for _ in range(_MAX_STEPS):
        eta = design @ beta + offset
        p = special.expit(eta)
        gradient = design.T @ (weights * (target - p))
        information = design.T @ ((weights * p * (1 - p))[:, None] * design)
        step = np.linalg.solve(information, gradient)
        if gradient @ step <= 1e-20 * weights.sum():
            return beta, _inverse(information)
        step *= min(1.0, _LARGEST_MOVE / float(np.abs(design @ step).max()))
        for _ in range(40):
            value = _log_likelihood(design @ (beta + step) + offset, target, weights)
            if value >= best - 1e-13 * abs(best):
                break
            step /= 2
        beta, best = beta + step, value
    warnings.warn(f"logistic recalibration did not converge in {_MAX_STEPS} steps", RuntimeWarning, stacklevel=2)
    return beta, _inverse(information)


def _inverse(information: FloatArray) -> FloatArray:
    return np.asarray(np.linalg.inv(information), dtype=np.float64)


def _log_likelihood(eta: FloatArray, target: FloatArray, weights: FloatArray) -> float:
    return float(weights @ (target * eta - np.logaddexp(0.0, eta)))
