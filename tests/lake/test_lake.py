from __future__ import annotations

import json
import pickle
import zlib
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from axiom.errors import ConflictError, CorruptError, MisuseError, NotFoundError
from axiom.lake import Lake, Storage, bucket_of, buckets_of, buckets_of_column, storage_of
from axiom.settings import load_settings

if TYPE_CHECKING:
    from pathlib import Path


def test_creating_again_opens_the_same_lake(lake: Lake) -> None:
    assert Lake.create(lake.storage, buckets=4, currency="EUR") == lake
    assert Lake.open(lake.storage) == lake


def test_bucket_count_and_currency_are_fixed_for_life(lake: Lake) -> None:
    with pytest.raises(ConflictError, match="exists with 4 buckets in EUR, not 8 in EUR"):
        Lake.create(lake.storage, buckets=8, currency="EUR")
    with pytest.raises(ConflictError, match="not 4 in USD"):
        Lake.create(lake.storage, buckets=4, currency="USD")


def test_a_place_without_a_lake_is_not_found(storage: Storage) -> None:
    with pytest.raises(NotFoundError, match="axiom init"):
        Lake.open(storage)


def test_a_lake_of_a_newer_axiom_is_refused(lake: Lake) -> None:
    lake.storage.write("_lake.json", json.dumps({"format": 2, "buckets": 4, "currency": "EUR"}).encode())
    with pytest.raises(CorruptError, match="newer Axiom"):
        Lake.open(lake.storage)


@pytest.mark.parametrize("text", [b"", b"{}", b'{"format": 1, "buckets": "many", "currency": "EUR"}'])
def test_a_description_that_cannot_be_read_is_corrupt(lake: Lake, text: bytes) -> None:
    lake.storage.write("_lake.json", text)
    with pytest.raises(CorruptError, match="not a lake's description"):
        Lake.open(lake.storage)


def test_an_unknown_entity_is_refused(lake: Lake) -> None:
    with pytest.raises(MisuseError, match="unknown entity 'orders'"):
        lake.snapshot("orders")


def test_an_empty_lake_has_empty_snapshots(lake: Lake) -> None:
    assert {entity: snapshot.rows for entity, snapshot in lake.snapshots().items()} == {
        "transactions": 0,
        "events": 0,
        "customers": 0,
    }
    assert lake.snapshot("events").max_ts is None


def test_a_lake_travels_to_another_process(lake: Lake) -> None:
    assert pickle.loads(pickle.dumps(lake)) == lake


def test_settings_name_the_lake(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path, s3_access_key="k", s3_secret_key="s", s3_endpoint="http://h:1")
    storage = storage_of(settings)
    assert storage.location == str(tmp_path / "lake")
    assert (storage.s3.access_key, storage.s3.secret_key, storage.s3.endpoint) == ("k", "s", "http://h:1")


@given(st.lists(st.text(), min_size=1, max_size=50), st.integers(1, 64))
def test_a_customer_lives_in_the_bucket_of_its_crc(ids: list[str], buckets: int) -> None:
    expected = [zlib.crc32(one.encode()) % buckets for one in ids]
    assert [bucket_of(one, buckets) for one in ids] == expected
    assert buckets_of(ids, buckets).tolist() == expected
    assert buckets_of_column(pa.array(ids, pa.string()), buckets).tolist() == expected
    chunks = pa.chunked_array([pa.array(ids[:1]), pa.array(ids)]).dictionary_encode()
    assert buckets_of_column(chunks, buckets).tolist() == [expected[0], *expected]
