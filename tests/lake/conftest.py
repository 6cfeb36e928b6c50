from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest

from axiom.lake import FileEntry, Lake, Manifest, S3Options, Storage

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(params=["directory", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """An empty root of this test's own; a test that asks for it runs on a directory and on S3."""
    if request.param == "directory":
        return Storage(str(tmp_path / "lake"))
    location: str = request.getfixturevalue("s3_location")
    return Storage(location, S3Options(request.getfixturevalue("s3_endpoint"), "us-east-1", "key", "secret"))


@pytest.fixture
def lake(storage: Storage) -> Lake:
    return Lake.create(storage, buckets=4, currency="EUR")


@pytest.fixture
def add_batch(lake: Lake) -> Callable[..., Manifest]:
    """Commit a batch of transactions, as ingest does: (customers, times, amounts) already of one bucket each."""

    def add(name: str, rows: list[tuple[str, int, float]], **properties: Any) -> Manifest:
        from axiom.lake import buckets_of

        silver = lake.silver("transactions")
        numbers = buckets_of([customer for customer, _, _ in rows], lake.buckets)
        files = []
        for bucket in sorted(set(numbers.tolist())):
            own = sorted(row for row, number in zip(rows, numbers, strict=True) if number == bucket)
            table = pa.table(
                {
                    "customer_id": pa.array([row[0] for row in own]),
                    "txn_ts": pa.array(np.array([row[1] for row in own]), pa.timestamp("us", "UTC")),
                    "amount": pa.array([row[2] for row in own]),
                }
            )
            path = silver.part(name, bucket)
            size, digest = lake.storage.write_parquet(path, table)
            files.append(FileEntry(path, len(own), size, digest, bucket, own[0][1], max(row[1] for row in own)))
        schema = {"customer_id": "string", "txn_ts": "timestamp[us, tz=UTC]", "amount": "double"}
        manifest = Manifest("silver/transactions", name, schema, tuple(files), properties=properties)
        silver.commit(manifest)
        return manifest

    return add
