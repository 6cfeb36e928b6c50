"""What a purchase model says of a row, as one more column: how long the silence is for this customer's own rhythm."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from axiom.clv.beta_geo import BetaGeo
from axiom.clv.geometric_law import none_log_odds

if TYPE_CHECKING:
    from axiom.maths.arrays import FloatArray
    from axiom.training.table import ChurnTable

RFM = ("x", "t_x", "T")
NAME = "log-odds of no purchase (BG/NBD)"
LEAST = 50
"""Customers below which no purchase model is fitted: its column would be noise."""
MOST = 1e9
"""Purchases or days beyond which a history counts as this long; a posted one may be anything."""


@dataclass(frozen=True, eq=False)
class PurchaseColumn:
    """Log-odds of no purchase within the horizon under BG/NBD (Fader, Hardie & Lee 2005), from the RFM summary.

    It is fitted to histories up to the latest training cut-off and to no label, so it is as good at a new time as the
    purchase rhythm is stable.

    Attributes:
        theta: working parameters of `BetaGeo`, shape (4,), per day.
        horizon_days: of the label.
        place: raw features x, t_x, T by their place in the vector.
    """

    theta: FloatArray
    horizon_days: float
    place: tuple[int, int, int]

    def __call__(self, M: FloatArray) -> FloatArray:
        """Raw rows, shape (n, p), to log-odds, shape (n,). Who has not bought yet counts as a new customer."""
        x, t_x, T = (np.clip(np.nan_to_num(M[:, j]), 0.0, MOST) for j in self.place)
        return none_log_odds(self.theta, self.horizon_days, x, np.minimum(t_x, T), T, first=0)


def learn_purchases(table: ChurnTable) -> tuple[PurchaseColumn | None, tuple[str, ...]]:
    """Fit the purchase model to the customers at the latest cut-off of the training rows.

    Returns:
        The column and what there is to say; None where churn is not about purchases, or nothing can be learnt.
    """
    names = table.features
    if table.x is None or table.t_x is None or table.T is None or table.horizon_days is None:
        return None, ()
    if table.static or not set(RFM) <= set(names):
        return None, ()
    rows = table.as_of == table.as_of.max()
    x, t_x, T = (np.nan_to_num(column[rows]) for column in (table.x, table.t_x, table.T))
    seen = T > 0
    if seen.sum() < LEAST:
        return None, (
            f"no column of a purchase model: only {int(seen.sum())} customers have bought by the last cut-off",
        )
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model = BetaGeo().fit(x[seen], t_x[seen], T[seen])
    except ValueError as error:
        return None, (f"no column of a purchase model: the purchase histories do not fit ({error})",)
    place = tuple(names.index(name) for name in RFM)
    notes = tuple(f"column of the purchase model: {one.message}" for one in caught)
    return PurchaseColumn(model.theta_, table.horizon_days, place), notes  # type: ignore[arg-type]  # three of them
