"""What goes into an ingest and what comes out: frozen, so that it can be stored, shown and compared."""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeAlias, get_args

from axiom.contracts import ENTITIES
from axiom.errors import MisuseError
from axiom.settings import mask_url

ContractPolicy = Literal["evolve", "freeze", "discard_rows", "discard_columns"]
ReturnsPolicy = Literal["net", "drop", "refuse"]
DuplicatesPolicy = Literal["auto", "keep", "drop"]
FileFormat = Literal["auto", "csv", "parquet"]

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called as (phase, done, total); phases are `read` (rows) and `write` (buckets). A total of 0 means unknown."""


@dataclass(frozen=True)
class FileSource:
    """Files that together hold one table.

    Attributes:
        paths: files, directories or globs, local or `s3://bucket/key`.
        format: `auto` goes by the file's first bytes.
        encoding: of text files, a Python codec name.
        delimiter: of text files: one character, or `whitespace`; "" finds it out.
        header: whether text files start with column names; None finds it out. Without, columns are column1, column2, …
    """

    paths: tuple[str, ...]
    format: FileFormat = "auto"
    encoding: str = "utf-8"
    delimiter: str = ""
    header: bool | None = None

    def __post_init__(self) -> None:
        _one_of("format", self.format, get_args(FileFormat))
        if not self.paths:
            raise MisuseError("no file given", hint="name a file, a directory, a glob or s3://bucket/key")
        if len(self.delimiter) > 1 and self.delimiter != "whitespace":
            raise MisuseError(f"delimiter {self.delimiter!r} is neither one character nor `whitespace`")

    @property
    def label(self) -> str:
        """How people see it."""
        return ", ".join(self.paths)


@dataclass(frozen=True)
class SqlSource:
    """A table or query of a database.

    Attributes:
        url: SQLAlchemy URL, or a reference to one: `env:NAME`, `file:PATH`; `${NAME}` inside it is replaced by the
            variable's value. Only the reference is stored, never what it stands for.
        table: name, perhaps with its schema: `shop.orders`.
        query: a SELECT, instead of a table.
    """

    url: str = field(repr=False)
    table: str = ""
    query: str = ""

    def __post_init__(self) -> None:
        if bool(self.table) == bool(self.query):
            raise MisuseError("a SQL source needs either a table or a query", hint="--table NAME or --query 'select …'")

    @property
    def label(self) -> str:
        """How people see it: the password is masked."""
        return f"{mask_url(self.url)} {self.table or 'query'}"


@dataclass(frozen=True)
class IngestRequest:
    """One ingest: which rows, what they mean, and what to do with the odd ones.

    Attributes:
        entity: `transactions`, `events` or `customers`.
        source: where the rows are.
        name: of the source; contracts and watermarks belong to it. Default: the table's or the first file's name.
        mapping: silver column -> source column, or a scalar SQL expression over source columns. What is missing is
            guessed from names and types; an empty expression leaves an optional column out.
        where: rows for which this expression is not true are dropped.
        contract: what happens when the source's columns differ from its last batch: `evolve` takes them as they come,
            `freeze` refuses the batch, `discard_rows` refuses rows that use a new column or another type,
            `discard_columns` leaves new columns out.
        returns: negative amounts are kept (`net`), left out (`drop`) or refused to quarantine (`refuse`).
        duplicates: equal rows within the batch: `keep`, `drop`, or `auto` (drop where a natural key is mapped).
        timezone: IANA zone of times that carry none.
        time_format: strptime format of text times; `epoch_s`, `epoch_ms`, `epoch_us` for numbers; default: ISO 8601
            text, YYYYMMDD.
        watermark: SQL only: column that never decreases; only rows at or after its last value are read.
        full: read everything although there is a watermark.
    """

    entity: str
    source: FileSource | SqlSource
    name: str = ""
    mapping: Mapping[str, str] = field(default_factory=dict)
    where: str = ""
    contract: ContractPolicy = "evolve"
    returns: ReturnsPolicy = "net"
    duplicates: DuplicatesPolicy = "auto"
    timezone: str = "UTC"
    time_format: str = ""
    watermark: str = ""
    full: bool = False

    def __post_init__(self) -> None:
        _one_of("entity", self.entity, ENTITIES)
        _one_of("contract", self.contract, get_args(ContractPolicy))
        _one_of("returns", self.returns, get_args(ReturnsPolicy))
        _one_of("duplicates", self.duplicates, get_args(DuplicatesPolicy))
        if self.watermark and isinstance(self.source, FileSource):
            raise MisuseError(
                "a watermark needs a SQL source", hint="a grown file may be ingested again: only what is new is added"
            )
        try:
            zoneinfo.ZoneInfo(self.timezone)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError):
            raise MisuseError(f"unknown time zone {self.timezone!r}", hint="for example Europe/Berlin") from None


@dataclass(frozen=True)
class SourceColumn:
    """One column of a source, as introspection sees it.

    Attributes:
        name: in the source.
        type: Arrow type as text; `text` for columns of text files.
        nullable: whether it may be, or in the sample is, null.
        key: whether it looks like the key of a row (declared, or no value twice in the sample).
        pii: what personal fact it seems to hold (`email`, `phone`, …); "" when none.
        sample: a few values as text; masked where `pii` is set.
    """

    name: str
    type: str
    nullable: bool
    key: bool
    pii: str
    sample: tuple[str, ...]


@dataclass(frozen=True)
class MappedColumn:
    """One silver column: where it comes from, and why. `reason` is `given` or explains the guess."""

    target: str
    expression: str
    reason: str


@dataclass(frozen=True)
class Drift:
    """How a source's columns differ from its last committed batch; types are Arrow types as text."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[tuple[str, str, str], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)

    def __str__(self) -> str:
        parts = [f"new column {name}" for name in self.added]
        parts += [f"column {name} is gone" for name in self.removed]
        parts += [f"column {name} was {old}, is {new}" for name, old, new in self.changed]
        return "; ".join(parts) or "no change"


