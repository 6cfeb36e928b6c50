"""What a feature set asks of the rows, for requests that come without a lake."""

from __future__ import annotations

from typing import TYPE_CHECKING

from axiom.contracts import ENTITIES
from axiom.errors import BadInputError
from axiom.features.kinds import DERIVED_COLUMNS, VALUE_KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from axiom.features.definitions import Feature, FeatureSet
    from axiom.scoring.online.vectors import VectorLayout

_NUMBER, _TEXT, _TIME = "double", "string", "timestamp[us, tz=UTC]"
_TYPES = {"float": _NUMBER, "string": _TEXT, "timestamp": _TIME}
_NOT_POSTED = "currency"  # amounts are in the lake's currency: to take another one in silence would be wrong


def schema_for(feature_set: FeatureSet, layout: VectorLayout) -> dict[str, dict[str, str]]:
    """Entity -> column -> Arrow type: the canonical columns, and those that features read.

    Whether an attribute is text or a number the layout knows; the definitions do not say.

    Raises:
        BadInputError: a `sql` feature, which may read any column of the lake.
    """
    schema = {
        name: {column.name: _TYPES[column.type] for column in entity.columns if column.name != _NOT_POSTED}
        for name, entity in ENTITIES.items()
    }
    for feature in feature_set.features:
        if feature.kind == "sql":
            raise BadInputError(
                f"feature {feature.name} is a query over the lake, whose columns are not known here",
                hint="give the schema of the lake, or ask for customers by id",
            )
        for entity, column, kind in _asked(feature, layout):
            schema[entity].setdefault(column, kind)
    return schema


def needed_columns(feature_set: FeatureSet) -> dict[str, set[str]]:
    """Entity -> columns that features read by name."""
    found: dict[str, set[str]] = {}
    for feature in feature_set.features:
        for entity, column, _ in _asked(feature, None):
            found.setdefault(entity, set()).add(column)
    return found


def _asked(feature: Feature, layout: VectorLayout | None) -> Iterator[tuple[str, str, str]]:
    if feature.kind == "attribute":
        text = layout is not None and feature.outputs[0].name in layout.layout.levels
        yield "customers", feature.column, (_TEXT if text else _NUMBER) if feature.method == "value" else _TIME
    elif feature.kind in VALUE_KINDS or (feature.kind == "trend" and feature.column):
        yield feature.entity, feature.column, _NUMBER
    elif feature.kind == "breadth" and feature.column not in DERIVED_COLUMNS:
        yield feature.entity, feature.column, _TEXT
    for condition in feature.where:
        if condition.column not in DERIVED_COLUMNS:
            yield feature.entity, condition.column, _TEXT if isinstance(condition.values[0], str) else _NUMBER
