"""Ticks: time zones, clock changes, missed ones; and who decides about them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from axiom.errors import MisuseError
from axiom.jobs.pipelines.cron import last_tick, next_tick, ticks_between
from axiom.jobs.pipelines.definition import Schedule
from axiom.jobs.pipelines.runs import logical_times
from axiom.jobs.pipelines.scheduler import AT_ONCE, Scheduler, due

if TYPE_CHECKING:
    from tests.pipelines.conftest import Stage


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc]


def ticks(cron: str, after: datetime, until: datetime, zone: str = "Europe/Berlin") -> list[datetime]:
    return ticks_between(cron, zone, after, until, limit=100)


def test_a_daily_time_follows_the_clock_on_the_wall() -> None:
    found = ticks("0 5 * * *", utc(2026, 3, 27, 12), utc(2026, 3, 31))
    assert found == [utc(2026, 3, 28, 4), utc(2026, 3, 29, 3), utc(2026, 3, 30, 3)]


def test_a_time_that_the_clock_jumps_over_is_made_up_for_right_after_the_gap() -> None:
    found = ticks("30 2 * * *", utc(2026, 3, 28, 12), utc(2026, 3, 31))
    assert found == [utc(2026, 3, 29, 1), utc(2026, 3, 30, 0, 30)], "02:30 does not exist on the 29th"


def test_a_time_that_is_there_twice_happens_once() -> None:
    found = ticks("30 2 * * *", utc(2026, 10, 24, 12), utc(2026, 10, 26, 12))
    assert found == [utc(2026, 10, 25, 0, 30), utc(2026, 10, 26, 1, 30)]
    assert ticks("30 2 * * *", utc(2026, 10, 25, 0, 45), utc(2026, 10, 25, 12)) == [], "also when asked in between"


def test_what_repeats_by_the_hour_follows_real_time() -> None:
    assert len(ticks("30 * * * *", utc(2026, 10, 24, 22), utc(2026, 10, 25, 23))) == 25, "the day has 25 hours"
    assert len(ticks("30 * * * *", utc(2026, 3, 28, 23), utc(2026, 3, 29, 22))) == 23


def test_every_tick_of_a_year_comes_once_and_in_order_wherever_one_begins() -> None:
    whole = ticks_between("15 2,3 * * *", "America/New_York", utc(2026, 1, 1), utc(2027, 1, 1), limit=10_000)
    assert whole == sorted(set(whole))
    pieces: list[datetime] = []
    at = utc(2026, 1, 1)
    while at < utc(2027, 1, 1):
        step = min(at + timedelta(hours=7, minutes=20), utc(2027, 1, 1))
        pieces += ticks_between("15 2,3 * * *", "America/New_York", at, step, limit=100)
        at = step
    assert pieces == whole


def test_the_last_and_the_next_tick() -> None:
    assert last_tick("0 5 * * *", "UTC", utc(2020, 1, 1), utc(2026, 1, 1, 12)) == utc(2026, 1, 1, 5)
    assert last_tick("0 5 29 2 *", "UTC", utc(2020, 3, 1), utc(2026, 1, 1)) == utc(2024, 2, 29, 5)
    assert last_tick("0 5 * * *", "UTC", utc(2026, 1, 1, 5), utc(2026, 1, 1, 12)) is None
    assert next_tick("0 5 * * *", "Europe/Berlin", utc(2026, 7, 1)) == utc(2026, 7, 1, 3)


@pytest.mark.parametrize(
    ("missed", "wanted"),
    [
        ("skip", [utc(2026, 1, 4, 5)]),
        ("latest", [utc(2026, 1, 4, 5)]),
        ("all", [utc(2026, 1, day, 5) for day in (2, 3, 4)]),
    ],
)
def test_ticks_that_nobody_was_there_for_when_one_comes_back_in_time(missed: Any, wanted: list[datetime]) -> None:
    schedule = Schedule("0 5 * * *", "UTC", missed)
    found, decided = due(schedule, utc(2026, 1, 1, 5), utc(2026, 1, 4, 5, 4))
    assert (found, decided) == (wanted, utc(2026, 1, 4, 5, 4))


@pytest.mark.parametrize(
    ("missed", "days"),
    [("skip", []), ("latest", [3]), ("all", [2, 3])],
)
def test_ticks_that_nobody_was_there_for_when_one_comes_back_late(missed: Any, days: list[int]) -> None:
    schedule = Schedule("0 5 * * *", "UTC", missed)
    found, _ = due(schedule, utc(2026, 1, 1, 5), utc(2026, 1, 3, 5, 6))
    assert found == [utc(2026, 1, day, 5) for day in days]


def test_very_many_missed_ticks_are_made_up_for_in_portions_without_a_gap() -> None:
    schedule = Schedule("* * * * *", "UTC", "all")
    now = utc(2026, 1, 3)
    first, decided = due(schedule, utc(2026, 1, 1), now)
    second, _ = due(schedule, decided, now)
    assert len(first) == AT_ONCE
    assert second[0] == first[-1] + timedelta(minutes=1)


def scheduler(stage: Stage, pipeline: Any, started: list[str] | None = None) -> Scheduler:
    taken = started if started is not None else []
    return Scheduler(stage.service, stage.clock, lambda: [pipeline], lambda run: taken.append(run.run_id))


def daily(pipeline: Any, **schedule: Any) -> Any:
    return pipeline({"job": "build"}, schedule={"cron": "0 5 * * *", **schedule})


def test_a_schedule_begins_when_it_is_first_seen(stage: Stage, pipeline: Any) -> None:
    rounds = scheduler(stage, daily(pipeline, missed="all"))
    assert rounds.round() == [], "nothing before it was there was missed"
    stage.clock.advance(hours=16, minutes=59)
    assert rounds.round() == []
    stage.clock.advance(minutes=2)
    (run,) = rounds.round()
    assert (run.run_id, run.logical_time, run.cause) == ("p-20260102T050000Z", utc(2026, 1, 2, 5), "schedule")
    assert rounds.round() == []


def test_the_logical_time_is_that_of_the_tick_however_late_it_is_noticed(stage: Stage, pipeline: Any) -> None:
    rounds = scheduler(stage, daily(pipeline))
    rounds.round()
    stage.clock.advance(days=3)
    assert [run.logical_time for run in rounds.round()] == [utc(2026, 1, 4, 5)]


def test_of_several_schedulers_one_opens_the_run_of_a_tick(stage: Stage, pipeline: Any) -> None:
    many = [scheduler(stage, daily(pipeline, missed="all")) for _ in range(4)]
    many[0].round()
    stage.clock.advance(days=3)
    with ThreadPoolExecutor(4) as pool:
        opened = [future.result() for future in [pool.submit(one.round) for one in many]]
    assert sorted(run.run_id for runs in opened for run in runs) == [f"p-2026010{day}T050000Z" for day in (2, 3, 4)]


def test_runs_that_were_left_are_taken_up(stage: Stage, pipeline: Any) -> None:
    started: list[str] = []
    run = stage.open(pipeline({"job": "build"}))
    with stage.db.transaction() as tx:
        tx.pipeline_runs.take(run.run_id, "elsewhere:1:x", timedelta(seconds=60))
    rounds = scheduler(stage, daily(pipeline), started)
    rounds.round()
    assert started == [], "somebody works on it"
    stage.clock.advance(seconds=61)
    rounds.round()
    assert started == [run.run_id]


def test_jobs_whose_driver_is_gone_are_given_up(stage: Stage, pipeline: Any) -> None:
    stage.backend.script["score"] = ["die"]
    job = stage.service.submit("score", {})
    scheduler(stage, daily(pipeline)).round()
    assert stage.service.get(job.job_id).error_type == "lost"


def test_a_pipeline_without_a_schedule_never_runs_by_itself(stage: Stage, pipeline: Any) -> None:
    rounds = scheduler(stage, pipeline({"job": "build"}))
    rounds.round()
    stage.clock.advance(days=400)
    assert rounds.round() == []


def test_a_tick_runs_to_its_end_in_a_thread_of_the_daemon(stage: Stage, pipeline: Any) -> None:
    rounds = Scheduler(stage.service, stage.clock, lambda: [daily(pipeline)])
    rounds.round()
    stage.clock.advance(days=1)
    (run,) = rounds.round()
    rounds._busy["p"].join()
    with stage.db.reading() as tx:
        assert tx.pipeline_runs.get(run.run_id).status == "succeeded"


def test_the_times_of_a_back_fill(pipeline: Any) -> None:
    scheduled = daily(pipeline, timezone="Europe/Berlin")
    found = logical_times(scheduled, utc(2026, 3, 28, 4), utc(2026, 3, 30))
    assert found == [utc(2026, 3, 28, 4), utc(2026, 3, 29, 3)], "both ends count"
    every = logical_times(scheduled, utc(2026, 1, 1), utc(2026, 1, 2), every=timedelta(hours=12))
    assert every == [utc(2026, 1, 1), utc(2026, 1, 1, 12), utc(2026, 1, 2)]


@pytest.mark.parametrize(
    ("last", "every", "told"),
    [
        (utc(2025, 1, 1), None, "before it begins"),
        (utc(2026, 1, 1, 1), None, "no logical times"),
        (utc(2026, 1, 2), timedelta(0), "too short"),
        (utc(2026, 1, 2), timedelta(seconds=1), "more than 10,000 logical times"),
    ],
)
def test_a_range_that_is_none_is_refused(pipeline: Any, last: datetime, every: timedelta | None, told: str) -> None:
    with pytest.raises(MisuseError, match=told):
        logical_times(daily(pipeline), utc(2026, 1, 1), last, every=every)


def test_a_back_fill_without_schedule_and_distance_is_refused(pipeline: Any) -> None:
    with pytest.raises(MisuseError, match="has no schedule to take times from"):
        logical_times(pipeline({"job": "build"}), utc(2026, 1, 1), utc(2026, 1, 2))
