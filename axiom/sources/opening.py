"""Opening a source: files become CSV or Parquet readers, SQL a streaming one. Also its name and its watermark."""

from __future__ import annotations

import re
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from axiom.errors import BadInputError
from axiom.sources.expressions import column_named
from axiom.sources.files import find_files
from axiom.sources.parquet_files import ParquetFiles
from axiom.sources.request import FileSource, IngestRequest, SqlSource
from axiom.sources.text_files import TextFiles

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from axiom.lake import Manifest, S3Options
    from axiom.sources.incoming import Incoming

_PARQUET = b"PAR1"


@contextmanager
def open_source(
    request: IngestRequest, s3: S3Options, *, since: Any = None, workdir: Path | None = None
) -> Iterator[Incoming]:
    """Open the source of a request.

    Args:
        request: names the source.
        s3: how to reach S3.
        since: watermark up to which the lake has seen a SQL source.
        workdir: where files on S3 are copied to before they are read; None reads them in place.

    Raises:
        NotFoundError: a file or table does not exist.
        BadInputError: it cannot be read.
        UnavailableError: its server does not answer.
    """
    if isinstance(request.source, FileSource):
        yield _open_files(request.source, s3, workdir)
        return
    from axiom.db.external import open_external
    from axiom.sources.sql import SqlRows

    with open_external(request.source.url) as external:
        rows = SqlRows(external, request.source, request.watermark, since)
        if request.watermark and rows.sample().num_rows:
            _check_watermark(rows, request.watermark)
        rows.check_not_empty()
        yield rows


def source_name(request: IngestRequest) -> str:
    """The name of a source: as given, else the table's or the first file's."""
    if request.name:
        return request.name
    if isinstance(request.source, SqlSource):
        stem = request.source.table or "query"
    else:
        path = PurePosixPath(request.source.paths[0])
        plain = [part for part in path.parts if not re.search(r"[*?\[]", part)]
        stem = PurePosixPath(plain[-1]).name.split(".")[0] if plain else ""
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", stem).strip("_.-") or request.entity


def last_watermark(history: Iterable[Manifest], source: str, column: str) -> str:
    """The watermark up to which the lake has seen a source, as its commits say; "" when it has not."""
    seen = [
        (manifest.created_at, str(manifest.properties["watermark"]["value"]))
        for manifest in history
        if manifest.properties.get("source") == source
        and (manifest.properties.get("watermark") or {}).get("column") == column
    ]
    return max(seen)[1] if seen else ""


def _open_files(source: FileSource, s3: S3Options, workdir: Path | None) -> Incoming:
    files = find_files(source.paths, s3)
    if workdir is not None:
        files = tuple(file.brought_here(workdir, number) for number, file in enumerate(files))
    packed = [file.starts_with(_PARQUET) for file in files]
    if source.format == "parquet" or (source.format == "auto" and all(packed)):
        return ParquetFiles(files)
    if any(packed):
        parquet = next(file for file, is_parquet in zip(files, packed, strict=True) if is_parquet)
        if source.format == "csv":
            raise BadInputError(f"{parquet.label} is a Parquet file", hint="leave its format to be found out")
        text = next(file for file, is_parquet in zip(files, packed, strict=True) if not is_parquet)
        raise BadInputError(
            f"{parquet.label} is Parquet and {text.label} is not", hint="ingest them one by one, or use a glob"
        )
    return TextFiles(files, source)


def _check_watermark(rows: Incoming, watermark: str) -> None:
    import pyarrow as pa

    name = column_named(watermark, rows.schema.names)
    kind = rows.schema.field(name).type
    ordered = pa.types.is_integer(kind) or pa.types.is_timestamp(kind) or pa.types.is_date(kind)
    if not ordered and not (pa.types.is_string(kind) and rows.kind(name) == "timestamp"):
        raise BadInputError(
            f"{name} ({kind}) cannot be a watermark", hint="use a time, a date or a number that only grows"
        )
