"""What every model must beat: a purchase model that saw no label, and the churn rate alone."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from axiom.maths.arrays import FloatArray
    from axiom.training.table import ChurnTable, TimeArray

PURCHASES = "bg_nbd"
BASE_RATE = "base_rate"
TITLES = {PURCHASES: "BG/NBD (no training)", BASE_RATE: "churn rate alone"}


def purchase_baseline(x: FloatArray, t_x: FloatArray, T: FloatArray, horizon_days: float) -> FloatArray:
    """P(no purchase within the horizon) under BG/NBD fitted to these customers' purchases, shape (n,).

    Fit it to everybody known at the cut-off, also to customers that the churn definition leaves out: a population cut
    by its own purchases is no longer the one the model describes.

    Args:
        x: repeat purchases, shape (n,); NaN for those who have not bought yet, who count as new customers.
        t_x: time of the last purchase since the first, days.
        T: age, days.
        horizon_days: length of the label window.

    Raises:
        ValueError: the histories cannot be learnt from (nobody repeats, impossible values).
    """
    from axiom.clv.beta_geo import BetaGeo

    x, t_x, T = (np.nan_to_num(column) for column in (x, t_x, T))
    seen = T > 0
    model = BetaGeo().fit(x[seen], t_x[seen], T[seen])
    return 1.0 - model.tail(1, horizon_days, x, t_x, T)


def population_baseline(
    as_of: TimeArray, x: FloatArray, t_x: FloatArray, T: FloatArray, horizon_days: float
) -> tuple[FloatArray | None, tuple[str, ...]]:
    """The purchase model's probability for every row, fitted cut-off by cut-off, and what there is to say.

    None where the histories of one cut-off cannot be learnt from.
    """
    out = np.empty(len(x))
    notes: list[str] = []
    for time in np.unique(as_of):
        rows = np.flatnonzero(as_of == time)
        day = np.datetime_as_string(time, "D")
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                out[rows] = purchase_baseline(x[rows], t_x[rows], T[rows], horizon_days)
        except ValueError as error:
            return None, (f"no BG/NBD baseline: the histories at {day} do not fit ({error})",)
        notes += [f"BG/NBD baseline at {day}: {warning.message}" for warning in caught]
    return out, tuple(notes)


def with_baseline(table: ChurnTable, horizon_days: float) -> tuple[FloatArray | None, tuple[str, ...]]:
    """The table's own baseline, else one fitted to its rows, else None and why."""
    if table.baseline is not None:
        return table.baseline, ()
    if table.x is None or table.t_x is None or table.T is None or table.static:
        return None, ("no BG/NBD baseline: churn is not the absence of purchases, or there are no purchase histories",)
    return population_baseline(table.as_of, table.x, table.t_x, table.T, horizon_days)
