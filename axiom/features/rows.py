"""One bucket as numpy arrays: rows in order of (customer, time), each with the interval in which it is visible."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from axiom.contracts import ENTITIES
from axiom.errors import BadInputError, CorruptError
from axiom.features.versions import superseded_at
from axiom.sources.cleaning import DAWN

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt
    import pyarrow as pa

    from axiom.maths.arrays import BoolArray, FloatArray, IntArray

DAY = 86_400_000_000
"""Microseconds in a day."""
NEVER = np.iinfo(np.int64).max
NO_TIME = np.iinfo(np.int64).min


@dataclass(frozen=True)
class Codes:
    """A text column: `codes[i]` is the place in `values`, or -1 for null."""

    codes: npt.NDArray[np.int32]
    values: tuple[str, ...]

    def where(self, wanted: tuple[str | float, ...]) -> BoolArray:
        """Per entry of `values`, with one entry more for null at the end: whether it is one of `wanted`."""
        return np.array([value in wanted for value in self.values] + [False], dtype=np.bool_)


@dataclass(frozen=True)
class Rows:
    """Rows of one entity.

    Attributes:
        customer: place of the customer in the bucket, not decreasing.
        ts: event time in microseconds since 1970, not decreasing within a customer (but for `customers`).
        known_at: knowledge time, or None where every row was known by the time it happened.
        gone_at: from when a later version of the same key counts instead; None where no key has versions.
        numbers: numeric columns as float64, null as NaN.
        texts: text columns.
        times: further timestamp columns in microseconds, null as `NO_TIME`.
    """

    customer: npt.NDArray[np.int32]
    ts: IntArray
    known_at: IntArray | None = None
    gone_at: IntArray | None = None
    numbers: Mapping[str, FloatArray] = field(default_factory=dict)
    texts: Mapping[str, Codes] = field(default_factory=dict)
    times: Mapping[str, IntArray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ts)

    def take(self, index: Any) -> Rows:
        """The rows that `index` (a slice, a mask or places) picks."""
        return replace(
            self,
            customer=self.customer[index],
            ts=self.ts[index],
            known_at=None if self.known_at is None else self.known_at[index],
            gone_at=None if self.gone_at is None else self.gone_at[index],
            numbers={name: values[index] for name, values in self.numbers.items()},
            texts={name: Codes(text.codes[index], text.values) for name, text in self.texts.items()},
            times={name: values[index] for name, values in self.times.items()},
        )

    def of_customers(self, first: int, last: int) -> Rows:
        """The rows of customers [first, last), counted from 0 again."""
        start, stop = np.searchsorted(self.customer, np.array([first, last], dtype=np.int32))
        part = self.take(slice(start, stop))
        return replace(part, customer=part.customer - np.int32(first))

    def visible(self, as_of: int) -> BoolArray:
        """Which rows had happened and were known at `as_of`, in the version that counted then."""
        mask: BoolArray = self.ts < as_of
        if self.known_at is not None:
            mask &= self.known_at <= as_of
        if self.gone_at is not None:
            mask &= self.gone_at > as_of
        return mask

    @property
    def final(self) -> Rows:
        """The rows with all that is known now: every fact in its last version, whenever it became known."""
        last = self if self.gone_at is None else self.take(self.gone_at == NEVER)
        return replace(last, known_at=None, gone_at=None)


@dataclass(frozen=True)
class Bucket:
    """All entities of one bucket on one axis of customers.

    Attributes:
        ids: customer ids, ascending by their UTF-8 bytes.
        transactions: purchases and returns.
        events: what customers did.
        customers: versions of their attributes.
    """

    ids: pa.StringArray
    transactions: Rows
    events: Rows
    customers: Rows

    def rows(self, entity: str) -> Rows:
        """The rows of one entity."""
        found: Rows = getattr(self, entity)
        return found

    def part(self, first: int, last: int) -> Bucket:
        """Customers [first, last) alone."""
        cut = {entity: self.rows(entity).of_customers(first, last) for entity in ENTITIES}
        return Bucket(self.ids.slice(first, last - first), **cut)


def load_bucket(tables: Mapping[str, pa.Table]) -> Bucket:
    """Bring the tables of one bucket into arrays.

    Args:
        tables: entity -> rows sorted by (customer_id, event time); a missing entity has no rows.

    Raises:
        CorruptError: a table is not sorted.
        BadInputError: a column has a type that features cannot use.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    encoded = {entity: _one_array(table["customer_id"]) for entity, table in tables.items()}
    dictionaries = [column.dictionary.cast(pa.string()) for column in encoded.values()]
    ids = pc.unique(pa.concat_arrays([pa.array([], pa.string()), *dictionaries]))
    ids = ids.take(pc.sort_indices(ids))
    rows = {entity: _rows(entity, table, encoded[entity], ids) for entity, table in tables.items()}
    present = np.zeros(len(ids), np.bool_)
    for part in rows.values():
        present[part.customer] = True
    if not present.all():  # dictionaries may name customers that have no row
        place = np.cumsum(present, dtype=np.int32) - np.int32(1)
        rows = {entity: replace(part, customer=place[part.customer]) for entity, part in rows.items()}
        ids = ids.filter(pa.array(present))
    return Bucket(ids, **{entity: rows.get(entity, _EMPTY) for entity in ENTITIES})


