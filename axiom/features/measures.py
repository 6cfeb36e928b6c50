"""One function per kind of feature: from a frame to a (K, C) array."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from axiom.features.definitions import Filter
from axiom.features.grid import days
from axiom.features.plan import WEEK, YEAR, window_days
from axiom.features.rows import DAY, NEVER, NO_TIME, Codes

if TYPE_CHECKING:
    from collections.abc import Callable

    from axiom.features.definitions import Feature
    from axiom.features.frame import Frame
    from axiom.features.plan import Column
    from axiom.features.selection import Selection
    from axiom.maths.arrays import FloatArray, IntArray

    Measure = Callable[[Frame, Feature, int | None], FloatArray]

_WEEKEND = Filter("weekday", "in", (5.0, 6.0))
_SHORTEST_SPREAD_DAYS = 1 / 86_400
"""A slope needs rows whose times differ by more than a second in standard deviation; below, it is all noise."""


def measure(frame: Frame, column: Column) -> FloatArray:
    """Values of a numeric column, (K, C); NaN where unknown."""
    kind = _MEASURES[column.feature.kind]
    windows = window_days(column.window, frame.plan.feature_set)
    values = [kind(frame, column.feature, window) for window in windows]
    if column.window != "lifecycle":
        return values[0]
    return np.choose(frame.stage, values)


def text_attribute(frame: Frame, column: Column) -> Codes:
    """Latest known value of a text attribute; its codes have the shape (K, C)."""
    text = frame.bucket.customers.texts.get(column.feature.column)
    if text is None or not len(text.codes):
        return Codes(np.full(frame.shape, -1, dtype=np.int32), ())
    return Codes(np.where(frame.latest < 0, np.int32(-1), text.codes[frame.latest]), text.values)


def _ratio(above: FloatArray | IntArray, below: FloatArray | IntArray) -> FloatArray:
    """`above / below`, NaN where `below` is not positive."""
    positive = below > 0
    return np.where(positive, above / np.where(positive, below, 1), np.nan)


def _selection(frame: Frame, feature: Feature, number: str = "") -> Selection:
    return frame.selection(feature.entity, feature.where, number)


def _count(frame: Frame, feature: Feature, window: int | None) -> FloatArray:
    return _selection(frame, feature).count(frame.span(window, feature.lag)).astype(np.float64)


def _sum(frame: Frame, feature: Feature, window: int | None) -> FloatArray:
    return _selection(frame, feature, feature.column).total(feature.column, frame.span(window, feature.lag))


def _mean(frame: Frame, feature: Feature, window: int | None) -> FloatArray:
    known = _selection(frame, feature, feature.column)
    return _ratio(_sum(frame, feature, window), known.count(frame.span(window, feature.lag)))


def _finite(values: FloatArray) -> FloatArray:
    return np.where(np.isinf(values), np.nan, values)


def _min(frame: Frame, feature: Feature, window: int | None) -> FloatArray:
    known = _selection(frame, feature, feature.column)
    return _finite(known.smallest(feature.column, frame.span(window, feature.lag)))


def _max(frame: Frame, feature: Feature, window: int | None) -> FloatArray:
    known = _selection(frame, feature, feature.column)
    return _finite(known.largest(feature.column, frame.span(window, feature.lag)))


def _std(frame: Frame, feature: Feature, window: int | None) -> FloatArray:
    known = _selection(frame, feature, feature.column)
    return known.moments(feature.column, feature.column, frame.span(window, feature.lag)).std_x


def _breadth(frame: Frame, feature: Feature, window: int | None) -> FloatArray:
    return frame.breadth(feature, window).astype(np.float64)


def _share(frame: Frame, feature: Feature, window: int | None) -> FloatArray:
    span = frame.span(window, feature.lag)
    return _ratio(_selection(frame, feature).count(span), frame.selection(feature.entity).count(span))


def _days_since_last(frame: Frame, feature: Feature, _window: int | None) -> FloatArray:
    return days(frame.grid.as_ofs[:, None], _selection(frame, feature).last)


def _days_since_first(frame: Frame, feature: Feature, _window: int | None) -> FloatArray:
    return days(frame.grid.as_ofs[:, None], _selection(frame, feature).first)


def _tenure(frame: Frame, _feature: Feature, _window: int | None) -> FloatArray:
    return frame.tenure


def _trend(frame: Frame, feature: Feature, window: int | None) -> FloatArray:
    assert window is not None  # noqa: S101  (the definition refuses a trend over all history)
    if feature.of == "value":
        known = _selection(frame, feature, feature.column)
        return WEEK * known.moments("@days", feature.column, frame.span(window)).slope(_SHORTEST_SPREAD_DAYS)
    if feature.method == "slope":
        return _weekly_slope([_total(frame, feature, WEEK, lag) for lag in range(window - WEEK, -1, -WEEK)])
    this, before = _total(frame, feature, window, 0), _total(frame, feature, window, window)
    if feature.method == "ratio":
        return _ratio(this, before)
    change = _ratio(this - before, this + before)
    return np.where((this == 0) & (before == 0), 0.0, change)


def _total(frame: Frame, feature: Feature, window: int, lag: int) -> FloatArray:
    span = frame.span(window, lag)
    if feature.of == "count":
        return _selection(frame, feature).count(span).astype(np.float64)
    return _selection(frame, feature, feature.column).total(feature.column, span)


def _weekly_slope(totals: list[FloatArray]) -> FloatArray:
    """Least-squares slope of equally spaced totals, oldest first, per week."""
    weeks = np.arange(len(totals)) - (len(totals) - 1) / 2
    slope = np.zeros(totals[0].shape)
    # Not a matrix product: BLAS rounds by the size of the block, and a customer's slope must not depend on the others.
    for weight, total in zip(weeks / (weeks @ weeks), totals, strict=True):
        slope += weight * total
    return slope


def _seasonality(frame: Frame, feature: Feature, window: int | None) -> FloatArray:
    assert window is not None  # noqa: S101  (the definition refuses seasonality over all history)
    if feature.method == "weekend_share":
        weekend = frame.selection(feature.entity, (*feature.where, _WEEKEND))
        span = frame.span(window)
        return _ratio(weekend.count(span), _selection(frame, feature).count(span))
    span = frame.span(window, YEAR)
    there = frame.start <= span.start_ts[:, None]
    return np.where(there, _selection(frame, feature).count(span), np.nan)


def _activation(frame: Frame, feature: Feature, _window: int | None) -> FloatArray:
    if feature.method == "days_to_first":
        return days(_selection(frame, feature).first, frame.start)
    end = np.where(frame.start == NEVER, NO_TIME, frame.start + np.int64(feature.within * DAY))
    unknown = frame.start == NEVER
    if feature.method == "count":
        return np.where(unknown, np.nan, _selection(frame, feature).count_until(end))
    (condition,) = feature.where
    kinds = [frame.selection(feature.entity, (Filter("event_type", "in", (kind,)),)) for kind in condition.values]
    seen = sum(((kind.first < end).astype(np.float64) for kind in kinds), start=np.zeros(frame.shape))
    return np.where(unknown, np.nan, seen / len(kinds))


def _attribute(frame: Frame, feature: Feature, _window: int | None) -> FloatArray:
    rows = frame.bucket.customers
    if not len(rows):
        return np.full(frame.shape, np.nan)
    if feature.method == "value":
        return np.where(frame.latest < 0, np.nan, rows.numbers[feature.column][frame.latest])
    date = np.where(frame.latest < 0, NO_TIME, rows.times[feature.column][frame.latest])
    as_ofs = frame.grid.as_ofs[:, None]
    return days(as_ofs, date) if feature.method == "days_since" else days(date, as_ofs)


_MEASURES: dict[str, Measure] = {
    "count": _count,
    "sum": _sum,
    "mean": _mean,
    "min": _min,
    "max": _max,
    "std": _std,
    "breadth": _breadth,
    "share": _share,
    "days_since_last": _days_since_last,
    "days_since_first": _days_since_first,
    "tenure": _tenure,
    "trend": _trend,
    "seasonality": _seasonality,
    "activation": _activation,
    "attribute": _attribute,
}
