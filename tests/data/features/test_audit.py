"""The audit finds features that feel the future, and only those."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axiom.errors import QualityError
from axiom.features.audit import BucketAudit, audit_tables
from axiom.features.audit_report import audit_report
from axiom.features.kernel import compute
from axiom.features.perturb import FUTURES, perturbed
from axiom.features.plan import compile_plan
from axiom.features.reader import read_feature_set

FEATURES = read_feature_set("""
name: audited
features:
  - {kind: count, entity: transactions, windows: [7, 30, all]}
  - {kind: sum, entity: transactions, column: amount, windows: [7, 30, all]}
  - {kind: std, entity: transactions, column: amount, windows: [30]}
  - {kind: max, entity: transactions, column: amount, windows: [30]}
  - {kind: breadth, entity: events, column: event_type, windows: [30]}
  - {kind: trend, entity: events, windows: [28], method: slope, of: value, column: value}
  - {kind: days_since_last, entity: events}
  - {kind: tenure}
  - {kind: attribute, column: plan}
  - kind: sql
    name: own
    query: select customer_id, sum(amount) own_sum, max(txn_ts >= $as_of) own_late from transactions group by 1
""")


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_honest_features_are_the_same_to_the_last_bit_in_every_future(oracle: Any, data: st.DataObject) -> None:
    company, as_ofs = data.draw(oracle.companies())
    tables = oracle.tables(company)
    audit = audit_tables(compile_plan(FEATURES, oracle.schema(tables)), tables, as_ofs)
    assert audit.leaks == ()


def company(oracle: Any, *, dated: bool = True) -> dict[str, pa.Table]:
    day, rng = oracle.day, np.random.default_rng(3)
    transactions = [
        {
            "customer_id": f"c{i % 7}",
            "txn_ts": int(ts) * day,
            "amount": 1.0 * i,
            "transaction_id": f"t{i % 20}",
            "known_at": (int(ts) + i % 5) * day,
        }
        for i, ts in enumerate(rng.integers(0, 100, 60))
    ]
    events = [
        {"customer_id": f"c{i % 9}", "event_ts": i * day, "event_type": "login", "value": 1.0, "known_at": i * day}
        for i in range(100)
    ]
    customers = [
        {"customer_id": f"c{i}", "valid_from": (i + 1) * day if dated else None, "plan": "gold"} for i in range(9)
    ]
    return oracle.tables({"transactions": transactions, "events": events, "customers": customers})


def leaky(plan: Any, tables: Any, as_ofs: Any) -> pa.Table:
    """A kernel that forgets the cut-off for one column, and the knowledge time for another."""
    true = compute(plan, tables, as_ofs)
    spent = {}
    for row in tables["transactions"].to_pylist():
        spent[row["customer_id"]] = spent.get(row["customer_id"], 0.0) + row["amount"]
    ever = pa.array([spent.get(customer) for customer in true["customer_id"].to_pylist()], pa.float64())
    table = true.set_column(true.schema.get_field_index("txn_amount_sum_all"), "txn_amount_sum_all", ever)
    ignorant = {name: part.drop_columns(["known_at"]) for name, part in tables.items()}
    early = compute(plan, ignorant, as_ofs)
    place = pc.index_in(table["customer_id"], early["customer_id"].combine_chunks())
    counts = early["txn_count_7d"].combine_chunks().take(place)
    return table.set_column(table.schema.get_field_index("txn_count_7d"), "txn_count_7d", counts)


def test_a_feature_that_forgets_the_cutoff_is_caught_by_name(oracle: Any) -> None:
    tables = company(oracle)
    plan = compile_plan(FEATURES, oracle.schema(tables))
    as_ofs = [30 * oracle.day, 50 * oracle.day, 70 * oracle.day]
    report = audit_report(plan, [audit_tables(plan, tables, as_ofs, compute=leaky)])
    assert {leak.feature for leak in report.leaks} == {"txn_amount_sum_all", "txn_count_7d"}
    failed = {line.feature: line.verdict for line in report.features if line.verdict == "fail"}
    assert failed == {"txn_amount_sum_all": "fail", "txn_count_7d": "fail"}
    with pytest.raises(QualityError, match=r"leakage: txn_.*changed when only the future did.*became"):
        report.require()
    assert "LEAK" in report.lines()[-3]


def test_a_kernel_that_invents_customers_is_caught(oracle: Any) -> None:
    tables = company(oracle)
    plan = compile_plan(FEATURES, oracle.schema(tables))

    def crowded(plan: Any, tables: Any, as_ofs: Any) -> pa.Table:
        return compute(plan, tables, [as_ofs[0] + 1000 * oracle.day])

    audit = audit_tables(plan, tables, [30 * oracle.day], compute=crowded)
    assert "population" in {leak.feature for leak in audit.leaks}


def test_an_honest_set_passes_with_one_line_per_feature(oracle: Any) -> None:
    tables = company(oracle)
    plan = compile_plan(FEATURES, oracle.schema(tables))
    report = audit_report(plan, [audit_tables(plan, tables, [50 * oracle.day])])
    report.require()
    lines = {line.feature: line for line in report.features}
    assert list(lines) == [column.name for column in plan.columns]
    assert lines["txn_amount_sum_30d"].source == "transactions: amount"
    assert lines["txn_amount_sum_30d"].window == "30 d"
    assert lines["txn_amount_sum_30d"].availability == "txn_ts < as_of and known_at <= as_of"
    assert lines["own_sum"].source == "transactions"
    assert {line.verdict for line in report.features} == {"ok"}
    assert report.to_dict()["passed"] is True


def test_an_attribute_that_does_not_say_since_when_it_holds_is_flagged(oracle: Any) -> None:
    tables = company(oracle, dated=False)
    tables["customers"] = tables["customers"].drop_columns(["known_at"])
    plan = compile_plan(FEATURES, oracle.schema(tables))
    report = audit_report(plan, [audit_tables(plan, tables, [50 * oracle.day])])
    line = next(line for line in report.features if line.feature == "attr_plan")
    assert (line.verdict, line.note.split(":")[0]) == ("warn", "availability unknown")
    assert "attr_plan" in report.lines()[-1]


def test_a_feature_that_is_always_null_is_flagged(oracle: Any) -> None:
    tables = company(oracle)
    plan = compile_plan(FEATURES, oracle.schema(tables))
    report = audit_report(plan, [audit_tables(plan, tables, [1 * oracle.day])])
    flagged = {line.feature for line in report.features if line.note == "always null"}
    assert "evt_value_slope_28d" in flagged


def test_audits_of_buckets_add_up() -> None:
    one, two = BucketAudit(2, 4, {"a": 1}, cuts=(1,)), BucketAudit(3, 5, {"a": 2, "b": 5}, cuts=(1, 2))
    assert one + two == BucketAudit(5, 9, {"a": 3, "b": 5}, cuts=(1, 2))


@pytest.mark.parametrize("how", FUTURES)
def test_another_future_keeps_the_past_and_changes_the_rest(oracle: Any, how: str) -> None:
    tables, as_of = company(oracle), 50 * oracle.day
    other = perturbed(how, tables, as_of)
    for entity, time in (("transactions", "txn_ts"), ("events", "event_ts")):
        table = tables[entity]
        cut = pa.scalar(as_of).cast(pa.timestamp("us", "UTC"))

        def past(rows: pa.Table, time: str = time, cut: Any = cut) -> list[Any]:
            return rows.filter(pc.and_(pc.less(rows[time], cut), pc.less_equal(rows["known_at"], cut))).to_pylist()

        assert past(other[entity]) == past(table)
        assert not other[entity].equals(table)
