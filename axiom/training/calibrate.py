"""Fit the calibrator that was asked for on a slice later than the training."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from axiom.maths.calibration import Calibrator, Identity, Isotonic, Platt, choose_calibrator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from axiom.maths.arrays import BoolArray, FloatArray, IntArray
    from axiom.training.options import Calibration

_METHODS: dict[str, type[Platt | Isotonic]] = {"platt": Platt, "isotonic": Isotonic}


def fit_calibrator(y: BoolArray, p: FloatArray, method: Calibration) -> tuple[Calibrator, list[str]]:
    """A calibrator for these rows, and what the fit has to say (single class, too few rows), in full sentences."""
    if method == "none":
        return Identity(), []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RuntimeWarning)
        calibrator = choose_calibrator(y, p).calibrator if method == "auto" else _METHODS[method].fit(y, p)
    return calibrator, sorted({str(warning.message) for warning in caught})


def cross_fitted(
    y: BoolArray, p: FloatArray, method: Calibration, folds: Sequence[IntArray] | None = None
) -> FloatArray:
    """Calibrated probabilities of rows that were no part of their own calibration, shape (n,).

    Args:
        y: churned, shape (n,).
        p: P(churn) of a model that did not see these rows.
        method: each part is calibrated by a fit of this to the others.
        folds: the parts; default: five, dealt within the classes.
    """
    out = np.empty(len(y))
    for part in folds if folds is not None else stratified_folds(y, 5, seed=0):
        rest = np.setdiff1d(np.arange(len(y)), part)
        out[part] = fit_calibrator(y[rest], p[rest], method)[0].predict(p[part]) if len(rest) else p[part]
    return out


def stratified_folds(y: BoolArray, count: int, seed: int) -> list[IntArray]:
    """Rows of each fold, ascending; each class is dealt out evenly in random order."""
    rng = np.random.default_rng(seed)
    fold = np.empty(len(y), dtype=np.int64)
    for rows in (np.flatnonzero(y), np.flatnonzero(~y)):
        fold[rng.permutation(rows)] = np.arange(len(rows)) % count
    return [np.flatnonzero(fold == k) for k in range(count)]
