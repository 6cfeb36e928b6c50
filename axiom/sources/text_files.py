"""CSV and its relatives, read as text: nothing is lost before cleaning has looked at it."""

from __future__ import annotations

import codecs
import io
import re
from dataclasses import dataclass
from functools import cached_property
from typing import IO, TYPE_CHECKING, Any

from axiom.errors import BadInputError
from axiom.sources.dialect import Dialect, check_encoding, detect
from axiom.sources.expressions import Sql
from axiom.sources.files import blocks
from axiom.sources.incoming import SAMPLE_ROWS, Chunk, Malformed
from axiom.sources.parquet_files import fingerprint_of
from axiom.sources.values import kind_of_text, one_array

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import pyarrow as pa

    from axiom.contracts import ColumnType
    from axiom.sources.files import InputFile
    from axiom.sources.request import FileSource

NULLS = ("", "NULL", "null", "\\N", "NaN", "nan")
_BLOCK = 1 << 24
_LINE_END = re.compile(rb"\r\n|\n|\r")


@dataclass(frozen=True)
class TextFiles:
    """Text files with the same columns, opened. See `axiom.sources.incoming.Incoming`."""

    files: tuple[InputFile, ...]
    source: FileSource

    is_text = True
    keys: frozenset[str] = frozenset()

    @cached_property
    def _dialect(self) -> Dialect:
        source = self.source
        first, *others = [
            detect(file, encoding=source.encoding, delimiter=source.delimiter, header=source.header)
            for file in self.files
        ]
        for file, other in zip(self.files[1:], others, strict=True):
            if other.names != first.names:
                raise BadInputError(
                    f"{file.label} has the columns {', '.join(other.names)}, "
                    f"{self.files[0].label} has {', '.join(first.names)}",
                    hint="ingest files of different form one by one",
                )
        return first

    @cached_property
    def schema(self) -> pa.Schema:
        """Columns; all of them are text."""
        import pyarrow as pa

        return pa.schema([(name, pa.string()) for name in self._dialect.names])

    @cached_property
    def _kinds(self) -> dict[str, ColumnType]:
        return {}

    def kind(self, column: str) -> ColumnType:
        """What the values of a column look like in the sample."""
        if column not in self._kinds:
            self._kinds[column] = kind_of_text(one_array(self.sample()[column]), Sql())
        return self._kinds[column]

    @property
    def parts(self) -> tuple[str, ...]:
        """Labels of the files."""
        return tuple(file.label for file in self.files)

    @cached_property
    def rows(self) -> int:
        """About how many rows: the number of line ends less the headers. Checks the encoding on the way."""
        ends = sum(check_encoding(file, self.source.encoding) for file in self.files)
        return max(ends - len(self.files) * (self._dialect.header_lines > 0), 1)

    @cached_property
    def _sample(self) -> pa.Table:
        for part in range(len(self.files)):
            table = self._head(part)
            if table.num_rows:
                return table
        raise BadInputError(f"{', '.join(self.parts)} has a header but no row")

    def _head(self, part: int) -> pa.Table:
        import pyarrow as pa

        schema = self.schema
        try:
            with self.files[part].open_plain() as stream:
                head = stream.read(_BLOCK >> 3)
            codecs.getincrementaldecoder(self.source.encoding)().decode(head)
        except (UnicodeError, EOFError, OSError):
            check_encoding(self.files[part], self.source.encoding)  # says where
            raise
        # A cut in the middle of a row would look like a malformed one.
        whole = len(head) < _BLOCK >> 3
        complete = head if whole else head[: head.rfind(b"\n") + 1]
        chunks = list(self._read_one(io.BytesIO(complete), part, ragged_end=not whole))
        table = pa.Table.from_batches([chunk.rows for chunk in chunks], schema=schema).slice(0, SAMPLE_ROWS)
        malformed = [line for chunk in chunks for line in chunk.malformed]
        if table.num_rows == 0 and (malformed or not whole):
            reason = malformed[0].reason if malformed else "the first row never ends"
            raise _unparsable(self.files[part], f"row 1 {reason}" if malformed else reason)
        return table

    def sample(self) -> pa.Table:
        """The first rows."""
        return self._sample

    def fingerprint(self) -> str:
        """SHA-256 over the files' bytes."""
        return fingerprint_of(self.files)

    def read(self, columns: Sequence[str]) -> Iterator[Chunk]:
        """All rows. All columns are read whatever `columns` says: bronze wants them anyway."""
        _ = columns
        for part, file in enumerate(self.files):
            with file.open_plain() as stream:
                yield from self._read_one(stream, part)

    def originals(self) -> tuple[Path, ...]:
        """None: text becomes Parquet."""
        return ()

    def _read_one(self, stream: IO[bytes], part: int, *, ragged_end: bool = False) -> Iterator[Chunk]:
        import pyarrow as pa
        import pyarrow.csv as pacsv

        dialect, malformed = self._dialect, []

        def set_aside(row: Any) -> str:
            reason = f"has {row.actual_columns} fields, the header has {row.expected_columns}"
            malformed.append(Malformed(row.number - 1, row.text, reason))
            return "skip"

        blank_separated = dialect.delimiter == "whitespace"
        original_names = [f"f{i}" for i in range(len(dialect.names))]
        try:
            reader = pacsv.open_csv(
                plain(stream, dialect),
                # One thread, because only then are malformed rows numbered.
                read_options=pacsv.ReadOptions(block_size=_BLOCK, use_threads=False, column_names=original_names),
                parse_options=pacsv.ParseOptions(
                    delimiter="\t" if blank_separated else dialect.delimiter,
                    quote_char=False if blank_separated else '"',
                    newlines_in_values=not blank_separated,
                    invalid_row_handler=set_aside,
                ),
                convert_options=pacsv.ConvertOptions(
                    column_types=dict.fromkeys(original_names, pa.string()),
                    null_values=list(NULLS),
                    strings_can_be_null=True,
                    check_utf8=True,
                ),
            )
            for batch in reader:
                found, malformed[:] = tuple(malformed), []
                yield Chunk(part, pa.RecordBatch.from_arrays(batch.columns, schema=self.schema), found)
            if malformed:
                yield Chunk(part, pa.RecordBatch.from_pylist([], schema=self.schema), tuple(malformed))
        except pa.ArrowInvalid as error:
            if ragged_end or str(error).startswith("Empty CSV file"):
                return
            raise _unparsable(self.files[part], str(error).splitlines()[0][:200]) from error


