"""Silver: one table an entity, hash-bucketed by customer, sorted by customer and time, grown by committed batches."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from axiom.contracts import ENTITIES
from axiom.errors import MisuseError, NotFoundError
from axiom.lake.manifest import Manifest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pyarrow as pa

    from axiom.lake.manifest import FileEntry
    from axiom.lake.storage import Storage


def _commits_folder(entity: str) -> str:
    return f"silver/{entity}/_commits"


@dataclass(frozen=True)
class Snapshot:
    """What silver holds of one entity at one moment. Picklable; reads its files where it is used.

    Attributes:
        storage: the lake's root.
        entity: `transactions`, `events` or `customers`.
        commits: the batches that count, oldest first.
    """

    storage: Storage
    entity: str
    commits: tuple[Manifest, ...]

    @property
    def batch_ids(self) -> tuple[str, ...]:
        """Ids of the batches as they were ingested, oldest first; compaction does not change them."""
        return tuple(batch for commit in self.commits for batch in commit.properties.get("batches", [commit.id]))

    @cached_property
    def id(self) -> str:
        """Names the content: equal for equal sets of batches, whatever the order they came in."""
        digest = hashlib.sha256("\n".join([self.entity, *sorted(self.batch_ids)]).encode()).hexdigest()
        return digest[:16]

    @property
    def rows(self) -> int:
        """Rows over all buckets."""
        return sum(commit.rows for commit in self.commits)

    @cached_property
    def min_ts(self) -> int | None:
        """Earliest event time in microseconds since 1970, or None where there is no row."""
        times = [file.min_time for file in self._files if file.min_time is not None]
        return min(times) if times else None

    @cached_property
    def max_ts(self) -> int | None:
        """Latest event time, likewise."""
        times = [file.max_time for file in self._files if file.max_time is not None]
        return max(times) if times else None

    @cached_property
    def columns(self) -> dict[str, str]:
        """Column name -> Arrow type as text, over all batches."""
        found: dict[str, str] = {}
        for commit in self.commits:
            found |= commit.schema
        return found

    @property
    def _files(self) -> Iterable[FileEntry]:
        return (file for commit in self.commits for file in commit.files)

    def files(self, bucket: int) -> list[FileEntry]:
        """The files of one bucket, in the order of their batches."""
        return [file for file in self._files if file.bucket == bucket]

    def read(self, bucket: int, columns: Sequence[str] | None = None) -> pa.Table:
        """Read one bucket, sorted by customer and event time, strings dictionary-encoded.

        Columns that a batch does not have come back as nulls, except `known_at`: rows with no knowledge time of their
        own were known when they happened.

        Args:
            bucket: in [0, buckets).
            columns: only these, in this order; default: all there are.

        Raises:
            MisuseError: a column that neither the entity nor any batch knows.
        """
        import pyarrow as pa

        wanted = list(columns) if columns is not None else list(self.columns)
        schema = self._schema(wanted)
        time = ENTITIES[self.entity].time_column
        needed = list(dict.fromkeys(["customer_id", time, *wanted]))
        tables = [self._read_file(file, needed) for file in self.files(bucket)]
        if not tables:
            return schema.empty_table()
        table = pa.concat_tables(tables, promote_options="default").unify_dictionaries()
        if len(tables) > 1:
            table = sort_rows(table, time)
        return pa.table([self._column(table, field, time) for field in schema], schema=schema)

    def _read_file(self, file: FileEntry, columns: list[str]) -> pa.Table:
        strings = [name for name in columns if self.columns.get(name) == "string"]
        source = self.storage.parquet(file.path, dictionary=strings)
        return source.read(columns=[name for name in columns if name in source.schema_arrow.names])

    def _schema(self, columns: list[str]) -> pa.Schema:
        import pyarrow as pa

        entity = ENTITIES[self.entity]
        fields = []
        for name in columns:
            canonical = entity.column(name)
            if canonical is not None:
                fields.append(pa.field(name, ARROW_TYPES()[canonical.type]))
            elif name in self.columns:
                kind = self.columns[name]
                fields.append(pa.field(name, ARROW_TYPES().get(kind) or pa.type_for_alias(kind)))
            else:
                raise MisuseError(
                    f"{self.entity} has no column {name!r}",
                    hint=f"it has {', '.join(sorted(set(self.columns) | {c.name for c in entity.columns}))}",
                )
        return pa.schema(fields)

    def _column(self, table: pa.Table, field: pa.Field, time: str) -> pa.ChunkedArray:
        import pyarrow as pa
        import pyarrow.compute as pc

        if field.name not in table.column_names:
            if field.name == "known_at":
                return table[time]
            return pa.chunked_array([pa.nulls(table.num_rows, field.type)])
        column = table[field.name]
        if field.name == "known_at" and column.null_count:
            column = pc.coalesce(column, table[time])
        return column if column.type == field.type else column.cast(field.type)


def ARROW_TYPES() -> dict[str, pa.DataType]:  # noqa: N802  (a constant that needs pyarrow, which loads late)
    """Arrow types of canonical columns, and of silver's own strings and times, as readers get them."""
    import pyarrow as pa

    text, time = pa.dictionary(pa.int32(), pa.string()), pa.timestamp("us", "UTC")
    return {"string": text, "timestamp": time, "float": pa.float64(), str(time): time}


