"""Immutable datasets: parts are written one by one, the manifest last."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from axiom.errors import ConflictError, CorruptError, MisuseError, NotFoundError
from axiom.lake.manifest import FileEntry, Manifest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import pyarrow as pa

    from axiom.lake.storage import Storage

_FOLDERS = {"features": "gold/features", "labels": "gold/labels", "scores": "gold/scores"}


def folder_of(kind: str) -> str:
    """Where the datasets of a kind live; kinds of gold have their place, others are their own path."""
    return _FOLDERS.get(kind, kind)


@dataclass(frozen=True)
class DatasetWriter:
    """Writes the parts of one dataset, from any number of workers; `commit` makes it visible.

    A part that is written completely leaves a receipt, so a killed run goes on with the parts that are missing.
    """

    storage: Storage
    kind: str
    id: str
    inputs: tuple[str, ...] = ()
    properties: Mapping[str, Any] = field(default_factory=dict)

    @property
    def folder(self) -> str:
        """Where the parts go."""
        return f"{folder_of(self.kind)}/{self.id}"

    def committed(self) -> Manifest | None:
        """The manifest, where an earlier run finished already."""
        return read_manifest(self.storage, self.kind, self.id)

    def done(self, part: str) -> FileEntry | None:
        """The receipt of a part that an earlier, killed run wrote completely; None where it has to be written."""
        try:
            return FileEntry(**json.loads(self.storage.read(f"{self.folder}/_parts/{part}.json")))
        except NotFoundError:
            return None
        except (ValueError, TypeError):
            return None  # a receipt we cannot read is no receipt: the part is written again

    def write(
        self,
        part: str,
        table: pa.Table,
        *,
        bucket: int = -1,
        times: tuple[int, int] | None = None,
        row_groups: list[int] | None = None,
    ) -> FileEntry:
        """Write one part and its receipt.

        Args:
            part: file name, for example `bucket-0003.parquet`.
            table: rows of the part.
            bucket: the bucket its customers belong to.
            times: earliest and latest event time in microseconds since 1970.
            row_groups: rows of each row group.
        """
        path = f"{self.folder}/{part}"
        size, digest = self.storage.write_parquet(path, table, row_groups=row_groups)
        low, high = times or (None, None)
        entry = FileEntry(path, table.num_rows, size, digest, bucket, low, high)
        self.storage.write(f"{self.folder}/_parts/{part}.json", json.dumps(asdict(entry)).encode())
        return entry

    def commit(self, entries: Iterable[FileEntry], *, schema: pa.Schema | None = None, **properties: Any) -> Manifest:
        """Write the manifest: from now on the dataset exists. Committing what is committed already changes nothing.

        Args:
            entries: the receipts of all parts.
            schema: schema of the parts; default: read from the first one.
            **properties: facts added to those given when the writer was made.
        """
        existing = self.committed()
        if existing is not None:
            return existing
        files = tuple(sorted(entries, key=lambda entry: entry.path))
        if len({file.path for file in files}) != len(files):
            raise ConflictError(f"{self.kind} {self.id}: a part was given twice")
        if schema is None and files:
            schema = self.storage.parquet(files[0].path).schema_arrow
        manifest = Manifest(
            kind=self.kind,
            id=self.id,
            schema={} if schema is None else {column.name: str(column.type) for column in schema},
            files=files,
            inputs=self.inputs,
            properties={**self.properties, **properties},
        )
        self.storage.write(f"{self.folder}/_manifest.json", manifest.to_json())
        for receipt in self.storage.files(f"{self.folder}/_parts"):
            self.storage.delete(receipt)
        return manifest


@dataclass(frozen=True)
class Dataset:
    """A committed dataset, ready to be read."""

    storage: Storage
    manifest: Manifest

    @property
    def paths(self) -> list[str]:
        """The Parquet files as the file system names them."""
        return [self.storage.full(file.path) for file in self.manifest.files]

    def read(
        self,
        columns: Sequence[str] | None = None,
        *,
        bucket: int | None = None,
        row_filter: Any = None,
    ) -> pa.Table:
        """Read rows.

        Args:
            columns: only these; default: all.
            bucket: only the file of this bucket.
            row_filter: a `pyarrow.dataset` expression, pushed down to the row groups.
        """
        import pyarrow as pa
        import pyarrow.dataset as pads

        unknown = sorted(set(columns or ()) - set(self.manifest.schema))
        if unknown:
            raise MisuseError(
                f"{self.manifest.kind} {self.manifest.id} has no column {', '.join(unknown)}",
                hint=f"it has {', '.join(self.manifest.schema)}",
            )
        files = [file for file in self.manifest.files if bucket is None or file.bucket == bucket]
        if not files:
            return pa.table({name: pa.array([], pa.null()) for name in columns or self.manifest.schema})
        source = pads.dataset(
            [self.storage.full(file.path) for file in files], format="parquet", filesystem=self.storage.filesystem
        )
        return source.to_table(columns=list(columns) if columns else None, filter=row_filter)

    def verify(self) -> None:
        """Check every file against its checksum; CorruptError names the first that differs."""
        import hashlib

        for file in self.manifest.files:
            if hashlib.sha256(self.storage.read(file.path)).hexdigest() != file.sha256:
                raise CorruptError(
                    f"{file.path} does not match the checksum in its manifest",
                    hint="restore the file from a backup, or delete the dataset's folder and build it again",
                )


def read_manifest(storage: Storage, kind: str, dataset_id: str) -> Manifest | None:
    """The manifest of one dataset, or None where it was never committed."""
    path = f"{folder_of(kind)}/{dataset_id}/_manifest.json"
    try:
        return Manifest.from_json(storage.read(path), where=path)
    except NotFoundError:
        return None


def manifests(storage: Storage, kind: str) -> Iterator[Manifest]:
    """All committed datasets of a kind, in no particular order."""
    for path in storage.files(folder_of(kind), "_manifest.json"):
        yield Manifest.from_json(storage.read(path), where=path)
