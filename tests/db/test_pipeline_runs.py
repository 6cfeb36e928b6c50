from __future__ import annotations

import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from axiom.errors import ConflictError, NotFoundError

if TYPE_CHECKING:
    from axiom.db import Database, Transaction
    from axiom.db.pipeline_runs import PipelineRun
    from tests.db.conftest import Clock

AT = datetime(2026, 1, 1, 5, tzinfo=UTC)
LEASE = timedelta(seconds=60)
ME, OTHER = f"{socket.gethostname()}:{os.getpid()}:a", "elsewhere:7:b"


def opened(tx: Transaction, at: datetime = AT) -> tuple[PipelineRun, bool]:
    steps = [("build", "build"), ("score", "score")]
    return tx.pipeline_runs.open(
        f"daily-{at:%d}", "daily", at, definition={"name": "daily"}, steps=steps, cause="manual"
    )


def test_there_is_one_run_a_pipeline_and_logical_time(db: Database) -> None:
    def open_one() -> bool:
        with db.transaction() as tx:
            return opened(tx)[1]

    with ThreadPoolExecutor(4) as pool:
        made = [future.result() for future in [pool.submit(open_one) for _ in range(8)]]
    assert sum(made) == 1
    with db.reading() as tx:
        assert [step.status for step in tx.pipeline_runs.steps("daily-01")] == ["pending", "pending"]
        assert tx.pipeline_runs.find("daily", AT.astimezone(UTC)) is not None
        assert tx.pipeline_runs.find("daily", AT + timedelta(days=1)) is None


def test_one_runner_at_a_time_holds_a_run(clocked: Database, clock: Clock) -> None:
    with clocked.transaction() as tx:
        opened(tx)
        taken = tx.pipeline_runs.take("daily-01", OTHER, LEASE)
        assert (taken.lease_owner, taken.lease_until, taken.started_at) == (OTHER, clock.now + LEASE, clock.now)
        assert tx.pipeline_runs.abandoned() == []
    with pytest.raises(ConflictError, match="being worked on by elsewhere:7:b"), clocked.transaction() as tx:
        tx.pipeline_runs.take("daily-01", ME, LEASE)
    with pytest.raises(ConflictError, match="taken over by elsewhere"), clocked.transaction() as tx:
        tx.pipeline_runs.hold("daily-01", ME, LEASE)


def test_a_lease_that_ran_out_is_taken_over_and_its_owner_is_told(clocked: Database, clock: Clock) -> None:
    with clocked.transaction() as tx:
        opened(tx)
        tx.pipeline_runs.take("daily-01", OTHER, LEASE)
    clock.advance(seconds=40)
    with clocked.transaction() as tx:
        tx.pipeline_runs.hold("daily-01", OTHER, LEASE)
    clock.advance(seconds=40)
    with clocked.transaction() as tx:
        assert tx.pipeline_runs.abandoned() == [], "it was held meanwhile"
    clock.advance(seconds=21)
    with clocked.transaction() as tx:
        assert [run.run_id for run in tx.pipeline_runs.abandoned()] == ["daily-01"]
        tx.pipeline_runs.take("daily-01", ME, LEASE)
    with pytest.raises(ConflictError, match="stop working"), clocked.transaction() as tx:
        tx.pipeline_runs.hold("daily-01", OTHER, LEASE)


def test_a_runner_of_this_machine_that_is_gone_is_not_waited_for(clocked: Database) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    with clocked.transaction() as tx:
        opened(tx)
        tx.pipeline_runs.take("daily-01", f"{socket.gethostname()}:{gone.pid}:x", LEASE)
        assert tx.pipeline_runs.take("daily-01", ME, LEASE).lease_owner == ME


def test_a_released_run_is_free_and_only_its_owner_releases_it(clocked: Database) -> None:
    with clocked.transaction() as tx:
        opened(tx)
        tx.pipeline_runs.take("daily-01", OTHER, LEASE)
        tx.pipeline_runs.release("daily-01", ME)
        assert tx.pipeline_runs.get("daily-01").lease_owner == OTHER
        tx.pipeline_runs.release("daily-01", OTHER)
        assert tx.pipeline_runs.take("daily-01", ME, LEASE).lease_owner == ME


