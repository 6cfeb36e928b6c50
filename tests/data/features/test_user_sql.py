"""The user's own SELECT: it sees the visible rows of its cut-off, and nothing else on the machine."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from axiom.errors import AxiomError, BadInputError, MisuseError
from axiom.features.kernel import compute
from axiom.features.plan import compile_plan
from axiom.features.reader import read_feature_set

SCHEMA = {
    "transactions": {
        "customer_id": "string",
        "txn_ts": "timestamp[us, tz=UTC]",
        "amount": "double",
        "transaction_id": "string",
        "known_at": "timestamp[us, tz=UTC]",
    }
}


def own(query: str, name: str = "mine") -> Any:
    return read_feature_set(f"name: x\nfeatures:\n  - {{kind: sql, name: {name}, query: {json.dumps(query)}}}")


def tables(oracle: Any) -> Any:
    rows = [("a", 1, 1, 5.0, "k"), ("a", 2, 4, 7.0, "k"), ("a", 6, 6, 1.0, None), ("b'\n", 2, 2, 3.0, None)]
    return oracle.tables(
        {
            "transactions": [
                {
                    "customer_id": c,
                    "txn_ts": ts * oracle.day,
                    "known_at": known * oracle.day,
                    "amount": a,
                    "transaction_id": k,
                }
                for c, ts, known, a, k in rows
            ]
        }
    )


def test_a_query_sees_what_was_visible_at_each_cutoff(oracle: Any) -> None:
    query = (
        "select customer_id, sum(amount) as total, max(epoch(txn_ts)) / 86400 as last_day, "
        "case when count(*) > 1 then 'many' else 'one' end as how, epoch($as_of) / 86400 as cut "
        "from transactions group by customer_id"
    )
    found = compute(compile_plan(own(query), SCHEMA), tables(oracle), [3 * oracle.day, 5 * oracle.day, 9 * oracle.day])
    rows = found.select(["customer_id", "total", "last_day", "how", "cut"]).to_pylist()
    assert [tuple(row.values()) for row in rows] == [
        ("a", 5.0, 1.0, "one", 3.0),
        ("b'\n", 3.0, 2.0, "one", 3.0),
        ("a", 7.0, 2.0, "one", 5.0),
        ("b'\n", 3.0, 2.0, "one", 5.0),
        ("a", 8.0, 6.0, "many", 9.0),
        ("b'\n", 3.0, 2.0, "one", 9.0),
    ]


def test_customers_that_a_query_leaves_out_get_null_and_unknown_ones_are_ignored(oracle: Any) -> None:
    query = "select customer_id, 1.5::decimal(4,1) v from transactions where amount > 4 union all select 'zzz', 2"
    found = compute(compile_plan(own(query), SCHEMA), tables(oracle), [9 * oracle.day])
    assert found.select(["customer_id", "v"]).to_pylist()[1:] == [{"customer_id": "b'\n", "v": None}]


def test_not_a_number_becomes_null(oracle: Any) -> None:
    query = "select customer_id, 'nan'::double v, count(*) > 1 w from transactions group by 1"
    found = compute(compile_plan(own(query), SCHEMA), tables(oracle), [9 * oracle.day])
    assert (found["v"].null_count, found["w"].to_pylist()) == (2, [1.0, 0.0])


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("select customer_id, 1 v from read_csv('/etc/passwd')", "calls the table function read_csv"),
        ("select customer_id, amount from '/etc/passwd'", "reads '/etc/passwd'"),
        ("select customer_id, 1 v from duckdb_settings()", "calls the table function duckdb_settings"),
        ("select customer_id, 1 v from query('select 1')", "calls the table function query"),
        ("select customer_id, 1 v from information_schema.tables", "reads 'information_schema.tables'"),
        ("select customer_id, amount from main.transactions", "reads 'main.transactions'"),
        ("select customer_id, (select max(x) from other) v from transactions", "reads 'other'"),
        ("select customer_id, now() > txn_ts v from transactions", "calls now, whose value changes"),
        ("select customer_id, CURRENT_DATE > txn_ts::date v from transactions", "calls current_date, whose value"),
        ("select customer_id, Random() v from transactions", "calls random, whose value changes"),
        ("select customer_id, amount from transactions using sample 10%", "draws a random sample"),
        ("select customer_id, getvariable('x') v from transactions", "calls getvariable"),
        ("select customer_id, $b v from transactions", "has the parameter $b"),
        ("delete from transactions", "is not one SELECT"),
        ("select 1; select 2", "is not one SELECT"),
        ("copy transactions to '/tmp/x.csv'", "is not one SELECT"),
        ("attach 'x.db'", "is not one SELECT"),
        ("set threads = 4", "is not one SELECT"),
        ("selec customer_id", "Parser Error"),
        ("select customer_id, amnt from transactions", "amnt"),
        ("select amount v from transactions", "has to give customer_id"),
        ("select customer_id from transactions", "has to give customer_id, as text, and at least one more"),
        ("select 1 customer_id, amount from transactions", "has to give customer_id, as text"),
        ("select customer_id, txn_ts from transactions", "not a number or a text"),
        ("select customer_id, [1] v from transactions", "not a number or a text"),
        ("select customer_id, 1 v from events", "reads events, and the lake holds none"),
        ("select customer_id, amount x from transactions", "makes the column 'x', which every row has"),
        ('select customer_id, amount "Bad Name" from transactions', "'Bad Name' is not made of"),
    ],
)
def test_a_query_that_reaches_further_is_refused_before_anything_runs(query: str, message: str) -> None:
    with pytest.raises(AxiomError, match=re.escape(message)) as caught:
        compile_plan(own(query), SCHEMA)
    assert caught.value.message.startswith("feature mine")


def test_names_in_a_with_clause_are_the_querys_own() -> None:
    query = (
        "with t as (select customer_id, amount from transactions) select customer_id, sum(amount) v from t group by 1"
    )
    assert [column.name for column in compile_plan(own(query), SCHEMA).columns] == ["v"]


def test_a_customer_given_twice_is_refused(oracle: Any) -> None:
    plan = compile_plan(own("select customer_id, amount v from transactions"), SCHEMA)
    with pytest.raises(BadInputError, match="more than once"):
        compute(plan, tables(oracle), [9 * oracle.day])


def test_a_query_that_fails_on_the_data_names_the_feature(oracle: Any) -> None:
    plan = compile_plan(own("select customer_id, min(transaction_id)::int v from transactions group by 1"), SCHEMA)
    with pytest.raises(MisuseError, match="feature mine: Conversion Error"):
        compute(plan, tables(oracle), [9 * oracle.day])