def sort_rows(table: pa.Table, time: str) -> pa.Table:
    """The order of silver: by customer (code points of the id), then time; equal rows stay as they come.

    `customer_id` has to be dictionary-encoded with one dictionary: ids are compared by the rank of their entry.
    """
    import pyarrow as pa

    customers = pa.concat_arrays(table["customer_id"].chunks)
    ids = np.asarray(customers.dictionary.to_pylist(), dtype=object)
    rank = np.empty(len(ids), dtype=np.int64)
    rank[np.argsort(ids, kind="stable")] = np.arange(len(ids))
    codes = rank[customers.indices.to_numpy(zero_copy_only=False)]
    times = table[time].cast(pa.int64()).to_numpy()
    return table.take(np.lexsort((times, codes)))


def plain_text(table: pa.Table) -> pa.Table:
    """The table with plain strings for dictionaries: silver's files all have the same types, whoever wrote them."""
    import pyarrow as pa

    for position, column in enumerate(table.schema):
        if pa.types.is_dictionary(column.type):
            table = table.set_column(position, column.name, table.column(position).cast(column.type.value_type))
    return table


@dataclass(frozen=True)
class Silver:
    """The door to one entity's table: its history of commits, and the place where a new batch becomes visible."""

    storage: Storage
    entity: str

    def history(self) -> list[Manifest]:
        """Every commit there ever was, replaced ones included, oldest first."""
        folder = _commits_folder(self.entity)
        commits = [
            Manifest.from_json(self.storage.read(path), where=path) for path in self.storage.files(folder, ".json")
        ]
        return sorted(commits, key=lambda commit: (commit.created_at, commit.id))

    def snapshot(self) -> Snapshot:
        """What is there now. Batches that a later one replaced (compaction, erasure) no longer count."""
        commits = self.history()
        replaced = {batch for commit in commits for batch in commit.properties.get("replaces", ())}
        return Snapshot(self.storage, self.entity, tuple(commit for commit in commits if commit.id not in replaced))

    def batch(self, batch_id: str) -> Manifest | None:
        """The commit of one batch, or None."""
        path = f"{_commits_folder(self.entity)}/{batch_id}.json"
        try:
            return Manifest.from_json(self.storage.read(path), where=path)
        except NotFoundError:
            return None

    def part(self, batch_id: str, bucket: int) -> str:
        """Where the rows of one batch and bucket go."""
        return f"silver/{self.entity}/bucket={bucket:03d}/{batch_id}.parquet"

    def commit(self, manifest: Manifest) -> None:
        """Make a batch visible, all buckets at once."""
        self.storage.write(f"{_commits_folder(self.entity)}/{manifest.id}.json", manifest.to_json())
