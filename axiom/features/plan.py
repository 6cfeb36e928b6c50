"""Compile a feature set against what a lake holds: which columns to read, which boundaries to cut, what comes out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from axiom.contracts import ENTITIES
from axiom.errors import BadInputError, MisuseError
from axiom.features.definitions import RESERVED
from axiom.features.kinds import DERIVED_COLUMNS, VALUE_KINDS
from axiom.features.user_sql import describe_query, tables_of
from axiom.features.validation import NAME

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from axiom.features.definitions import Feature, FeatureSet, Filter, Output, Window

ValueType = Literal["number", "text", "time"]
OutputType = Literal["number", "text"]
YEAR = 365
WEEK = 7

_ALWAYS = {"transactions": ("amount",), "events": ("event_type",), "customers": ("signup_ts",)}


@dataclass(frozen=True)
class Column:
    """One column that a plan makes.

    Attributes:
        name: of the column.
        type: `number` (float64, null where unknown) or `text`.
        feature: the definition it comes from.
        window: days, `all`, `lifecycle`, or None.
    """

    name: str
    type: OutputType
    feature: Feature
    window: Window | None


@dataclass(frozen=True)
class Plan:
    """A feature set ready to run. Picklable.

    Attributes:
        feature_set: what was compiled.
        columns: the declared columns in order.
        reads: entity -> columns to read; entities that hold nothing are left out.
        distances: days before a cut-off at which some window starts or stops.
    """

    feature_set: FeatureSet
    columns: tuple[Column, ...]
    reads: Mapping[str, tuple[str, ...]]
    distances: tuple[int, ...]


def value_type(arrow_type: str) -> ValueType:
    """What features can do with a column of this Arrow type, given as text."""
    if arrow_type.startswith(("timestamp", "date")):
        return "time"
    return "text" if "string" in arrow_type else "number"


def compile_plan(feature_set: FeatureSet, schema: Mapping[str, Mapping[str, str]]) -> Plan:
    """Compile `feature_set` for a lake.

    Args:
        feature_set: the definitions.
        schema: entity -> column -> Arrow type as text; entities with no rows are missing or empty.

    Raises:
        BadInputError: a feature needs an entity or a column that is not there or has another type.
        MisuseError: a query of a `sql` feature is refused.
    """
    holds = {entity: dict(schema[entity]) for entity in ENTITIES if schema.get(entity)}
    columns = tuple(column for feature in feature_set.features for column in _columns_of(feature, holds))
    names = [column.name for column in columns]
    for name in names:
        if names.count(name) > 1:
            raise BadInputError(f"two features make the column {name!r}", hint="rename a column of the sql feature")
    distances = {days for column in columns for days in _distances(column, feature_set)}
    reads = {entity: _reads(entity, held, feature_set, holds) for entity, held in holds.items()}
    return Plan(feature_set, columns, reads, tuple(sorted(distances)))


def _columns_of(feature: Feature, holds: Mapping[str, Mapping[str, str]]) -> Iterator[Column]:
    if feature.kind == "sql":
        for name, kind in describe_query(feature, holds):
            _check_own_name(feature, name)
            yield Column(name, kind, feature, None)
        return
    if feature.kind == "attribute":
        wanted: tuple[ValueType, ...] = ("number", "text") if feature.method == "value" else ("time",)
        given = _require(feature, "customers", feature.column, wanted, holds)
        yield from (_column(output, "text" if given == "text" else "number") for output in feature.outputs)
        return
    if feature.entity:
        _require(feature, feature.entity, "customer_id", ("text",), holds)
    if feature.kind in VALUE_KINDS or (feature.kind == "trend" and feature.column):
        _require(feature, feature.entity, feature.column, ("number",), holds)
    if feature.kind == "breadth" and feature.column not in DERIVED_COLUMNS:
        _require(feature, feature.entity, feature.column, ("text",), holds)
    for condition in feature.where:
        _check_condition(feature, condition, holds)
    yield from (_column(output, "number") for output in feature.outputs)


def _check_own_name(feature: Feature, name: str) -> None:
    if name in RESERVED:
        raise MisuseError(f"feature {feature.name} makes the column {name!r}, which every row has", hint="rename it")
    if not NAME.fullmatch(name):
        raise MisuseError(
            f"feature {feature.name}: the column {name!r} is not made of a-z, 0-9 and _, starting with a letter",
            hint="give it a plain name with AS",
        )


def _column(output: Output, kind: OutputType) -> Column:
    return Column(output.name, kind, output.feature, output.window)


def _label(feature: Feature) -> str:
    return feature.outputs[0].name if feature.outputs else feature.name


def _require(
    feature: Feature,
    entity: str,
    column: str,
    wanted: tuple[ValueType, ...],
    holds: Mapping[str, Mapping[str, str]],
) -> ValueType:
    if entity not in holds:
        raise BadInputError(
            f"feature {_label(feature)} needs {entity}, and the lake holds none", hint=f"ingest {entity} first"
        )
    if column not in holds[entity]:
        raise BadInputError(
            f"feature {_label(feature)} needs {entity}.{column}, which the lake does not have",
            hint=f"{entity} has {', '.join(holds[entity])}",
        )
    kind = value_type(holds[entity][column])
    if kind not in wanted:
        raise BadInputError(
            f"feature {_label(feature)} needs a {' or '.join(wanted)}, but {entity}.{column} is a {kind}"
        )
    return kind


def _check_condition(feature: Feature, condition: Filter, holds: Mapping[str, Mapping[str, str]]) -> None:
    kind: ValueType = "number"
    if condition.column not in DERIVED_COLUMNS:
        kind = _require(feature, feature.entity, condition.column, ("number", "text"), holds)
    given = "text" if isinstance(condition.values[0], str) else "number"
    if given != kind or (kind == "text" and condition.operator not in ("in", "not_in")):
        raise BadInputError(
            f"feature {_label(feature)}: where.{condition.column} compares a {kind} by {condition.operator} "
            f"with {list(condition.values)}",
            hint="quote texts, leave numbers unquoted; lt, le, gt and ge are for numbers",
        )


def _distances(column: Column, feature_set: FeatureSet) -> Iterator[int]:
    feature, lag = column.feature, column.feature.lag
    for window in window_days(column.window, feature_set):
        if window is None:
            continue
        yield from (lag, lag + window)
        if feature.kind == "trend" and feature.method != "slope":
            yield 2 * window
        elif feature.kind == "trend" and feature.of != "value":
            yield from range(WEEK, window, WEEK)
        elif feature.method == "last_year":
            yield from (YEAR, YEAR + window)


def window_days(window: Window | None, feature_set: FeatureSet) -> tuple[int | None, ...]:
    """The windows in days that a column looks at, one for each stage with `lifecycle`; None means all history."""
    if window == "lifecycle":
        return tuple(cohort.window for cohort in feature_set.lifecycle)
    return (None,) if window is None or isinstance(window, str) else (window,)


def _reads(
    entity: str, held: Mapping[str, str], feature_set: FeatureSet, holds: Mapping[str, Mapping[str, str]]
) -> tuple[str, ...]:
    shape = ENTITIES[entity]
    for feature in feature_set.features:
        if feature.kind == "sql" and entity in tables_of(feature, holds):
            return tuple(held)
    wanted = {"customer_id", shape.time_column, shape.key_column, "known_at", *_ALWAYS[entity]}
    for feature in feature_set.features:
        if feature.entity == entity or (feature.kind == "attribute" and entity == "customers"):
            wanted |= {feature.column, *(condition.column for condition in feature.where)}
    return tuple(column for column in held if column in wanted)
