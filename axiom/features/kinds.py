"""The kinds of features: which keys each takes, and what it means."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """What one kind of feature takes.

    Attributes:
        name: as it stands in YAML.
        meaning: one line for people.
        required: keys it cannot do without.
        optional: further keys it understands; `name` is always one.
        methods: allowed values of `method`; the first is the default. Empty: it takes none.
        windowed: `whole` (any window), `days` (a number of days only) or "" (it has no windows).
    """

    name: str
    meaning: str
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    windowed: str = ""

    @property
    def keys(self) -> tuple[str, ...]:
        """Every key it understands."""
        windows = ("windows",) if self.windowed else ()
        method = ("method",) if self.methods else ()
        return ("kind", *self.required, *windows, *method, *self.optional, "name")


def _value(name: str, meaning: str) -> Kind:
    return Kind(name, meaning, ("entity", "column"), ("where", "lag"), windowed="whole")


_ALL = (
    Kind("count", "rows in the window", ("entity",), ("where", "lag"), windowed="whole"),
    _value("sum", "sum of a column over the window; 0 where there is no row"),
    _value("mean", "mean of a column over the window; null where there is no value"),
    _value("min", "smallest value in the window; null where there is none"),
    _value("max", "largest value in the window; null where there is none"),
    _value("std", "sample standard deviation (n - 1) over the window; null below two values"),
    Kind(
        "breadth",
        "number of different values of a text column (or of `day`, `hour`, `weekday`) in the window",
        ("entity", "column"),
        ("where",),
        windowed="whole",
    ),
    Kind(
        "share",
        "share of the window's rows that match `where`; null where there is no row",
        ("entity", "where"),
        ("lag",),
        windowed="whole",
    ),
    Kind("days_since_last", "days from the last row to as_of; null where there is none", ("entity",), ("where",)),
    Kind("days_since_first", "days from the first row to as_of; null where there is none", ("entity",), ("where",)),
    Kind("tenure", "days from the customer's start (sign-up or first row, whichever is earlier) to as_of"),
    Kind(
        "trend",
        "ratio: window over the window before; change: (this - before) / (this + before); "
        "slope: least-squares slope per week, of weekly totals, or of the values themselves with `of: value`",
        ("entity",),
        ("column", "of", "where"),
        methods=("ratio", "change", "slope"),
        windowed="days",
    ),
    Kind(
        "seasonality",
        "weekend_share: share of rows on Saturday and Sunday; last_year: rows in the same window 365 days earlier, "
        "null where the customer is not that old",
        ("entity",),
        ("where",),
        methods=("weekend_share", "last_year"),
        windowed="days",
    ),
    Kind(
        "activation",
        "days_to_first: days from the customer's start to the first row; count: rows in the first `within` days; "
        "share: share of the event types listed in `where` seen in the first `within` days",
        ("entity",),
        ("where", "within"),
        methods=("days_to_first", "count", "share"),
    ),
    Kind(
        "attribute",
        "latest known attribute of the customer; value, or days since / until a date column",
        ("column",),
        methods=("value", "days_since", "days_until"),
    ),
    Kind("sql", "your own SELECT: customer_id and columns, over rows visible at $as_of", ("query", "name")),
)

KINDS: dict[str, Kind] = {kind.name: kind for kind in _ALL}
VALUE_KINDS = frozenset({"sum", "mean", "min", "max", "std"})
DERIVED_COLUMNS = ("day", "hour", "weekday")
"""Columns every entity has: its UTC day, hour (0-23) and weekday (0 is Monday) of the event time."""
