from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from axiom.errors import QualityError
from axiom.lake.compact import compact
from axiom.sources.quality import QualityReport, QualityRules, check_quality

GOOD = [f"c{n},2024-01-{1 + n % 28:02d},{1 + n}" for n in range(56)]


def _verdicts(report: QualityReport) -> dict[tuple[str, str, str], str]:
    return {(check.name, check.entity, check.column): check.verdict for check in report.checks}


def test_good_data_pass(shop: Any) -> None:
    shop.ingest(shop.csv(GOOD))
    report = check_quality(shop.lake.snapshots(), as_of=datetime(2024, 1, 29, tzinfo=UTC))
    assert report.verdict == "pass"
    report.require()
    assert report.to_dict()["verdict"] == "pass"
    assert ("missing", "transactions", "amount") in _verdicts(report)


def test_an_empty_lake_fails(shop: Any) -> None:
    report = check_quality(shop.lake.snapshots())
    with pytest.raises(QualityError, match="neither transactions nor events"):
        report.require()


@pytest.mark.parametrize(("days", "verdict"), [(1, "pass"), (8, "warn"), (31, "fail")])
def test_freshness_is_measured_from_the_time_that_is_asked_about(shop: Any, days: int, verdict: str) -> None:
    shop.ingest(shop.csv(GOOD))
    as_of = datetime(2024, 1, 28, tzinfo=UTC) + timedelta(days=days)
    found = _verdicts(check_quality(shop.lake.snapshots(), as_of=as_of))
    assert found["freshness", "transactions", ""] == verdict
    assert _verdicts(check_quality(shop.lake.snapshots()))["freshness", "transactions", ""] == "pass"


@pytest.mark.parametrize(("bad", "verdict"), [(2, "pass"), (4, "fail")])
def test_refused_rows_are_missing_rows(shop: Any, bad: int, verdict: str) -> None:
    shop.ingest(shop.csv([*GOOD, *[",2024-01-01,1"] * bad]))
    report = check_quality(shop.lake.snapshots())
    assert _verdicts(report)["completeness", "transactions", ""] == verdict


def test_twice_the_refusals_of_earlier_batches_fail_although_they_are_few(shop: Any) -> None:
    many = [f"c{n},2024-01-01,{n}" for n in range(1000)]
    shop.ingest(shop.csv([*many, ",2024-01-01,1"]))
    shop.ingest(shop.csv([row.replace("01-01", "01-02") for row in many] + [",2024-01-02,1"] * 20))
    report = check_quality(shop.lake.snapshots())
    assert _verdicts(report)["completeness", "transactions", ""] == "fail"
    relaxed = check_quality(shop.lake.snapshots(), rules=QualityRules(baseline_factor=100))
    assert _verdicts(relaxed)["completeness", "transactions", ""] == "pass"


def test_missing_values_are_told_where_a_row_can_do_without_them(shop: Any) -> None:
    header = "customer_id,event_ts,event_type,value,room"
    rows = [f"c{n},2024-01-01,login,{n if n > 5 else ''},{n if n > 5 else ''}" for n in range(50)]
    shop.ingest(shop.csv(rows, header=header), entity="events", mapping={"room": "room"})
    found = _verdicts(check_quality(shop.lake.snapshots()))
    assert found["missing", "events", "value"] == "warn"
    assert found["missing", "events", "room"] == "warn"
    assert found["missing", "events", "event_type"] == "pass"


def test_a_column_that_thins_out_fails_although_a_row_can_do_without_it(shop: Any) -> None:
    header = "customer_id,event_ts,event_type,value"
    for day, gaps in ((1, 2), (2, 20)):
        rows = [f"c{n},2024-01-0{day},login,{n if n >= gaps else ''}" for n in range(50)]
        shop.ingest(shop.csv(rows, header=header), entity="events")
    assert _verdicts(check_quality(shop.lake.snapshots()))["missing", "events", "value"] == "fail"


def test_nothing_ever_sold_fails(shop: Any) -> None:
    shop.ingest(shop.csv(["a,2024-01-01,-5", "b,2024-01-01,0"]))
    with pytest.raises(QualityError, match="nothing was ever sold"):
        check_quality(shop.lake.snapshots()).require()


def test_many_repeated_rows_and_odd_volumes_are_warned_about_also_after_compaction(shop: Any) -> None:
    for day in range(1, 5):
        rows = [f"c{n},2024-02-{day:02d},{n}" for n in range(20)]
        shop.ingest(shop.csv(rows if day < 4 else [*rows[:1]] * 2 * 200, name="daily.csv"))
    before = _verdicts(check_quality(shop.lake.snapshots()))
    assert before["duplicates", "transactions", ""] == "warn"
    assert before["volume", "transactions", ""] == "warn"
    assert compact(shop.lake, "transactions", max_files=1) is not None
    after = _verdicts(check_quality(shop.lake.snapshots()))
    assert {key: after[key] for key in before} == before
