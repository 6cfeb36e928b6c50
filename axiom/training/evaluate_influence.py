"""Churn metrics that are smooth functions of sums over rows, with the influence of every row on them.

Where a customer stands at several cut-offs the rows are not independent: what one customer does at two cut-offs is not
two independent facts. The error of a metric then follows from the influences summed over each customer's rows, and that
of a difference from the differences of the influences (AUC: Obuchowski 1997, Biometrics 53, 567-578; calibration line:
the sandwich of Liang & Zeger 1986; see `axiom.training.clv.metrics`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import special, stats

from axiom.maths.logistic import logit
from axiom.maths.metrics import calibration_line, log_losses, squared_errors
from axiom.training.clv.metrics import Linear, mean

if TYPE_CHECKING:
    from axiom.maths.arrays import BoolArray, FloatArray, IntArray

LINE = ("calibration_slope", "calibration_intercept", "calibration_in_the_large")


def linear_metrics(
    y: BoolArray, p: FloatArray, customer: IntArray, gains: dict[str, FloatArray] | None = None
) -> dict[str, Linear]:
    """`auc`, `brier`, `log_loss`, the calibration line where there is one, and the mean of every column of `gains`.

    Args:
        y: churned, shape (n,), both classes.
        p: P(churn), shape (n,).
        customer: number of each row's customer, shape (n,).
        gains: name -> profit of each row, shape (n,).
    """
    found = {
        "auc": _auc(y, p, customer),
        "brier": replace(mean(squared_errors(y, p), customer), lowest=0.0, highest=1.0),
        "log_loss": replace(mean(log_losses(y, p), customer), lowest=0.0),
        **{name: mean(rows, customer) for name, rows in (gains or {}).items()},
    }
    return found | _line(y, p, customer)


def _auc(y: BoolArray, p: FloatArray, customer: IntArray) -> Linear:
    """Influence of a row: its structural component (DeLong et al. 1988) less the AUC, over the size of its class."""
    m, n = int(y.sum()), int((~y).sum())
    rank = stats.rankdata(p)
    above = (rank[y] - stats.rankdata(p[y])) / n
    below = 1.0 - (rank[~y] - stats.rankdata(p[~y])) / m
    value = float(above.mean())
    influence = np.empty(len(y))
    influence[y], influence[~y] = (above - value) / m, (below - value) / n
    return Linear(value, influence, customer, 0.0, 1.0)


def _line(y: BoolArray, p: FloatArray, customer: IntArray) -> dict[str, Linear]:
    """Influence: inverse information times the row's score."""
    try:
        line = calibration_line(y, p)
    except ValueError:  # one common prediction, or a perfect separation: there is no line
        return {}
    z = logit(p)
    design = np.column_stack([np.ones(z.size), z])
    fitted = special.expit(line.intercept.value + line.slope.value * z)
    information = design.T @ ((fitted * (1 - fitted))[:, None] * design)
    moves = ((y - fitted)[:, None] * design) @ np.linalg.inv(information)
    shifted = special.expit(line.in_the_large.value + z)
    shift = (y - shifted) / float((shifted * (1 - shifted)).sum())
    return {
        "calibration_slope": Linear(line.slope.value, moves[:, 1], customer),
        "calibration_intercept": Linear(line.intercept.value, moves[:, 0], customer),
        "calibration_in_the_large": Linear(line.in_the_large.value, shift, customer),
    }
