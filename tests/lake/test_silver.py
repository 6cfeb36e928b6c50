from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axiom.errors import MisuseError
from axiom.lake import FileEntry, Lake, Manifest, sort_rows

if TYPE_CHECKING:
    from collections.abc import Callable


def _rows(lake: Lake) -> list[tuple[str, int, float]]:
    snapshot = lake.snapshot("transactions")
    found = []
    for bucket in range(lake.buckets):
        table = snapshot.read(bucket, ["customer_id", "txn_ts", "amount"])
        columns = [
            table["customer_id"].to_pylist(),
            table["txn_ts"].cast("int64").to_pylist(),
            table["amount"].to_pylist(),
        ]
        found += list(zip(*columns, strict=True))
    return found


def test_batches_merge_into_one_sorted_table(lake: Lake, add_batch: Callable[..., Manifest]) -> None:
    add_batch("b1", [("é", 5, 1.0), ("a", 9, 2.0), ("Z", 1, 3.0)])
    add_batch("b2", [("a", 1, 4.0), ("b", 3, 5.0), ("Z", 2, 6.0)])
    snapshot = lake.snapshot("transactions")
    for bucket in range(lake.buckets):
        table = snapshot.read(bucket)
        order = list(zip(table["customer_id"].to_pylist(), table["txn_ts"].cast("int64").to_pylist(), strict=True))
        assert order == sorted(order)
    assert sorted(_rows(lake)) == sorted(
        [("é", 5, 1.0), ("a", 9, 2.0), ("Z", 1, 3.0), ("a", 1, 4.0), ("b", 3, 5.0), ("Z", 2, 6.0)]
    )
    assert (snapshot.rows, snapshot.min_ts, snapshot.max_ts) == (6, 1, 9)


def test_a_batch_is_invisible_before_its_commit(lake: Lake) -> None:
    table = pa.table({"customer_id": ["a"]})
    lake.storage.write_parquet(lake.silver("transactions").part("b1", 0), table)
    assert lake.snapshot("transactions").rows == 0


def test_the_id_of_a_snapshot_names_its_batches_in_any_order(lake: Lake, add_batch: Callable[..., Manifest]) -> None:
    empty = lake.snapshot("transactions").id
    add_batch("b2", [("a", 1, 1.0)])
    one = lake.snapshot("transactions").id
    add_batch("b1", [("a", 2, 1.0)])
    both = lake.snapshot("transactions")
    assert len({empty, one, both.id}) == 3
    assert both.batch_ids == ("b2", "b1")
    assert lake.silver("transactions").batch("b1") == both.commits[1]
    assert lake.silver("transactions").batch("b3") is None


def test_a_replaced_batch_no_longer_counts_but_stays_in_history(lake: Lake, add_batch: Callable[..., Manifest]) -> None:
    add_batch("b1", [("a", 1, 1.0)])
    add_batch("b2", [("a", 7, 2.0)], replaces=["b1"])
    assert _rows(lake) == [("a", 7, 2.0)]
    assert [commit.id for commit in lake.silver("transactions").history()] == ["b1", "b2"]


def test_knowledge_time_defaults_to_event_time_and_other_gaps_to_null(
    lake: Lake, add_batch: Callable[..., Manifest]
) -> None:
    add_batch("b1", [("a", 1, 1.0)])
    bucket = lake.snapshot("transactions").commits[0].files[0].bucket
    time = pa.timestamp("us", "UTC")
    table = pa.table(
        {
            "customer_id": ["a", "a"],
            "txn_ts": pa.array([2, 3], time),
            "amount": [2.0, 3.0],
            "known_at": pa.array([None, 9], time),
            "country": ["DE", None],
        }
    )
    path = lake.silver("transactions").part("b2", bucket)
    size, digest = lake.storage.write_parquet(path, table)
    schema = {column.name: str(column.type) for column in table.schema}
    entry = FileEntry(path, 2, size, digest, bucket, 2, 3)
    lake.silver("transactions").commit(Manifest("silver/transactions", "b2", schema, (entry,)))
    read = lake.snapshot("transactions").read(bucket, ["known_at", "country", "currency", "amount"])
    assert read["known_at"].cast("int64").to_pylist() == [1, 2, 9]
    assert read["country"].to_pylist() == [None, "DE", None]
    assert read["currency"].to_pylist() == [None, None, None]
    assert pa.types.is_dictionary(read.schema.field("country").type)
    with pytest.raises(MisuseError, match="transactions has no column 'nope'"):
        lake.snapshot("transactions").read(bucket, ["nope"])


def test_an_empty_bucket_has_the_columns_asked_for(lake: Lake) -> None:
    table = lake.snapshot("transactions").read(0, ["customer_id", "amount"])
    assert table.num_rows == 0
    assert table.column_names == ["customer_id", "amount"]


def test_a_snapshot_travels_to_another_process(lake: Lake, add_batch: Callable[..., Manifest]) -> None:
    add_batch("b1", [("a", 1, 1.0)])
    snapshot = lake.snapshot("transactions")
    assert pickle.loads(pickle.dumps(snapshot)).id == snapshot.id


@settings(max_examples=40)
@given(st.lists(st.tuples(st.text(max_size=3), st.integers(0, 5)), max_size=30))
def test_rows_are_sorted_like_python_sorts_strings_and_ties_keep_their_order(rows: list[tuple[str, int]]) -> None:
    table = pa.table(
        {
            "customer_id": pa.array([row[0] for row in rows], pa.string()).dictionary_encode(),
            "txn_ts": pa.array(np.array([row[1] for row in rows], dtype=np.int64), pa.timestamp("us", "UTC")),
            "place": pa.array(range(len(rows)), pa.int64()),
        }
    )
    expected: list[Any] = sorted(range(len(rows)), key=lambda place: rows[place])
    assert sort_rows(table, "txn_ts")["place"].to_pylist() == expected
