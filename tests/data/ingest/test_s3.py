"""From S3 into S3: the same ingest, with a real S3-compatible server."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from axiom.errors import NotFoundError
from axiom.lake import Lake, S3Options, Storage
from axiom.sources import FileSource, IngestRequest, ingest, plan_ingest

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def bucket() -> Iterator[Storage]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # third-party imports warn about their own futures
        from moto.server import ThreadedMotoServer

        server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
        server.start()
    import pyarrow.fs as pafs

    host, port = server.get_host_and_port()
    maker = pafs.S3FileSystem(
        endpoint_override=f"{host}:{port}",
        scheme="http",
        region="us-east-1",
        access_key="key",
        secret_key="secret",
        allow_bucket_creation=True,
    )
    maker.create_dir("shop")
    yield Storage("s3://shop", S3Options(f"http://{host}:{port}", "us-east-1", "key", "secret"))
    server.stop()


def test_files_on_s3_become_a_lake_on_s3(bucket: Storage, tmp_path: Any) -> None:
    lake = Lake.create(Storage("s3://shop/lake", bucket.s3), buckets=2, currency="USD")
    for day in (1, 2):
        bucket.write(f"in/{day}.csv", f"customer_id,txn_ts,amount\na,2024-01-0{day},5\n".encode())
    local = tmp_path / "t.parquet"
    pq.write_table(pa.table({"customer_id": ["b"], "txn_ts": ["2024-01-03"], "amount": [1.0]}), local)
    bucket.put("in/parquet/t.parquet", local)

    csv = IngestRequest("transactions", FileSource(("s3://shop/in/*.csv",)))
    assert [column.target for column in plan_ingest(lake, csv).mapping] == ["customer_id", "txn_ts", "amount"]
    assert ingest(lake, csv).accepted == 2
    assert ingest(lake, csv).already
    report = ingest(lake, IngestRequest("transactions", FileSource(("s3://shop/in/parquet",))))
    assert report.accepted == 1
    (file,) = lake.dataset("bronze/transactions", report.batch_id).manifest.files
    assert bucket.read(f"lake/{file.path}") == local.read_bytes()
    assert lake.snapshot("transactions").rows == 3
    with pytest.raises(NotFoundError, match=r"no file s3://shop/nothing\.csv"):
        ingest(lake, IngestRequest("transactions", FileSource(("s3://shop/nothing.csv",))))
