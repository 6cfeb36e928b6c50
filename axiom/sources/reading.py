"""The first half of an ingest: a source is read, cleaned and cut into buckets, all of it in local files."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from axiom.contracts import ENTITIES
from axiom.errors import BadInputError
from axiom.sources.ahead import ahead
from axiom.sources.cleaning import ROW, Cleaner
from axiom.sources.contract import kind_of_type_name, without
from axiom.sources.landing import Bronze, Quarantine, Rows
from axiom.sources.spill import Spill
from axiom.sources.sql import SqlRows, watermark_text
from axiom.sources.values import one_array

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    import pyarrow as pa

    from axiom.lake import Lake, Snapshot
    from axiom.sources.contract import Contract
    from axiom.sources.expressions import Sql
    from axiom.sources.incoming import Chunk, Incoming
    from axiom.sources.mapping import SettledMapping
    from axiom.sources.request import IngestRequest, Progress


@dataclass
class Reading:
    """One source on its way through cleaning. A context: leaving it closes the local files.

    Attributes:
        request: what was asked for.
        source: name of the source.
        incoming: the open source.
        mapping: what comes from where.
        contract: what the schema contract asks.
        before: silver as it is.
        lake: where the rows go.
        arrived: arrival time.
        workdir: for local files.
        sql: typing and expressions.
        on_progress: told how far it is.
        content: SHA-256 of the source's content; "" for SQL until it was read.
        rows_in: rows seen, malformed lines included.
        amounts: rows with an amount.
        dropped: why -> rows.
        newest: newest value of the watermark column.
    """

    request: IngestRequest
    source: str
    incoming: Incoming
    mapping: SettledMapping
    contract: Contract
    before: Snapshot
    lake: Lake
    arrived: datetime
    workdir: Path
    sql: Sql
    on_progress: Progress
    content: str
    rows_in: int = 0
    amounts: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    newest: Any = None
    numbers: Rows = field(default_factory=Rows)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.quarantine.close()
        self.bronze.close()
        self.spill.close()

    @cached_property
    def arrived_micros(self) -> int:
        """Arrival time in microseconds since 1970."""
        return int(self.arrived.timestamp() * 1_000_000)

    @cached_property
    def key(self) -> str:
        """The column whose equal values are versions of one fact; "" when rows have none."""
        entity = ENTITIES[self.request.entity]
        if entity.name == "customers":
            return entity.time_column
        return entity.key_column if self.mapping.has(entity.key_column) else ""

    @cached_property
    def cleaner(self) -> Cleaner:
        """Cleans the rows."""
        further = {
            name: kind_of_type_name(kind)
            for name, kind in self.before.columns.items()
            if ENTITIES[self.request.entity].column(name) is None
        }
        return Cleaner(
            self.request,
            self.incoming,
            self.mapping,
            self.contract,
            self.lake.currency,
            self.arrived_micros,
            self.sql,
            further,
        )

    @cached_property
    def quarantine(self) -> Quarantine:
        """Takes the refused rows."""
        return Quarantine(self.workdir / "quarantine.parquet", self.incoming.parts)

    @cached_property
    def bronze(self) -> Bronze:
        """Keeps the source as received."""
        originals = () if self.contract.left_out else self.incoming.originals()
        return Bronze(self.workdir, without(self.incoming.schema, self.contract.left_out), list(originals))

    @cached_property
    def spill(self) -> Spill:
        """Takes the accepted rows."""
        return Spill(self.workdir / "spill.arrow", self.lake.buckets)

    def check_usable(self) -> None:
        """Refuse a source of which nothing can be used; the lake has not been touched yet.

        Raises:
            BadInputError: no row, no amount, or no row that is neither dropped nor refused.
        """
        if self.rows_in == 0 and not self.nothing_since:
            raise BadInputError(f"{', '.join(self.incoming.parts)} holds no row")
        if self.mapping.has("amount") and self.amounts == 0 and self.dropped.total() < self.numbers.total:
            raise self._no_amount()
        if self.spill.rows == 0 and not self.nothing_since:
            raise self._nothing_left()

    @property
    def nothing_since(self) -> bool:
        """Whether an incremental read saw nothing newer than the last one."""
        since = self.incoming.since if isinstance(self.incoming, SqlRows) else None
        return since is not None and (self.newest is None or self.newest == since)

    def _no_amount(self) -> BadInputError:
        expression = next(column.expression for column in self.mapping.columns if column.target == "amount")
        texts = one_array(self.incoming.sample()[expression]) if expression in self.incoming.schema.names else None
        example = next((text for text in texts.to_pylist() if text is not None), None) if texts is not None else None
        if example is None:
            return BadInputError(f"amount ({expression}) is null in every row", hint="--map amount= leaves it out")
        return BadInputError(
            f"amount ({expression}) is never a number, for example {example!r}",
            hint=f"decimal commas: --map \"amount=replace({expression}, ',', '.')\"; without amounts: --map amount=",
        )

    def _nothing_left(self) -> BadInputError:
        refused = [f"{reason} ({rows})" for reason, rows in self.quarantine.reasons.most_common(3)]
        if not refused:
            dropped = ", ".join(f"{why} ({rows})" for why, rows in self.dropped.items() if rows)
            return BadInputError(f"nothing left of {self.rows_in} rows: dropped by {dropped}", hint="check --where")
        reason = self.quarantine.reasons.most_common(1)[0][0]
        return BadInputError(
            f"no row of {self.rows_in} can be used: {', '.join(refused)}", hint=_way_out(reason, self.lake.currency)
        )


def read_source(reading: Reading) -> None:
    """Read the whole source: keep it as bronze, clean it, spill what is accepted, set aside what is refused."""
    reading.on_progress("read", 0, reading.incoming.rows)
    spooled = not reading.bronze.files
    columns = reading.bronze.columns if spooled else reading.cleaner.reads
    chunks = reading.incoming.read(columns)
    # A database connection stays in the thread that opened it.
    for chunk in chunks if isinstance(reading.incoming, SqlRows) else ahead(chunks):
        if spooled:
            reading.bronze.add(chunk)
        _take(reading, chunk)
        reading.on_progress("read", reading.rows_in, max(reading.incoming.rows, reading.rows_in))
    reading.spill.close()
    reading.bronze.close()
    reading.content = reading.content or reading.incoming.fingerprint()


def _take(reading: Reading, chunk: Chunk) -> None:
    import json

    first = reading.numbers.take(chunk)
    reading.rows_in += chunk.rows.num_rows + len(chunk.malformed)
    reading.quarantine.add(
        [(chunk.part, line.row + 1) for line in chunk.malformed],
        [line.reason for line in chunk.malformed],
        [json.dumps({"line": line.text}, ensure_ascii=False) for line in chunk.malformed],
    )
    if chunk.rows.num_rows == 0:
        return
    if reading.request.watermark:
        _note_watermark(reading, chunk.rows)
    cleaned = reading.cleaner.clean(chunk.rows)
    reading.amounts += cleaned.amounts
    reading.dropped.update(cleaned.dropped)
    reading.quarantine.add(
        reading.numbers.locate((cleaned.refused + first).tolist()), cleaned.reasons, cleaned.originals
    )
    reading.spill.add(_numbered(cleaned.accepted, first) if reading.key else cleaned.accepted.drop_columns([ROW]))


def _numbered(table: pa.Table, first: int) -> pa.Table:
    import pyarrow as pa

    running = table[ROW].to_numpy() + first
    return table.set_column(table.schema.get_field_index(ROW), ROW, pa.array(running.astype(np.int64)))


def _note_watermark(reading: Reading, rows: pa.RecordBatch) -> None:
    import pyarrow.compute as pc

    newest = pc.max(one_array(rows.column(reading.cleaner.watermark))).as_py()
    if newest is not None:
        watermark_text(newest)
        reading.newest = newest if reading.newest is None else max(reading.newest, newest)


def _way_out(reason: str, currency: str) -> str:
    if reason.endswith("is not a time"):
        return "say how times are written: --time-format '%d/%m/%Y %H:%M', or epoch_s"
    if reason.startswith("currency"):
        return f"the lake holds {currency}; convert first, or set AXIOM_CURRENCY and AXIOM_HOME for another lake"
    if reason == "amount is negative":
        return "--returns net keeps negative amounts, --returns drop leaves them out"
    if "fields, the header has" in reason:
        return "name the --delimiter, or check the header"
    return "check --map and --where"
