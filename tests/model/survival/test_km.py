"""Curves by segment: times to churn against an oracle of plain loops, segments, bad input."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axiom.contracts import ENTITIES
from axiom.errors import BadInputError, MisuseError
from axiom.features.rows import DAY
from axiom.training.definition import ChurnDefinition
from axiom.training.survival_durations import DurationJob, bucket_durations
from axiom.training.survival_km import km_report, segments_of, to_json
from axiom.training.survival_plots import km_plot

END = 100 * DAY
SILENT = ChurnDefinition("inactivity", "transactions")
CANCEL = ChurnDefinition("cancellation")


@dataclass
class FakeSnapshot:
    """Rows of one entity as the lake would hand them out: sorted, text dictionary-encoded."""

    entity: str
    rows: list[dict[str, Any]]
    extra: dict[str, pa.DataType] = field(default_factory=dict)

    @property
    def columns(self) -> dict[str, str]:
        return {name: str(kind) for name, kind in self.schema.items()}

    @property
    def schema(self) -> dict[str, pa.DataType]:
        text, time = pa.dictionary(pa.int32(), pa.string()), pa.timestamp("us", "UTC")
        kinds = {"string": text, "timestamp": time, "float": pa.float64()}
        own = {c.name: kinds[c.type] for c in ENTITIES[self.entity].columns if self.rows and c.name in self.rows[0]}
        return {**own, **self.extra}

    def read(self, bucket: int, columns: list[str]) -> pa.Table:
        assert bucket == 0
        time = ENTITIES[self.entity].time_column
        rows = sorted(self.rows, key=lambda row: (row["customer_id"], row[time]))
        return pa.table({name: pa.array([row.get(name) for row in rows], self.schema[name]) for name in columns})


def bought(*days: tuple[str, float]) -> FakeSnapshot:
    return FakeSnapshot(
        "transactions", [{"customer_id": who, "txn_ts": int(day * DAY), "amount": 1.0} for who, day in days]
    )


def happened(*events: tuple[str, float, str]) -> FakeSnapshot:
    rows = [{"customer_id": who, "event_ts": int(day * DAY), "event_type": kind} for who, day, kind in events]
    return FakeSnapshot("events", rows)


def durations(
    definition: ChurnDefinition, silence: int = 30, as_of: float | None = None, by: str = "", **held: Any
) -> Any:
    job = DurationJob(held, definition, silence, END, None if as_of is None else int(as_of * DAY), by)
    return {row["customer_id"]: row for row in bucket_durations(job, 0).to_pylist()}


def silent_by_hand(days: list[float], silence: int, as_of: float | None) -> tuple[float, bool] | None:
    """Walk along one customer's purchases: duration and event, or None where nobody is at risk."""
    days, end = sorted(days), 100.0
    if as_of is not None and not any(day < as_of for day in days):
        return None
    start = days[0] if as_of is None else as_of
    for last, following in zip(days, [*days[1:], end], strict=True):
        if following <= start and as_of is not None:
            continue
        if following - last >= silence:
            churn = last + silence
            if as_of is not None and churn <= start:
                return None
            return (churn - start, True) if churn < end else (end - start, False)
    return end - start, False


@settings(max_examples=150, deadline=None)
@given(
    histories=st.lists(st.lists(st.integers(0, 99), min_size=1, max_size=6, unique=True), min_size=1, max_size=5),
    silence=st.integers(1, 60),
    as_of=st.one_of(st.none(), st.integers(1, 99)),
)
def test_silence_is_timed_as_a_plain_loop_times_it(histories: list[list[int]], silence: int, as_of: int | None) -> None:
    names = [f"c{k}" for k in range(len(histories))]
    rows = [(name, day + 0.25) for name, days in zip(names, histories, strict=True) for day in days]
    found = durations(SILENT, silence, None if as_of is None else as_of + 0.5, transactions=bought(*rows))
    for name, days in zip(names, histories, strict=True):
        expected = silent_by_hand([day + 0.25 for day in days], silence, None if as_of is None else as_of + 0.5)
        if expected is None:
            assert name not in found
        else:
            assert (found[name]["duration"], found[name]["event"]) == (pytest.approx(expected[0]), expected[1])


