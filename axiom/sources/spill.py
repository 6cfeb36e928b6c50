"""Cleaned rows, cut into the lake's buckets and kept in one local file until a bucket is written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from axiom.lake import buckets_of_column
from axiom.sources.values import one_array

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

_FLUSH_ROWS = 1 << 19


@dataclass
class Spill:
    """Takes tables in, gives buckets out, in the order in which the rows came. Memory: one flush in, one bucket out.

    Attributes:
        path: local Arrow file; each flush writes one record batch for every bucket.
        buckets: of the lake.
        rows: taken so far.
    """

    path: Path
    buckets: int
    rows: int = 0
    _pending: list[pa.Table] = field(default_factory=list)
    _pending_rows: int = 0
    _writer: Any = None
    _flushes: int = 0
    _sizes: list[Any] = field(default_factory=list)

    def add(self, table: pa.Table) -> None:
        """Take some rows; they need a `customer_id`."""
        if table.num_rows == 0:
            return
        self._pending.append(table)
        self._pending_rows += table.num_rows
        self.rows += table.num_rows
        if self._pending_rows >= _FLUSH_ROWS:
            self._flush()

    def close(self) -> None:
        """End of input: buckets can be read now."""
        if self._pending:
            self._flush()
        if self._writer is not None:
            self._writer.close()

    def size(self, bucket: int) -> int:
        """Rows of a bucket."""
        return int(sum(sizes[bucket] for sizes in self._sizes))

    def bucket(self, bucket: int) -> pa.Table:
        """The rows of a bucket. May be called from several threads."""
        import pyarrow as pa

        with pa.OSFile(str(self.path)) as file:
            reader = pa.ipc.open_file(file)
            return pa.Table.from_batches(
                [reader.get_batch(flush * self.buckets + bucket) for flush in range(self._flushes)], reader.schema
            )

    def _flush(self) -> None:
        import pyarrow as pa

        table = pa.concat_tables([_one_form(pending) for pending in self._pending], promote_options="permissive")
        self._pending, self._pending_rows = [], 0
        numbers = buckets_of_column(table["customer_id"], self.buckets).astype(np.uint16)
        order = pa.array(np.argsort(numbers, kind="stable"))  # a radix sort for 16 bits: linear, and stable
        columns = [_plain(one_array(column).take(order)) for column in table.columns]
        schema = pa.schema([(name, column.type) for name, column in zip(table.column_names, columns, strict=True)])
        batch = pa.RecordBatch.from_arrays(columns, schema=schema)
        sizes = np.bincount(numbers, minlength=self.buckets)
        if self._writer is None:
            self._writer = pa.ipc.new_file(str(self.path), schema)
        start = 0
        for size in sizes.tolist():
            self._writer.write_batch(batch.slice(start, size))
            start += size
        self._flushes += 1
        self._sizes.append(sizes)


def _one_form(table: pa.Table) -> pa.Table:
    """Dictionaries of one width, so that tables can be joined; some readers use 16 bits where they suffice."""
    import pyarrow as pa

    wide = pa.dictionary(pa.int32(), pa.string())
    for position, column in enumerate(table.schema):
        if pa.types.is_dictionary(column.type) and column.type != wide:
            table = table.set_column(position, column.name, table.column(position).cast(wide))
        elif pa.types.is_string(column.type):
            table = table.set_column(position, column.name, table.column(position).dictionary_encode())
    return table


def _plain(column: pa.Array) -> pa.Array:
    """The Arrow file format wants one dictionary for all batches; plain text needs none."""
    import pyarrow as pa

    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