_EMPTY = Rows(np.empty(0, np.int32), np.empty(0, np.int64))


def _rows(entity: str, table: pa.Table, customers: pa.DictionaryArray, ids: pa.StringArray) -> Rows:
    import pyarrow as pa
    import pyarrow.compute as pc

    shape = ENTITIES[entity]
    place = pc.index_in(customers.dictionary.cast(pa.string()), ids).to_numpy(zero_copy_only=False).astype(np.int32)
    customer = place[customers.indices.to_numpy(zero_copy_only=False)]
    ts = _microseconds(table[shape.time_column], DAWN)
    same = customer[1:] == customer[:-1]
    # Attributes may hold since nobody knows when, so only their customers have to be in order.
    if (customer[1:] < customer[:-1]).any() or (entity != "customers" and (same & (ts[1:] < ts[:-1])).any()):
        raise CorruptError(f"a bucket of {entity} is not sorted by customer and time", hint="ingest the source again")
    known_at = _known_at(table, ts)
    gone_at = None
    if shape.key_column and shape.key_column in table.column_names:
        gone_at = superseded_at(customer, table[shape.key_column], known_at, ts)
    plain = {"customer_id", shape.time_column, shape.key_column, "known_at"}
    late = bool((known_at > ts).any())
    return Rows(
        customer,
        ts,
        known_at if late else None,
        gone_at,
        **_columns({n: table[n] for n in table.column_names if n not in plain}, entity),
    )


def _known_at(table: pa.Table, ts: IntArray) -> IntArray:
    if "known_at" not in table.column_names:
        return ts
    known_at = _microseconds(table["known_at"], NO_TIME)
    return np.where(known_at == NO_TIME, ts, known_at)


def _columns(columns: Mapping[str, pa.ChunkedArray], entity: str) -> dict[str, Any]:
    import pyarrow as pa
    import pyarrow.types as pt

    numbers, texts, times = {}, {}, {}
    for name, column in columns.items():
        kind = column.type
        if pt.is_dictionary(kind) or pt.is_string(kind) or pt.is_large_string(kind):
            texts[name] = _codes(column)
        elif pt.is_timestamp(kind):
            times[name] = _microseconds(column, NO_TIME)
        elif pt.is_date(kind):
            times[name] = _microseconds(column.cast(pa.timestamp("us")), NO_TIME)
        elif pt.is_floating(kind) or pt.is_integer(kind) or pt.is_boolean(kind) or pt.is_decimal(kind):
            dense = column.cast(pa.int8()) if pt.is_boolean(kind) else column
            numbers[name] = dense.cast(pa.float64()).to_numpy()
        elif pt.is_null(kind):
            numbers[name] = np.full(len(column), np.nan)
        else:
            raise BadInputError(
                f"{entity}.{name} is of type {kind}, which features cannot use", hint="map it to text or number"
            )
    return {"numbers": numbers, "texts": texts, "times": times}


def _codes(column: pa.ChunkedArray) -> Codes:
    import pyarrow.compute as pc

    array = _one_array(column)
    codes = pc.fill_null(array.indices, -1).to_numpy(zero_copy_only=False).astype(np.int32)
    return Codes(codes, tuple(array.dictionary.to_pylist()))


def _microseconds(column: pa.ChunkedArray, null: int) -> IntArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    whole = column.cast(pa.timestamp("us", column.type.tz)).cast(pa.int64())
    values: IntArray = (pc.fill_null(whole, null) if whole.null_count else whole).to_numpy()
    return values


def _one_array(column: pa.ChunkedArray) -> pa.DictionaryArray:
    import pyarrow as pa

    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    chunks = encoded.unify_dictionaries().chunks
    return pa.concat_arrays(chunks) if chunks else pa.array([], pa.string()).dictionary_encode()
