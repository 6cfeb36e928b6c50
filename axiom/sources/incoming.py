"""What every opened source offers: its columns, a sample, and its rows as a stream of Arrow batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import pyarrow as pa

    from axiom.contracts import ColumnType

SAMPLE_ROWS = 10_000


class Malformed(NamedTuple):
    """A line of a text file that is not a row: it has too few or too many fields. `row` counts data rows from 0."""

    row: int
    text: str
    reason: str


@dataclass(frozen=True)
class Chunk:
    """Some rows of one part. Parts come one after the other, and the rows of a part in their order.

    Attributes:
        part: position of the file among the source's files; 0 for SQL.
        rows: at least the columns that were asked for.
        malformed: lines that could not become rows, found while these were read.
    """

    part: int
    rows: pa.RecordBatch
    malformed: tuple[Malformed, ...] = ()


class Incoming(Protocol):
    """A source that is open. Text sources have string columns only; `kind` says what their values look like."""

    @property
    def schema(self) -> pa.Schema:
        """Columns as the source has them."""
        ...

    @property
    def is_text(self) -> bool:
        """Whether types are a guess of ours, because the source holds text alone."""
        ...

    def kind(self, column: str) -> ColumnType:
        """What the values of a column are; for text sources, what they look like in the sample."""
        ...

    @property
    def keys(self) -> frozenset[str]:
        """Columns that the source declares as a key."""
        ...

    @property
    def parts(self) -> tuple[str, ...]:
        """Labels of the parts, for people."""
        ...

    @property
    def rows(self) -> int:
        """Number of rows; 0 when nobody knows before reading."""
        ...

    def sample(self) -> pa.Table:
        """The first rows, at most SAMPLE_ROWS."""
        ...

    def fingerprint(self) -> str:
        """SHA-256 of the content; "" where it is known only after `read` has ended."""
        ...

    def read(self, columns: Sequence[str]) -> Iterator[Chunk]:
        """All rows with these columns."""
        ...

    def originals(self) -> tuple[Path, ...]:
        """Local Parquet files that hold the source as received; empty where it has another form."""
        ...