def test_a_customer_who_comes_back_after_the_silence_has_churned_all_the_same() -> None:
    found = durations(SILENT, transactions=bought(("a", 0), ("a", 50), ("a", 60)))
    assert (found["a"]["duration"], found["a"]["event"]) == (30.0, True)
    # … and is at risk again once back
    again = durations(SILENT, as_of=55, transactions=bought(("a", 0), ("a", 50), ("a", 60)))
    assert (again["a"]["duration"], again["a"]["event"]) == (35.0, True)


def test_a_return_is_no_purchase() -> None:
    rows = bought(("a", 0))
    rows.rows.append({"customer_id": "a", "txn_ts": 20 * DAY, "amount": -1.0})
    rows.rows.append({"customer_id": "only returns", "txn_ts": 20 * DAY, "amount": -1.0})
    found = durations(SILENT, transactions=rows)
    assert (found["a"]["duration"], found["a"]["event"]) == (30.0, True)
    assert "only returns" not in found


def test_events_count_as_activity_where_they_are_asked_for() -> None:
    held = {"transactions": bought(("a", 0)), "events": happened(("a", 20, "login"), ("b", 90, "login"))}
    assert durations(SILENT, **held)["a"]["duration"] == 30.0
    both = durations(ChurnDefinition("inactivity", "any"), **held)
    assert (both["a"]["duration"], both["b"]["event"]) == (50.0, False)


def test_contracts_run_from_the_sign_up_to_the_first_cancellation() -> None:
    events = happened(
        ("a", 10, "login"), ("a", 40, "cancel"), ("a", 70, "cancel"), ("b", 30, "login"), ("c", 5, "cancel")
    )
    people = FakeSnapshot(
        "customers",
        [
            {"customer_id": "a", "valid_from": 0, "signup_ts": 2 * DAY},
            {"customer_id": "d", "valid_from": 0, "signup_ts": 20 * DAY},
            {"customer_id": "later", "valid_from": 0, "signup_ts": 120 * DAY},
        ],
    )
    found = durations(CANCEL, events=events, customers=people)
    told = {name: (row["duration"], row["event"]) for name, row in found.items()}
    assert told == {"a": (38.0, True), "b": (70.0, False), "c": (0.0, True), "d": (80.0, False)}
    at = durations(CANCEL, as_of=25, events=events, customers=people)
    assert {name: (row["duration"], row["event"]) for name, row in at.items()} == {
        "a": (15.0, True),
        "d": (75.0, False),
    }


def test_a_segment_is_the_first_known_value() -> None:
    rows = [
        {"customer_id": "a", "valid_from": 30 * DAY, "plan": "gold"},
        {"customer_id": "a", "valid_from": 0, "plan": "free"},
        {"customer_id": "b", "valid_from": 0, "plan": None},
    ]
    people = FakeSnapshot("customers", rows, {"plan": pa.dictionary(pa.int32(), pa.string())})
    held = {"events": happened(("a", 1, "login"), ("b", 1, "login"), ("c", 1, "login")), "customers": people}
    assert {name: row["segment"] for name, row in durations(CANCEL, by="plan", **held).items()} == {
        "a": "free",
        "b": None,
        "c": None,
    }
    sizes = [{**row, "plan": k * 1.5} for k, row in enumerate(rows)]
    numeric = FakeSnapshot("customers", sizes, {"plan": pa.float64()})
    found = durations(CANCEL, by="plan", **{**held, "customers": numeric})
    assert (found["a"]["segment"], found["b"]["segment"], found["c"]["segment"]) == (1.5, 3.0, None)


def report(n: int = 60, **more: Any) -> Any:
    t = np.arange(1.0, n + 1)
    settings: dict[str, Any] = {"clock": "start to end", "unit": "days", **more}
    return km_report(t, np.arange(n) % 2 == 0, settings.pop("segment", None), **settings)


