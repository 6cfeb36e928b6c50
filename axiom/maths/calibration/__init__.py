"""Calibrators of probabilities and their automatic choice."""

from axiom.maths.calibration.calibrators import Calibrator, Identity, Isotonic, Platt, calibrator_from_dict
from axiom.maths.calibration.choice import CalibratorChoice, choose_calibrator

__all__ = [
    "Calibrator",
    "CalibratorChoice",
    "Identity",
    "Isotonic",
    "Platt",
    "calibrator_from_dict",
    "choose_calibrator",
]
