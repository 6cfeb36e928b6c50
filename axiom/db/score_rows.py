"""Bulk writing of score rows: COPY on PostgreSQL, executemany on SQLite's own cursor."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from io import BytesIO
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from axiom.db.tables import UtcDateTime, scores
from axiom.errors import BadInputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import pyarrow as pa
    from sqlalchemy import Connection

COLUMNS = tuple(column.name for column in scores.columns)
_REQUIRED = ("customer_id", "scored_at")
_CHUNK = 50_000


def write(
    connection: Connection,
    score_set_id: str,
    as_of: datetime,
    batches: Iterable[Mapping[str, Sequence[Any]] | pa.Table | pa.RecordBatch],
) -> int:
    """Append all batches to `scores`; returns the number of rows.

    Raises:
        BadInputError: A batch has not the columns or values of a score.
    """
    tables = (_conform(batch, score_set_id, as_of) for batch in batches)
    return (_copy if connection.dialect.name == "postgresql" else _executemany)(connection, tables)


def _copy(connection: Connection, tables: Iterator[pa.Table]) -> int:
    from pyarrow import csv

    # Strings come out quoted and nulls as nothing between two commas, which is how COPY tells "" from NULL.
    form = csv.WriteOptions(include_header=False, quoting_style="needed")
    rows = 0
    cursor = connection.connection.cursor()
    with cursor.copy(f"COPY scores ({', '.join(COLUMNS)}) FROM STDIN (FORMAT csv)") as copy:
        for table in tables:
            for chunk in table.to_batches(max_chunksize=_CHUNK):
                buffer = BytesIO()
                csv.write_csv(chunk, buffer, form)
                copy.write(buffer.getbuffer())
            rows += table.num_rows
    return rows


def _executemany(connection: Connection, tables: Iterator[pa.Table]) -> int:
    import pyarrow as pa

    statement = f"INSERT INTO scores ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"
    rows = 0
    cursor = connection.connection.cursor()
    for table in tables:
        for chunk in table.to_batches(max_chunksize=_CHUNK):
            columns = [
                # The text form that SQLAlchemy keeps and reads: UTC wall clock with microseconds.
                column.cast(pa.timestamp("us")).cast(pa.string()) if pa.types.is_timestamp(column.type) else column
                for column in chunk.columns
            ]
            cursor.executemany(statement, list(zip(*(column.to_pylist() for column in columns), strict=True)))
        rows += table.num_rows
    return rows


def _conform(batch: Mapping[str, Sequence[Any]] | pa.Table | pa.RecordBatch, score_set_id: str, as_of: datetime) -> Any:
    """The batch as a table with exactly the columns of `scores`, in their order and types."""
    import pyarrow as pa

    names = list(batch) if isinstance(batch, Mapping) else batch.schema.names
    if unknown := sorted(set(names) - set(COLUMNS[:-1])):
        raise BadInputError(f"scores have no column {unknown[0]!r}", hint=f"columns: {', '.join(COLUMNS[:-1])}")
    if missing := [name for name in _REQUIRED if name not in names]:
        raise BadInputError(f"scores need the column {missing[0]!r}")
    length = len(batch[names[0]]) if isinstance(batch, Mapping) else batch.num_rows
    constants = {"as_of": as_of.astimezone(UTC), "score_set_id": score_set_id}
    arrays = []
    for column in scores.columns:
        kind = _arrow_type(column.type)
        if column.name in names:
            arrays.append(_cast(column.name, batch[column.name], kind))
        else:
            arrays.append(pa.repeat(pa.scalar(constants.get(column.name), kind), length))
    try:
        return pa.Table.from_arrays(arrays, names=list(COLUMNS))
    except pa.ArrowInvalid as error:
        raise BadInputError(f"columns of scores differ in length: {error}") from None


def _cast(name: str, values: Any, kind: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        if not isinstance(values, pa.Array | pa.ChunkedArray):
            values = pa.array(values, type=kind, from_pandas=True)
        values = values.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise BadInputError(f"column {name!r} of scores cannot be read as {kind}: {error}") from None
    if pa.types.is_floating(kind):
        if pc.any(pc.is_inf(values)).as_py():
            raise BadInputError(f"column {name!r} of scores holds an infinite number")
        return pc.if_else(pc.is_nan(values), pa.scalar(None, kind), values)
    if name == "customer_id" and pc.any(pc.match_substring(values, "\0")).as_py():
        raise BadInputError("a customer_id of scores holds a NUL character, which PostgreSQL cannot store")
    return values


def _arrow_type(kind: sa.types.TypeEngine[Any]) -> Any:
    import pyarrow as pa

    if isinstance(kind, UtcDateTime):
        return pa.timestamp("us", tz="UTC")
    return pa.float64() if isinstance(kind, sa.Double) else pa.string()
