"""Posted rows become the features that a build of the same rows has, bit for bit; rows that are none are refused."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from axiom.contracts import ENTITIES
from axiom.errors import BadInputError, TooLargeError
from axiom.features.definitions import Feature, FeatureSet, Filter
from axiom.pipelines.build import BuildRequest, build, schema_of
from axiom.pipelines.ingest import ingest_source
from axiom.pipelines.workspace import create, opened
from axiom.scoring.history import MOST_ROWS, HistoryReader, features_of_history
from axiom.scoring.online.vectors import VectorLayout
from axiom.settings import load_settings
from axiom.sources.request import FileSource, IngestRequest
from axiom.sources.synthetic import generate
from axiom.training.catalogue.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from axiom.pipelines.workspace import Workspace

AS_OF = datetime(2023, 7, 1, 15, 30, tzinfo=UTC)
SQL = Feature("sql", name="big", query="select customer_id, max(amount) as biggest from transactions group by 1")


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A small company in a lake, some of whose rows were known late and some of which were corrected."""
    made = generate("shop", seed=4, customers=60, days=240, acquisition_days=100, events_per_week=1.0)
    home = tmp_path_factory.mktemp("company")
    settings = load_settings(home=home, log_level="WARNING", engine="inline")
    create(settings)
    with opened(settings) as ws:
        for entity, table in made.tables.items():
            if entity in ENTITIES:
                path = write(home, entity, table)
                ingest_source(ws, IngestRequest(entity, FileSource((path,))), source_name=entity)
        yield ws


def write(home: Path, entity: str, table: pa.Table) -> str:
    import pyarrow.parquet as pq

    if entity == "transactions":
        late = pc.add(table["txn_ts"], pa.scalar(5 * 86_400_000_000, pa.duration("us")))
        known = pc.if_else(pa.array(np.arange(len(table)) % 7 == 0), late, table["txn_ts"])
        table = table.append_column("known_at", known) if "known_at" not in table.column_names else table
    path = home / f"{entity}.parquet"
    pq.write_table(table, path)
    return str(path)


def definitions(ws: Workspace, *, sql: bool) -> FeatureSet:
    """The defaults for the company's data; with a query on request."""
    from axiom.pipelines.build import feature_set_of

    own = feature_set_of(ws, {e: s for e, s in ws.lake.snapshots().items() if s.rows}, None)
    return FeatureSet("own", (*own.features, *([SQL] if sql else [])), own.lifecycle)