def plain(stream: IO[bytes], dialect: Dialect) -> io.BufferedReader:
    """The rows of a text file as UTF-8, without byte order mark and header; runs of blanks become one tab."""
    text = _utf8(blocks(stream), dialect.encoding)
    rows = _without_header(text, dialect.header_lines)
    return io.BufferedReader(_Blocks(_tabbed(rows) if dialect.delimiter == "whitespace" else rows), _BLOCK)


class _Blocks(io.RawIOBase):
    """An iterator of bytes as a stream."""

    def __init__(self, source: Iterator[bytes]) -> None:
        self._source, self._rest = source, memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        while not self._rest:
            try:
                self._rest = memoryview(next(self._source))
            except StopIteration:
                return 0
        size = min(len(target), len(self._rest))
        target[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


def _utf8(raw: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    if codecs.lookup(encoding).name == "utf-8":
        first = next(raw, b"")
        yield first.removeprefix(codecs.BOM_UTF8)
        yield from raw
        return
    for number, text in enumerate(codecs.iterdecode(raw, encoding)):
        yield (text.removeprefix("\ufeff") if number == 0 else text).encode()


def _without_header(text: Iterator[bytes], lines: int) -> Iterator[bytes]:
    head = b""
    while head.count(b"\n") + head.count(b"\r") < lines + 1 and (block := next(text, b"")):
        head += block
    ends = [match.end() for match, _ in zip(_LINE_END.finditer(head), range(lines), strict=False)]
    yield head[ends[-1] :] if len(ends) == lines > 0 else b"" if lines else head
    yield from text


def _tabbed(text: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for block in text:
        *lines, rest = (rest + block).split(b"\n")
        yield b"".join(b"\t".join(fields) + b"\n" for line in lines if (fields := line.split()))
    if fields := rest.split():
        yield b"\t".join(fields) + b"\n"


def _unparsable(file: InputFile, reason: str) -> BadInputError:
    return BadInputError(
        f"{file.label} cannot be read as CSV: {reason}", hint="a quote that is never closed, or the wrong --delimiter"
    )
