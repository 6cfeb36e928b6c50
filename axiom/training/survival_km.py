"""Kaplan-Meier curves by segment, with bands, medians and the log-rank test."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from axiom.errors import BadInputError, MisuseError
from axiom.maths.intervals import MetricValue
from axiom.maths.survival import LogRankTest, kaplan_meier, log_rank_test

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from axiom.maths.arrays import BoolArray, FloatArray

MISSING = "unknown"
_MOST_SEGMENTS = 8
_POINTS = 400


@dataclass(frozen=True)
class KmCurve:
    """The curve of one segment. Arrays hold at most 400 of its steps, the first and the last among them.

    Attributes:
        segment: its name.
        customers: rows in it.
        events: how many had the event.
        median: time by which half have left, with limits; None where the curve or a limit never falls so far.
        at: asked time -> share still there, with limits; None beyond the longest duration.
        times, survival, low, high, at_risk: the step function with its band and the customers still observed.
    """

    segment: str
    customers: int
    events: int
    median: tuple[float | None, float | None, float | None]
    at: dict[str, MetricValue | None]
    times: tuple[float, ...]
    survival: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    at_risk: tuple[float, ...]


@dataclass(frozen=True)
class KmReport:
    """Curves of all segments, the largest segment first.

    Attributes:
        clock: what time is counted from and to, in words.
        unit: of time.
        by: what makes the segments; "" for one curve.
        curves: one a segment.
        log_rank: test of equal curves; None with one segment or without events.
        level: of every interval.
        notes: what a reader should know, in full sentences.
    """

    clock: str
    unit: str
    by: str
    curves: tuple[KmCurve, ...]
    log_rank: LogRankTest | None
    level: float
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON-ready values."""
        facts = asdict(self)
        if self.log_rank is not None:
            for name in ("observed", "expected"):
                facts["log_rank"][name] = facts["log_rank"][name].tolist()
        return facts


def km_report(
    duration: FloatArray,
    event: BoolArray,
    segment: npt.NDArray[np.object_] | None,
    *,
    clock: str,
    unit: str,
    by: str = "",
    at: Sequence[float] = (),
    level: float = 0.95,
    notes: tuple[str, ...] = (),
) -> KmReport:
    """Curves of the segments and of the differences between them.

    Args:
        duration: >= 0, shape (n,).
        event: shape (n,).
        segment: name of each row's segment, shape (n,), or None for one curve.
        clock: what time is counted from and to, in words.
        unit: of time.
        by: what makes the segments.
        at: times at which the curves are told; default: four that divide the longest duration.
        level: confidence level.
        notes: what is known so far.

    Raises:
        BadInputError: no row, or nobody had the event.
        MisuseError: times that are not positive, or a level outside (0, 1).
    """
    if not len(duration):
        raise BadInputError("there is nobody to draw a curve of", hint="use another --as-of or definition of churn")
    if not event.any():
        raise BadInputError(
            f"nobody had the event: all {len(event)} rows are censored, so the curve stays at 1",
            hint="use a longer history, another definition of churn, or name the value that means the event",
        )
    if any(time <= 0 for time in at) or not 0 < level < 1:
        raise MisuseError(f"times {list(at)} must be positive and the level {level} between 0 and 1")
    asked = tuple(at) or _four(float(duration.max()))
    names = np.full(len(duration), "everybody", dtype=object) if segment is None else segment
    distinct = sorted(set(names.tolist()), key=lambda name: (-int((names == name).sum()), name))
    curves = tuple(_curve(name, duration[names == name], event[names == name], asked, level) for name in distinct)
    told = list(notes)
    test = None
    if len(distinct) > 1:
        test = log_rank_test(duration, event, names.astype(str))
        told += [f"nobody in {curve.segment!r} had the event" for curve in curves if not curve.events]
    elif segment is not None:
        told.append(f"all rows are of one segment, {distinct[0]!r}: there is nothing to compare")
    return KmReport(clock, unit, by, curves, test, level, tuple(told))


def segments_of(column: pa.ChunkedArray | pa.Array, name: str) -> npt.NDArray[np.object_]:
    """A column as names of at most 8 segments, shape (n,).

    Text: the commonest values, the rest as `other`. Numbers: their values where there are few, else quarters.
    """
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.cast(pa.string())
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.string())
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return _commonest([MISSING if value is None else str(value) for value in column.to_pylist()])
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_decimal(column.type)):
        raise BadInputError(f"{name!r} is of type {column.type}; segments are made of text or numbers")
    values = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    known = values[~np.isnan(values)]
    if len(np.unique(known)) <= _MOST_SEGMENTS:
        return np.array([MISSING if np.isnan(value) else f"{value:g}" for value in values], dtype=object)
    edges = np.unique(np.quantile(known, [0.25, 0.5, 0.75]))
    names = [f"≤ {edges[0]:g}", *(f"{a:g} – {b:g}" for a, b in pairwise(edges))]
    names.append(f"> {edges[-1]:g}")
    place = np.searchsorted(edges, values)
    return np.array(
        [MISSING if np.isnan(value) else names[k] for value, k in zip(values, place, strict=True)], dtype=object
    )


def to_json(report: KmReport) -> str:
    """The whole report as JSON text."""
    return json.dumps(report.to_dict(), indent=1, ensure_ascii=False, allow_nan=False)


def _commonest(values: list[str]) -> npt.NDArray[np.object_]:
    distinct, counts = np.unique(np.array(values, dtype=object).astype(str), return_counts=True)
    if len(distinct) <= _MOST_SEGMENTS:
        return np.array(values, dtype=object)
    kept = set(distinct[np.argsort(-counts, kind="stable")[: _MOST_SEGMENTS - 1]].tolist())
    return np.array([value if value in kept else "other" for value in values], dtype=object)


def _curve(name: str, duration: FloatArray, event: BoolArray, at: tuple[float, ...], level: float) -> KmCurve:
    curve = kaplan_meier(duration, event, level=level)
    median = curve.median()
    shown = np.unique(np.linspace(0, len(curve.times) - 1, min(len(curve.times), _POINTS)).round().astype(np.int64))

    def told(time: float) -> MetricValue | None:
        if time > duration.max():
            return None
        place = int(np.searchsorted(curve.times, time, side="right")) - 1
        return MetricValue.enclosing(curve.survival[place], curve.low[place], curve.high[place])

    return KmCurve(
        segment=name,
        customers=len(duration),
        events=int(event.sum()),
        median=tuple(m if np.isfinite(m) else None for m in (median.value, median.low, median.high)),  # type: ignore[arg-type]
        at={f"{time:g}": told(time) for time in at},
        times=tuple(curve.times[shown].tolist()),
        survival=tuple(curve.survival[shown].tolist()),
        low=tuple(curve.low[shown].tolist()),
        high=tuple(curve.high[shown].tolist()),
        at_risk=tuple(curve.at_risk[shown].tolist()),
    )


def _four(longest: float) -> tuple[float, ...]:
    """Round times that divide the longest duration."""
    step = longest / 4
    if step >= 1:
        usual = (1, 2, 3, 5, 7, 10, 12, 14, 20, 30, 45, 60, 90, 120, 180, 365, 730)
        step = max((s for s in usual if s <= step), default=step)
    return tuple(float(f"{step * k:.4g}") for k in range(1, 5))
