from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from axiom.errors import BadInputError
from axiom.sources import Drift, plan_ingest

HEADER = "customer_id,txn_ts,amount"
WIDER = f"{HEADER},note"


def _first(shop: Any, **options: Any) -> None:
    shop.ingest(shop.csv(["a,2024-01-01,5"], header=HEADER), **options)


def test_evolve_takes_what_comes_and_records_the_drift(shop: Any) -> None:
    _first(shop)
    report = shop.ingest(shop.csv(["a,2024-01-02,5,hello"], header=WIDER))
    assert report.drift == Drift(added=("note",))
    assert any("new column note" in note for note in report.notes)
    bronze = shop.lake.dataset("bronze/transactions", report.batch_id).read()
    assert bronze["note"].to_pylist() == ["hello"]
    commit = shop.lake.snapshot("transactions").commits[-1]
    assert commit.properties["drift"] == {"added": ["note"], "removed": [], "changed": []}
    back = shop.ingest(shop.csv(["a,2024-01-03,5"], header=HEADER))
    assert back.drift == Drift(removed=("note",))


def test_freeze_refuses_the_batch_and_leaves_the_lake_as_it_was(shop: Any) -> None:
    _first(shop)
    path = shop.csv(["a,2024-01-02,5,hello"], header=WIDER)
    before = shop.picture()
    with pytest.raises(BadInputError, match="its contract is frozen: new column note") as caught:
        shop.ingest(path, contract="freeze")
    assert "evolve" in caught.value.hint
    with pytest.raises(BadInputError, match="frozen"):
        plan_ingest(shop.lake, shop.request(path, contract="freeze"))
    assert shop.picture() == before
    assert shop.ingest(shop.csv(["a,2024-01-02,5"], header=HEADER), contract="freeze").accepted == 1


def test_discard_columns_leaves_news_out_of_bronze_and_keeps_saying_so(shop: Any) -> None:
    _first(shop)
    for day in (2, 3):
        report = shop.ingest(shop.csv([f"a,2024-01-0{day},5,hello"], header=WIDER), contract="discard_columns")
        assert report.drift == Drift(added=("note",))
        bronze = shop.lake.dataset("bronze/transactions", report.batch_id).read()
        assert bronze.column_names == ["customer_id", "txn_ts", "amount"]


def test_discard_columns_leaves_news_out_of_parquet_too(shop: Any) -> None:
    _first(shop, name="shop")
    path = shop.folder / "orders.parquet"
    pq.write_table(pa.table({"customer_id": ["a"], "txn_ts": ["2024-01-02"], "amount": ["5"], "note": ["x"]}), path)
    report = shop.ingest(str(path), name="shop", contract="discard_columns")
    assert "note" not in shop.lake.dataset("bronze/transactions", report.batch_id).read().column_names


def test_discard_rows_refuses_rows_that_use_a_new_column(shop: Any) -> None:
    _first(shop)
    report = shop.ingest(shop.csv(["a,2024-01-02,5,", "b,2024-01-02,5,hello"], header=WIDER), contract="discard_rows")
    assert (report.accepted, report.refused_by) == (1, {"uses the new column note": 1})
    assert shop.refused()[0][2]["note"] == "hello"


def test_discard_rows_refuses_values_that_no_longer_fit_the_type(shop: Any) -> None:
    path = shop.folder / "orders.parquet"
    pq.write_table(pa.table({"customer_id": ["a"], "txn_ts": ["2024-01-01"], "amount": [5.0], "zip": [123]}), path)
    shop.ingest(str(path), mapping={"zip": "zip"})
    for day in (2, 3):
        times = [f"2024-01-0{day}"] * 2
        rows = {"customer_id": ["b", "c"], "txn_ts": times, "amount": [5.0] * 2, "zip": ["456", "AB1"]}
        pq.write_table(pa.table(rows), path)
        report = shop.ingest(str(path), contract="discard_rows", mapping={"zip": "zip"})
        assert report.refused_by == {"zip is not a number any more": 1}
        assert report.drift.changed == (("zip", "int64", "string"),), "the contract stays what it was"
    assert shop.rows("customer_id", "zip") == [("a", 123.0), ("b", 456.0), ("b", 456.0)]


def test_contracts_belong_to_a_source(shop: Any) -> None:
    _first(shop, name="web")
    report = shop.ingest(shop.csv(["a,2024-01-02,5,hello"], header=WIDER), name="store", contract="freeze")
    assert (report.accepted, report.drift) == (1, Drift())
