"""Futures that a feature must not feel: all that a cut-off cannot know deleted, altered or added to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from axiom.contracts import ENTITIES
from axiom.features.rows import DAY, NO_TIME

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pyarrow as pa

    from axiom.maths.arrays import BoolArray, IntArray

    Perturb = Callable[[str, pa.Table, int], pa.Table]

_STRANGER = "a customer who comes later"
_AHEAD = (0, DAY, 400 * DAY)
_BACKDATED = ((DAY, 1), (20 * DAY, 5 * DAY))


def perturbed(how: str, tables: Mapping[str, pa.Table], as_of: int) -> dict[str, pa.Table]:
    """The tables of a bucket in another future, sorted as before.

    Args:
        how: a key of `FUTURES`.
        tables: entity -> rows.
        as_of: the cut-off in microseconds; what could be known then stays as it is.
    """
    return {
        entity: _sorted(entity, FUTURES[how](entity, _with_known_at(entity, table), as_of))
        for entity, table in tables.items()
    }


def _deleted(entity: str, table: pa.Table, as_of: int) -> pa.Table:
    import pyarrow as pa

    return table.filter(pa.array(~_unknowable(entity, table, as_of)))


def _altered(entity: str, table: pa.Table, as_of: int) -> pa.Table:
    """Unknowable rows get other values and other times; each stays unknowable."""
    import pyarrow as pa

    future = table.filter(pa.array(_unknowable(entity, table, as_of)))
    happened, known = _microseconds(future, ENTITIES[entity].time_column), _microseconds(future, "known_at")
    earlier = np.random.default_rng(1).integers(0, 30, len(happened)) * DAY
    happened = np.where(happened >= as_of, happened + DAY // 3, happened - earlier)
    return _joined(_deleted(entity, table, as_of), _rewritten(entity, future, happened, np.maximum(known, as_of + 1)))


def _added(entity: str, table: pa.Table, as_of: int) -> pa.Table:
    """Rows at and after the cut-off, rows known too late, later versions of known facts, and a new customer."""
    import pyarrow as pa

    key = ENTITIES[entity].key_column
    customers = np.sort(np.unique(table["customer_id"].cast(pa.string()).to_numpy(), return_index=True)[1])
    each = table.take(pa.array(customers))
    rows = len(each)
    times = [(ahead, ahead) for ahead in _AHEAD] + [(-before, late) for before, late in _BACKDATED]
    parts = [table]
    parts += [
        _rewritten(entity, each, np.full(rows, as_of + when), np.full(rows, as_of + known), new=True)
        for when, known in times
    ]
    if key in table.column_names:
        facts = table.filter(table[key].is_valid())
        when = np.full(len(facts), as_of - 3 * DAY)
        parts.append(_rewritten(entity, facts, when, np.full(len(facts), as_of + 1)))
    if rows:
        stranger = _rewritten(entity, each.slice(0, 1), np.array([as_of]), np.array([as_of]), new=True)
        name = pa.array([_STRANGER]).cast(stranger.schema.field("customer_id").type)
        parts.append(stranger.set_column(stranger.schema.get_field_index("customer_id"), "customer_id", name))
    return _joined(*parts)


FUTURES: dict[str, Perturb] = {
    "future deleted": _deleted,
    "future altered": _altered,
    "future added": _added,
}


def _unknowable(entity: str, table: pa.Table, as_of: int) -> BoolArray:
    """Rows that became known after the cut-off, or happened after it.

    A version of a fact that was known in time says, even if it moves the fact beyond the cut-off, that the older
    version no longer holds; so it is knowable.
    """
    shape = ENTITIES[entity]
    ahead = _microseconds(table, shape.time_column) >= as_of
    if shape.key_column in table.column_names:
        ahead &= table[shape.key_column].is_null().to_numpy()
    late: BoolArray = _microseconds(table, "known_at") > as_of
    return late | ahead


def _rewritten(entity: str, table: pa.Table, happened: IntArray, known: IntArray, *, new: bool = False) -> pa.Table:
    """The rows with other times and other values; `new` rows have no key."""
    import pyarrow as pa

    shape = ENTITIES[entity]
    given = {shape.time_column: happened, "known_at": known}
    columns = []
    for place, field in enumerate(table.schema):
        column = table[field.name]
        if field.name in given:
            column = pa.array(given[field.name]).cast(pa.timestamp("us", "UTC")).cast(field.type)
        elif field.name == shape.key_column and new:
            column = pa.nulls(len(table), field.type)
        elif field.name not in {"customer_id", shape.key_column}:
            column = _other_values(column, seed=place)
        columns.append(column)
    return pa.table(columns, schema=table.schema)


def _other_values(column: pa.ChunkedArray, seed: int) -> pa.Array:
    """As many values of the same type, unlike those there are. Types that features cannot use stay as they are."""
    import pyarrow as pa
    import pyarrow.types as pt

    rng, kind, rows = np.random.default_rng(seed), column.type, len(column)
    if pt.is_floating(kind):
        return pa.array(rng.normal(1e4, 1e6, rows)).cast(kind)
    if pt.is_integer(kind) or pt.is_boolean(kind):
        return pa.array(rng.integers(0, 2, rows)).cast(kind)
    if pt.is_timestamp(kind):
        return pa.array(rng.integers(0, 20_000, rows) * DAY).cast(pa.timestamp("us", kind.tz)).cast(kind)
    if pt.is_dictionary(kind) or pt.is_string(kind):
        words = np.array(sorted({*column.cast(pa.string()).unique().to_pylist(), "never seen before"} - {None}))
        return pa.array(words[rng.integers(0, len(words), rows)], pa.string()).cast(kind)
    return column


def _with_known_at(entity: str, table: pa.Table) -> pa.Table:
    """Rows of a lake without knowledge times were known when they happened."""
    import pyarrow as pa

    time = table[ENTITIES[entity].time_column]
    if "known_at" in table.column_names:
        return table
    return table.append_column("known_at", time.cast(pa.timestamp("us", "UTC")))


def _microseconds(table: pa.Table, column: str) -> IntArray:
    """Times; a missing one stands for the dawn of time."""
    import pyarrow as pa
    import pyarrow.compute as pc

    times: IntArray = pc.fill_null(table[column].cast(pa.timestamp("us", "UTC")).cast(pa.int64()), NO_TIME).to_numpy()
    return times


def _joined(*parts: pa.Table) -> pa.Table:
    import pyarrow as pa

    return pa.concat_tables(parts).unify_dictionaries()


def _sorted(entity: str, table: pa.Table) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    keys = pa.table(
        {
            "customer": table["customer_id"].cast(pa.string()),
            "time": _microseconds(table, ENTITIES[entity].time_column),
            "place": np.arange(len(table)),
        }
    )
    return table.take(pc.sort_indices(keys, sort_keys=[(name, "ascending") for name in keys.column_names]))
