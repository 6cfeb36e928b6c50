from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from axiom.errors import AxiomError, ConflictError, MisuseError, NotFoundError

if TYPE_CHECKING:
    from axiom.db import Database
    from tests.db.conftest import Clock

PARAMS = {"horizon": 90, "as_ofs": ("2026-01-01", "2026-02-01")}


def test_a_run_begins_reports_and_succeeds(clocked: Database, clock: Clock) -> None:
    with clocked.transaction() as tx:
        run = tx.runs.begin("train", "k1", PARAMS)
        clock.advance(seconds=1)
        beating = tx.runs.heartbeat(run, 0.5)
        clock.advance(seconds=1)
        done = tx.runs.finish(run, {"auc": 0.81})
    assert (run.status, run.attempt, run.progress, run.result) == ("running", 1, 0.0, None)
    assert run.params == {"horizon": 90, "as_ofs": ["2026-01-01", "2026-02-01"]}
    assert (beating.progress, beating.heartbeat_at) == (0.5, run.started_at + timedelta(seconds=1))
    assert (done.status, done.progress, done.result, done.finished_at) == ("succeeded", 1.0, {"auc": 0.81}, clock.now)


def test_a_run_that_succeeded_comes_back_with_its_result(db: Database) -> None:
    with db.transaction() as tx:
        done = tx.runs.finish(tx.runs.begin("train", "k1", PARAMS), {"auc": 0.81})
    with db.transaction() as tx:
        assert tx.runs.begin("train", "k1", PARAMS) == done
        assert len(tx.runs.list()) == 1


def test_a_run_is_taken_over_from_a_process_that_ended_unnoticed_by_its_parent(db: Database) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    with db.transaction() as tx:
        run = tx.runs.begin("train", "k1", {})
        tx.connection.execute(sa.text("UPDATE runs SET pid = :pid"), {"pid": child.pid})
    child.kill()
    with child.stdout or open(f"/proc/{child.pid}/stat") as stat:  # noqa: PTH123
        while stat.read().rpartition(")")[2].split()[0] != "Z":
            stat.seek(0)
    with db.transaction() as tx:
        assert tx.runs.begin("train", "k1", {}).attempt == run.attempt + 1
    child.wait()


def test_the_same_key_in_another_stage_is_another_run(db: Database) -> None:
    with db.transaction() as tx:
        assert tx.runs.begin("train", "k1", {}).run_id != tx.runs.begin("score", "k1", {}).run_id


def test_a_run_that_failed_is_tried_again_as_the_same_run(clocked: Database, clock: Clock) -> None:
    with clocked.transaction() as tx:
        first = tx.runs.begin("train", "k1", PARAMS)
        assert tx.runs.fail(first, "out of memory").error == "out of memory"
        clock.advance(hours=1)
        second = tx.runs.begin("train", "k1", PARAMS)
    assert (second.run_id, second.attempt, second.status) == (first.run_id, 2, "running")
    assert (second.error, second.finished_at, second.started_at) == (None, None, clock.now)


def test_a_live_run_is_not_started_twice(db: Database) -> None:
    with db.transaction() as tx:
        tx.runs.begin("train", "k1", PARAMS)
    with pytest.raises(ConflictError, match="train 'k1' is running already"), db.transaction() as tx:
        tx.runs.begin("train", "k1", PARAMS)


def test_a_silent_run_is_taken_over_and_its_first_attempt_may_not_report(clocked: Database, clock: Clock) -> None:
    with clocked.transaction() as tx:
        first = tx.runs.begin("train", "k1", PARAMS)
        clock.advance(minutes=10)
        second = tx.runs.begin("train", "k1", PARAMS, stale_after=timedelta(minutes=5))
        assert second.attempt == 2
        for report in (lambda: tx.runs.heartbeat(first, 0.9), lambda: tx.runs.finish(first, {})):
            with pytest.raises(ConflictError, match="taken over by attempt 2"):
                report()
        assert tx.runs.finish(second, {"ok": True}).status == "succeeded"


def test_a_run_whose_process_is_gone_is_taken_over_at_once(db: Database) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    with db.transaction() as tx:
        run = tx.runs.begin("train", "k1", PARAMS)
        tx.connection.execute(sa.text("UPDATE runs SET pid = :pid"), {"pid": ended.pid})
        assert tx.runs.begin("train", "k1", PARAMS).attempt == run.attempt + 1


def test_a_key_cannot_be_used_for_something_else(db: Database) -> None:
    with db.transaction() as tx:
        tx.runs.begin("train", "k1", PARAMS)
        with pytest.raises(ConflictError, match="was used with other parameters"):
            tx.runs.begin("train", "k1", {"horizon": 30})


def test_a_cancelled_run_may_not_report_and_can_be_begun_again(db: Database) -> None:
    with db.transaction() as tx:
        run = tx.runs.begin("train", "k1", PARAMS)
        assert tx.runs.cancel(run.run_id, "wrong horizon").status == "cancelled"
        with pytest.raises(ConflictError, match="is cancelled: wrong horizon"):
            tx.runs.heartbeat(run, 0.5)
        with pytest.raises(ConflictError, match="is cancelled"):
            tx.runs.cancel(run.run_id, "again")
        assert tx.runs.begin("train", "k1", PARAMS).attempt == 2


def test_of_many_that_begin_at_once_one_gets_the_run(db: Database) -> None:
    def begin() -> int | str:
        try:
            with db.transaction() as tx:
                return tx.runs.begin("train", "k1", PARAMS).attempt
        except AxiomError as error:
            return type(error).__name__

    with ThreadPoolExecutor(4) as pool:
        outcomes = [future.result() for future in [pool.submit(begin) for _ in range(8)]]
    assert sorted(outcomes, key=str) == [1] + ["ConflictError"] * 7


def test_runs_are_listed_newest_first_by_stage_and_status(clocked: Database, clock: Clock) -> None:
    with clocked.transaction() as tx:
        for number in range(3):
            run = tx.runs.begin("train", f"k{number}", {})
            clock.advance(seconds=1)
        tx.runs.fail(run, "no")
        tx.runs.begin("score", "k0", {})
        assert [(run.stage, run.key) for run in tx.runs.list(limit=2)] == [("score", "k0"), ("train", "k2")]
        assert [run.key for run in tx.runs.list(stage="train", status="running")] == ["k1", "k0"]


def test_bad_runs_are_refused(db: Database) -> None:
    with db.transaction() as tx:
        with pytest.raises(MisuseError, match="needs a stage and an idempotency key"):
            tx.runs.begin("train", "", {})
        with pytest.raises(NotFoundError, match="no run 'gone'"):
            tx.runs.get("gone")
