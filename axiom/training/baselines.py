"""What every model must beat: a purchase model that saw no label, and the churn rate alone."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from axiom.maths.arrays import FloatArray
    from axiom.training.table import ChurnTable

PURCHASES = "bg_nbd"
BASE_RATE = "base_rate"
TITLES = {PURCHASES: "BG/NBD (no training)", BASE_RATE: "churn rate alone"}


def purchase_baseline(x: FloatArray, t_x: FloatArray, T: FloatArray, horizon_days: float) -> FloatArray:
    """P(no purchase within the horizon) under BG/NBD fitted to these customers' purchases, shape (n,).

    Fit it to everybody known at the cut-off, also to customers that the churn definition leaves out: a population cut
    by its own purchases is no longer the one the model describes.

    Args:
        x: repeat purchases, shape (n,).
        t_x: time of the last purchase since the first, days.
        T: age, days.
        horizon_days: length of the label window.

    Raises:
        ValueError: the histories cannot be learnt from (nobody repeats, impossible values).
    """
    from axiom.clv.beta_geo import BetaGeo

    seen = T > 0
    model = BetaGeo().fit(x[seen], t_x[seen], T[seen])
    return 1.0 - model.tail(1, horizon_days, x, t_x, T)


def with_baseline(table: ChurnTable, horizon_days: float) -> tuple[FloatArray | None, tuple[str, ...]]:
    """The purchase model's probability for every row, fitted cut-off by cut-off; None where there is no such model.

    Returns:
        Probabilities of shape (n,) or None, and why there are none.
    """
    if table.baseline is not None:
        return table.baseline, ()
    if table.x is None or table.t_x is None or table.T is None or table.static:
        return None, ("no purchase histories, so there is no BG/NBD baseline",)
    out = np.empty(len(table))
    notes: list[str] = []
    for time in np.unique(table.as_of):
        rows = np.flatnonzero(table.as_of == time)
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                out[rows] = purchase_baseline(table.x[rows], table.t_x[rows], table.T[rows], horizon_days)
        except ValueError as error:
            return None, (
                f"no BG/NBD baseline: the histories at {np.datetime_as_string(time, 'D')} do not fit ({error})",
            )
        notes += [f"BG/NBD baseline at {np.datetime_as_string(time, 'D')}: {warning.message}" for warning in caught]
    return out, tuple(notes)
