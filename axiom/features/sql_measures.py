"""One SQL expression per kind of feature: an aggregate over the visible rows of one customer at one cut-off.

The expressions see the row's columns, `ts` (event time), `as_of`, and, for features that depend on the customer's
start or stage, `start_ts` and `stage_window` (days). Times are TIMESTAMP in UTC: DuckDB computes with them many times
faster than with TIMESTAMPTZ, and a day is always 24 hours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from axiom.features.definitions import Filter
from axiom.features.plan import WEEK, YEAR

if TYPE_CHECKING:
    from collections.abc import Callable

    from axiom.features.definitions import Feature
    from axiom.features.plan import Column

_DAY_US = 86_400_000_000
_SIGNS = {"lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_WEEKEND = Filter("weekday", "in", (5.0, 6.0))
_DERIVED = {
    "day": "date_diff('day', DATE '1970-01-01', CAST(ts AS DATE))",
    "hour": "hour(ts)",
    "weekday": "(isodow(ts) - 1)",
}


def utc(column: str) -> str:
    """A TIMESTAMPTZ as a TIMESTAMP in UTC."""
    return f"make_timestamp(epoch_us({column}))"


def identifier(name: str) -> str:
    """`name` as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str | float) -> str:
    """A text or number as an SQL literal."""
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else repr(value)


def needs_person(column: Column) -> bool:
    """Whether the expression refers to the customer's start or stage."""
    return column.window == "lifecycle" or column.feature.kind == "activation" or column.feature.method == "last_year"


def default(column: Column) -> str | None:
    """What stands where a customer has no visible row of the entity at all, or None for null."""
    feature = column.feature
    if feature.kind == "trend":
        return "0" if feature.method == "change" or (feature.method == "slope" and feature.of != "value") else None
    return "0" if feature.kind in {"count", "sum", "breadth"} else None


def expression(column: Column) -> str:
    """The aggregate that computes a column."""
    return _EXPRESSIONS[column.feature.kind](column)


def days_between(later: str, earlier: str) -> str:
    """Days between two times, as a double."""
    return f"((epoch_us({later}) - epoch_us({earlier})) / {_DAY_US}.0)"


def _value(name: str) -> str:
    return _DERIVED.get(name) or identifier(name)


def _condition(condition: Filter) -> str:
    column = _value(condition.column)
    if condition.operator in _SIGNS:
        return f"{column} {_SIGNS[condition.operator]} {literal(condition.values[0])}"
    word = "IN" if condition.operator == "in" else "NOT IN"
    return f"{column} {word} ({', '.join(literal(value) for value in condition.values)})"


def _days(days: int) -> str:
    return f"INTERVAL {days} DAY"


def _window(column: Column) -> list[str]:
    lag = column.feature.lag
    if column.window == "lifecycle":
        bounds = [f"ts >= as_of - {_days(lag)} - to_days(stage_window)"]
    elif isinstance(column.window, int):
        bounds = [f"ts >= as_of - {_days(lag + column.window)}"]
    else:
        bounds = []
    return [*bounds, *([f"ts < as_of - {_days(lag)}"] if lag else [])]


def _between(window: int, lag: int) -> list[str]:
    return [f"ts >= as_of - {_days(lag + window)}", *([f"ts < as_of - {_days(lag)}"] if lag else [])]


def _where(feature: Feature) -> list[str]:
    return [_condition(condition) for condition in feature.where]


def _filtered(aggregate: str, conditions: list[str]) -> str:
    return f"{aggregate} FILTER (WHERE {' AND '.join(conditions)})" if conditions else aggregate


def _rows(conditions: list[str]) -> str:
    # ts is null in the one row that a left join makes for a customer with no rows.
    return _filtered("count(ts)", conditions)


def _aggregate(function: str) -> Callable[[Column], str]:
    def build(column: Column) -> str:
        feature = column.feature
        return _filtered(f"{function}({_value(feature.column)})", [*_where(feature), *_window(column)])

    return build


