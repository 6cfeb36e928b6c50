"""Every kind and window against an oracle of plain loops, on random companies."""

from __future__ import annotations

from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axiom.errors import CorruptError, MisuseError
from axiom.features.kernel import compute, compute_both
from axiom.features.labels import LabelSpec
from axiom.features.plan import compile_plan
from axiom.features.reader import read_feature_set
from axiom.features.sql import feature_sql

EVERYTHING = read_feature_set("""
name: everything
lifecycle:
  - {name: new, until: 20, window: 5, horizon: 30}
  - {name: "o'ld", window: 30, horizon: 30}
features:
  - {kind: count, entity: transactions, windows: [7, 30, all, lifecycle]}
  - {kind: count, entity: transactions, windows: [7, lifecycle], lag: 7}
  - {kind: count, entity: events, windows: [30], where: {weekday: {ge: 3}, value: {le: 0.5}}, name: odd}
  - {kind: sum, entity: transactions, column: amount, windows: [7, 30, all, lifecycle]}
  - {kind: sum, entity: transactions, column: amount, windows: [30], lag: 5, where: {amount: {gt: 0}}}
  - {kind: mean, entity: transactions, column: amount, windows: [7, 30, all]}
  - {kind: mean, entity: events, column: value, windows: [30], where: {event_type: login, value: {lt: 0}}}
  - {kind: min, entity: transactions, column: amount, windows: [7, 30, all]}
  - {kind: max, entity: transactions, column: amount, windows: [7, 30, all]}
  - {kind: std, entity: transactions, column: amount, windows: [7, 30, all, lifecycle]}
  - {kind: breadth, entity: events, column: event_type, windows: [7, 30, all, lifecycle]}
  - {kind: breadth, entity: events, column: day, windows: [7, 30, all]}
  - {kind: breadth, entity: events, column: hour, windows: [30], where: {event_type: {not_in: [login]}}}
  - {kind: share, entity: events, windows: [30, all], where: {event_type: [login, "o'x"]}}
  - {kind: days_since_last, entity: events, where: {event_type: login}}
  - {kind: days_since_first, entity: transactions}
  - {kind: tenure}
  - {kind: trend, entity: transactions, windows: [7]}
  - {kind: trend, entity: transactions, windows: [7], method: change}
  - {kind: trend, entity: transactions, windows: [7], method: change, of: sum, column: amount}
  - {kind: trend, entity: transactions, windows: [28], method: slope}
  - {kind: trend, entity: transactions, windows: [28], method: slope, of: sum, column: amount}
  - {kind: trend, entity: events, windows: [28], method: slope, of: value, column: value}
  - {kind: seasonality, entity: events, windows: [30]}
  - {kind: seasonality, entity: events, windows: [30], method: last_year}
  - {kind: activation, entity: events, where: {event_type: login}}
  - {kind: activation, entity: events, where: {event_type: login}, method: count, within: 7}
  - {kind: activation, entity: events, where: {event_type: [login, view]}, method: share, within: 7}
  - {kind: attribute, column: plan}
  - {kind: attribute, column: score}
  - {kind: attribute, column: renewal, method: days_until}
  - {kind: attribute, column: renewal, method: days_since}
""")


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_every_feature_equals_the_oracle(oracle: Any, data: st.DataObject) -> None:
    company, as_ofs = data.draw(oracle.companies())
    tables = oracle.tables(company)
    found = compute(compile_plan(EVERYTHING, oracle.schema(tables)), tables, as_ofs)
    assert oracle.differences(found, oracle.features(EVERYTHING, company, as_ofs)) == []


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_every_label_equals_the_oracle(oracle: Any, data: st.DataObject) -> None:
    company, as_ofs = data.draw(oracle.companies())
    tables = oracle.tables(company)
    ends = (as_ofs[-1] + 9 * oracle.day, as_ofs[-1] + oracle.day)
    spec = LabelSpec((7, 30), ("cancel",), *ends)
    features, labels = compute_both(compile_plan(EVERYTHING, oracle.schema(tables)), tables, as_ofs, spec)
    expected = {
        (as_of, customer): oracle.labels(company, customer, as_of, spec.horizons, ends)
        for as_of, customer in oracle.features(EVERYTHING, company, as_ofs)
    }
    assert oracle.differences(labels, expected) == []
    assert labels.select(["customer_id", "as_of", "lifecycle"]) == features.select(
        ["customer_id", "as_of", "lifecycle"]
    )