@dataclass(frozen=True)
class IngestReport:
    """What an ingest did. Always: rows_in = accepted + duplicates + dropped + refused.

    Attributes:
        batch_id: names the content, the mapping and the policies: the same ingest has the same id.
        entity: which silver table.
        source: name of the source.
        committed: whether silver grew.
        already: whether this very batch was in the lake before; then nothing was done.
        rows_in: rows that the source held.
        accepted: rows added to silver.
        duplicates: rows left out because they are in silver already, or repeat within the batch (policy `drop`).
        dropped: rows left out on purpose, by `where` or by the returns policy.
        refused: rows put into quarantine.
        dropped_by: why -> rows.
        refused_by: reason -> rows.
        repeated: accepted or not, rows that equal an earlier row of the same batch.
        customers: distinct customers among the accepted rows.
        min_time: earliest event time accepted, ISO 8601 UTC; "" when none.
        max_time: latest, likewise.
        watermark: newest value of the watermark column; "" when none.
        mapping: what was read as what.
        drift: how the source's columns changed.
        notes: things a person should know.
        seconds: wall time.
    """

    batch_id: str
    entity: str
    source: str
    committed: bool
    already: bool
    rows_in: int
    accepted: int
    duplicates: int
    dropped: int
    refused: int
    dropped_by: dict[str, int] = field(default_factory=dict)
    refused_by: dict[str, int] = field(default_factory=dict)
    repeated: int = 0
    customers: int = 0
    min_time: str = ""
    max_time: str = ""
    watermark: str = ""
    mapping: tuple[MappedColumn, ...] = ()
    drift: Drift = field(default_factory=Drift)
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self)


def _one_of(what: str, value: str, allowed: Any) -> None:
    if value not in allowed:
        raise MisuseError(f"unknown {what} {value!r}", hint=f"one of {', '.join(allowed)}")
