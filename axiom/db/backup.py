"""Back the database up to one file, and fill an empty database from it. The same file suits SQLite and PostgreSQL.

The file is gzip of JSON lines: a head with the schema's revision, then each table's name and its rows, then an end with
the number of rows and a SHA-256 over all lines before. A file without its end is refused.
"""

from __future__ import annotations

import gzip
import hashlib
import itertools
import json
from dataclasses import dataclass
from datetime import datetime
from typing import IO, TYPE_CHECKING, Any

import sqlalchemy as sa

from axiom import __version__
from axiom.db import (  # noqa: F401  (each one adds its tables)
    access_tables,
    experiment_tables,
    job_tables,
    monitoring_tables,
    reply_tables,
)
from axiom.db.tables import UtcDateTime, metadata
from axiom.errors import BadInputError, ConflictError, CorruptError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from axiom.db.database import Database

FORMAT = 1
_ROWS_AT_ONCE = 2000
_MADE_WITH_THE_TABLES = (access_tables.audit_head,)


@dataclass(frozen=True)
class BackupReport:
    """What was written or read.

    Attributes:
        schema: revision of the tables.
        taken_at: when the backup was taken, ISO 8601, UTC.
        rows: table -> rows.
    """

    schema: str
    taken_at: str
    rows: dict[str, int]

    @property
    def total(self) -> int:
        """Rows over all tables."""
        return sum(self.rows.values())


def back_up(db: Database, target: IO[bytes]) -> BackupReport:
    """Write every row of one unchanging snapshot; writers go on meanwhile.

    Raises:
        ConflictError: the schema is not the one of this Axiom.
        UnavailableError: the database does not answer.
    """
    db.check_schema()
    schema = str(db.schema())
    digest = hashlib.sha256()
    rows: dict[str, int] = {}
    with gzip.GzipFile(fileobj=target, mode="wb", mtime=0) as packed, db.reading() as tx:
        taken_at = tx.clock().isoformat()

        def say(what: object) -> None:
            line = json.dumps(what, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
            digest.update(line)
            packed.write(line)

        say({"format": FORMAT, "axiom": __version__, "schema": schema, "taken_at": taken_at})
        for table in metadata.sorted_tables:
            say({"table": table.name, "columns": [column.name for column in table.columns]})
            found = tx.connection.execution_options(yield_per=_ROWS_AT_ONCE).execute(sa.select(table))
            rows[table.name] = 0
            for row in found:
                say([_said(value) for value in row])
                rows[table.name] += 1
        packed.write(json.dumps({"rows": rows, "sha256": digest.hexdigest()}).encode() + b"\n")
    return BackupReport(schema, taken_at, rows)


def restore(db: Database, source: IO[bytes]) -> BackupReport:
    """Fill an empty database; its tables are made where there are none. All rows or none.

    Raises:
        BadInputError: the file is no backup.
        ConflictError: the database holds rows already, or the backup has another schema.
        CorruptError: the file was cut or altered.
        UnavailableError: the database does not answer.
    """
    lines = _Lines(source)
    head = lines.head()
    db.migrate()
    schema = str(db.schema())
    if head["schema"] != schema:
        raise ConflictError(
            f"the backup has schema {head['schema']}, this Axiom needs {schema}",
            hint=f"restore it with Axiom {head['axiom']}, then upgrade",
        )
    with db.transaction() as tx:
        _refuse_rows(tx.connection)
        for table in _MADE_WITH_THE_TABLES:
            tx.connection.execute(table.delete())
        rows = {name: _filled(tx.connection, lines, name, columns) for name, columns in lines.tables()}
        lines.check_end(rows)
        _move_sequences(tx.connection)
    return BackupReport(schema, str(head["taken_at"]), rows)


class _Lines:
    """The lines of a backup, read once from the beginning."""

    def __init__(self, source: IO[bytes]) -> None:
        self._lines = _unpacked(source)
        self._digest = hashlib.sha256()
        self._next: Any = None

    def head(self) -> dict[str, Any]:
        """The first line."""
        try:
            found = self._read()
        except CorruptError as error:
            raise BadInputError(f"this is no backup of Axiom: {error.message}") from None
        if not isinstance(found, dict) or found.get("format") != FORMAT or "schema" not in found:
            raise BadInputError("this is no backup of Axiom", hint="make one with `axiom db backup FILE`")
        return found

    def tables(self) -> Iterator[tuple[str, list[str]]]:
        """Name and columns of each table; read its rows before going on."""
        self._next = self._read()
        while "table" in self._next:
            yield self._next["table"], self._next["columns"]

    def rows(self) -> Iterator[list[Any]]:
        """The rows of the present table."""
        while isinstance(found := self._read(), list):
            yield found
        self._next = found

    def check_end(self, rows: dict[str, int]) -> None:
        """Compare what was read with what was written."""
        if self._next.get("rows") != rows or self._next.get("sha256") != self._sum:
            raise CorruptError("the backup was altered: its rows are not those that were written")

    def _read(self) -> Any:
        line = next(self._lines, None)
        if line is None:
            raise CorruptError("the backup was cut: it has no end", hint="take another one")
        self._sum = self._digest.hexdigest()
        self._digest.update(line)
        try:
            return json.loads(line)
        except ValueError:
            raise CorruptError("the backup holds a line that is no JSON") from None


def _unpacked(source: IO[bytes]) -> Iterator[bytes]:
    try:
        with gzip.GzipFile(fileobj=source) as packed:
            yield from packed
    except (OSError, EOFError) as error:
        raise CorruptError(f"the backup cannot be unpacked: {error}", hint="take another one") from None


def _filled(connection: sa.Connection, lines: _Lines, name: str, columns: list[str]) -> int:
    table = metadata.tables.get(name)
    if table is None or {column.name for column in table.columns} != set(columns):
        raise CorruptError(f"the backup has a table {name!r} with columns that this schema does not have")
    times = [place for place, column in enumerate(columns) if isinstance(table.columns[column].type, UtcDateTime)]
    count = 0
    for batch in _batches(lines.rows()):
        for row in batch:
            for place in times:
                row[place] = None if row[place] is None else datetime.fromisoformat(row[place])
        connection.execute(table.insert(), [dict(zip(columns, row, strict=True)) for row in batch])
        count += len(batch)
    return count


def _batches(rows: Iterable[list[Any]]) -> Iterator[list[list[Any]]]:
    left = iter(rows)
    while batch := list(itertools.islice(left, _ROWS_AT_ONCE)):
        yield batch


def _refuse_rows(connection: sa.Connection) -> None:
    for table in metadata.sorted_tables:
        if table in _MADE_WITH_THE_TABLES:
            continue
        if connection.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first() is not None:
            raise ConflictError(
                f"the database holds rows already (in {table.name})", hint="restore into a new, empty database"
            )


def _move_sequences(connection: sa.Connection) -> None:
    """PostgreSQL numbers new rows from a sequence, which rows with numbers of their own leave where it is."""
    if connection.dialect.name != "postgresql":
        return
    for table in metadata.sorted_tables:
        column = table.autoincrement_column
        if column is None:
            continue
        sequence = connection.scalar(sa.select(sa.func.pg_get_serial_sequence(table.name, column.name)))
        highest = connection.scalar(sa.select(sa.func.max(column)))
        if sequence is not None and highest is not None:
            connection.execute(sa.select(sa.func.setval(sequence, highest)))


def _said(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
