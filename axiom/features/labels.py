"""What happened after each cut-off: next purchase, event and cancellation, purchases and spend over horizons.

Labels use everything that is known now, every fact in its last version: they are what a model is judged by.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from axiom.features.conditions import matches
from axiom.features.definitions import Filter
from axiom.features.grid import Grid, bin_edges, days
from axiom.features.rfm import purchase_days
from axiom.features.rows import DAY, NEVER, Rows
from axiom.features.selection import Selection

if TYPE_CHECKING:
    from axiom.features.frame import Frame
    from axiom.maths.arrays import FloatArray, IntArray


@dataclass(frozen=True)
class LabelSpec:
    """What to look for after a cut-off.

    Attributes:
        horizons: days ahead, each of which makes the columns `purchases_{h}d` and `spend_{h}d`.
        cancel_types: event types that end a contract.
        transactions_end: time in microseconds up to which transactions are complete, or None where there are none.
        events_end: likewise for events.
    """

    horizons: tuple[int, ...] = (30, 60, 90)
    cancel_types: tuple[str, ...] = ("cancel",)
    transactions_end: int | None = None
    events_end: int | None = None


def data_end(max_ts: int | None) -> int | None:
    """Up to when data are complete, given the time of the last row.

    A last row at midnight means dates with no time of day, so its day is complete; otherwise nothing is known to be
    complete beyond the row itself.
    """
    if max_ts is None:
        return None
    return max_ts + (DAY if max_ts % DAY == 0 else 1)


def label_columns(frame: Frame, spec: LabelSpec) -> dict[str, FloatArray]:
    """All label columns, (K, C) each; NaN where unknown or never seen.

    - `days_to_next_purchase`, `days_to_next_event`, `days_to_cancel`: from the cut-off; a row at the cut-off is 0 days.
    - `observed_days`, `observed_event_days`: from the cut-off to the end of the transactions, and of the events.
    - `days_since_purchase`, `days_since_event`, `days_since_cancel`: before the cut-off, as it was known then.
    - `purchases_{h}d`, `spend_{h}d`: purchase days in [as_of, as_of + h) and their net money. Days are 24 hours from
      the cut-off, which are UTC days when the cut-off is midnight. NaN where the data end before as_of + h. Days that
      net to nothing or less are no purchases and take nothing off the spend, as in the RFM summary.
    """
    as_ofs = frame.grid.as_ofs[:, None]
    cancel = (Filter("event_type", "in", spec.cancel_types),)
    events = frame.bucket.events.final
    columns = _purchases(frame, spec)
    columns["days_to_next_event"] = _days_to_next(events, frame.customers, frame.grid.as_ofs)
    columns["days_to_cancel"] = np.full(frame.shape, np.nan)
    columns["days_since_cancel"] = np.full(frame.shape, np.nan)
    if "event_type" in events.texts:
        cancelled = events.take(matches(events, cancel))
        columns["days_to_cancel"] = _days_to_next(cancelled, frame.customers, frame.grid.as_ofs)
        columns["days_since_cancel"] = days(as_ofs, frame.selection("events", cancel).last)
    columns["days_since_purchase"] = days(as_ofs, frame.selection("transactions").last)
    columns["days_since_event"] = days(as_ofs, frame.selection("events").last)
    columns["observed_days"] = _observed(frame, spec.transactions_end)
    columns["observed_event_days"] = _observed(frame, spec.events_end)
    return columns


def label_names(spec: LabelSpec) -> tuple[str, ...]:
    """Names of the label columns in the order in which they are stored."""
    horizons = (name for h in spec.horizons for name in (f"purchases_{h}d", f"spend_{h}d"))
    ahead = ("days_to_next_purchase", "days_to_next_event", "days_to_cancel")
    behind = ("days_since_purchase", "days_since_event", "days_since_cancel")
    return (*ahead, *behind, "observed_days", "observed_event_days", *horizons)


def _observed(frame: Frame, end: int | None) -> FloatArray:
    if end is None:
        return np.full(frame.shape, np.nan)
    return np.broadcast_to((end - frame.grid.as_ofs[:, None]) / DAY, frame.shape).copy()


def _days_to_next(rows: Rows, customers: int, as_ofs: IntArray) -> FloatArray:
    """Days from each cut-off to the customer's first row at or after it."""
    edges = bin_edges(rows, customers, as_ofs)
    place, end = edges[:, 1:-1].T, edges[:, -1]
    there = place < end
    found = np.full(place.shape, NEVER, dtype=np.int64)
    found[there] = rows.ts[place[there]]
    return days(found, as_ofs[:, None])


def _purchases(frame: Frame, spec: LabelSpec) -> dict[str, FloatArray]:
    final = frame.bucket.transactions.final
    names = ["days_to_next_purchase", *(f"{what}_{h}d" for h in spec.horizons for what in ("purchases", "spend"))]
    columns = {name: np.full(frame.shape, np.nan) for name in names}
    clock = frame.grid.as_ofs % DAY
    for origin in np.unique(clock).tolist():
        chosen = np.flatnonzero(clock == origin)
        for name, values in _purchases_from(final, frame, chosen, origin, spec).items():
            columns[name][chosen] = values
    return columns


def _purchases_from(final: Rows, frame: Frame, chosen: IntArray, origin: int, spec: LabelSpec) -> dict[str, FloatArray]:
    """The columns at cut-offs that share one time of day, so that days of 24 hours from each are the same days."""
    bought = purchase_days(final, origin)
    as_ofs = frame.grid.as_ofs[chosen]
    grid = Grid.make(as_ofs.tolist(), [-h for h in spec.horizons])
    rows = Rows(bought.customer, bought.first_ts, numbers={"net": bought.net})
    every = Selection.everything(rows, frame.customers, grid)
    money = every.with_number("net")
    columns = {"days_to_next_purchase": _days_to_next(rows, frame.customers, as_ofs)}
    for horizon in spec.horizons:
        span = grid.span(horizon, -horizon)
        unseen = (spec.transactions_end is None) | (as_ofs + horizon * DAY > (spec.transactions_end or 0))
        spent = np.where((every.count(span) > 0) & (money.count(span) == 0), np.nan, money.total("net", span))
        columns[f"purchases_{horizon}d"] = np.where(unseen[:, None], np.nan, every.count(span))
        columns[f"spend_{horizon}d"] = np.where(unseen[:, None], np.nan, spent)
    return columns
