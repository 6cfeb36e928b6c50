from __future__ import annotations

import os
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from axiom.db.jobs import NewJob
from axiom.errors import BadInputError, ConflictError, NotFoundError

if TYPE_CHECKING:
    from axiom.db import Database, Transaction
    from axiom.db.jobs import Job
    from tests.db.conftest import Clock

NEW = NewJob("score-1", "score", "k1", {"churn": "churn"}, "local", "here", "me", lambda n: f"score-1-{n}")


def submitted(tx: Transaction, **changes: Any) -> Job:
    return tx.jobs.submit(replace(NEW, **changes))[0]


def started(tx: Transaction) -> Job:
    submitted(tx)
    return tx.jobs.start("score-1", 1, pid=os.getpid(), host=socket.gethostname())


def test_a_job_is_queued_runs_and_succeeds(clocked: Database, clock: Clock) -> None:
    with clocked.transaction() as tx:
        queued = submitted(tx)
    clock.advance(seconds=2)
    with clocked.transaction() as tx:
        running = tx.jobs.start("score-1", 1, pid=7, host="there")
    clock.advance(seconds=3)
    with clocked.transaction() as tx:
        done = tx.jobs.finish("score-1", 1, {"rows": 4})
        (attempt,) = tx.jobs.attempts("score-1")
    assert (queued.status, queued.attempt, queued.submission_id, queued.host) == ("queued", 1, "score-1-1", "here")
    assert (running.status, running.pid, running.host, running.started_at) == (
        "running",
        7,
        "there",
        attempt.started_at,
    )
    assert (done.status, done.result, done.progress, done.finished_at) == ("succeeded", {"rows": 4}, 1.0, clock.now)
    assert (attempt.status, attempt.host, attempt.finished_at) == ("succeeded", "there", clock.now)


def test_the_same_key_and_job_give_the_job_that_is_there(db: Database) -> None:
    with db.transaction() as tx:
        first, is_new = tx.jobs.submit(NEW)
        again, new_again = tx.jobs.submit(NEW)
        assert (is_new, new_again) == (True, False)
        assert again == first
        assert tx.jobs.list() == [first]


@pytest.mark.parametrize("changes", [{"kind": "build"}, {"params": {"churn": "other"}}])
def test_a_key_that_was_used_for_another_job_is_refused(db: Database, changes: dict[str, Any]) -> None:
    with db.transaction() as tx:
        submitted(tx)
    with (
        pytest.raises(ConflictError, match="idempotency key 'k1' was used for another job: score-1"),
        db.transaction() as tx,
    ):
        submitted(tx, job_id="other", **changes)


def test_of_many_that_submit_one_key_at_once_one_makes_the_job(db: Database) -> None:
    def submit() -> bool:
        with db.transaction() as tx:
            return tx.jobs.submit(NEW)[1]

    with ThreadPoolExecutor(4) as pool:
        made = [future.result() for future in [pool.submit(submit) for _ in range(8)]]
    assert sum(made) == 1


def test_of_two_drivers_of_one_attempt_only_the_first_may_run(db: Database) -> None:
    with db.transaction() as tx:
        submitted(tx)
        first = tx.jobs.start("score-1", 1, pid=7, host="here")
    with pytest.raises(ConflictError, match="is running"), db.transaction() as tx:
        tx.jobs.start("score-1", 1, pid=8, host="here")
    with db.transaction() as tx:
        assert tx.jobs.start("score-1", 1, pid=7, host="here") == first, "it may say so twice"


def test_progress_is_that_of_the_run_which_the_driver_began_last(clocked: Database, clock: Clock) -> None:
    with clocked.transaction() as tx:
        started(tx)
        assert tx.jobs.heartbeat("score-1", 1).progress == 0.0
        earlier = tx.runs.begin("build", "b", {})
        tx.runs.finish(earlier, {})
    clock.advance(seconds=1)
    with clocked.transaction() as tx:
        tx.runs.heartbeat(tx.runs.begin("score", "s", {}), 0.25)
        beaten = tx.jobs.heartbeat("score-1", 1)
    assert (beaten.stage, beaten.progress, beaten.heartbeat_at) == ("score", 0.25, clock.now)