def _count(column: Column) -> str:
    return _rows([*_where(column.feature), *_window(column)])


def _sum(column: Column) -> str:
    return f"coalesce({_aggregate('sum')(column)}, 0)"


def _breadth(column: Column) -> str:
    feature = column.feature
    return _filtered(f"count(DISTINCT {_value(feature.column)})", [*_where(feature), *_window(column)])


def _share(column: Column) -> str:
    return f"{_count(column)} / nullif({_rows(_window(column))}, 0)"


def _since(function: str) -> Callable[[Column], str]:
    def build(column: Column) -> str:
        return days_between("as_of", _filtered(f"{function}(ts)", _where(column.feature)))

    return build


def _total(feature: Feature, window: int, lag: int) -> str:
    conditions = [*_where(feature), *_between(window, lag)]
    return (
        _rows(conditions)
        if feature.of == "count"
        else f"coalesce({_filtered(f'sum({_value(feature.column)})', conditions)}, 0)"
    )


def _trend(column: Column) -> str:
    feature, window = column.feature, column.window
    assert isinstance(window, int)  # noqa: S101  (the definition allows days only)
    if feature.of == "value":
        return _value_slope(column)
    if feature.method == "slope":
        weeks = window // WEEK
        centre = (weeks - 1) / 2
        scale = sum((week - centre) ** 2 for week in range(weeks))
        terms = (f"{week - centre!r} * {_total(feature, WEEK, window - WEEK * (week + 1))}" for week in range(weeks))
        return f"({' + '.join(terms)}) / {scale!r}"
    this, before = _total(feature, window, 0), _total(feature, window, window)
    if feature.method == "ratio":
        return f"CASE WHEN {before} > 0 THEN {this} / {before} END"
    return (
        f"CASE WHEN {this} = 0 AND {before} = 0 THEN 0 "
        f"WHEN {this} + {before} > 0 THEN ({this} - {before}) / ({this} + {before}) END"
    )


def _value_slope(column: Column) -> str:
    value = _value(column.feature.column)
    conditions = [*_where(column.feature), *_window(column), f"{value} IS NOT NULL"]
    day = days_between("ts", "as_of")
    spread, slope = _filtered(f"stddev_pop({day})", conditions), _filtered(f"regr_slope({value}, {day})", conditions)
    return f"CASE WHEN {spread} > 1 / 86400 THEN {WEEK} * {slope} END"


def _seasonality(column: Column) -> str:
    feature, window = column.feature, column.window
    assert isinstance(window, int)  # noqa: S101  (the definition allows days only)
    if feature.method == "weekend_share":
        weekend = _rows([*_where(feature), _condition(_WEEKEND), *_window(column)])
        return f"{weekend} / nullif({_count(column)}, 0)"
    count = _rows([*_where(feature), *_between(window, YEAR)])
    return f"CASE WHEN start_ts <= as_of - {_days(YEAR + window)} THEN {count} END"


def _activation(column: Column) -> str:
    feature = column.feature
    if feature.method == "days_to_first":
        return days_between(_filtered("min(ts)", _where(feature)), "start_ts")
    early = f"ts < start_ts + {_days(feature.within)}"
    if feature.method == "count":
        return f"CASE WHEN start_ts IS NOT NULL THEN {_rows([*_where(feature), early])} END"
    kinds = feature.where[0].values
    seen = _filtered("count(DISTINCT event_type)", [*_where(feature), early])
    return f"CASE WHEN start_ts IS NOT NULL THEN {seen} / {len(kinds)} END"


_EXPRESSIONS: dict[str, Callable[[Column], str]] = {
    "count": _count,
    "sum": _sum,
    "mean": _aggregate("avg"),
    "min": _aggregate("min"),
    "max": _aggregate("max"),
    "std": _aggregate("stddev_samp"),
    "breadth": _breadth,
    "share": _share,
    "days_since_last": _since("max"),
    "days_since_first": _since("min"),
    "trend": _trend,
    "seasonality": _seasonality,
    "activation": _activation,
}