def test_attempts_are_counted_and_kept(clocked: Database, clock: Clock) -> None:
    with clocked.transaction() as tx:
        opened(tx)
        first = tx.pipeline_runs.begin_attempt("daily-01", "build", lambda n: f"job-{n}")
        clock.advance(seconds=5)
        waiting = tx.pipeline_runs.end_attempt(first, "failed", error="lost", again_at=clock.now)
        clock.advance(seconds=5)
        second = tx.pipeline_runs.begin_attempt("daily-01", "build", lambda n: f"job-{n}")
        clock.advance(seconds=10)
        tx.pipeline_runs.keep_result(second, {"rows": 3})
        done = tx.pipeline_runs.end_attempt(second, "succeeded")
        found = [(one.attempt, one.job_id, one.status, one.error) for one in tx.pipeline_runs.attempts("daily-01")]
        assert tx.pipeline_runs.durations("daily") == {"build": [20.0]}
    assert (waiting.status, waiting.reason) == ("pending", "lost")
    assert (done.status, done.attempt, done.job_id, done.result, done.reason) == (
        "succeeded",
        2,
        "job-2",
        {"rows": 3},
        None,
    )
    assert found == [(1, "job-1", "failed", "lost"), (2, "job-2", "succeeded", None)]


def test_a_run_that_ended_goes_on_with_some_steps_and_all_their_retries(clocked: Database) -> None:
    with clocked.transaction() as tx:
        opened(tx)
        tx.pipeline_runs.take("daily-01", ME, LEASE)
        failed = tx.pipeline_runs.begin_attempt("daily-01", "build", lambda n: f"job-{n}")
        tx.pipeline_runs.end_attempt(failed, "failed", error="no")
        tx.pipeline_runs.pass_over(tx.pipeline_runs.step("daily-01", "score"), "skipped", "build failed: no")
        closed = tx.pipeline_runs.finish("daily-01", "failed", "build failed: no")
        assert (closed.status, closed.lease_owner) == ("failed", None)
    with pytest.raises(ConflictError, match="is failed already"), clocked.transaction() as tx:
        tx.pipeline_runs.take("daily-01", ME, LEASE)
    with clocked.transaction() as tx:
        again = tx.pipeline_runs.reopen("daily-01", ["build", "score"])
        steps = tx.pipeline_runs.steps("daily-01")
    assert (again.status, again.reason, again.finished_at) == ("running", None, None)
    assert [(s.status, s.attempt, s.spent, s.reason, s.job_id) for s in steps] == [
        ("pending", 1, 1, None, None),
        ("pending", 0, 0, None, None),
    ]
    with pytest.raises(ConflictError, match="has not ended"), clocked.transaction() as tx:
        tx.pipeline_runs.reopen("daily-01", ["build"])


def test_a_run_that_ended_cannot_be_cancelled(db: Database) -> None:
    with db.transaction() as tx:
        opened(tx)
        assert tx.pipeline_runs.ask_cancel("daily-01", "wrong file").cancel_reason == "wrong file"
        assert tx.pipeline_runs.ask_cancel("daily-01", "again").cancel_reason == "wrong file"
        tx.pipeline_runs.finish("daily-01", "cancelled", "wrong file")
    with pytest.raises(ConflictError, match="is cancelled already"), db.transaction() as tx:
        tx.pipeline_runs.ask_cancel("daily-01", "again")


def test_runs_are_listed_latest_logical_time_first(db: Database) -> None:
    with db.transaction() as tx:
        for day in (2, 1, 3):
            opened(tx, AT.replace(day=day))
        tx.pipeline_runs.finish("daily-02", "succeeded", None)
        assert [run.run_id for run in tx.pipeline_runs.list()] == ["daily-03", "daily-02", "daily-01"]
        assert [run.run_id for run in tx.pipeline_runs.list(status="succeeded")] == ["daily-02"]
        assert tx.pipeline_runs.list(pipeline="other") == []
        assert [run.run_id for run in tx.pipeline_runs.abandoned()] == ["daily-01", "daily-03"]


def test_what_does_not_exist_is_not_found(db: Database) -> None:
    with db.transaction() as tx:
        opened(tx)
    with pytest.raises(NotFoundError, match="no pipeline run 'no'"), db.transaction() as tx:
        tx.pipeline_runs.take("no", ME, LEASE)
    with pytest.raises(NotFoundError, match="has no step 'no'"), db.transaction() as tx:
        tx.pipeline_runs.begin_attempt("daily-01", "no", str)


def test_a_tick_is_decided_about_once_by_any_number_of_schedulers(db: Database) -> None:
    def decide(who: str) -> bool:
        with db.transaction() as tx:
            if tx.schedules.last_tick("daily", first=AT, by=who) >= AT + timedelta(days=1):
                return False
            tx.schedules.decide("daily", AT + timedelta(days=1), by=who)
            return True

    with ThreadPoolExecutor(4) as pool:
        decided = [future.result() for future in [pool.submit(decide, f"s{n}") for n in range(8)]]
    assert sum(decided) == 1
