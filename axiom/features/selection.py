"""Rows of one entity that pass a condition, and what windows ask of them at every cut-off at once.

The settled rows are cut into bins once (`grid`). A window is then a run of whole bins: a count is a difference of two
edges, and a sum, extreme or moment folds the few bins of the window. No row is read twice however many windows and
cut-offs there are, and because nothing is subtracted nothing cancels. Unsettled rows are folded in per cut-off.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from axiom.features.conditions import matches
from axiom.features.grid import Grid, Span, bin_edges, settle
from axiom.features.moments import Moments, grouped
from axiom.features.rows import DAY, NEVER, NO_TIME, Rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from axiom.features.definitions import Filter
    from axiom.maths.arrays import BoolArray, FloatArray, IntArray


class Selection:
    """Selected rows of C customers on a grid of K cut-offs. Results have the shape (K, C)."""

    def __init__(self, grid: Grid, settled: Rows, unsettled: Rows, edges: IntArray) -> None:
        self.grid = grid
        self.settled = settled
        self.unsettled = unsettled
        self.edges = edges
        self._bins: dict[tuple[str, str], Any] = {}

    @classmethod
    def everything(cls, rows: Rows, customers: int, grid: Grid) -> Selection:
        """All rows of an entity."""
        settled, unsettled = settle(rows, grid.as_ofs)
        return cls(grid, settled, unsettled, bin_edges(settled, customers, grid.boundaries))

    def where(self, conditions: tuple[Filter, ...]) -> Selection:
        """The rows that meet all conditions."""
        if not conditions:
            return self
        return self._only(matches(self.settled, conditions), matches(self.unsettled, conditions))

    def with_number(self, column: str) -> Selection:
        """The rows whose number in `column` is known."""
        known = ~np.isnan(self.settled.numbers[column])
        known_late = ~np.isnan(self.unsettled.numbers[column])
        return self if known.all() and known_late.all() else self._only(known, known_late)

    def _only(self, settled: BoolArray, unsettled: BoolArray) -> Selection:
        chosen_before = np.zeros(len(settled) + 1, dtype=np.int64)
        np.cumsum(settled, out=chosen_before[1:])
        index = np.flatnonzero(settled)
        return Selection(self.grid, self.settled.take(index), self.unsettled.take(unsettled), chosen_before[self.edges])

    @property
    def shape(self) -> tuple[int, int]:
        """(K, C)."""
        return len(self.grid.as_ofs), len(self.edges)

    def count(self, span: Span) -> IntArray:
        """Rows in the window."""
        counts: IntArray = self._edges_by_bin[span.stop] - self._edges_by_bin[span.first]
        for k, rows in self._late(span):
            counts[k] += np.bincount(rows.customer, minlength=self.shape[1])
        return counts

    @cached_property
    def _edges_by_bin(self) -> IntArray:
        return np.ascontiguousarray(self.edges.T)

    def total(self, column: str, span: Span) -> FloatArray:
        """Sum of a column over the window; every number has to be known."""
        return self._fold(np.add, column, 0.0, span)

    def smallest(self, column: str, span: Span) -> FloatArray:
        """Smallest number in the window; infinite where there is none."""
        return self._fold(np.minimum, column, np.inf, span)

    def largest(self, column: str, span: Span) -> FloatArray:
        """Largest number in the window; minus infinity where there is none."""
        return self._fold(np.maximum, column, -np.inf, span)

    @cached_property
    def last(self) -> IntArray:
        """Time of the last row before each cut-off; `NO_TIME` where there is none."""
        stop = self._edges_by_bin[self.grid.ever.stop]
        found = self._times(stop - 1, stop > self.edges[:, 0], NO_TIME)
        for k, rows in self._late(self.grid.ever):
            np.maximum.at(found[k], rows.customer, rows.ts)
        return found

    @cached_property
    def first(self) -> IntArray:
        """Time of the first row before each cut-off; `NEVER` where there is none."""
        start = np.broadcast_to(self.edges[:, 0], self.shape)
        found = self._times(start, start < self._edges_by_bin[self.grid.ever.stop], NEVER)
        for k, rows in self._late(self.grid.ever):
            np.minimum.at(found[k], rows.customer, rows.ts)
        return found

    def count_until(self, ends: IntArray) -> IntArray:
        """Rows before both the cut-off and a time of each customer's own, `ends` of shape (K, C)."""
        ends = np.minimum(ends, self.grid.as_ofs[:, None])
        start = np.broadcast_to(self.edges[:, 0], self.shape)
        stop = self._edges_by_bin[self.grid.ever.stop]
        counts = _bisect(self.settled.ts, start, stop, ends) - start
        for k, rows in self._late(self.grid.ever):
            early = rows.customer[rows.ts < ends[k, rows.customer]]
            counts[k] += np.bincount(early, minlength=self.shape[1])
        return counts

    def _times(self, places: IntArray, exists: BoolArray, missing: int) -> IntArray:
        found = np.full(self.shape, missing, dtype=np.int64)
        found[exists] = self.settled.ts[places[exists]]
        return found

    def moments(self, x: str, y: str, span: Span) -> Moments:
        """Moments of two columns over the window; `@days` stands for the event time in days."""
        key = ("moments", f"{x}\n{y}")
        if key not in self._bins:
            self._bins[key] = self._binned_moments(self._series(self.settled, x), self._series(self.settled, y))
        binned: Moments = self._bins[key]
        late = dict(self._late(span))
        found, reached, previous = [], 0, None
        for k, (first, stop) in enumerate(zip(span.first, span.stop, strict=True)):
            if previous is None or span.first[k] != previous:
                whole, reached, previous = Moments.none(self.shape[1:]), first, first
            for place in range(reached, stop):
                whole = whole + binned[place]
            reached = stop
            rows = late.get(k)
            extra = None if rows is None else self._grouped(rows, x, y)
            found.append(whole if extra is None else whole + extra)
        return Moments(*(np.stack(part) for part in zip(*(_parts(m) for m in found), strict=True)))

    def _grouped(self, rows: Rows, x: str, y: str) -> Moments:
        return grouped(rows.customer, self._series(rows, x), self._series(rows, y), self.shape[1])

    def _series(self, rows: Rows, column: str) -> FloatArray:
        if column == "@days":
            series: FloatArray = (rows.ts - self.grid.boundaries[0]) / DAY
            return series
        return rows.numbers[column]

    def _binned_moments(self, x: FloatArray, y: FloatArray) -> Moments:
        filled, _, lengths = self._filled
        bin_of_row = np.repeat(np.arange(len(filled)), lengths)
        parts = _parts(grouped(bin_of_row, x, y, len(filled)))
        return Moments(*(self._spread(part, 0.0) for part in parts))

    def _fold(self, fold: np.ufunc, column: str, neutral: float, span: Span) -> FloatArray:
        key = (fold.__name__, column)
        if key not in self._bins:
            _, starts, _ = self._filled
            values = self.settled.numbers[column]
            self._bins[key] = self._spread(fold.reduceat(values, starts) if len(starts) else np.empty(0), neutral)
        bins: FloatArray = self._bins[key]
        found = _fold_runs(fold, bins, span)
        for k, rows in self._late(span):
            fold.at(found[k], rows.customer, rows.numbers[column])
        return found

    @cached_property
    def _filled(self) -> tuple[IntArray, IntArray, IntArray]:
        """Bins that hold rows, customer by customer: their number, first row and length."""
        lengths = np.diff(self.edges, axis=1).ravel()
        filled = np.flatnonzero(lengths)
        return filled, self.edges[:, :-1].ravel()[filled], lengths[filled]

    def _spread(self, values: FloatArray, neutral: float) -> FloatArray:
        """From the filled bins to all bins, as (bins, C): a window is a run of rows."""
        customers, bins = self.edges.shape[0], self.edges.shape[1] - 1
        everywhere = np.full(customers * bins, neutral)
        everywhere[self._filled[0]] = values
        return np.ascontiguousarray(everywhere.reshape(customers, bins).T)

    @cached_property
    def _late_rows(self) -> list[Rows]:
        """Unsettled rows that each cut-off sees, by ascending time."""
        return [self.unsettled.take(self.unsettled.visible(as_of)) for as_of in self.grid.as_ofs.tolist()]

    def _late(self, span: Span) -> Iterator[tuple[int, Rows]]:
        if not len(self.unsettled):
            return
        for k, rows in enumerate(self._late_rows):
            start, stop = np.searchsorted(rows.ts, (span.start_ts[k], span.stop_ts[k]))
            if stop > start:
                yield k, rows.take(slice(start, stop))


def _parts(moments: Moments) -> tuple[FloatArray, ...]:
    return moments.n, moments.mean_x, moments.mean_y, moments.s_xx, moments.s_xy


def _fold_runs(fold: np.ufunc, bins: FloatArray, span: Span) -> FloatArray:
    # Accumulating goes from bin to bin. Reducing may pair the bins in another order when there is one customer alone,
    # and then a sum would depend, in its last bit, on who else is in the bucket.
    if not span.first.any():
        everything: FloatArray = fold.accumulate(bins, axis=0)[span.stop - 1]
        return everything
    runs = zip(span.first, span.stop, strict=True)
    return np.stack([fold.accumulate(bins[first:stop], axis=0)[-1] for first, stop in runs])


def _bisect(ts: IntArray, start: IntArray, stop: IntArray, target: IntArray) -> IntArray:
    """Per element: the first place in [start, stop) whose time is not before the target, or `stop`."""
    low, high = start.copy(), stop.copy()
    while (open_ := low < high).any():
        middle = (low + high) >> 1
        before = open_ & (ts[np.where(open_, middle, 0)] < target)
        low = np.where(before, middle + 1, low)
        high = np.where(open_ & ~before, middle, high)
    return low
