"""Weekly tracking: cumulative repeat purchases that happened, against those a model expects of the same customers.

The expectation is unconditional: Σ_i E[X(age of customer i)] of new customers (Fader, Hardie & Lee 2005, figure 4). A
model fitted at one cut-off is drawn on beyond it, so the part to the right of the cut-off is a forecast.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from axiom.errors import BadInputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from axiom.clv.base import TransactionModel
    from axiom.maths.arrays import FloatArray
    from axiom.training.clv.rows import Snapshot

_WEEK = 7


@dataclass(frozen=True, eq=False)
class PurchaseDays:
    """When a population bought. Purchases on one day count once.

    Attributes:
        first: day of each customer's first purchase, datetime64[D], shape (n,).
        repeats: day of each repeat purchase of any customer, datetime64[D], shape (m,), in any order.

    Raises:
        BadInputError: a day is missing.
    """

    first: npt.NDArray[np.datetime64]
    repeats: npt.NDArray[np.datetime64]

    def __post_init__(self) -> None:
        for name in ("first", "repeats"):
            missing = int(np.isnat(getattr(self, name)).sum())
            if missing:
                raise BadInputError(f"{missing} {name} purchase days are missing")


@dataclass(frozen=True)
class Tracking:
    """Cumulative repeat purchases of everybody acquired by each moment.

    Attributes:
        model: whose expectation.
        every: `week` or `cut-off`.
        fitted_at: what lies after it the model had not seen, ISO date.
        until: ISO dates; purchases before the date count.
        actual: what happened.
        expected: what the model expects.
    """

    model: str
    every: str
    fitted_at: str
    until: tuple[str, ...]
    actual: tuple[float, ...]
    expected: tuple[float, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


def weekly_tracking(
    name: str, model: TransactionModel, purchases: PurchaseDays, *, fitted_at: datetime, until: datetime
) -> Tracking:
    """Weekly points from the first purchase to the last whole week before `until`.

    Args:
        name: of the model.
        model: fitted in days.
        purchases: of the whole population.
        fitted_at: cut-off of the fit.
        until: end of the data.
    """
    start, end = purchases.first.min(), np.datetime64(until.astimezone(UTC).date(), "D")
    weeks = np.arange(start + _WEEK, end + 1, _WEEK)
    births, customers = np.unique(purchases.first, return_counts=True)
    repeats = np.sort(purchases.repeats)
    expected = [_expected(model, _ages(births, week), customers) for week in weeks]
    return Tracking(
        name,
        "week",
        fitted_at.date().isoformat(),
        tuple(map(str, weeks)),
        tuple(np.searchsorted(repeats, weeks).astype(float).tolist()),
        tuple(expected),
    )


def cutoff_tracking(
    name: str, model: TransactionModel, snapshots: Sequence[Snapshot], *, fitted_at: datetime
) -> Tracking:
    """One point a cut-off, from the RFM summaries alone; the arguments as in `weekly_tracking`."""
    expected = []
    for snapshot in snapshots:
        ages, customers = np.unique(snapshot.rfm.T, return_counts=True)
        expected.append(_expected(model, ages, customers))
    return Tracking(
        name,
        "cut-off",
        fitted_at.date().isoformat(),
        tuple(snapshot.as_of.date().isoformat() for snapshot in snapshots),
        tuple(float(snapshot.rfm.x.sum()) for snapshot in snapshots),
        tuple(expected),
    )


def _ages(births: npt.NDArray[np.datetime64], moment: np.datetime64) -> FloatArray:
    """Age at the last complete day before a moment, as in the RFM summary; negative for who comes later."""
    return (moment - births).astype(np.float64) - 1.0


def _expected(model: TransactionModel, ages: FloatArray, customers: npt.NDArray[Any]) -> float:
    born = ages > 0
    return float(model.expected_purchases(ages[born]) @ customers[born]) if born.any() else 0.0
