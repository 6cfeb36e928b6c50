"""The cut-offs of a build, and the boundaries that cut time into bins so that every window is a run of whole bins."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from axiom.features.rows import DAY, NEVER, NO_TIME, Rows

if TYPE_CHECKING:
    from collections.abc import Iterable

    from axiom.maths.arrays import FloatArray, IntArray


@dataclass(frozen=True)
class Span:
    """A half-open window at each of K cut-offs.

    Attributes:
        first: first bin of each window.
        stop: first bin after it.
        start_ts: where it starts in microseconds, `NO_TIME` for the dawn of time.
        stop_ts: where it stops; a row at this time is outside.
    """

    first: IntArray
    stop: IntArray
    start_ts: IntArray
    stop_ts: IntArray


@dataclass(frozen=True)
class Grid:
    """K cut-offs with all boundaries that the windows before them need.

    With boundaries b_0 < … < b_{B-1}, bin 0 holds the rows before b_0, bin j those in [b_{j-1}, b_j), and bin B
    those from the last boundary on, which nobody sees.

    Attributes:
        as_ofs: K cut-offs in microseconds, ascending.
        boundaries: B times in microseconds, ascending; every cut-off is one.
    """

    as_ofs: IntArray
    boundaries: IntArray

    @classmethod
    def make(cls, as_ofs: Iterable[int], days_before: Iterable[int]) -> Grid:
        """The grid of ascending cut-offs and all distances, in days, at which windows start or stop."""
        cuts = np.array(list(as_ofs), dtype=np.int64)
        distances = np.array(sorted({0, *days_before}), dtype=np.int64) * DAY
        return cls(cuts, np.unique(cuts[:, None] - distances))

    def span(self, window: int | None, lag: int = 0) -> Span:
        """The window [as_of - lag - window, as_of - lag) in days; None reaches back to the dawn of time."""
        stop_ts = self.as_ofs - lag * DAY
        stop = np.searchsorted(self.boundaries, stop_ts) + 1
        if window is None:
            return Span(np.zeros_like(stop), stop, np.full_like(stop_ts, NO_TIME), stop_ts)
        start_ts = stop_ts - window * DAY
        return Span(np.searchsorted(self.boundaries, start_ts) + 1, stop, start_ts, stop_ts)

    @cached_property
    def ever(self) -> Span:
        """Everything before each cut-off."""
        return self.span(None)


def settle(rows: Rows, as_ofs: IntArray) -> tuple[Rows, Rows]:
    """Part the rows by how their visibility depends on the cut-off.

    A row is settled if every cut-off after its event sees it: those rows are binned once for all cut-offs. Rows that
    some cut-off after their event does not see (known late, or replaced by a later version) are few, and are looked
    at for each cut-off. Rows that no cut-off sees are dropped.

    Args:
        rows: of one entity.
        as_ofs: K cut-offs, ascending.

    Returns:
        settled rows in their order, and unsettled rows by ascending event time.
    """
    if rows.known_at is None and rows.gone_at is None:
        return rows, rows.take(slice(0, 0))
    happened = np.searchsorted(as_ofs, rows.ts, side="right")
    seen = happened
    if rows.known_at is not None:
        seen = np.maximum(happened, np.searchsorted(as_ofs, rows.known_at, side="left"))
    gone = np.full_like(seen, len(as_ofs))
    if rows.gone_at is not None:
        gone = np.searchsorted(as_ofs, rows.gone_at, side="left")
    settled = (seen == happened) & (gone == len(as_ofs))
    unsettled = rows.take(np.flatnonzero(~settled & (seen < gone)))
    unsettled = unsettled.take(np.argsort(unsettled.ts, kind="stable"))
    return (rows if settled.all() else rows.take(np.flatnonzero(settled))), unsettled


def bin_edges(rows: Rows, customers: int, boundaries: IntArray) -> IntArray:
    """Where each customer's bins start.

    Args:
        rows: in order of (customer, time).
        customers: C.
        boundaries: B times, ascending.

    Returns:
        (C, B + 2) places in `rows`: the customer's first row, the first row at or after each boundary, its end.
    """
    if len(rows) > _LONG * customers:
        return _edges_by_customer(rows, customers, boundaries)
    bins = len(boundaries) + 1
    bin_of_row = rows.customer.astype(np.int64) * bins + np.searchsorted(boundaries, rows.ts, side="right")
    before = np.zeros(customers * bins + 1, dtype=np.int64)
    np.cumsum(np.bincount(bin_of_row, minlength=customers * bins), out=before[1:])
    starts = before[:-1].reshape(customers, bins)
    return np.concatenate([starts, before[bins::bins][:, None]], axis=1)


_LONG = 50
"""Rows per customer from which searching each customer's rows beats sorting every row into its bin."""


def _edges_by_customer(rows: Rows, customers: int, boundaries: IntArray) -> IntArray:
    ends = np.searchsorted(rows.customer, np.arange(customers + 1, dtype=np.int32))
    edges = np.empty((customers, len(boundaries) + 2), dtype=np.int64)
    edges[:, 0], edges[:, -1] = ends[:-1], ends[1:]
    for customer in range(customers):
        start = ends[customer]
        edges[customer, 1:-1] = rows.ts[start : ends[customer + 1]].searchsorted(boundaries) + start
    return edges


def days(later: IntArray, earlier: IntArray) -> FloatArray:
    """Days from `earlier` to `later`; NaN where either is `NO_TIME` or `NEVER`."""
    known = (later != NEVER) & (later != NO_TIME) & (earlier != NEVER) & (earlier != NO_TIME)
    return np.where(known, (np.where(known, later, 0) - np.where(known, earlier, 0)) / DAY, np.nan)
