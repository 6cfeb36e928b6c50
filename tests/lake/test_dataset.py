from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.dataset as pads
import pytest

from axiom.errors import ConflictError, CorruptError, MisuseError, NotFoundError

if TYPE_CHECKING:
    from axiom.lake import DatasetWriter, FileEntry, Lake


def _part(writer: DatasetWriter, bucket: int) -> FileEntry:
    table = pa.table({"customer_id": [f"c{bucket}"], "x": [float(bucket)]})
    return writer.write(f"bucket-{bucket:04d}.parquet", table, bucket=bucket, times=(bucket, bucket + 1))


def test_a_dataset_does_not_exist_before_its_manifest(lake: Lake) -> None:
    writer = lake.writer("features", "d1")
    entry = _part(writer, 0)
    assert lake.datasets("features") == []
    with pytest.raises(NotFoundError, match="no features dataset 'd1'"):
        lake.dataset("features", "d1")
    writer.commit([entry])
    assert [manifest.id for manifest in lake.datasets("features")] == ["d1"]


def test_what_was_committed_is_read_back(lake: Lake) -> None:
    writer = lake.writer("features", "d1", inputs=("s1",), properties={"as_of": "2024-01-01"})
    writer.commit([_part(writer, b) for b in range(3)], rows_of="all")
    dataset = lake.dataset("features", "d1")
    assert dataset.manifest.rows == 3
    assert dataset.manifest.inputs == ("s1",)
    assert dataset.manifest.properties == {"as_of": "2024-01-01", "rows_of": "all"}
    assert dataset.manifest.schema == {"customer_id": "string", "x": "double"}
    assert dataset.read().sort_by("x").to_pydict() == {"customer_id": ["c0", "c1", "c2"], "x": [0.0, 1.0, 2.0]}
    assert dataset.read(["x"], bucket=2).to_pydict() == {"x": [2.0]}
    assert dataset.read(["x"], row_filter=pads.field("x") > 1).to_pydict() == {"x": [2.0]}
    assert dataset.read(["x"], bucket=9).num_rows == 0
    dataset.verify()


def test_unknown_columns_are_refused_with_those_there_are(lake: Lake) -> None:
    writer = lake.writer("features", "d1")
    writer.commit([_part(writer, 0)])
    with pytest.raises(MisuseError, match=r"no column nope.*it has customer_id, x"):
        lake.dataset("features", "d1").read(["nope"])


def test_a_killed_writer_goes_on_with_the_parts_that_are_missing(lake: Lake) -> None:
    first = lake.writer("scores", "d1")
    _part(first, 0)
    _part(first, 2)
    # The process is gone; the next one starts from the same id.
    second = lake.writer("scores", "d1")
    done = {b: second.done(f"bucket-{b:04d}.parquet") for b in range(3)}
    assert [b for b, entry in done.items() if entry is None] == [1]
    entries = [entry or _part(second, b) for b, entry in done.items()]
    assert second.commit(entries).rows == 3
    assert lake.dataset("scores", "d1").read(["x"]).num_rows == 3
    lake.dataset("scores", "d1").verify()


def test_receipts_are_gone_after_the_commit(lake: Lake) -> None:
    writer = lake.writer("scores", "d1")
    writer.commit([_part(writer, 0)])
    assert lake.storage.files("gold/scores/d1") == [
        "gold/scores/d1/_manifest.json",
        "gold/scores/d1/bucket-0000.parquet",
    ]


def test_a_receipt_that_cannot_be_read_means_the_part_is_written_again(lake: Lake) -> None:
    writer = lake.writer("scores", "d1")
    entry = _part(writer, 0)
    lake.storage.write("gold/scores/d1/_parts/bucket-0000.parquet.json", b"{half")
    assert writer.done("bucket-0000.parquet") is None
    assert _part(writer, 0) == entry


def test_committing_again_changes_nothing(lake: Lake) -> None:
    writer = lake.writer("scores", "d1")
    first = writer.commit([_part(writer, 0)])
    assert writer.commit([_part(writer, 1)]) == first
    assert lake.writer("scores", "d1").committed() == first


def test_a_part_given_twice_is_refused(lake: Lake) -> None:
    writer = lake.writer("scores", "d1")
    entry = _part(writer, 0)
    with pytest.raises(ConflictError, match="a part was given twice"):
        writer.commit([entry, entry])
    assert lake.datasets("scores") == []


def test_an_empty_dataset_can_be_committed_and_read(lake: Lake) -> None:
    lake.writer("labels", "d1").commit([], schema=pa.schema([("customer_id", pa.string())]))
    assert lake.dataset("labels", "d1").read().num_rows == 0


def test_tampered_bytes_are_found_by_their_checksum(lake: Lake) -> None:
    writer = lake.writer("features", "d1")
    writer.commit([_part(writer, b) for b in range(2)])
    path = "gold/features/d1/bucket-0001.parquet"
    data = bytearray(lake.storage.read(path))
    data[len(data) // 2] ^= 1
    lake.storage.write(path, bytes(data))
    with pytest.raises(CorruptError, match=r"bucket-0001\.parquet does not match the checksum"):
        lake.dataset("features", "d1").verify()


def test_a_manifest_of_a_newer_axiom_is_refused(lake: Lake) -> None:
    writer = lake.writer("features", "d1")
    writer.commit([_part(writer, 0)])
    path = "gold/features/d1/_manifest.json"
    body = json.loads(lake.storage.read(path))
    lake.storage.write(path, json.dumps({**body, "format": 2}).encode())
    with pytest.raises(CorruptError, match=r"written by a newer Axiom.*upgrade"):
        lake.dataset("features", "d1")


@pytest.mark.parametrize("text", [b"", b"{}", b"[]", b'{"format": 1}', b"\xff\xfe"])
def test_a_manifest_that_cannot_be_read_is_corrupt(lake: Lake, text: bytes) -> None:
    lake.storage.write("gold/features/d1/_manifest.json", text)
    with pytest.raises(CorruptError, match="not a readable manifest"):
        lake.datasets("features")


def test_datasets_come_oldest_first(lake: Lake) -> None:
    for name in ("b", "a", "c"):
        lake.writer("labels", name).commit([], schema=pa.schema([]))
    assert [manifest.id for manifest in lake.datasets("labels")] == ["b", "a", "c"]
