from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from axiom.errors import MisuseError
from axiom.lake.views import query

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from axiom.lake import Lake, Manifest


def test_silver_is_one_table(lake: Lake, add_batch: Callable[..., Manifest]) -> None:
    add_batch("b1", [("a", 1, 1.0), ("b", 2, 2.0)])
    add_batch("b2", [("a", 3, 4.0)])
    answer = query(lake, "select customer_id, sum(amount) as total from transactions group by 1 order by 1")
    assert answer.to_pydict() == {"customer_id": ["a", "b"], "total": [5.0, 2.0]}


def test_the_newest_dataset_of_gold_is_a_table(lake: Lake) -> None:
    for name, value in (("d1", 1.0), ("d2", 2.0)):
        writer = lake.writer("scores", name)
        writer.commit([writer.write("p.parquet", pa.table({"customer_id": ["a"], "p_churn": [value]}))])
    assert query(lake, "select p_churn from scores").to_pydict() == {"p_churn": [2.0]}


def test_the_log_of_predictions_is_one_table_over_all_days(lake: Lake) -> None:
    for day in ("2026-01-01", "2026-01-02"):
        lake.storage.write_parquet(
            f"inference/date={day}/r-1.parquet", pa.table({"customer_id": [day], "value": [0.5]})
        )

    found = query(lake, "select customer_id from inference order by customer_id")

    assert found["customer_id"].to_pylist() == ["2026-01-01", "2026-01-02"]


def test_refused_rows_of_every_batch_are_a_table(lake: Lake) -> None:
    for name in ("b1", "b2"):
        writer = lake.writer("quarantine/transactions", name)
        writer.commit([writer.write("p.parquet", pa.table({"reason": ["odd"], "row": [1]}))])
    assert query(lake, "select reason, count(*) as n from quarantine group by 1").to_pydict() == {
        "reason": ["odd"],
        "n": [2],
    }


def test_a_table_without_data_is_unknown_and_the_hint_names_those_there_are(
    lake: Lake, add_batch: Callable[..., Manifest]
) -> None:
    with pytest.raises(MisuseError, match="none yet, ingest first"):
        query(lake, "select * from transactions")
    add_batch("b1", [("a", 1, 1.0)])
    with pytest.raises(MisuseError, match="tables here: transactions"):
        query(lake, "select * from events")


@pytest.mark.parametrize(
    "sql",
    [
        "create table t as select 1",
        "select 1; select 2",
        "insert into transactions values (1)",
        "drop view transactions",
        "copy (select 1) to 'x.csv'",
        "attach 'x.db'",
        "set enable_external_access = true",
        "pragma database_list",
        "selec 1",
        "",
    ],
)
def test_anything_but_one_select_is_refused(lake: Lake, add_batch: Callable[..., Manifest], sql: str) -> None:
    add_batch("b1", [("a", 1, 1.0)])
    with pytest.raises(MisuseError):
        query(lake, sql)


def test_files_outside_the_lake_cannot_be_read(lake: Lake, tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n")
    for sql in (
        f"select * from '{secret}'",
        f"select * from read_csv('{secret}')",
        f"select * from read_text('{secret}')",
    ):
        with pytest.raises(MisuseError):
            query(lake, sql)
