"""What is kept beside silver: the source as received (bronze) and the refused rows (quarantine)."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from axiom.lake import DatasetWriter, FileEntry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    import pyarrow as pa

    from axiom.lake import Storage
    from axiom.sources.incoming import Chunk

_PART_ROWS = 1 << 20


@dataclass
class Rows:
    """Numbers the rows of a source: rows that could be read have a running number, people want file and row.

    Attributes:
        starts: running number of the first row of each part seen.
        gaps: for each malformed line of each part, how many rows of the part could be read before it.
        total: rows that could be read so far.
    """

    starts: list[int] = field(default_factory=list)
    gaps: list[list[int]] = field(default_factory=list)
    total: int = 0

    def take(self, chunk: Chunk) -> int:
        """Count a chunk in; returns the running number of its first row."""
        while len(self.starts) <= chunk.part:
            self.starts.append(self.total)
            self.gaps.append([])
        gaps = self.gaps[chunk.part]
        for line in chunk.malformed:
            gaps.append(line.row - len(gaps))
        first = self.total
        self.total += chunk.rows.num_rows
        return first

    def locate(self, running: Iterable[int]) -> Iterator[tuple[int, int]]:
        """Part, and position among its data rows from 1, of each running number."""
        for number in running:
            part = bisect_right(self.starts, number) - 1
            position = number - self.starts[part]
            yield part, position + bisect_right(self.gaps[part], position) + 1


@dataclass
class Quarantine:
    """Refused rows on their way: spooled to a local file, however many there are.

    Attributes:
        path: local Parquet file.
        parts: labels of the source's files.
        reasons: reason -> rows.
    """

    path: Path
    parts: Sequence[str]
    reasons: Counter[str] = field(default_factory=Counter)
    _writer: Any = None

    @property
    def rows(self) -> int:
        """How many rows were refused."""
        return self.reasons.total()

    def add(self, places: Iterable[tuple[int, int]], reasons: Sequence[str], originals: Sequence[str]) -> None:
        """Set rows aside: where they are (part, position from 1), why, and what they held."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        if not reasons:
            return
        where = list(places)
        table = pa.table(
            {
                "file": pa.array([self.parts[part] for part, _ in where], pa.string()),
                "row": pa.array([position for _, position in where], pa.int64()),
                "reason": pa.array(reasons, pa.string()),
                "original": pa.array(originals, pa.string()),
            }
        )
        if self._writer is None:
            self._writer = pq.ParquetWriter(str(self.path), table.schema)
        self._writer.write_table(table)
        self.reasons.update(reasons)

    def commit(self, writer: DatasetWriter, source: str) -> None:
        """Publish the rows, in place of what an ingest that crashed may have published."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._writer.close()
        withdraw(writer)
        entries = []
        with pq.ParquetFile(str(self.path)) as spool:
            for number, batch in enumerate(spool.iter_batches(_PART_ROWS)):
                table = pa.Table.from_batches([batch])
                for position, (name, value) in enumerate({"source": source, "batch": writer.id}.items()):
                    table = table.add_column(position, name, pa.array([value] * table.num_rows, pa.string()))
                entries.append(writer.write(f"part-{number:05d}.parquet", table))
        writer.commit(entries)

    def close(self) -> None:
        """Let the local file go."""
        if self._writer is not None:
            self._writer.close()


@dataclass
class Bronze:
    """The source as received: its own Parquet files, or what text and SQL became, part by part, in local files.

    Attributes:
        directory: for the local files.
        columns: what is kept; the contract may leave columns out.
        files: local Parquet files, one for each part.
    """

    directory: Path
    columns: Sequence[str]
    files: list[Path]
    _writers: dict[int, Any] = field(default_factory=dict)

    def add(self, chunk: Chunk) -> None:
        """Keep some rows."""
        import pyarrow.parquet as pq

        rows = chunk.rows.select(list(self.columns))
        if chunk.part not in self._writers:
            self.close()
            self.files.append(self.directory / f"bronze-{chunk.part:05d}.parquet")
            plain = _plain_schema(rows.schema)
            self._writers[chunk.part] = pq.ParquetWriter(
                str(self.files[-1]), plain, compression="zstd", compression_level=1
            )
        self._writers[chunk.part].write_batch(rows.cast(_plain_schema(rows.schema)))

    def close(self) -> None:
        """End of input."""
        for writer in self._writers.values():
            writer.close()

    def commit(self, writer: DatasetWriter) -> None:
        """Publish the files; what was published already is the same."""
        import pyarrow.parquet as pq

        if writer.committed() is not None:
            return
        entries = []
        for number, local in enumerate(self.files):
            path = f"{writer.folder}/part-{number:05d}.parquet"
            size, digest = writer.storage.put(path, local)
            entries.append(FileEntry(path, pq.read_metadata(str(local)).num_rows, size, digest))
        writer.commit(entries)


def withdraw(writer: DatasetWriter) -> None:
    """Take a dataset's manifest away, so that its parts can be written anew."""
    storage: Storage = writer.storage
    storage.delete(f"{writer.folder}/_manifest.json")


def _plain_schema(schema: pa.Schema) -> pa.Schema:
    import pyarrow as pa

    return pa.schema([(c.name, c.type.value_type if pa.types.is_dictionary(c.type) else c.type) for c in schema])
