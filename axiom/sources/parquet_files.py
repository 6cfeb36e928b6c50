"""Parquet files: only the columns that are needed are read, strings stay dictionary-encoded."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from axiom.errors import BadInputError
from axiom.sources.incoming import SAMPLE_ROWS, Chunk
from axiom.sources.values import kind_of_type

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    import pyarrow as pa

    from axiom.contracts import ColumnType
    from axiom.sources.files import InputFile

BATCH_ROWS = 1 << 19


@dataclass(frozen=True)
class ParquetFiles:
    """Parquet files with the same columns, opened. See `axiom.sources.incoming.Incoming`."""

    files: tuple[InputFile, ...]

    is_text = False
    keys: frozenset[str] = frozenset()

    @cached_property
    def schema(self) -> pa.Schema:
        """Columns of the first file; the others must have them too."""
        first, *others = [self._open(file).schema_arrow.remove_metadata() for file in self.files]
        if twice := sorted({name for name in first.names if first.names.count(name) > 1}):
            raise BadInputError(f"{self.files[0].label}: column {', '.join(twice)} is there twice")
        for file, other in zip(self.files[1:], others, strict=True):
            if missing := [name for name in first.names if name not in other.names]:
                raise BadInputError(
                    f"{file.label} has no column {', '.join(missing)}, unlike {self.files[0].label}",
                    hint="ingest files of different form one by one",
                )
        return first

    def kind(self, column: str) -> ColumnType:
        """What the values of a column are."""
        return kind_of_type(self.schema.field(column).type)

    @property
    def parts(self) -> tuple[str, ...]:
        """Labels of the files."""
        return tuple(file.label for file in self.files)

    @cached_property
    def rows(self) -> int:
        """Number of rows, from the files' own metadata."""
        return sum(self._open(file).metadata.num_rows for file in self.files)

    def sample(self) -> pa.Table:
        """The first rows."""
        import pyarrow as pa

        empty = self.schema.empty_table()  # first of all, so that files of different form are found
        if self.rows == 0:
            raise BadInputError(f"{', '.join(self.parts)}: no row", hint="the file has columns, but nothing in them")
        batches = self._open(self.files[0]).iter_batches(SAMPLE_ROWS)
        first = next(iter(batches), None)
        return empty if first is None else pa.Table.from_batches([first])

    def fingerprint(self) -> str:
        """SHA-256 over the files' bytes."""
        return fingerprint_of(self.files)

    def read(self, columns: Sequence[str]) -> Iterator[Chunk]:
        """All rows with these columns."""
        import pyarrow as pa

        strings = [name for name in columns if pa.types.is_string(self.schema.field(name).type)]
        for part, file in enumerate(self.files):
            try:
                for batch in self._open(file, strings).iter_batches(BATCH_ROWS, columns=list(columns)):
                    yield Chunk(part, batch)
            except (pa.ArrowInvalid, OSError) as error:
                raise _unreadable(file, error) from error

    def originals(self) -> tuple[Path, ...]:
        """The files themselves."""
        return tuple(file.local_path for file in self.files if file.local_path is not None)

    def _open(self, file: InputFile, dictionary: list[str] | None = None) -> Any:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            source = str(file.local_path) if file.local_path else file.open_raw()
            # Without pre_buffer the whole file would end up in memory while it is streamed.
            return pq.ParquetFile(source, read_dictionary=dictionary or [], pre_buffer=False)
        except (pa.ArrowInvalid, OSError) as error:
            raise _unreadable(file, error) from error


def fingerprint_of(files: Iterable[InputFile]) -> str:
    """SHA-256 over the SHA-256 of each file; names do not count, so a renamed file is the same batch."""
    return hashlib.sha256("\n".join(file.sha256() for file in files).encode()).hexdigest()


def _unreadable(file: InputFile, error: Exception) -> BadInputError:
    reason = str(error).splitlines()[0][:200]
    return BadInputError(f"{file.label} is not a readable Parquet file: {reason}", hint="write it again, or fetch it")
