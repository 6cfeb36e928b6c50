"""How many different values a customer had in a window, at every cut-off at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from axiom.features.conditions import derived
from axiom.features.kinds import DERIVED_COLUMNS
from axiom.features.rows import DAY, NO_TIME, Rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from axiom.features.selection import Selection
    from axiom.maths.arrays import IntArray


def distinct(selection: Selection, column: str, windows: Sequence[int | None]) -> list[IntArray]:
    """Count different values before each cut-off, for every window.

    A value is in the window iff its last row before the cut-off is. So one pass in order of time, which keeps the
    last time of each (customer, value), serves all windows and cut-offs.

    Args:
        selection: rows of C customers at K cut-offs.
        column: a text column, or `day`, `hour`, `weekday`.
        windows: days; None reaches back to the dawn of time.

    Returns:
        one (K, C) array per window.
    """
    customers = selection.shape[1]
    pair, owner, pair_late = _pairs(selection, column)
    last = np.full(len(owner), NO_TIME, dtype=np.int64)
    found = [np.zeros(selection.shape, dtype=np.int64) for _ in windows]
    late = np.argsort(selection.unsettled.ts, kind="stable")
    for k, (as_of, places) in enumerate(zip(selection.grid.as_ofs.tolist(), _between_cutoffs(selection), strict=True)):
        seen = pair[places]
        known = seen >= 0
        # Places ascend in time within a customer, and of repeated targets numpy keeps the last.
        last[seen[known]] = selection.settled.ts[places[known]]
        now = last
        visible = late[selection.unsettled.visible(as_of)[late] & (pair_late[late] >= 0)]
        if len(visible):
            now = last.copy()
            np.maximum.at(now, pair_late[visible], selection.unsettled.ts[visible])
        for window, counts in zip(windows, found, strict=True):
            start = NO_TIME + 1 if window is None else as_of - window * DAY
            counts[k] = np.bincount(owner[now >= start], minlength=customers)
    return found


def _pairs(selection: Selection, column: str) -> tuple[IntArray, IntArray, IntArray]:
    """Number the (customer, value) pairs: of each settled row, the customer of each pair, of each unsettled row."""
    settled, unsettled = _values(selection.settled, column), _values(selection.unsettled, column)
    both = np.concatenate([settled, unsettled])
    low, high = (
        (int(both.min(initial=0)), int(both.max(initial=0))) if column == "day" else (0, int(both.max(initial=0)))
    )
    width = high - low + 1
    customer = np.concatenate([selection.settled.customer, selection.unsettled.customer]).astype(np.int64)
    missing = (both < 0) if column not in DERIVED_COLUMNS else np.zeros(len(both), dtype=np.bool_)
    key = np.where(missing, -1, customer * width + (both - low))
    pairs = selection.shape[1] * width
    if pairs > 4 * len(both) + 65536:
        # Many values of which each customer has few: number only the pairs that occur.
        present, key = np.unique(key, return_inverse=True)
        first = int(len(present) > 0 and present[0] < 0)
        key, owner = key - first, present[first:] // width
    else:
        owner = np.arange(pairs) // width
    cut = len(settled)
    return key[:cut], owner, key[cut:]


def _values(rows: Rows, column: str) -> IntArray:
    if column in DERIVED_COLUMNS:
        return derived(rows, column)
    return rows.texts[column].codes.astype(np.int64)


def _between_cutoffs(selection: Selection) -> Iterator[IntArray]:
    """Places of the settled rows between one cut-off and the next."""
    start = selection.edges[:, 0]
    for stop_edge in selection.grid.ever.stop:
        stop = selection.edges[:, stop_edge]
        lengths = stop - start
        shift = np.repeat(start - (np.cumsum(lengths) - lengths), lengths)
        yield shift + np.arange(len(shift))
        start = stop
