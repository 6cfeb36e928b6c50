"""One raw row to encoded columns: `Encoder.transform` without what only many rows need."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from axiom.clv.one_future import GeometricFuture
from axiom.training.catalogue.purchases import MOST

if TYPE_CHECKING:
    from axiom.maths.arrays import FloatArray
    from axiom.training.catalogue.encoder import Encoder
    from axiom.training.catalogue.purchases import PurchaseColumn


class RowEncoder:
    """What the encoder makes of a row; steps that change nothing are left out beforehand.

    Bit for bit, but for the last digit of the purchase model's column.
    """

    def __init__(self, encoder: Encoder) -> None:
        self._numeric, self._fill = encoder.numeric, encoder.fill
        self._purchases = None if encoder.purchases is None else OnePurchaseRow(encoder.purchases)
        self._low, self._high = encoder.low, encoder.high
        self._bounded = bool(np.isfinite(encoder.low).any() or np.isfinite(encoder.high).any())
        self._heavy = np.flatnonzero(encoder.squash > 0)
        self._squash = encoder.squash[self._heavy]
        self._centre, self._scale = encoder.centre, encoder.scale
        self._scaled = bool(encoder.centre.any() or (encoder.scale != 1.0).any())
        self._indicator = encoder.indicator
        self._blocks = list(zip(encoder.categorical.tolist(), encoder.slots.tolist(), strict=True))
        self._columns = len(encoder.names)

    def __call__(self, row: FloatArray) -> FloatArray:
        """A raw row, shape (p,), as encoded columns, shape (k,)."""
        a = len(self._fill)
        if self._purchases is None:
            values = row.take(self._numeric)
        else:
            values = np.empty(a)
            row.take(self._numeric, out=values[:-1], mode="clip")  # places are valid, and this mode needs no buffer
            values[-1] = self._purchases(row)
        np.copyto(values, self._fill, where=np.isnan(values))
        if self._bounded:
            np.maximum(values, self._low, out=values)
            np.minimum(values, self._high, out=values)
        if len(self._heavy):
            values[self._heavy] = np.arcsinh(values.take(self._heavy) / self._squash)
        if self._scaled:
            values -= self._centre
            values /= self._scale
        if a == self._columns:
            return values
        out = np.zeros(self._columns)
        out[:a] = values
        if len(self._indicator):
            out[a : a + len(self._indicator)] = np.isnan(row.take(self._indicator))
        for feature, slots in self._blocks:
            code = row.item(feature)
            slot = slots[0 if math.isnan(code) else int(code) + 2]
            if slot >= 0:
                out[slot] = 1.0
        return out


class OnePurchaseRow:
    """`PurchaseColumn` of one raw row, by scalar mathematics."""

    def __init__(self, column: PurchaseColumn) -> None:
        self._place = column.place
        self._log_odds = GeometricFuture(column.theta, 0, column.horizon_days).none_log_odds

    def __call__(self, row: FloatArray) -> float:
        """Log-odds of no purchase, of a row of shape (p,)."""
        x, t_x, T = (_counted(row.item(j)) for j in self._place)
        return self._log_odds(x, min(t_x, T), T)


def _counted(value: float) -> float:
    """NaN, who has not bought yet, as 0; within the bounds of `PurchaseColumn`."""
    return min(value, MOST) if value > 0.0 else 0.0
