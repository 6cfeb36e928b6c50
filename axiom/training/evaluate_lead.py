"""How many days before a churn its warning comes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from axiom.maths.intervals import MetricValue, wilson
from axiom.training.evaluate import LeadTime

if TYPE_CHECKING:
    import pyarrow as pa

    from axiom.maths.arrays import BoolArray, FloatArray
    from axiom.training.definition import ChurnDefinition
    from axiom.training.evaluate import EvaluationRows

EARLY_DAYS = 30.0
"""A warning is early from so many days before the churn on; half the horizon where that is less."""
_DAY = np.timedelta64(1, "D")
_SINCE = {
    "transactions": ("days_since_purchase",),
    "events": ("days_since_event",),
    "any": ("days_since_purchase", "days_since_event"),
}


def days_to_churn(labels: pa.Table, definition: ChurnDefinition, horizon: int, churned: BoolArray) -> FloatArray:
    """Days from the cut-off to the moment of churn, shape (n,); NaN for those who stayed.

    A contract ends with its cancellation. Elsewhere the moment is the day on which the silence has lasted for the
    horizon: horizon - days since the last activity; it is negative for who had been silent for longer at the cut-off.
    """
    if definition.kind == "cancellation":
        ahead = _column(labels, "days_to_cancel")
    else:
        ahead = horizon - np.fmin.reduce([_column(labels, name) for name in _SINCE[definition.activity]])
    return np.where(churned, ahead, np.nan)


def lead_time(
    rows: EvaluationRows, p: FloatArray, threshold: float, level: float, early_days: float
) -> LeadTime | None:
    """How early a version warns; None where no churn was ahead at any cut-off.

    Args:
        rows: at one or more cut-offs; a churn that several of them look forward to counts once.
        p: P(churn) of each row.
        threshold: a warning from this probability on.
        level: confidence level: Wilson for shares, order statistics for the median.
        early_days: what counts as early.
    """
    ahead = rows.churned & (rows.lead > 0)
    late = int((rows.churned & ~ahead).sum())
    if not ahead.any():
        return None
    moment = np.round((rows.as_of[ahead] - rows.as_of.min()) / _DAY + rows.lead[ahead], 2)
    _, churn = np.unique(np.stack([rows.customer[ahead].astype(np.float64), moment]), axis=1, return_inverse=True)
    warning = np.zeros(int(churn.max()) + 1)
    np.maximum.at(warning, churn.ravel(), np.where(p[ahead] >= threshold, rows.lead[ahead], 0.0))
    warned = warning[warning > 0]
    return LeadTime(
        churns=warning.size,
        late=late,
        warned=wilson(warned.size, warning.size, level),
        days=median_interval(warned, level) if warned.size else None,
        early=wilson(int((warned >= early_days).sum()), warning.size, level),
        early_days=early_days,
    )


def median_interval(values: FloatArray, level: float) -> MetricValue:
    """Median with distribution-free limits from order statistics (Conover 1999, 3.2); few values give the range.

    The k-th smallest and k-th largest of n values enclose the median with a probability of at least
    1 - 2·P(Binomial(n, 1/2) < k).
    """
    ordered = np.sort(values)
    n = ordered.size
    below = special.bdtr(np.arange(n), n, 0.5)
    k = int(np.count_nonzero(below <= 0.5 - level / 2))
    k = min(max(k, 1), n // 2 + n % 2)
    return MetricValue.enclosing(float(np.median(ordered)), float(ordered[k - 1]), float(ordered[n - k]))


def _column(labels: pa.Table, name: str) -> FloatArray:
    return np.asarray(labels[name].to_numpy(), dtype=np.float64)
