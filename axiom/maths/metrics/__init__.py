"""Metrics of a binary classifier: ranking, decisions at a threshold, quality of probabilities."""

from axiom.maths.metrics.curves import GainsCurve, PrCurve, RocCurve, gains_curve, pr_curve, roc_curve
from axiom.maths.metrics.probability import (
    CalibrationLine,
    Reliability,
    brier_score,
    calibration_line,
    expected_calibration_error,
    log_loss,
    log_losses,
    reliability,
    squared_errors,
)
from axiom.maths.metrics.ranking import (
    f1_score,
    lift_at,
    pr_auc,
    precision,
    precision_at,
    recall,
    recall_at,
    roc_auc,
)
from axiom.maths.metrics.table import Confusion, ScoreTable

__all__ = [
    "CalibrationLine",
    "Confusion",
    "GainsCurve",
    "PrCurve",
    "Reliability",
    "RocCurve",
    "ScoreTable",
    "brier_score",
    "calibration_line",
    "expected_calibration_error",
    "f1_score",
    "gains_curve",
    "lift_at",
    "log_loss",
    "log_losses",
    "pr_auc",
    "pr_curve",
    "precision",
    "precision_at",
    "recall",
    "recall_at",
    "reliability",
    "roc_auc",
    "roc_curve",
    "squared_errors",
]