@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_the_compiled_sql_gives_the_rows_of_the_kernel(oracle: Any, data: st.DataObject) -> None:
    company, as_ofs = data.draw(oracle.companies())
    tables = oracle.tables(company)
    plan = compile_plan(EVERYTHING, oracle.schema(tables))
    found = compute(plan, tables, as_ofs)
    expected = {}
    for row in found.set_column(1, "as_of", found["as_of"].cast(pa.int64())).to_pylist():
        expected[row.pop("as_of"), row.pop("customer_id")] = row
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for entity, table in tables.items():
            connection.register(entity, table)
        by_sql = connection.sql(feature_sql(plan, as_ofs)).to_arrow_table()
    assert by_sql.column_names == found.column_names
    assert oracle.differences(by_sql, expected) == []


def test_the_sql_text_takes_its_cutoff_as_a_parameter_when_none_are_given(oracle: Any) -> None:
    company = {"transactions": [{"customer_id": "a", "txn_ts": 0, "amount": 1.0}], "events": [], "customers": []}
    tables = {"transactions": oracle.tables(company)["transactions"]}
    text = "name: t\nfeatures:\n  - {kind: count, entity: transactions, windows: all}"
    plan = compile_plan(read_feature_set(text), oracle.schema(tables))
    with duckdb.connect() as connection:
        connection.register("transactions", tables["transactions"])
        rows = connection.sql(feature_sql(plan), params={"as_of": "1970-01-02 00:00:00+00"}).fetchall()
    assert [(row[0], row[-1]) for row in rows] == [("a", 1.0)]


def test_sums_of_cents_are_exact_beside_amounts_a_trillion_times_larger(oracle: Any) -> None:
    day = oracle.day
    rows = [(0, 1e15), (200, 0.1), (201, 0.2), (202, 0.4)]
    company = {"transactions": [{"customer_id": "a", "txn_ts": d * day, "amount": a} for d, a in rows]}
    text = "name: t\nfeatures:\n  - {kind: sum, entity: transactions, column: amount, windows: [30]}"
    text += "\n  - {kind: std, entity: transactions, column: amount, windows: [30]}"
    tables = oracle.tables(company)
    found = compute(compile_plan(read_feature_set(text), oracle.schema(tables)), tables, [210 * day]).to_pylist()[0]
    assert found["txn_amount_sum_30d"] == pytest.approx(0.7, abs=1e-15)
    assert found["txn_amount_std_30d"] == pytest.approx(0.15275252316519466, rel=1e-12)


def test_a_day_that_nets_to_a_rounding_error_is_no_purchase(oracle: Any) -> None:
    amounts = [(0, 5.0), (1, 0.1), (1, 0.2), (1, -0.3), (2, 3.0)]
    rows = [{"customer_id": "a", "txn_ts": d * oracle.day + i, "amount": a} for i, (d, a) in enumerate(amounts)]
    tables = oracle.tables({"transactions": rows})
    text = "name: t\nfeatures:\n  - {kind: tenure}"
    found = compute(compile_plan(read_feature_set(text), oracle.schema(tables)), tables, [9 * oracle.day]).to_pylist()[
        0
    ]
    assert (found["x"], found["t_x"], found["T"], found["mean_spend"]) == (1.0, 2.0, 8.0, 3.0)


def test_features_do_not_depend_on_how_a_bucket_is_cut_into_pieces(oracle: Any, monkeypatch: Any) -> None:
    rows = [
        {"customer_id": f"{c:03}", "event_ts": (c * 37 % 90) * oracle.day + i, "event_type": "login", "value": i / 3.0}
        for c in range(40)
        for i in range(1 + c % 3)
    ]
    tables = oracle.tables({"transactions": [], "events": rows, "customers": []})
    plan, as_ofs = compile_plan(EVERYTHING, oracle.schema(tables)), [day * oracle.day for day in (30, 60, 90)]
    whole = compute(plan, tables, as_ofs)
    monkeypatch.setattr("axiom.features.kernel._ROWS_AT_ONCE", 7)
    assert compute(plan, tables, as_ofs) == whole


