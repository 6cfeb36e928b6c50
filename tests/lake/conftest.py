from __future__ import annotations

import uuid
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest

from axiom.lake import FileEntry, Lake, Manifest, S3Options, Storage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """URL of an S3-compatible server inside this process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # third-party imports warn about their own futures
        from moto.server import ThreadedMotoServer

        server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
        server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["directory", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """An empty root of this test's own; a test that asks for it runs on a directory and on S3."""
    if request.param == "directory":
        return Storage(str(tmp_path / "lake"))
    import pyarrow.fs as pafs

    endpoint = request.getfixturevalue("s3_endpoint")
    options = S3Options(endpoint, "us-east-1", "key", "secret")
    bucket = f"test-{uuid.uuid4().hex}"
    maker = pafs.S3FileSystem(
        endpoint_override=endpoint.removeprefix("http://"),
        scheme="http",
        region="us-east-1",
        access_key="key",
        secret_key="secret",
        allow_bucket_creation=True,
    )
    maker.create_dir(bucket)
    return Storage(f"s3://{bucket}/lake", options)


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
