"""A table or query of a database as a source: streamed, and incremental by a watermark column."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any

from axiom.errors import BadInputError
from axiom.sources.expressions import Sql, column_named
from axiom.sources.incoming import SAMPLE_ROWS, Chunk
from axiom.sources.values import kind_of_text, kind_of_type, one_array

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import pyarrow as pa

    from axiom.contracts import ColumnType
    from axiom.db.external import External, ExternalColumn
    from axiom.sources.request import SqlSource

_FINGERPRINT_BYTES = 16


@dataclass(frozen=True)
class SqlRows:
    """A table or query, opened. See `axiom.sources.incoming.Incoming`.

    Attributes:
        external: the open database.
        source: which table or query.
        watermark: column that never decreases, or "".
        since: its value up to which the lake has seen the source; None reads everything.
    """

    external: External
    source: SqlSource
    watermark: str = ""
    since: Any = None
    _digests: list[int] = field(default_factory=list, repr=False)

    is_text = False
    rows = 0

    @property
    def _table(self) -> tuple[str, str]:
        return self.source.table, self.source.query

    @cached_property
    def _columns(self) -> list[ExternalColumn]:
        return self.external.columns(*self._table)

    @property
    def keys(self) -> frozenset[str]:
        """The column that alone is the primary key."""
        return frozenset(column.name for column in self._columns if column.key)

    @property
    def parts(self) -> tuple[str, ...]:
        """The table."""
        return (self.source.table or "query",)

    @cached_property
    def schema(self) -> pa.Schema:
        """Columns; those of a query are typed by its first rows."""
        import pyarrow as pa

        first = self._head
        fields = []
        for position, column in enumerate(self._columns):
            kind = _declared(column) or _seen([row[position] for row in first])
            fields.append(pa.field(column.name, kind, nullable=column.nullable))
        return pa.schema(fields)

    @cached_property
    def _head(self) -> list[tuple[Any, ...]]:
        names = [column.name for column in self._columns]
        return [row for rows in self.external.rows(names, *self._table, limit=SAMPLE_ROWS) for row in rows]

    @cached_property
    def _sample(self) -> pa.Table:
        import pyarrow as pa

        return pa.Table.from_batches([self._batch(self._head)])

    def sample(self) -> pa.Table:
        """The first rows."""
        return self._sample

    @cached_property
    def _kinds(self) -> dict[str, ColumnType]:
        return {}

    def kind(self, column: str) -> ColumnType:
        """What the values of a column are. SQLite keeps times as text, so text is looked at."""
        import pyarrow as pa

        if column not in self._kinds:
            declared = self.schema.field(column).type
            values = one_array(self._sample[column])
            textual = pa.types.is_string(declared) and kind_of_text(values, Sql()) == "timestamp"
            self._kinds[column] = "timestamp" if textual else kind_of_type(declared)
        return self._kinds[column]

    def fingerprint(self) -> str:
        """SHA-256 of the rows in any order; "" before they were read."""
        if not self._digests:
            return ""
        total, rows = self._digests
        return hashlib.sha256(f"{rows}:{total}:{','.join(self.schema.names)}".encode()).hexdigest()

    def read(self, columns: Sequence[str]) -> Iterator[Chunk]:
        """All rows, or those from the watermark on; all columns, because bronze wants them."""
        _ = columns
        since = (column_named(self.watermark, self.schema.names), self.since) if self.since is not None else None
        total = count = 0
        for rows in self.external.rows(
            self.schema.names, since=since, table=self.source.table, query=self.source.query
        ):
            for row in rows:
                # A sum does not depend on the order, which no database promises.
                total += int.from_bytes(hashlib.blake2b(repr(row).encode(), digest_size=_FINGERPRINT_BYTES).digest())
            count += len(rows)
            yield Chunk(0, self._batch(rows))
        self._digests[:] = [total % 2 ** (8 * _FINGERPRINT_BYTES), count]

    def originals(self) -> tuple[Path, ...]:
        """None: rows become Parquet."""
        return ()

    def check_not_empty(self) -> None:
        """Refuse a source without rows, and one whose watermark is behind what the lake has seen.

        Raises:
            BadInputError: there is nothing to read, and not because nothing is new.
        """
        if self.since is None:
            if not self._head:
                raise BadInputError(f"{self.parts[0]} holds no row")
            return
        highest = self.external.highest(column_named(self.watermark, self.schema.names), *self._table)
        if highest is None or highest < self.since:
            raise BadInputError(
                f"watermark {self.watermark} went back: the lake has seen {self.since}, "
                f"the source holds up to {'nothing' if highest is None else highest}",
                hint="was the table restored or emptied? --full reads everything again, and adds only what is new",
            )

    def _batch(self, rows: Sequence[tuple[Any, ...]]) -> pa.RecordBatch:
        import pyarrow as pa

        columns = list(zip(*rows, strict=True)) if rows else [() for _ in self.schema]
        arrays = [self._array(field, values) for field, values in zip(self.schema, columns, strict=True)]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def _array(self, column: pa.Field, values: Sequence[Any]) -> pa.Array:
        import pyarrow as pa

        convert = _CONVERT.get(str(column.type))
        if convert is not None:
            values = [None if value is None else convert(value) for value in values]
        try:
            return pa.array(values, column.type)
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
            raise BadInputError(
                f"column {column.name} does not hold {column.type} throughout: {str(error).splitlines()[0]}",
                hint="read it with --query and cast the column there",
            ) from error


def watermark_text(value: Any) -> str:
    """A watermark as text for a manifest; `watermark_value` reads it back.

    Raises:
        BadInputError: values of this type have no order that can be kept.
    """
    for name, kind in _WATERMARKS.items():
        if type(value) is kind:
            return f"{name}:{value.isoformat() if isinstance(value, date) else value}"
    raise BadInputError(
        f"a watermark of type {type(value).__name__} cannot be kept", hint="use a time, a date or a whole number"
    )


def watermark_value(text: str) -> Any:
    """The value that `watermark_text` wrote."""
    name, _, value = text.partition(":")
    kind = _WATERMARKS[name]
    return kind.fromisoformat(value) if issubclass(kind, date) else kind(value)


_WATERMARKS: dict[str, Any] = {"time": datetime, "date": date, "int": int, "text": str}


def _utc(value: datetime) -> datetime:
    return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else value.hex() if isinstance(value, bytes) else str(value)


_CONVERT: dict[str, Any] = {
    "string": _text,
    "double": float,
    "timestamp[us, tz=UTC]": _utc,
    "timestamp[us]": lambda value: value.replace(tzinfo=None),
}


def _declared(column: ExternalColumn) -> pa.DataType | None:
    import pyarrow as pa

    types = {
        "int": pa.int64(),
        "float": pa.float64(),
        "decimal": pa.decimal128(38, column.scale),
        "bool": pa.bool_(),
        "timestamp": pa.timestamp("us"),
        "timestamptz": pa.timestamp("us", "UTC"),
        "date": pa.date32(),
        "string": pa.string(),
        "binary": pa.binary(),
    }
    return types.get(column.kind)


def _seen(values: Sequence[Any]) -> pa.DataType:
    """The type that fits all of these values; text where nothing else does."""
    import pyarrow as pa

    kinds = {type(value) for value in values if value is not None}
    if kinds == {datetime}:
        aware = any(value.tzinfo for value in values if value is not None)
        return pa.timestamp("us", "UTC") if aware else pa.timestamp("us")
    single = {bool: pa.bool_(), int: pa.int64(), date: pa.date32(), bytes: pa.binary()}
    if len(kinds) == 1 and (kind := kinds & single.keys()):
        return single[kind.pop()]
    if kinds and kinds <= {int, float, Decimal}:
        return pa.float64()
    return pa.string()