def test_an_empty_bucket_gives_no_rows_but_all_columns(oracle: Any) -> None:
    tables = oracle.tables({"transactions": [], "events": [], "customers": []})
    plan = compile_plan(EVERYTHING, oracle.schema(tables))
    features, labels = compute_both(plan, tables, [0], LabelSpec())
    assert (features.num_rows, labels.num_rows) == (0, 0)
    assert features.column_names[7:] == [column.name for column in plan.columns]


def test_a_bucket_out_of_order_is_refused(oracle: Any) -> None:
    rows = [{"customer_id": "a", "txn_ts": day * oracle.day, "amount": 1.0} for day in (1, 2)]
    table = oracle.tables({"transactions": rows})["transactions"].take([1, 0])
    plan = compile_plan(EVERYTHING, oracle.schema(oracle.tables({"transactions": [], "events": [], "customers": []})))
    with pytest.raises(CorruptError, match="not sorted"):
        compute(plan, {"transactions": table}, [oracle.day])


@pytest.mark.parametrize("as_ofs", [[], [2, 1], [1, 1]])
def test_cutoffs_that_are_not_ascending_are_refused(oracle: Any, as_ofs: list[int]) -> None:
    tables = oracle.tables({"transactions": [], "events": [], "customers": []})
    with pytest.raises(MisuseError, match="not ascending"):
        compute(compile_plan(EVERYTHING, oracle.schema(tables)), tables, as_ofs)


def test_a_customer_known_only_from_an_undated_list_is_no_member(oracle: Any) -> None:
    listed = {"customer_id": "a", "valid_from": -25_567 * oracle.day, "known_at": -25_567 * oracle.day, "plan": "gold"}
    dated = {"customer_id": "b", "valid_from": 5 * oracle.day, "known_at": 5 * oracle.day, "plan": "gold"}
    tables = oracle.tables({"transactions": [], "events": [], "customers": [listed, dated]})
    found = compute(compile_plan(EVERYTHING, oracle.schema(tables)), tables, [5 * oracle.day, 6 * oracle.day])
    assert found["customer_id"].to_pylist() == ["b"]
    assert found["attr_plan"].to_pylist() == ["gold"]


def test_a_version_known_before_it_happens_replaces_the_older_one_at_once(oracle: Any) -> None:
    moved = [("a", 0, 0), ("a", 3, 1)]  # planned for day 0, on day 1 moved to day 3
    rows = [
        {"customer_id": c, "txn_ts": ts * oracle.day, "known_at": known * oracle.day, "transaction_id": "k"}
        for c, ts, known in moved
    ]
    tables = oracle.tables({"transactions": rows, "events": [], "customers": []})
    found = compute(compile_plan(EVERYTHING, oracle.schema(tables)), tables, [oracle.day, 4 * oracle.day])
    assert found["as_of"].cast(pa.int64()).to_pylist() == [4 * oracle.day]


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_a_customers_features_are_the_same_to_the_last_bit_whoever_shares_the_bucket(
    oracle: Any, data: st.DataObject
) -> None:
    company, as_ofs = data.draw(oracle.companies())
    tables = oracle.tables(company)
    plan = compile_plan(EVERYTHING, oracle.schema(tables))
    whole = compute(plan, tables, as_ofs)
    for customer in whole["customer_id"].unique().to_pylist()[:2]:
        alone = {entity: [row for row in rows if row["customer_id"] == customer] for entity, rows in company.items()}
        expected = whole.filter(pc.equal(whole["customer_id"], customer))
        assert compute(plan, oracle.tables(alone), as_ofs).equals(expected)


def test_a_sum_over_many_bins_is_the_same_to_the_last_bit_for_one_customer_alone(oracle: Any) -> None:
    rows = [
        {"customer_id": c, "txn_ts": day * oracle.day, "amount": 0.1 + day / 7}
        for c in ("a", "b")
        for day in range(300)
    ]
    text = "name: t\nfeatures:\n  - {kind: sum, entity: transactions, column: amount, windows: [90, 200]}"
    as_ofs = [day * oracle.day for day in range(100, 300, 3)]
    tables = [oracle.tables({"transactions": part}) for part in (rows, rows[:300])]
    plan = compile_plan(read_feature_set(text), oracle.schema(tables[0]))
    both, alone = (compute(plan, part, as_ofs) for part in tables)
    assert both.filter(pc.equal(both["customer_id"], "a")).equals(alone)