def posted(ws: Workspace) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """customer -> entity -> the rows known at the cut-off."""
    found: dict[str, dict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for entity, snapshot in ws.lake.snapshots().items():
        time = ENTITIES[entity].time_column
        for bucket in range(ws.lake.buckets):
            for row in snapshot.read(bucket).to_pylist():
                if row[time] < AS_OF and (row["known_at"] or row[time]) <= AS_OF:
                    plain = {n: v.isoformat() if isinstance(v, datetime) else v for n, v in row.items()}
                    found[row["customer_id"]][entity].append(plain)
    return found


@pytest.mark.parametrize("sql", [False, True])
def test_features_of_posted_rows_are_those_of_a_build(company: Workspace, sql: bool) -> None:
    feature_set = definitions(company, sql=sql)
    built = build(company, BuildRequest(as_of=AS_OF, labels=False, definitions=feature_set, audit=False))
    table = company.lake.dataset("features", built.features_id).read()
    features = table.drop_columns(["customer_id", "as_of"])
    layout = VectorLayout(Layout.learn(features), feature_set.version)
    expected = dict(zip(table["customer_id"].to_pylist(), layout.layout.matrix(features), strict=True))
    reader = HistoryReader(feature_set, layout, schema=schema_of(company.lake.snapshots()) if sql else None)
    rows = posted(company)
    assert len(expected) > 40
    for customer, vector in expected.items():
        np.testing.assert_array_equal(reader.vector(rows[customer], AS_OF), vector, strict=True)


ATTRIBUTES = FeatureSet(
    "small",
    (
        Feature("sum", "transactions", "amount", windows=(30,)),
        Feature("count", "events", where=(Filter("event_type", "in", ("login",)),), windows=(30,)),
        Feature("mean", "events", "value", windows=("all",)),
        Feature("attribute", column="plan", method="value"),
        Feature("attribute", column="seats", method="value"),
        Feature("attribute", column="renewal", method="days_until"),
    ),
)
LAYOUT = VectorLayout(
    Layout(
        ("txn_amount_sum_30d", "evt_login_count_30d", "evt_value_mean_all", "attr_plan", "attr_seats", "x"),
        {"attr_plan": ("basic", "gold")},
    ),
    ATTRIBUTES.version,
)
BUY = {"txn_ts": "2023-06-20", "amount": 10.5}
LOGIN = {"event_ts": "2023-06-21T10:00:00+02:00", "event_type": "login", "value": None}
PERSON = {"signup_ts": "2023-01-01", "plan": "gold", "seats": 3}


def ask(history: Any, as_of: Any = AS_OF, **more: Any) -> list[float]:
    return HistoryReader(ATTRIBUTES, LAYOUT, **more).vector(history, as_of).tolist()


def test_a_history_without_a_lake() -> None:
    found = ask({"transactions": [BUY], "events": [LOGIN], "customers": [PERSON]})
    assert found[:2] == [10.5, 1.0]
    assert np.isnan(found[2])
    assert found[3:] == [1.0, 3.0, 0.0]


def test_what_is_not_posted_is_missing() -> None:
    found = ask({"transactions": [BUY, {**BUY, "amount": -3.0}], "events": None})
    assert found[:2] == [7.5, 0.0]
    assert np.isnan(found[2:5]).all()
    assert found[5] == 0.0


def test_an_unknown_category_is_unseen() -> None:
    assert ask({"customers": [{**PERSON, "plan": "platinum"}]})[3] == -1.0


def test_a_correction_replaces_what_it_corrects() -> None:
    rows = [
        {**BUY, "transaction_id": "a"},
        {**BUY, "transaction_id": "a", "amount": 20.0, "known_at": "2023-06-25T00:00:00Z"},
    ]
    assert ask({"transactions": rows})[0] == 20.0
    assert ask({"transactions": rows[::-1]})[0] == 20.0


def test_times_may_be_objects_and_rows_in_any_order() -> None:
    early = {"txn_ts": datetime(2023, 6, 10, tzinfo=UTC), "amount": 1.0}
    assert ask({"transactions": [BUY, early]}) == pytest.approx(ask({"transactions": [early, BUY]}), nan_ok=True)
    assert ask({"transactions": [BUY, early]})[5] == 1.0


def test_features_of_history_reads_once() -> None:
    found = features_of_history(ATTRIBUTES, LAYOUT, {"transactions": [BUY]}, AS_OF)
    np.testing.assert_array_equal(found, ask({"transactions": [BUY]}))


REFUSED = {
    "unknown entity": ({"orders": [BUY]}, "the history has 'orders', which features know nothing of"),
    "no list": ({"transactions": {"0": BUY}}, "transactions is no list of rows"),
    "no object": ({"transactions": [BUY, "buy"]}, r"transactions\[1\] is no object"),
    "empty": ({"transactions": [], "events": None}, "the history is empty"),
    "wrong column": ({"transactions": [{**BUY, "colour": 1}]}, r"transactions\[0\] has the unknown field 'colour'"),
    "currency": ({"transactions": [{**BUY, "currency": "USD"}]}, "unknown field 'currency'"),
    "not a number": (
        {"transactions": [{**BUY, "amount": float("nan")}]},
        r"transactions\[0\].amount is nan, not",
    ),
    "infinite": ({"transactions": [{**BUY, "amount": float("inf")}]}, r"transactions\[0\].amount is inf"),
    "huge": ({"transactions": [{**BUY, "amount": 10**400}]}, r"transactions\[0\].amount is 10{9,}.*, not a finite"),
    "text": ({"transactions": [{**BUY, "amount": "10"}]}, r"transactions\[0\].amount must be a number, not '10'"),
    "truth": ({"transactions": [{**BUY, "amount": True}]}, r"amount must be a number, not True"),
    "no amount": ({"transactions": [BUY, {"txn_ts": "2023-06-01"}]}, r"transactions\[1\].amount is missing"),
    "no time": ({"transactions": [{"amount": 1.0}]}, r"transactions\[0\].txn_ts is missing"),
    "bad time": ({"transactions": [{**BUY, "txn_ts": "20th of June"}]}, r"txn_ts is no time: '20th of June'"),
    "number for a time": ({"transactions": [{**BUY, "txn_ts": 1_687_000_000}]}, r"txn_ts is no time: 1687000000"),
    "year 10000": ({"transactions": [{**BUY, "txn_ts": "10000-01-01"}]}, r"txn_ts is no time"),
    "too old": ({"transactions": [{**BUY, "txn_ts": "1899-12-31"}]}, r"txn_ts is before 1900"),
    "future": (
        {"transactions": [{**BUY, "txn_ts": "2023-07-02"}]},
        r"transactions\[0\].txn_ts is 2023-07-02",
    ),
    "at the cut-off": (
        {"events": [{**LOGIN, "event_ts": "2023-07-01T15:30:00Z"}]},
        "event_ts is 2023-07-01",
    ),
    "known later": ({"transactions": [{**BUY, "known_at": "2023-07-02"}]}, r"transactions\[0\].known_at is 2023-07-02"),
    "future sign-up": ({"customers": [{"signup_ts": "2024-01-01"}]}, r"customers\[0\].signup_ts is 2024-01-01"),
    "no event type": ({"events": [{"event_ts": "2023-06-01"}]}, r"events\[0\].event_type is missing"),
    "blank event type": ({"events": [{**LOGIN, "event_type": ""}]}, r"events\[0\].event_type is missing"),
    "type of a category": ({"customers": [{**PERSON, "plan": 3}]}, r"customers\[0\].plan must be text, not 3"),
    "type of an attribute": ({"customers": [{**PERSON, "seats": "3"}]}, r"customers\[0\].seats must be a number"),
    "long text": ({"customers": [{**PERSON, "plan": "x" * 2000}]}, r"customers\[0\].plan has 2,000 characters"),
    "two customers": (
        {"transactions": [{**BUY, "customer_id": "a"}], "events": [{**LOGIN, "customer_id": "b"}]},
        "the history is of 2 customers: a, b",
    ),
    "no beginning": ({"customers": [{"plan": "gold"}]}, "the history does not say that the customer had begun"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_rows_that_are_no_history_are_refused_by_name(case: str) -> None:
    history, said = REFUSED[case]
    with pytest.raises(BadInputError, match=said):
        ask(history)


def test_negative_amounts_are_refused_where_the_lake_refuses_them() -> None:
    with pytest.raises(BadInputError, match=r"transactions\[0\].amount is negative: -3"):
        ask({"transactions": [{**BUY, "amount": -3.0}]}, returns="refuse")


def test_too_many_rows_are_refused() -> None:
    with pytest.raises(TooLargeError, match="10,001 rows, more than 10,000"):
        ask({"transactions": [BUY] * MOST_ROWS, "events": [LOGIN]})


@pytest.mark.parametrize("as_of", [datetime(2023, 7, 1), "2023-07-01", None])  # noqa: DTZ001
def test_a_cut_off_without_a_zone_is_refused(as_of: Any) -> None:
    with pytest.raises(BadInputError, match="as_of must be a time with a zone"):
        ask({"transactions": [BUY]}, as_of)


def test_a_cut_off_before_all_time_is_refused() -> None:
    with pytest.raises(BadInputError, match="before 1900"):
        ask({"transactions": [BUY]}, datetime(1800, 1, 1, tzinfo=UTC))


def test_a_query_needs_the_schema_of_the_lake() -> None:
    own = FeatureSet("own", (SQL,))
    with pytest.raises(BadInputError, match="feature big is a query over the lake"):
        HistoryReader(own, VectorLayout(Layout(("biggest",), {}), own.version))


def test_a_layout_of_another_feature_set_is_refused() -> None:
    with pytest.raises(BadInputError, match="the layout is of feature-set version 'other'"):
        HistoryReader(ATTRIBUTES, VectorLayout(Layout(("x",), {}), "other"))
    with pytest.raises(BadInputError, match="does not make nonsense"):
        HistoryReader(ATTRIBUTES, VectorLayout(Layout(("x", "nonsense"), {}), ATTRIBUTES.version))


def test_an_entity_that_the_lake_does_not_have_is_refused() -> None:
    lake = {"transactions": {"customer_id": "string", "txn_ts": "timestamp[us, tz=UTC]", "amount": "double"}}
    own = FeatureSet("own", (Feature("sum", "transactions", "amount", windows=(30,)),))
    layout = VectorLayout(Layout(("txn_amount_sum_30d",), {}), own.version)
    reader = HistoryReader(own, layout, schema=lake)
    assert reader.vector({"transactions": [BUY]}, AS_OF).tolist() == [10.5]
    with pytest.raises(BadInputError, match="the history has 'events'"):
        reader.vector({"events": [LOGIN]}, AS_OF)