def test_segments_are_compared_by_a_log_rank_test_and_drawn() -> None:
    segment = np.array(["early", "late"], dtype=object)[(np.arange(60) > 29).astype(int)]
    found = report(segment=segment, by="half")
    assert found.log_rank is not None
    assert found.log_rank.p_value < 1e-6
    assert [(curve.segment, curve.customers, curve.events) for curve in found.curves] == [
        ("early", 30, 15),
        ("late", 30, 15),
    ]
    for curve in found.curves:
        assert all(low <= s <= high for s, low, high in zip(curve.survival, curve.low, curve.high, strict=True))
    assert km_plot(found)["kaplan_meier"].startswith(b"\x89PNG")
    assert "NaN" not in to_json(found)


def test_one_segment_has_nothing_to_be_compared_with() -> None:
    found = report(segment=np.full(60, "all alike", dtype=object), by="kind")
    assert found.log_rank is None
    assert found.notes == ("all rows are of one segment, 'all alike': there is nothing to compare",)


def test_a_segment_without_events_is_pointed_out() -> None:
    t, e = np.arange(1.0, 41), np.r_[np.ones(20), np.zeros(20)].astype(bool)
    segment = np.array(["leavers"] * 20 + ["stayers"] * 20, dtype=object)
    found = km_report(t, e, segment, clock="", unit="days", by="kind")
    assert "nobody in 'stayers' had the event" in found.notes
    assert found.curves[1].median == (None, None, None)


def test_a_time_beyond_the_data_is_not_told() -> None:
    (curve,) = report(at=(10, 1000)).curves
    assert curve.at["1000"] is None
    assert curve.at["10"] is not None


def test_long_curves_are_thinned_for_the_report() -> None:
    (curve,) = report(n=5000).curves
    assert len(curve.times) == 400
    assert (curve.times[0], curve.times[-1]) == (0.0, 5000.0)


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array(["x", None, "y"]), ["x", "unknown", "y"]),
        (pa.array(["x", "y", "x"]).dictionary_encode(), ["x", "y", "x"]),
        (pa.array([True, False, None]), ["true", "false", "unknown"]),
        (pa.array([1, 2, None]), ["1", "2", "unknown"]),
        (pa.array([None, None, None], pa.float64()), ["unknown"] * 3),
    ],
)
def test_columns_become_segments(column: pa.Array, expected: list[str]) -> None:
    assert segments_of(column, "c").tolist() == expected


def test_many_values_are_gathered() -> None:
    text = segments_of(pa.array([f"v{k % 20:02d}" for k in range(199)] + ["v00"]), "c")
    assert len(set(text)) == 8
    assert (text == "other").sum() == 129
    quarters = segments_of(pa.array(np.arange(100.0)), "c")
    assert sorted(set(quarters)) == ["24.75 – 49.5", "49.5 – 74.25", "> 74.25", "≤ 24.75"]
    assert {name: int((quarters == name).sum()) for name in set(quarters)} == dict.fromkeys(set(quarters), 25)


def test_times_are_no_segments() -> None:
    with pytest.raises(BadInputError, match="'c' is of type timestamp"):
        segments_of(pa.array([0], pa.timestamp("us")), "c")


@pytest.mark.parametrize(("more", "wrong"), [({"at": (0.0,)}, "must be positive"), ({"level": 1.0}, "between 0 and 1")])
def test_impossible_questions_are_refused(more: dict[str, Any], wrong: str) -> None:
    with pytest.raises(MisuseError, match=wrong):
        report(**more)


def test_all_censored_and_nobody_are_refused() -> None:
    with pytest.raises(BadInputError, match="all 5 rows are censored"):
        km_report(np.ones(5), np.zeros(5, dtype=bool), None, clock="", unit="days")
    with pytest.raises(BadInputError, match="nobody to draw"):
        km_report(np.ones(0), np.zeros(0, dtype=bool), None, clock="", unit="days")


def test_the_default_times_divide_the_longest_duration() -> None:
    asked = [float(time) for time in report(n=380).curves[0].at]
    assert asked == [90.0, 180.0, 270.0, 360.0]
    short = km_report(np.array([0.1, 0.2, 0.4]), np.ones(3, dtype=bool), None, clock="", unit="years")
    assert math.isclose(float(list(short.curves[0].at)[-1]), 0.4)
