"""Calibrators of probabilities, their automatic choice, and the band of a calibrated probability."""

from axiom.maths.calibration.band import ReliabilityBand
from axiom.maths.calibration.calibrators import Calibrator, Identity, Isotonic, Platt, calibrator_from_dict
from axiom.maths.calibration.choice import CalibratorChoice, choose_calibrator

__all__ = [
    "Calibrator",
    "CalibratorChoice",
    "Identity",
    "Isotonic",
    "Platt",
    "ReliabilityBand",
    "calibrator_from_dict",
    "choose_calibrator",
]
