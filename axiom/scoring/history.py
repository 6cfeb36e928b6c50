"""Customers whose features or history come with the request: checked, then one vector by the kernel of every build."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from axiom.contracts import ENTITIES
from axiom.errors import BadInputError, TooLargeError
from axiom.features.kernel import compute
from axiom.features.plan import compile_plan
from axiom.scoring.posted_rows import CUSTOMER, PostedEntity, microseconds, shown
from axiom.scoring.posted_schema import needed_columns, schema_for
from axiom.sources.cleaning import DAWN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from axiom.features.definitions import FeatureSet
    from axiom.maths.arrays import FloatArray
    from axiom.scoring.online.vectors import VectorLayout

MOST_ROWS = 10_000
"""Rows of a posted history, over all entities."""


class HistoryReader:
    """Computes the features of a feature set from posted rows. Made once, used for every request.

    Rows have the columns of silver: `txn_ts` and `amount`; `event_ts`, `event_type` and `value`; `valid_from`,
    `signup_ts` and the attributes; `known_at` everywhere. Times are ISO 8601 text, UTC where they name no zone, or
    `datetime`. Rows of a build that knew the same rows at the same single cut-off have the same features bit for bit;
    rows of one and the same time keep the order in which they are posted.

    Args:
        feature_set: the definitions, as `CompiledChurn.definitions`.
        layout: of the vectors; `posted_layout` of the models that will score them.
        schema: entity -> column -> Arrow type as text, of the lake (`pipelines.build.schema_of`); without one,
            what the definitions ask for. `sql` features need it.
        returns: whether amounts may be negative, as in the ingest: `net` or `refuse`.

    Raises:
        BadInputError: a `sql` feature without a schema, or a feature of the layout that the definitions do not make.
        MisuseError: the definitions do not fit the schema.
    """

    def __init__(
        self,
        feature_set: FeatureSet,
        layout: VectorLayout,
        *,
        schema: Mapping[str, Mapping[str, str]] | None = None,
        returns: str = "net",
    ) -> None:
        if layout.feature_set not in ("", feature_set.version):
            raise BadInputError(
                f"the layout is of feature-set version {layout.feature_set!r}, the definitions of "
                f"{feature_set.version!r}"
            )
        self._layout = layout.layout
        held = schema or schema_for(feature_set, layout)
        self._plan = compile_plan(feature_set, held)
        made = {"x", "t_x", "T", "mean_spend", "lifecycle", *(column.name for column in self._plan.columns)}
        lacking = [name for name in layout.layout.names if name not in made]
        if lacking:
            raise BadInputError(f"the feature set {feature_set.name} does not make {', '.join(lacking[:5])}")
        amounts = bool(schema) or "amount" in needed_columns(feature_set).get("transactions", ())
        self._entities = {
            entity: PostedEntity(
                ENTITIES[entity],
                dict(held[entity]),
                self._plan.reads[entity],
                amounts=amounts,
                negative=returns != "refuse",
            )
            for entity in self._plan.reads
        }

    def vector(self, history: Mapping[str, Sequence[Mapping[str, Any]]], as_of: datetime) -> FloatArray:
        """One customer's features.

        Args:
            history: `transactions`, `events`, `customers` -> rows of this customer known at the cut-off.
            as_of: the cut-off, with a time zone. Every row has to have happened, and to have been known, before.

        Returns:
            A vector in the layout, missing = NaN.

        Raises:
            BadInputError: the rows are no history of a customer; the message names entity, row and field.
            TooLargeError: more than `MOST_ROWS` rows.
        """
        cut = _cut(as_of)
        self._check(history)
        customers: set[str] = set()
        tables = {}
        for entity, posted in self._entities.items():
            columns = posted.columns(history.get(entity) or (), cut)
            customers.update(columns.pop(CUSTOMER, ()))
            tables[entity] = posted.table(columns)
        if len(customers) > 1:
            raise BadInputError(f"the history is of {len(customers)} customers: {', '.join(sorted(customers)[:5])}")
        row = compute(self._plan, tables, [cut])
        if row.num_rows != 1:
            raise BadInputError(
                "the history does not say that the customer had begun: no transaction, no event and no sign-up",
                hint="post transactions, events, or a customers row with signup_ts or valid_from",
            )
        return np.ascontiguousarray(self._layout.matrix(_only(row, self._layout.names))[0])

    def _check(self, history: Mapping[str, Any]) -> None:
        rows = 0
        for entity, posted in history.items():
            if entity not in self._entities:
                raise BadInputError(
                    f"the history has {entity!r}, which features know nothing of",
                    hint=f"it may have {', '.join(self._entities)}",
                )
            if posted is not None and not isinstance(posted, list | tuple):
                raise BadInputError(f"{entity} is no list of rows")
            rows += len(posted or ())
        if rows == 0:
            raise BadInputError("the history is empty", hint="post at least one transaction, event or sign-up")
        if rows > MOST_ROWS:
            raise TooLargeError(
                f"the history has {rows:,} rows, more than {MOST_ROWS:,}",
                hint="ingest customers with long histories and ask for them by id",
            )


def features_of_history(
    feature_set: FeatureSet,
    layout: VectorLayout,
    history: Mapping[str, Sequence[Mapping[str, Any]]],
    as_of: datetime,
    *,
    schema: Mapping[str, Mapping[str, str]] | None = None,
) -> FloatArray:
    """A `HistoryReader` used once; see there."""
    return HistoryReader(feature_set, layout, schema=schema).vector(history, as_of)


def vector_of_features(layout: VectorLayout, features: Mapping[str, Any]) -> FloatArray:
    """A vector from features by name; None stands for a missing value. Use `posted_layout` of the models.

    Raises:
        BadInputError: a name is unknown or lacking, a value is of the wrong type, NaN or infinite.
    """
    known = layout.layout
    unknown = sorted(str(name) for name in features.keys() - set(known.names))
    if unknown:
        raise BadInputError(f"unknown features: {_listed(unknown)}", hint="leave them out")
    lacking = [name for name in known.names if name not in features]
    if lacking:
        raise BadInputError(
            f"{len(lacking)} of {len(known.names)} features are lacking: {_listed(lacking)}",
            hint="give null where a value is missing",
        )
    return np.array([_coded(layout, name, features[name]) for name in known.names], dtype=np.float64)


def _coded(layout: VectorLayout, name: str, value: Any) -> float:
    if value is None:
        return math.nan
    if name in layout.layout.levels:
        if not isinstance(value, str):
            raise BadInputError(f"feature {name!r} must be text or null, not {shown(value)}")
        return layout.layout.code(name, value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadInputError(f"feature {name!r} must be a number or null, not {shown(value)}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise BadInputError(f"feature {name!r} is {shown(value)}, not a finite number", hint="null means missing")
    return number


def _cut(as_of: datetime) -> int:
    if not isinstance(as_of, datetime) or as_of.tzinfo is None:
        raise BadInputError(f"as_of must be a time with a zone, not {shown(as_of)}")
    cut = microseconds(as_of.astimezone(UTC))
    if cut <= DAWN:
        raise BadInputError(f"as_of {as_of:%Y-%m-%d} is before 1900")
    return cut


def _only(row: pa.Table, names: Sequence[str]) -> pa.Table:
    return row.select(list(names))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(name[:80] for name in names[:5]) + (", …" if len(names) > 5 else "")
