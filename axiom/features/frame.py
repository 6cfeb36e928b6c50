"""What all features of one piece of a bucket share: selections, windows, starts, stages, membership."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from axiom.features.distinct import distinct
from axiom.features.grid import Grid, Span, days
from axiom.features.plan import Plan, window_days
from axiom.features.rows import NEVER, NO_TIME, Bucket
from axiom.features.selection import Selection
from axiom.sources.cleaning import DAWN

if TYPE_CHECKING:
    from axiom.features.definitions import Feature, Filter
    from axiom.maths.arrays import BoolArray, FloatArray, IntArray


class Frame:
    """C customers at K cut-offs. Arrays have the shape (K, C) unless said otherwise."""

    def __init__(self, plan: Plan, bucket: Bucket, as_ofs: tuple[int, ...]) -> None:
        self.plan = plan
        self.bucket = bucket
        self.grid = Grid.make(as_ofs, plan.distances)
        self.customers = len(bucket.ids)
        self.shape = (len(as_ofs), self.customers)
        self._selections: dict[tuple[str, tuple[Filter, ...], str], Selection] = {}
        self._breadths: dict[Feature, dict[int | None, IntArray]] = {}

    def selection(self, entity: str, where: tuple[Filter, ...] = (), number: str = "") -> Selection:
        """Rows of an entity that meet all conditions and, if `number` is given, have a value in that column."""
        key = (entity, where, number)
        if key not in self._selections:
            if number:
                made = self.selection(entity, where).with_number(number)
            elif where:
                made = self.selection(entity).where(where)
            else:
                made = Selection.everything(self.bucket.rows(entity), self.customers, self.grid)
            self._selections[key] = made
        return self._selections[key]

    def span(self, window: int | None, lag: int = 0) -> Span:
        """See `Grid.span`."""
        return self.grid.span(window, lag)

    def breadth(self, feature: Feature, window: int | None) -> IntArray:
        """Different values of the feature's column; all its windows are counted in one pass."""
        if feature not in self._breadths:
            windows = sorted(
                {days for wanted in feature.windows for days in window_days(wanted, self.plan.feature_set)},
                key=lambda days: days or 0,
            )
            counts = distinct(self.selection(feature.entity, feature.where), feature.column, windows)
            self._breadths[feature] = dict(zip(windows, counts, strict=True))
        return self._breadths[feature][window]

    @cached_property
    def latest(self) -> IntArray:
        """Place of each customer's latest visible row in `customers`, or -1.

        The latest is the one with the greatest `valid_from`, then `known_at`, then place.
        """
        rows = self.bucket.customers
        known_at = rows.ts if rows.known_at is None else rows.known_at
        order = np.lexsort((known_at, rows.ts, rows.customer))
        found = np.full(self.shape, -1, dtype=np.int64)
        for k, as_of in enumerate(self.grid.as_ofs.tolist()):
            places = order[rows.visible(as_of)[order]]
            found[k, rows.customer[places]] = places  # of repeated targets numpy keeps the last
        return found

    @cached_property
    def signup(self) -> IntArray:
        """Sign-up time as known at the cut-off, `NEVER` where it is unknown or not yet past."""
        signups = self.bucket.customers.times.get("signup_ts")
        if signups is None or not len(signups):
            return np.full(self.shape, NEVER, dtype=np.int64)
        found = np.where(self.latest < 0, NO_TIME, signups[self.latest])
        past = (found != NO_TIME) & (found < self.grid.as_ofs[:, None])
        return np.where(past, found, NEVER)

    @cached_property
    def start(self) -> IntArray:
        """When each customer started: sign-up or first visible row, whichever is earlier; `NEVER` if neither."""
        first = np.minimum(self.selection("transactions").first, self.selection("events").first)
        return np.minimum(first, self.signup)

    @cached_property
    def member(self) -> BoolArray:
        """Who was a customer at the cut-off.

        A customer has a visible transaction or event, or a past sign-up, or, where no sign-up is given, an attribute
        row that says since when it holds. A bare attribute row is not enough: it may come from a list made later.
        """
        rows = self.bucket.customers
        started: BoolArray = self.start != NEVER
        if not len(rows):
            return started
        signups = rows.times.get("signup_ts", np.full(len(rows), NO_TIME))
        dated = (rows.ts > DAWN) & (signups == NO_TIME)
        started |= (self.latest >= 0) & dated[self.latest]
        return started

    @cached_property
    def tenure(self) -> FloatArray:
        """Days since the start; NaN where there was none."""
        return days(self.grid.as_ofs[:, None], self.start)

    @cached_property
    def stage(self) -> IntArray:
        """Place of each customer's stage in the lifecycle; a customer with no start is in the first one."""
        bounds = [cohort.until for cohort in self.plan.feature_set.lifecycle if cohort.until is not None]
        return np.searchsorted(np.array(bounds, dtype=np.float64), np.nan_to_num(self.tenure, nan=0.0), side="right")
