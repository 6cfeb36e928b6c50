"""An oracle for features and labels in plain Python loops, and random companies to try it on.

It shares no code with `axiom.features` but the definitions: rows are dictionaries, windows are comparisons.
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from axiom.features.definitions import Cohort, Feature, FeatureSet, Filter
    from axiom.lake import Lake

DAY = 86_400_000_000
HOUR = DAY // 24
TIME = {"transactions": "txn_ts", "events": "event_ts", "customers": "valid_from"}
KEY = {"transactions": "transaction_id", "events": "event_id", "customers": ""}
DAWN = -25_567 * DAY  # 1900-01-01
Row = dict[str, Any]


def visible(rows: list[Row], entity: str, as_of: int | None) -> list[Row]:
    """Rows a cut-off sees; with None, all rows in their last version."""
    plain, versions = [], defaultdict(list)
    for row in rows:
        ts = row[TIME[entity]]
        known = row["known_at"] if row.get("known_at") is not None else ts
        if as_of is not None and known > as_of:
            continue
        key = row.get(KEY[entity])
        if key is None:
            plain.append(row)
        else:
            versions[row["customer_id"], key].append((known, ts, len(versions[row["customer_id"], key]), row))
    kept = plain + [max(found, key=lambda version: version[:3])[3] for found in versions.values()]
    kept = [row for row in kept if as_of is None or row[TIME[entity]] < as_of]
    return sorted(kept, key=lambda row: row[TIME[entity]])


class Person:
    """One customer as seen at one cut-off."""

    def __init__(self, company: dict[str, list[Row]], customer: str, as_of: int, lifecycle: Sequence[Cohort]) -> None:
        mine = {name: [row for row in rows if row["customer_id"] == customer] for name, rows in company.items()}
        self.as_of = as_of
        self.rows = {name: visible(rows, name, as_of) for name, rows in mine.items()}
        attributes = self.rows.pop("customers", [])
        self.attributes: Row = (
            max(attributes, key=lambda row: (row["valid_from"], row["known_at"])) if attributes else {}
        )
        firsts = [rows[0][TIME[name]] for name, rows in self.rows.items() if rows]
        signup = self.attributes.get("signup_ts")
        if signup is not None and signup < as_of:
            firsts.append(signup)
        self.start = min(firsts) if firsts else None
        dated = bool(self.attributes) and signup is None and self.attributes["valid_from"] > DAWN
        self.member = self.start is not None or dated
        self.tenure = None if self.start is None else (as_of - self.start) / DAY
        self.stage = next(c for c in lifecycle if c.until is None or (self.tenure or 0) < c.until)

    def select(self, feature: Feature, where: Sequence[Filter] | None = None) -> list[tuple[int, Row]]:
        conditions = feature.where if where is None else where
        return [
            (row[TIME[feature.entity]], row)
            for row in self.rows.get(feature.entity, [])
            if all(meets(row, row[TIME[feature.entity]], condition) for condition in conditions)
        ]

    def window(self, feature: Feature, days: int | None, lag: int = 0, where: Any = None) -> list[tuple[int, Row]]:
        stop = self.as_of - lag * DAY
        start = -math.inf if days is None else stop - days * DAY
        return [(ts, row) for ts, row in self.select(feature, where) if start <= ts < stop]

    def value(self, feature: Feature, window: Any) -> Any:
        days = self.stage.window if window == "lifecycle" else None if window in ("all", None) else window
        measure: Callable[..., Any] = getattr(self, f"_{feature.kind}")
        return measure(feature, days)

    def _numbers(self, feature: Feature, days: int | None, lag: int) -> list[float]:
        found = [row[feature.column] for _, row in self.window(feature, days, lag)]
        return [number for number in found if number is not None]

    def _count(self, feature: Feature, days: int | None) -> float:
        return len(self.window(feature, days, feature.lag))

    def _sum(self, feature: Feature, days: int | None) -> float:
        return math.fsum(self._numbers(feature, days, feature.lag))

    def _mean(self, feature: Feature, days: int | None) -> float | None:
        numbers = self._numbers(feature, days, feature.lag)
        return math.fsum(numbers) / len(numbers) if numbers else None

    def _min(self, feature: Feature, days: int | None) -> float | None:
        return min(self._numbers(feature, days, feature.lag), default=None)

    def _max(self, feature: Feature, days: int | None) -> float | None:
        return max(self._numbers(feature, days, feature.lag), default=None)

    def _std(self, feature: Feature, days: int | None) -> float | None:
        numbers = self._numbers(feature, days, feature.lag)
        return statistics.stdev(numbers) if len(numbers) > 1 else None

    def _breadth(self, feature: Feature, days: int | None) -> float:
        found = {derived(ts, row, feature.column) for ts, row in self.window(feature, days)}
        return len(found - {None})

    def _share(self, feature: Feature, days: int | None) -> float | None:
        every = self.window(feature, days, feature.lag, where=())
        return len(self.window(feature, days, feature.lag)) / len(every) if every else None

    def _days_since_last(self, feature: Feature, _: int | None) -> float | None:
        times = [ts for ts, _ in self.select(feature)]
        return (self.as_of - max(times)) / DAY if times else None

    def _days_since_first(self, feature: Feature, _: int | None) -> float | None:
        times = [ts for ts, _ in self.select(feature)]
        return (self.as_of - min(times)) / DAY if times else None

    def _tenure(self, _feature: Feature, _: int | None) -> float | None:
        return self.tenure

    def _total(self, feature: Feature, days: int, lag: int) -> float:
        rows = self.window(feature, days, lag)
        return len(rows) if feature.of == "count" else math.fsum(row[feature.column] or 0 for _, row in rows)

    def _trend(self, feature: Feature, days: int) -> float | None:
        if feature.of == "value":
            pairs = [(ts / DAY / 7, row[feature.column]) for ts, row in self.window(feature, days)]
            pairs = [(week, value) for week, value in pairs if value is not None]
            if len(pairs) < 2 or statistics.pstdev(week for week, _ in pairs) * 7 <= 1 / 86_400:
                return None
            return slope(pairs)
        if feature.method == "slope":
            weeks = days // 7
            return slope([(week, self._total(feature, 7, 7 * (weeks - 1 - week))) for week in range(weeks)])
        this, before = self._total(feature, days, 0), self._total(feature, days, days)
        if feature.method == "ratio":
            return this / before if before > 0 else None
        if this == before == 0:
            return 0
        return (this - before) / (this + before) if this + before > 0 else None

    def _seasonality(self, feature: Feature, days: int) -> float | None:
        if feature.method == "weekend_share":
            rows = self.window(feature, days)
            return sum(ts // DAY % 7 in (2, 3) for ts, _ in rows) / len(rows) if rows else None
        old_enough = self.start is not None and self.start <= self.as_of - (365 + days) * DAY
        return len(self.window(feature, days, 365)) if old_enough else None

    def _activation(self, feature: Feature, _: int | None) -> float | None:
        rows = self.select(feature)
        if feature.method == "days_to_first":
            return (rows[0][0] - self.start) / DAY if rows and self.start is not None else None
        if self.start is None:
            return None
        early = [row for ts, row in rows if ts < self.start + feature.within * DAY]
        if feature.method == "count":
            return len(early)
        return len({row["event_type"] for row in early}) / len(feature.where[0].values)

    def _attribute(self, feature: Feature, _: int | None) -> Any:
        value = self.attributes.get(feature.column)
        if value is None or feature.method == "value":
            return value
        return (self.as_of - value) / DAY * (1 if feature.method == "days_since" else -1)

    def rfm(self) -> dict[str, float | None]:
        bought = purchase_days(self.rows.get("transactions", []), 0)
        if not bought:
            return dict.fromkeys(("x", "t_x", "T", "mean_spend"))
        days = sorted(bought)
        repeat = [bought[day][1] for day in days[1:] if bought[day][1] is not None]
        return {
            "x": len(days) - 1,
            "t_x": days[-1] - days[0],
            "T": (self.as_of - 1) // DAY - days[0],
            "mean_spend": math.fsum(repeat) / len(repeat) if repeat else None,
        }


def derived(ts: int, row: Row, column: str) -> Any:
    if column == "day":
        return ts // DAY
    if column == "hour":
        return ts % DAY // HOUR
    if column == "weekday":
        return (ts // DAY + 3) % 7
    return row[column]


def meets(row: Row, ts: int, condition: Filter) -> bool:
    value = derived(ts, row, condition.column)
    if value is None:
        return False
    bound = condition.values[0]
    return {
        "in": lambda: value in condition.values,
        "not_in": lambda: value not in condition.values,
        "lt": lambda: value < bound,
        "le": lambda: value <= bound,
        "gt": lambda: value > bound,
        "ge": lambda: value >= bound,
    }[condition.operator]()


def slope(pairs: Sequence[tuple[float, float]]) -> float:
    return statistics.linear_regression(*zip(*pairs, strict=True)).slope


def purchase_days(rows: list[Row], origin: int) -> dict[int, tuple[int, float | None]]:
    """Purchase day -> time of its first row and its net money."""
    days = defaultdict(list)
    for row in rows:
        days[(row["txn_ts"] - origin) // DAY].append(row)
    found = {}
    for day, mine in days.items():
        amounts = [row["amount"] for row in mine if row.get("amount") is not None]
        cents = sum(round(amount * 100) for amount in amounts)
        if not amounts or cents > 0:
            found[day] = (min(row["txn_ts"] for row in mine), cents / 100 if amounts else None)
    return found


def oracle_features(
    feature_set: FeatureSet, company: dict[str, list[Row]], as_ofs: Sequence[int]
) -> dict[tuple[int, str], dict[str, Any]]:
    """(as_of, customer) -> column -> value."""
    customers = {row["customer_id"] for rows in company.values() for row in rows}
    found = {}
    for as_of in as_ofs:
        for customer in customers:
            person = Person(company, customer, as_of, feature_set.lifecycle)
            if person.member:
                values = {o.name: person.value(o.feature, o.window) for o in feature_set.outputs}
                found[as_of, customer] = {**person.rfm(), "lifecycle": person.stage.name, **values}
    return found


def oracle_labels(
    company: dict[str, list[Row]], customer: str, as_of: int, horizons: Sequence[int], ends: tuple[int, int]
) -> dict[str, Any]:
    """Label columns of one customer at one cut-off, from all that is known in the end."""
    mine = {name: [row for row in rows if row["customer_id"] == customer] for name, rows in company.items()}
    txn, events = visible(mine["transactions"], "transactions", None), visible(mine["events"], "events", None)
    ahead = sorted((ts, net) for ts, net in purchase_days(txn, as_of % DAY).values() if ts >= as_of)
    labels: dict[str, Any] = {
        "days_to_next_purchase": (ahead[0][0] - as_of) / DAY if ahead else None,
        "observed_days": (ends[0] - as_of) / DAY,
        "observed_event_days": (ends[1] - as_of) / DAY,
    }
    for name, types in (("days_to_next_event", None), ("days_to_cancel", ("cancel",))):
        times = [row["event_ts"] for row in events if types is None or row["event_type"] in types]
        after = [ts for ts in times if ts >= as_of]
        labels[name] = (min(after) - as_of) / DAY if after else None
    before = {"days_since_purchase": ("transactions", None), "days_since_event": ("events", None)}
    for name, (entity, types) in {**before, "days_since_cancel": ("events", ("cancel",))}.items():
        seen = visible(mine[entity], entity, as_of)
        times = [row[TIME[entity]] for row in seen if types is None or row["event_type"] in types]
        labels[name] = (as_of - max(times)) / DAY if times else None
    for horizon in horizons:
        inside = [net for ts, net in ahead if ts < as_of + horizon * DAY]
        seen_to_the_end = as_of + horizon * DAY <= ends[0]
        known = [net for net in inside if net is not None]
        spend = None if inside and not known else math.fsum(known)
        labels[f"purchases_{horizon}d"] = len(inside) if seen_to_the_end else None
        labels[f"spend_{horizon}d"] = spend if seen_to_the_end else None
    return labels


def same(found: Any, expected: Any) -> bool:
    if found is None or expected is None or isinstance(expected, str):
        return bool(found == expected)
    return math.isclose(found, expected, rel_tol=1e-9, abs_tol=1e-9)


def differences(table: pa.Table, expected: dict[tuple[int, str], dict[str, Any]]) -> list[str]:
    """What is wrong with a table of rows, given what the oracle says; empty when nothing is."""
    rows = table.set_column(1, "as_of", table["as_of"].cast(pa.int64())).to_pylist()
    keys = [(row["as_of"], row["customer_id"]) for row in rows]
    if keys != sorted(expected, key=lambda key: (key[0], key[1].encode())):
        return [f"rows {keys} instead of {sorted(expected)}"]
    return [
        f"{column} of {key}: {row[column]} instead of {value}"
        for key, row in zip(keys, rows, strict=True)
        for column, value in expected[key].items()
        if not same(row[column], value)
    ]


TIMES = ("txn_ts", "event_ts", "valid_from", "signup_ts", "known_at", "renewal")
TYPES = {
    "customer_id": pa.dictionary(pa.int32(), pa.string()),
    "event_type": pa.dictionary(pa.int32(), pa.string()),
    **dict.fromkeys(
        ("txn_ts", "event_ts", "valid_from", "signup_ts", "known_at", "renewal"), pa.timestamp("us", "UTC")
    ),
    **dict.fromkeys(("amount", "value", "score"), pa.float64()),
}
COLUMNS = {
    "transactions": ("customer_id", "txn_ts", "amount", "transaction_id", "known_at"),
    "events": ("customer_id", "event_ts", "event_type", "value", "event_id", "known_at"),
    "customers": ("customer_id", "valid_from", "signup_ts", "known_at", "plan", "score", "renewal"),
}


def tables_of(company: dict[str, list[Row]]) -> dict[str, pa.Table]:
    """The company as a bucket's tables, sorted as the lake sorts them."""
    tables = {}
    for entity, rows in company.items():
        ordered = sorted(rows, key=lambda row: (row["customer_id"].encode(), row[TIME[entity]]))
        tables[entity] = pa.table(
            {
                name: pa.array([row.get(name) for row in ordered], TYPES.get(name, pa.string()))
                for name in COLUMNS[entity]
            }
        )
    return tables


