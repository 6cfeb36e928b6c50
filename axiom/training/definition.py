"""What churn means: nothing happens for a horizon, or the contract is cancelled within it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from axiom.errors import BadInputError, MisuseError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from axiom.maths.arrays import BoolArray, FloatArray

Activity = Literal["transactions", "events", "any"]
_NEXT: Mapping[str, tuple[str, ...]] = {"transactions": ("days_to_next_purchase",), "events": ("days_to_next_event",)}
_LAST: Mapping[str, tuple[str, ...]] = {"transactions": ("days_since_purchase",), "events": ("days_since_event",)}
_SEEN: Mapping[str, tuple[str, ...]] = {"transactions": ("observed_days",), "events": ("observed_event_days",)}
LABEL_COLUMNS = (
    *("days_to_next_purchase", "days_to_next_event", "days_to_cancel"),
    *("days_since_purchase", "days_since_event", "days_since_cancel"),
    *("observed_days", "observed_event_days"),
)


@dataclass(frozen=True)
class ChurnDefinition:
    """When a customer counts as churned, and who is at risk.

    Attributes:
        kind: `inactivity`: no activity in [as_of, as_of + horizon); `cancellation`: a cancel event in it.
        activity: what counts as activity: a purchase, an event, or either.
        active_within: only customers who were active in so many days before the cut-off are at risk; None: all who ever
            were. Ignored for cancellations, where everybody who has not cancelled yet is at risk.
    """

    kind: Literal["inactivity", "cancellation"] = "inactivity"
    activity: Activity = "transactions"
    active_within: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in ("inactivity", "cancellation") or self.activity not in ("transactions", "events", "any"):
            raise MisuseError(
                f"unknown definition of churn: {self.kind} of {self.activity}",
                hint="inactivity of transactions, events or any; or cancellation",
            )
        if self.active_within is not None and self.active_within < 1:
            raise MisuseError(f"active_within must be at least 1 day, not {self.active_within}")

    def __str__(self) -> str:
        if self.kind == "cancellation":
            return "a cancellation within the horizon"
        what = {"transactions": "no purchase", "events": "no event", "any": "no purchase and no event"}[self.activity]
        among = f", among customers active in the last {self.active_within} days" if self.active_within else ""
        return f"{what} within the horizon{among}"

    @classmethod
    def guess(cls, labels: pa.Table) -> ChurnDefinition:
        """The definition that the data suggest: cancellations where there are any, else purchases, else events.

        Raises:
            BadInputError: the labels know neither purchases nor events.
        """
        known = {name for name in LABEL_COLUMNS if labels[name].null_count < labels.num_rows}
        if known & {"days_to_cancel", "days_since_cancel"}:
            return cls("cancellation")
        if "days_since_purchase" in known:
            return cls("inactivity", "transactions")
        if "days_since_event" in known:
            return cls("inactivity", "events")
        raise BadInputError("nobody was active before any cut-off", hint="ingest transactions or events first")

    @property
    def about_purchases(self) -> bool:
        """Whether it asks for the absence of purchases alone, which a purchase model can answer."""
        return self.kind == "inactivity" and self.activity == "transactions"

    def churned(self, labels: pa.Table, horizon: int) -> BoolArray:
        """Who churned within `horizon` days, shape (n,); meaningful where `known` is true."""
        if self.kind == "cancellation":
            ahead = _column(labels, "days_to_cancel")
            return np.asarray(ahead < horizon)
        ahead = _least(labels, self._columns(_NEXT))
        return ~np.asarray(ahead < horizon)

    def at_risk(self, labels: pa.Table) -> BoolArray:
        """Who is asked about at the cut-off, shape (n,), from what was known then."""
        if self.kind == "cancellation":
            return np.isnan(_column(labels, "days_since_cancel"))
        since = _least(labels, self._columns(_LAST))
        limit = np.inf if self.active_within is None else self.active_within
        return np.asarray(since <= limit)

    def known(self, labels: pa.Table, horizon: int) -> BoolArray:
        """Where the data reach to the end of the label window, shape (n,)."""
        names = _SEEN["events"] if self.kind == "cancellation" else self._columns(_SEEN)
        return np.asarray(_least(labels, names) >= horizon)

    def _columns(self, table: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
        return (*table["transactions"], *table["events"]) if self.activity == "any" else table[self.activity]


def _column(labels: pa.Table, name: str) -> FloatArray:
    return np.asarray(labels[name].to_numpy(), dtype=np.float64)


def _least(labels: pa.Table, names: tuple[str, ...]) -> FloatArray:
    """The smallest known value of some columns; NaN where none is known."""
    return np.asarray(np.fmin.reduce([_column(labels, name) for name in names]), dtype=np.float64)
