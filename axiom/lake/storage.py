"""Bytes and Parquet files under one root: a directory, or an S3-compatible bucket."""

from __future__ import annotations

import hashlib
import io
import os
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlsplit

from axiom.errors import BadInputError, MisuseError, NotFoundError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from datetime import datetime

    import pyarrow as pa


@dataclass(frozen=True)
class S3Options:
    """How to reach an S3-compatible store. Empty fields fall back to the usual AWS environment."""

    endpoint: str = ""
    region: str = ""
    access_key: str = ""
    secret_key: str = field(default="", repr=False)


@dataclass(frozen=True)
class Storage:
    """One root of files. Small and picklable: it travels to the workers, and opens its file system there.

    Attributes:
        location: a directory, or `s3://bucket/prefix`.
        s3: used when the location is on S3.
    """

    location: str
    s3: S3Options = field(default_factory=S3Options)

    def __getstate__(self) -> dict[str, object]:
        return {"location": self.location, "s3": self.s3}

    @property
    def is_local(self) -> bool:
        """Whether the root is a directory of this machine."""
        return "://" not in self.location or self.location.startswith("file://")

    @cached_property
    def root(self) -> str:
        """The root as the file system names it, with no trailing slash."""
        if self.is_local:
            return str(Path(self.location.removeprefix("file://")).absolute())
        parts = urlsplit(self.location)
        if parts.scheme != "s3" or not parts.netloc:
            raise MisuseError(
                f"lake location {self.location!r} is neither a directory nor s3://bucket/prefix",
                hint="set AXIOM_LAKE_URI to a path or to s3://bucket/prefix",
            )
        return f"{parts.netloc}{parts.path}".rstrip("/")

    @cached_property
    def filesystem(self) -> Any:
        """The pyarrow file system behind the root."""
        import pyarrow.fs as pafs

        if self.is_local:
            return pafs.LocalFileSystem()
        options: dict[str, Any] = {"allow_bucket_creation": False, "connect_timeout": 5, "request_timeout": 60}
        if self.s3.endpoint:
            scheme, _, host = self.s3.endpoint.rpartition("://")
            options |= {"endpoint_override": host, "scheme": scheme or "https"}
        if self.s3.region:
            options["region"] = self.s3.region
        if self.s3.access_key:
            options |= {"access_key": self.s3.access_key, "secret_key": self.s3.secret_key}
        return pafs.S3FileSystem(**options)

    def full(self, path: str) -> str:
        """The path below the root as the file system names it. Refuses to leave the root."""
        if path.startswith("/") or ".." in path.split("/"):
            raise MisuseError(f"path {path!r} would leave the lake")
        return f"{self.root}/{path}" if path else self.root

    def exists(self, path: str) -> bool:
        """Whether a file stands at `path`."""
        import pyarrow.fs as pafs

        return bool(self._ask(self.filesystem.get_file_info, self.full(path)).type == pafs.FileType.File)

    def read(self, path: str) -> bytes:
        """All bytes of the file at `path`; NotFoundError where there is none."""
        try:
            with self.filesystem.open_input_stream(self.full(path), compression=None) as stream:
                return bytes(stream.read())
        except FileNotFoundError:
            raise NotFoundError(f"no file {path!r} in the lake {self.location}") from None
        except OSError as error:
            raise self._unavailable(error) from error

    def blocks(self, path: str, size: int = 1 << 18) -> Iterator[bytes]:
        """The bytes of the file at `path`, `size` at a time; NotFoundError where there is none."""
        try:
            with self.filesystem.open_input_stream(self.full(path), compression=None) as stream:
                while block := stream.read(size):
                    yield bytes(block)
        except FileNotFoundError:
            raise NotFoundError(f"no file {path!r} in the lake {self.location}") from None
        except OSError as error:
            raise self._unavailable(error) from error

    def write(self, path: str, data: bytes) -> None:
        """Write `data` at `path` so that a reader sees all of it or nothing. Replaces what stood there."""
        try:
            with self._writing(self.full(path)) as stream:
                stream.write(data)
        except OSError as error:
            raise self._unavailable(error) from error

    def put(self, path: str, source: Path) -> tuple[int, str]:
        """Copy a local file to `path` block by block; returns its size in bytes and its SHA-256."""
        full, digest, size = self.full(path), hashlib.sha256(), 0
        try:
            with source.open("rb") as stream, self._writing(full) as target:
                while block := stream.read(1 << 22):
                    digest.update(block)
                    size += len(block)
                    target.write(block)
        except OSError as error:
            raise self._unavailable(error) from error
        return size, digest.hexdigest()

    def copy(self, path: str, target: Storage) -> int:
        """Copy one file to the same path below another root, block by block; returns its size in bytes."""
        size = 0
        try:
            with target._writing(target.full(path)) as stream:
                for block in self.blocks(path, 1 << 22):
                    stream.write(block)
                    size += len(block)
        except OSError as error:
            raise target._unavailable(error) from error
        return size

    def sizes(self, path: str = "") -> dict[str, int]:
        """How big each file below `path` is: path relative to the root -> bytes."""
        return {found: info.size for found, info in self._infos(path).items()}

    def files(self, path: str, suffix: str = "") -> list[str]:
        """Paths of all files below `path`, sorted, relative to the root; empty where there is no such folder."""
        return sorted(found for found in self.modified(path) if found.endswith(suffix))

    def modified(self, path: str) -> dict[str, datetime]:
        """When each file below `path` was last written: path relative to the root -> time, UTC."""
        return {found: info.mtime for found, info in self._infos(path).items()}

    def _infos(self, path: str) -> dict[str, Any]:
        import pyarrow.fs as pafs

        selector = pafs.FileSelector(self.full(path), allow_not_found=True, recursive=True)
        found = self._ask(self.filesystem.get_file_info, selector)
        cut = len(self.root) + 1
        return {info.path[cut:]: info for info in found if info.type == pafs.FileType.File}

    def delete(self, path: str) -> None:
        """Delete one file; it is no error if it is gone already."""
        try:
            self.filesystem.delete_file(self.full(path))
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._unavailable(error) from error

    def write_parquet(self, path: str, table: pa.Table, *, row_groups: list[int] | None = None) -> tuple[int, str]:
        """Write a Parquet file and return its size in bytes and its SHA-256.

        Args:
            path: below the root.
            table: what to write.
            row_groups: rows of each row group, in order; default: groups of a million rows.
        """
        import pyarrow.parquet as pq

        sink = io.BytesIO()
        # Dictionaries pay for text; for numbers the writer would build one and throw it away.
        texts = [name for name, kind in zip(table.schema.names, table.schema.types, strict=True) if _is_text(kind)]
        with pq.ParquetWriter(
            sink, table.schema, compression="zstd", compression_level=1, use_dictionary=texts or False
        ) as writer:
            start = 0
            for rows in row_groups or [table.num_rows]:
                writer.write_table(
                    table.slice(start, rows), row_group_size=1 << 20 if row_groups is None else rows or 1
                )
                start += rows
        data = sink.getvalue()
        self.write(path, data)
        return len(data), hashlib.sha256(data).hexdigest()

    def parquet(self, path: str, *, dictionary: list[str] | None = None) -> Any:
        """Open a Parquet file below the root; those string columns in `dictionary` that it has come back encoded."""
        try:
            return self._open_parquet(path, dictionary or [])
        except KeyError:  # it lacks one of them: a batch from before the column came
            names = set(self._open_parquet(path, []).schema_arrow.names)
            return self._open_parquet(path, [name for name in dictionary or [] if name in names])

    def _open_parquet(self, path: str, dictionary: list[str]) -> Any:
        import pyarrow.parquet as pq

        full = self.full(path)
        try:
            source = full if self.is_local else self.filesystem.open_input_file(full)
            return pq.ParquetFile(source, read_dictionary=dictionary, memory_map=self.is_local)
        except FileNotFoundError:
            raise NotFoundError(f"no file {path!r} in the lake {self.location}") from None
        except OSError as error:
            raise BadInputError(f"{path}: not a readable Parquet file ({error})") from error

    def _writing(self, full: str) -> AbstractContextManager[Any]:
        if self.is_local:
            return _written_atomically(Path(full))
        stream: AbstractContextManager[Any] = self.filesystem.open_output_stream(full, compression=None)
        return stream

    def _ask(self, call: Any, argument: Any) -> Any:
        try:
            return call(argument)
        except OSError as error:
            raise self._unavailable(error) from error

    def _unavailable(self, error: OSError) -> UnavailableError:
        return UnavailableError(
            f"the lake {self.location} does not answer: {error}",
            hint="check AXIOM_LAKE_URI, AXIOM_S3_ENDPOINT and that the store is up and has room",
        )


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind))


@contextmanager
def _written_atomically(path: Path) -> Iterator[IO[bytes]]:
    """Write beside the target, then rename: a crash leaves the old file or the new one, never half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