def schema_of(tables: dict[str, pa.Table]) -> dict[str, dict[str, str]]:
    def kind(field: pa.Field) -> str:
        return "string" if pa.types.is_dictionary(field.type) else str(field.type)

    return {entity: {field.name: kind(field) for field in table.schema} for entity, table in tables.items()}


IDS = ["a", "b'\"", "c\nd", "é", "𝔘", "Z", "0"]


@st.composite
def companies(draw: st.DrawFn) -> tuple[dict[str, list[Row]], list[int]]:
    """A random company with awkward times, and the cut-offs to look at it."""
    base = draw(st.sampled_from([0, -9_000, 15_000])) * DAY + draw(st.sampled_from([0, 0, 0, 9 * HOUR]))
    gaps = draw(st.lists(st.sampled_from([1, 7, 30, 365]), min_size=1, max_size=4))
    as_ofs = [base + sum(gaps[:i]) * DAY for i in range(len(gaps))]
    span = sum(gaps)
    edges = [as_of - days * DAY for as_of in as_ofs for days in (0, 5, 7, 14, 21, 28, 30, 365, 395)]
    times = st.one_of(
        st.builds(lambda edge, shift: edge + shift, st.sampled_from(edges), st.sampled_from([-1, 0, 1])),
        st.integers(-400, span + 40).map(lambda day: base + day * DAY),
        st.integers(-40 * 24, (span + 10) * 24).map(lambda hour: base + hour * HOUR),
    )
    late = st.one_of(st.just(0), st.just(0), st.integers(-2, 40).map(lambda d: d * DAY), st.sampled_from([1, HOUR]))
    customers = st.sampled_from(IDS[: draw(st.integers(1, len(IDS)))])
    money = st.one_of(st.none(), st.integers(-5_000, 10_000).map(lambda cents: cents / 100))
    transaction = st.fixed_dictionaries(
        {
            "customer_id": customers,
            "txn_ts": times,
            "amount": money,
            "transaction_id": st.sampled_from([None, None, "k1", "k2"]),
            "late": late,
        }
    )
    event = st.fixed_dictionaries(
        {
            "customer_id": customers,
            "event_ts": times,
            "event_type": st.sampled_from(["login", "view", "o'x", "cancel"]),
            "value": st.one_of(st.none(), st.floats(-1, 1).map(lambda v: round(v, 3))),
            "event_id": st.sampled_from([None, None, "k1"]),
            "late": late,
        }
    )
    attribute = st.fixed_dictionaries(
        {
            "customer_id": customers,
            "valid_from": st.one_of(times, st.just(DAWN)),
            "signup_ts": st.one_of(st.none(), times),
            "plan": st.sampled_from([None, "gold", "free"]),
            "score": st.one_of(st.none(), st.floats(0, 1).map(lambda v: round(v, 3))),
            "renewal": st.one_of(st.none(), times),
            "late": late,
        }
    )
    company = {
        "transactions": draw(st.lists(transaction, max_size=25)),
        "events": draw(st.lists(event, max_size=25)),
        "customers": draw(st.lists(attribute, max_size=6)),
    }
    return {entity: distinct_versions(entity, rows) for entity, rows in company.items()}, as_ofs


