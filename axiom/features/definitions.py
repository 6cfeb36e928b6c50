"""Declarative features: frozen definitions, their names, and the version that a set of them hashes to."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from axiom.errors import MisuseError
from axiom.features.kinds import VALUE_KINDS
from axiom.features.validation import check_feature, check_lifecycle

if TYPE_CHECKING:
    from collections.abc import Mapping

Window = int | Literal["all", "lifecycle"]
Operator = Literal["in", "not_in", "lt", "le", "gt", "ge"]
BASE_COLUMNS = ("customer_id", "as_of", "x", "t_x", "T", "mean_spend", "lifecycle")
"""Columns that every feature row has, before the declared ones."""

RESERVED = frozenset(name.lower() for name in BASE_COLUMNS)
"""Names that no feature can have; in lower case, because SQL does not tell `t` from `T`."""

_PREFIX = {"transactions": "txn", "events": "evt", "customers": "cus"}


@dataclass(frozen=True)
class Filter:
    """A condition on one column of a row; a null never matches.

    Attributes:
        column: of the entity, or `day`, `hour`, `weekday`.
        operator: `in`, `not_in`, `lt`, `le`, `gt` or `ge`.
        values: texts or numbers; exactly one for the comparisons.
    """

    column: str
    operator: Operator
    values: tuple[str | float, ...]


@dataclass(frozen=True)
class Cohort:
    """One stage of a customer's life, by tenure.

    Attributes:
        name: value of the `lifecycle` column.
        until: tenure in days below which a customer belongs here; None for the last stage.
        window: days of history that features with the window `lifecycle` look at in this stage.
        horizon: days ahead that churn is asked about in this stage.
    """

    name: str
    until: int | None
    window: int
    horizon: int


DEFAULT_LIFECYCLE = (Cohort("new", 90, 14, 30), Cohort("established", 365, 30, 60), Cohort("mature", None, 90, 90))


@dataclass(frozen=True)
class Feature:
    """One definition; it makes one column per window.

    Windows are half-open, [as_of - lag - window, as_of - lag), in days of 24 hours. `axiom.features.kinds` says which
    fields a kind takes.

    Raises:
        MisuseError: the fields contradict the kind.
    """

    kind: str
    entity: str = ""
    column: str = ""
    where: tuple[Filter, ...] = ()
    windows: tuple[Window, ...] = ()
    lag: int = 0
    method: str = ""
    of: str = ""
    within: int = 0
    query: str = ""
    name: str = ""

    def __post_init__(self) -> None:
        check_feature(self)

    @cached_property
    def outputs(self) -> tuple[Output, ...]:
        """The columns it makes; empty for `sql`, whose columns are known once the query is prepared."""
        if self.kind == "sql":
            return ()
        return tuple(Output(self._output_name(window), self, window) for window in self.windows or (None,))

    def _output_name(self, window: Window | None) -> str:
        parts = [self.name or self._stem]
        if window is not None:
            parts.append(window if isinstance(window, str) else f"{window}d")
        if self.lag:
            parts.append(f"lag{self.lag}d")
        return "_".join(parts)

    @property
    def _stem(self) -> str:
        if self.kind == "attribute":
            return _slug("attr", self.column, "" if self.method == "value" else self.method)
        if self.kind == "tenure":
            return "tenure"
        what = {
            "trend": self.method if self.of == "value" else f"{self.of}_{self.method}",
            "seasonality": self.method,
            "activation": self.method + (f"_first{self.within}d" if self.within else ""),
        }
        column = self.column if self.kind in VALUE_KINDS or self.kind == "breadth" or self.of != "count" else ""
        conditions = [_condition_slug(condition) for condition in self.where]
        return _slug(_PREFIX[self.entity], *conditions, column, what.get(self.kind, self.kind))


@dataclass(frozen=True)
class Output:
    """One column of the feature row.

    Attributes:
        name: of the column.
        feature: the definition it comes from.
        window: days, `all`, `lifecycle`, or None where the kind has no window.
    """

    name: str
    feature: Feature
    window: Window | None


@dataclass(frozen=True)
class FeatureSet:
    """A named set of features.

    Raises:
        MisuseError: two features make a column of the same name, or the lifecycle is not ascending.
    """

    name: str
    features: tuple[Feature, ...]
    lifecycle: tuple[Cohort, ...] = DEFAULT_LIFECYCLE

    def __post_init__(self) -> None:
        check_lifecycle(self.lifecycle)
        taken: dict[str, Output] = {}
        for output in self.outputs:
            if output.name in RESERVED or output.name in taken:
                raise MisuseError(
                    f"two features make the column {output.name!r}", hint="give one of them a `name` of its own"
                )
            taken[output.name] = output

    @property
    def outputs(self) -> tuple[Output, ...]:
        """All declared columns, in order; those of `sql` features are not among them."""
        return tuple(output for feature in self.features for output in feature.outputs)

    @cached_property
    def version(self) -> str:
        """12 hexadecimal digits: SHA-256 over the name and the definitions as canonical JSON."""
        text = json.dumps(self.to_dict(), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def to_dict(self) -> dict[str, Any]:
        """As plain values; fields at their default are left out, so a new optional field changes no version."""
        return {
            "name": self.name,
            "features": [_plain(feature) for feature in self.features],
            "lifecycle": [asdict(cohort) for cohort in self.lifecycle],
        }

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> FeatureSet:
        """The inverse of `to_dict`."""
        return cls(
            body["name"],
            tuple(_feature_from(feature) for feature in body["features"]),
            tuple(Cohort(**cohort) for cohort in body["lifecycle"]),
        )


def _plain(feature: Feature) -> dict[str, Any]:
    values = {field.name: getattr(feature, field.name) for field in fields(feature)}
    plain = {name: value for name, value in values.items() if value not in ("", 0, ())}
    if feature.where:
        plain["where"] = [[c.column, c.operator, list(c.values)] for c in feature.where]
    if feature.windows:
        plain["windows"] = list(feature.windows)
    return plain


def _feature_from(body: Mapping[str, Any]) -> Feature:
    where = tuple(Filter(column, operator, tuple(values)) for column, operator, values in body.get("where", ()))
    return Feature(**{**body, "where": where, "windows": tuple(body.get("windows", ()))})


def plain_name(text: str) -> str:
    """`text` in a-z, 0-9 and single _; empty where it has no such character."""
    return re.sub(r"_+", "_", re.sub(r"[^a-z0-9_]+", "_", text.lower())).strip("_")


def _slug(*parts: str) -> str:
    return plain_name("_".join(part for part in parts if part))


def _condition_slug(condition: Filter) -> str:
    values = "_".join(f"{value:g}" if isinstance(value, float) else str(value) for value in condition.values)
    if condition.column == "event_type" and condition.operator == "in":
        return values
    return f"{condition.column}_{condition.operator}_{values}"
