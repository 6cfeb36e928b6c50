from __future__ import annotations

import hashlib
import pickle
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from axiom.errors import MisuseError, NotFoundError, UnavailableError
from axiom.lake import S3Options, Storage

if TYPE_CHECKING:
    from pathlib import Path


def test_bytes_come_back_as_they_were_written(storage: Storage) -> None:
    storage.write("a/b.bin", b"\x00one")
    assert storage.read("a/b.bin") == b"\x00one"


def test_writing_again_replaces(storage: Storage) -> None:
    storage.write("a", b"long before")
    storage.write("a", b"after")
    assert storage.read("a") == b"after"


def test_a_file_that_is_not_there_is_not_found(storage: Storage) -> None:
    assert not storage.exists("nope")
    with pytest.raises(NotFoundError, match="nope"):
        storage.read("nope")


def test_files_are_listed_below_a_folder_in_order(storage: Storage) -> None:
    for path in ("x/2.json", "x/1.json", "x/deep/3.json", "y/4.json", "x/5.txt"):
        storage.write(path, b"1")
    assert storage.files("x", ".json") == ["x/1.json", "x/2.json", "x/deep/3.json"]
    assert storage.files("nowhere") == []


def test_deleting_what_is_gone_is_no_error(storage: Storage) -> None:
    storage.write("a", b"1")
    storage.delete("a")
    storage.delete("a")
    assert not storage.exists("a")


def test_a_local_file_is_copied_with_its_size_and_checksum(storage: Storage, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"abc" * 3_000_000)
    size, digest = storage.put("copy", source)
    assert size == 9_000_000
    assert digest == hashlib.sha256(source.read_bytes()).hexdigest()
    assert storage.read("copy") == source.read_bytes()


def test_parquet_comes_back_with_the_row_groups_asked_for(storage: Storage) -> None:
    table = pa.table({"n": [1, 2, 3, 4, 5], "s": ["a", "b", "c", "d", "e"]})
    size, digest = storage.write_parquet("t.parquet", table, row_groups=[2, 3])
    source = storage.parquet("t.parquet", dictionary=["s"])
    assert [source.metadata.row_group(i).num_rows for i in range(source.metadata.num_row_groups)] == [2, 3]
    assert source.read()["n"].to_pylist() == [1, 2, 3, 4, 5]
    assert pa.types.is_dictionary(source.schema_arrow.field("s").type)
    assert len(storage.read("t.parquet")) == size
    assert len(digest) == 64


def test_a_storage_travels_to_another_process(storage: Storage) -> None:
    storage.write("a", b"1")
    assert pickle.loads(pickle.dumps(storage)).read("a") == b"1"


def test_paths_cannot_leave_the_root(storage: Storage) -> None:
    for path in ("../outside", "/etc/passwd", "a/../../b"):
        with pytest.raises(MisuseError, match="would leave the lake"):
            storage.read(path)


def test_times_of_writing_are_known(storage: Storage) -> None:
    storage.write("a/1", b"1")
    assert list(storage.modified("a")) == ["a/1"]
    assert storage.modified("a")["a/1"].tzinfo is not None


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    storage.write("a", b"old")
    missing = tmp_path / "missing"
    with pytest.raises(UnavailableError):
        storage.put("a", missing)
    assert storage.read("a") == b"old"
    assert storage.files("") == ["a"]


def test_a_location_that_is_neither_directory_nor_s3_is_refused() -> None:
    with pytest.raises(MisuseError, match="neither a directory nor s3"):
        _ = Storage("ftp://host/x").root


def test_a_store_that_is_down_is_named_without_its_secret() -> None:
    storage = Storage("s3://bucket/lake", S3Options("http://127.0.0.1:1", "us-east-1", "key", "s3cret"))
    with pytest.raises(UnavailableError, match="s3://bucket/lake does not answer") as caught:
        storage.read("a")
    assert "s3cret" not in str(caught.value)
    assert "s3cret" not in repr(storage)