def distinct_versions(entity: str, rows: list[Row]) -> list[Row]:
    """Give each row its knowledge time, and drop versions that nothing tells apart from another one."""
    seen, kept = set(), []
    for row in rows:
        late = row.pop("late")
        row["known_at"] = row[TIME[entity]] + late
        version = (row["customer_id"], row.get(KEY[entity]), row["known_at"], row[TIME[entity]])
        if (row.get(KEY[entity]) is not None or entity == "customers") and version in seen:
            continue
        seen.add(version)
        kept.append(row)
    return kept


def write_lake(root: Path, tables: dict[str, pa.Table], buckets: int = 4, batch: str = "b1") -> Lake:
    """A lake that holds the tables as one batch."""
    from axiom.lake import FileEntry, Lake, Manifest, Storage, buckets_of_column

    lake = Lake.create(Storage(str(root)), buckets=buckets, currency="EUR")
    for entity, table in tables.items():
        if not table.num_rows:
            continue
        silver, files = lake.silver(entity), []
        of_row = buckets_of_column(table["customer_id"], buckets)
        text = table.set_column(0, "customer_id", table["customer_id"].cast(pa.string()))
        if "event_type" in text.column_names:
            place = text.schema.get_field_index("event_type")
            text = text.set_column(place, "event_type", text["event_type"].cast(pa.string()))
        for bucket in range(buckets):
            part = text.filter(pa.array(of_row == bucket))
            if part.num_rows:
                path = silver.part(batch, bucket)
                size, digest = lake.storage.write_parquet(path, part)
                times = [ts for ts in part[TIME[entity]].cast(pa.int64()).to_pylist() if ts is not None]
                files.append(FileEntry(path, part.num_rows, size, digest, bucket, min(times), max(times)))
        schema = {field.name: str(field.type) for field in text.schema}
        silver.commit(Manifest(f"silver/{entity}", batch, schema, tuple(files)))
    return lake


class Oracle:
    """What the tests of this folder share."""

    lake = staticmethod(write_lake)

    companies = staticmethod(companies)
    features = staticmethod(oracle_features)
    labels = staticmethod(oracle_labels)
    differences = staticmethod(differences)
    tables = staticmethod(tables_of)
    schema = staticmethod(schema_of)
    day = DAY


@pytest.fixture(scope="session")
def oracle() -> type[Oracle]:
    return Oracle
