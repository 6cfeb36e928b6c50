"""Row weights: classes of the same total weight, customers by what they are worth."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from axiom.errors import MisuseError

if TYPE_CHECKING:
    from axiom.maths.arrays import FloatArray
    from axiom.training.options import ChurnOptions
    from axiom.training.table import ChurnTable

_TOP = 0.99  # a customer beyond this quantile counts as one at it: one whale is no population


def training_weights(table: ChurnTable, options: ChurnOptions) -> tuple[FloatArray | None, float]:
    """Weights of the training rows, and the shift of the log-odds that undoes the class weights.

    Weighting classes by w1 and w0 multiplies the odds a model learns by w1/w0; the shift is ln(w0/w1)
    (Elkan 2001, IJCAI, theorem 2).

    Returns:
        Weights of shape (n,), or None where all are equal; the shift.

    Raises:
        MisuseError: value weights without values.
    """
    weights = value_weights(table) if options.value_weight else None
    if options.class_weight == "none":
        return weights, 0.0
    base = np.ones(len(table)) if weights is None else weights
    churned, stayed = float(base[table.churned].sum()), float(base[~table.churned].sum())
    if churned == 0 or stayed == 0:
        return weights, 0.0  # the fit itself refuses a single class, and says it better
    return np.where(table.churned, base / churned, base / stayed), math.log(churned / stayed)


def check_values(table: ChurnTable, options: ChurnOptions) -> None:
    """Refuse what needs a value for each customer on a table without.

    Raises:
        MisuseError: value weights or costs, and no values.
    """
    wanted = "value weights" if options.value_weight else "costs" if options.costs else ""
    if wanted and table.value is None:
        raise MisuseError(
            f"{wanted} need a value for each customer, and the table has none",
            hint="train on a feature set with spend, or leave them out",
        )


def value_weights(table: ChurnTable) -> FloatArray:
    """What each customer is worth, capped at the 99th percentile, with the median where it is unknown, shape (n,).

    Raises:
        MisuseError: no value is positive.
    """
    value = np.clip(np.zeros(len(table)) if table.value is None else table.value, 0.0, None)
    known = value[np.isfinite(value)]
    if not (known > 0).any():
        raise MisuseError("value weights need customers of positive value; there are none")
    return np.minimum(np.where(np.isfinite(value), value, np.median(known)), np.quantile(known, _TOP))