def test_a_driver_that_was_given_up_may_report_no_more(db: Database) -> None:
    with db.transaction() as tx:
        started(tx)
        lost = tx.jobs.lose("score-1", 1, "its driver died")
    assert (lost.status, lost.error_type, lost.error) == ("failed", "lost", "its driver died")
    for report in (
        lambda tx: tx.jobs.heartbeat("score-1", 1),
        lambda tx: tx.jobs.finish("score-1", 1, {}),
        lambda tx: tx.jobs.cancel("score-1", "no"),
    ):
        with pytest.raises(ConflictError), db.transaction() as tx:
            report(tx)


def test_a_job_that_ended_is_not_lost_afterwards(db: Database) -> None:
    with db.transaction() as tx:
        started(tx)
        done = tx.jobs.finish("score-1", 1, {})
        assert tx.jobs.lose("score-1", 1, "too late") == done
        assert tx.jobs.finish("score-1", 1, {}) == done, "it may say so twice"
        assert len(tx.jobs.attempts("score-1")) == 1


def test_a_cancelled_job_is_tried_again_under_another_submission(db: Database) -> None:
    with db.transaction() as tx:
        started(tx)
        tx.jobs.cancel("score-1", "wrong data")
        again = tx.jobs.requeue("score-1", NEW.submission, backend="ray", host="there")
    assert (again.status, again.attempt, again.submission_id, again.backend) == ("queued", 2, "score-1-2", "ray")
    assert (again.pid, again.error, again.finished_at) == (None, None, None)
    with pytest.raises(ConflictError, match="at attempt 2, not 1"), db.transaction() as tx:
        tx.jobs.start("score-1", 1, pid=7, host="here")
    with db.reading() as tx:
        assert [(one.attempt, one.status, one.error) for one in tx.jobs.attempts("score-1")] == [
            (1, "cancelled", "wrong data")
        ]


def test_only_what_failed_or_was_cancelled_is_tried_again(db: Database) -> None:
    with db.transaction() as tx:
        started(tx)
    with pytest.raises(ConflictError, match="is running: only"), db.transaction() as tx:
        tx.jobs.requeue("score-1", NEW.submission, backend="local", host="here")
    with db.transaction() as tx:
        tx.jobs.finish("score-1", 1, {})
    with pytest.raises(ConflictError, match="is succeeded: only"), db.transaction() as tx:
        tx.jobs.requeue("score-1", NEW.submission, backend="local", host="here")


def test_an_unknown_job_is_not_found(db: Database) -> None:
    for use in (
        lambda tx: tx.jobs.get("no"),
        lambda tx: tx.jobs.cancel("no", "x"),
        lambda tx: tx.jobs.heartbeat("no", 1),
    ):
        with pytest.raises(NotFoundError, match="no job 'no'"), db.transaction() as tx:
            use(tx)


def test_a_result_that_json_does_not_know_is_refused(db: Database) -> None:
    with db.transaction() as tx:
        started(tx)
    with pytest.raises(BadInputError, match="cannot be stored as JSON"), db.transaction() as tx:
        tx.jobs.finish("score-1", 1, {"auc": float("nan")})


def test_jobs_are_listed_newest_first_and_by_what_they_are(clocked: Database, clock: Clock) -> None:
    with clocked.transaction() as tx:
        started(tx)
        clock.advance(seconds=1)
        submitted(tx, job_id="build-1", kind="build", key="k2")
        assert [job.job_id for job in tx.jobs.list()] == ["build-1", "score-1"]
        assert [job.job_id for job in tx.jobs.list(kind="score")] == ["score-1"]
        assert [job.job_id for job in tx.jobs.list(status="queued")] == ["build-1"]
        assert [job.job_id for job in tx.jobs.list(limit=1, offset=1)] == ["score-1"]
        assert [job.job_id for job in tx.jobs.unfinished()] == ["score-1", "build-1"]


def test_every_change_leaves_an_event(db: Database) -> None:
    with db.transaction() as tx:
        started(tx)
        tx.runs.heartbeat(tx.runs.begin("score", "s", {}), 0.5)
        tx.jobs.heartbeat("score-1", 1)
        tx.jobs.heartbeat("score-1", 1)  # nothing new to tell
        tx.jobs.fail("score-1", 1, "no data", "bad-input")
    with db.reading() as tx:
        found = tx.events.events_after(0)
    assert [event.name for event in found] == ["queued", "running", "progress", "failed"]
    assert found[2].data == {
        "kind": "score",
        "status": "running",
        "attempt": 1,
        "stage": "score",
        "progress": 0.5,
        "error": None,
    }
    assert {(event.topic, event.subject) for event in found} == {("job", "score-1")}
