"""Fit the calibrator that was asked for on a slice later than the training."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from axiom.maths.calibration import Calibrator, Identity, Isotonic, Platt, choose_calibrator

if TYPE_CHECKING:
    from axiom.maths.arrays import BoolArray, FloatArray
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
