"""A company as files: the same rows give the same bytes, whether they arrive whole or in blocks."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from axiom.errors import MisuseError
from axiom.sources.synthetic.company import SyntheticCompany

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

Format = Literal["parquet", "csv"]
_ROWS = 262_144  # rows per row group


class _Sink(Protocol):
    def write_table(self, table: pa.Table) -> None: ...
    def close(self) -> None: ...


class _File:
    """One table being written; cuts the stream at fixed row counts, so that bytes do not depend on the blocks."""

    def __init__(self, path: Path, schema: pa.Schema, kind: Format) -> None:
        self._path = path
        self._partial = path.with_name(f"{path.name}.partial")
        self._as_text = kind == "csv"
        self._sink: _Sink = (
            pa.csv.CSVWriter(str(self._partial), _for_csv(schema.empty_table()).schema)
            if kind == "csv"
            else pa.parquet.ParquetWriter(str(self._partial), schema, compression="zstd")
        )
        self._waiting = schema.empty_table()

    def __enter__(self) -> Self:
        return self

    def add(self, table: pa.Table) -> None:
        self._waiting = pa.concat_tables([self._waiting, table])
        while len(self._waiting) >= _ROWS:
            self._flush(_ROWS)

    def _flush(self, rows: int) -> None:
        # Page boundaries follow the chunks of a column: make it one chunk.
        group = self._waiting.slice(0, rows).combine_chunks()
        self._sink.write_table(_for_csv(group) if self._as_text else group)
        self._waiting = self._waiting.slice(rows)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and len(self._waiting):
            self._flush(len(self._waiting))
        self._sink.close()
        if kind is None:
            self._partial.replace(self._path)
        else:
            self._partial.unlink()


def _for_csv(table: pa.Table) -> pa.Table:
    """Plain columns; times, all whole seconds, as RFC 3339 text (Arrow's own cast of zoned times is 7 times slower)."""
    columns = {}
    for field, column in zip(table.schema, table.columns, strict=True):
        if pa.types.is_timestamp(field.type):
            local = column.cast(pa.timestamp("us")).cast(pa.timestamp("s")).cast(pa.string())
            column = pc.binary_join_element_wise(local, "Z", "")  # noqa: PLW2901
        elif pa.types.is_dictionary(field.type):
            column = column.cast(field.type.value_type)  # noqa: PLW2901
        columns[field.name] = column
    return pa.table(columns)


def write(
    company: SyntheticCompany | Iterable[SyntheticCompany],
    directory: str | Path,
    format: Format = "parquet",  # noqa: A002
) -> list[Path]:
    """Write a company, or the blocks of `iter_chunks` in bounded memory, replacing files of the same names.

    Tables become `<directory>/<entity>.<format>`; the truth goes to `<directory>/truth/`, out of the way of a glob
    that ingests the company, with everything that determines the content in `truth/parameters.json`.

    Args:
        company: a whole company or its blocks in order.
        directory: created when missing.
        format: `parquet` (zstd) or `csv` (UTF-8, times in ISO-8601 UTC).

    Returns:
        The written paths, sorted.

    Raises:
        MisuseError: unknown format, a directory that is a file, or no block at all.
    """
    if format not in ("parquet", "csv"):
        raise MisuseError(f"unknown format {format!r}", hint="parquet or csv")
    root = Path(directory)
    if root.exists() and not root.is_dir():
        raise MisuseError(f"{root} is not a directory", hint="name a directory; it is created when missing")
    (root / "truth").mkdir(parents=True, exist_ok=True)
    files: dict[Path, _File] = {}
    parameters: dict[str, Any] = {}
    with ExitStack() as stack:
        for piece in [company] if isinstance(company, SyntheticCompany) else company:
            parameters = piece.parameters
            for path, table in _layout(piece, root, format).items():
                if path not in files:
                    files[path] = stack.enter_context(_File(path, table.schema, format))
                files[path].add(table)
    if not files:
        raise MisuseError("there is no block to write", hint="pass a company or the blocks of iter_chunks")
    note = root / "truth" / "parameters.json"
    note.write_text(json.dumps(parameters, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return sorted([*files, note])


def _layout(piece: SyntheticCompany, root: Path, kind: Format) -> dict[Path, pa.Table]:
    tables = {root / f"{name}.{kind}": table for name, table in piece.tables.items()}
    return tables | {root / "truth" / f"{name}.{kind}": table for name, table in piece.truth.items()}
