"""What the runner does with steps, on both databases; jobs end as the test has written down."""

from __future__ import annotations

import threading
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from axiom.errors import ConflictError, MisuseError, NotFoundError, UnavailableError
from axiom.jobs.pipelines.runs import backfill, cancel_run, open_run, reopen_run

if TYPE_CHECKING:
    from tests.pipelines.conftest import Stage

BUILD, QUALITY = {"job": "build"}, {"job": "quality", "needs": ["build"], "gate": "blocks"}
SCORE = {"job": "score", "needs": ["quality"]}
PUBLISH = {"job": "publish", "needs": ["score"], "inputs": {"score_set": "score.score_set"}}
STEPS = (BUILD, QUALITY, SCORE, PUBLISH)


def test_steps_are_done_in_order_each_once_with_the_logical_time(stage: Stage, pipeline: Any) -> None:
    run = stage.run(pipeline(*STEPS))
    assert (run.status, run.reason, run.lease_owner) == ("succeeded", None, None)
    assert stage.backend.kinds == ["build", "quality", "score", "publish"]
    assert [job.params for job in stage.backend.seen] == [
        *([{"as_of": "2026-01-01T05:00:00Z"}] * 3),
        {"score_set": "s1"},
    ]
    assert [job.key for job in stage.backend.seen][:2] == [f"{run.run_id}/build/1", f"{run.run_id}/quality/1"]
    assert stage.steps(run)["score"].result == {"score_set": "s1", "model": "churn@2"}


def test_a_time_that_is_given_is_not_replaced_by_the_logical_one(stage: Stage, pipeline: Any) -> None:
    stage.run(pipeline({"job": "build", "params": {"as_of": "2011-12-09"}}))
    assert stage.backend.seen[0].params == {"as_of": "2011-12-09T00:00:00Z"}


def test_a_run_that_succeeded_is_not_done_again(stage: Stage, pipeline: Any) -> None:
    first = stage.run(pipeline(*STEPS))
    assert stage.run(pipeline(*STEPS)) == first
    assert len(stage.backend.seen) == 4


def test_a_gate_that_refuses_blocks_what_follows_with_its_reason(stage: Stage, pipeline: Any) -> None:
    stage.backend.script["quality"] = ["quality-gate: data quality: newest row is 40 days old"]
    run = stage.run(pipeline(*STEPS, {"job": "judge", "needs": ["build"]}))
    reason = "quality refused: data quality: newest row is 40 days old"
    assert (run.status, run.reason) == ("blocked", reason)
    assert stage.statuses(run) == {
        "build": "succeeded",
        "quality": "refused",
        "score": "skipped",
        "publish": "skipped",
        "judge": "succeeded",
    }
    assert {stage.steps(run)[name].reason for name in ("score", "publish")} == {reason}
    assert stage.backend.kinds.count("quality") == 1, "a refusal is not tried again"


def test_a_gate_may_end_a_run_well(stage: Stage, pipeline: Any) -> None:
    stage.backend.script["quality"] = ["quality-gate: not better"]
    run = stage.run(pipeline(BUILD, {**QUALITY, "gate": "ends"}, SCORE))
    assert (run.status, run.reason) == ("succeeded", "quality refused: not better")
    assert stage.statuses(run)["score"] == "skipped"


def test_a_refusal_where_no_gate_was_declared_is_a_failure(stage: Stage, pipeline: Any) -> None:
    stage.backend.script["quality"] = ["quality-gate: stale"]
    run = stage.run(pipeline(BUILD, {**QUALITY, "gate": "none", "retries": 3}))
    assert (run.status, stage.statuses(run)["quality"]) == ("failed", "failed")


def test_a_failure_that_may_pass_is_tried_again_after_growing_pauses(stage: Stage, pipeline: Any) -> None:
    stage.backend.script["build"] = ["unavailable: no database", "lost: killed", "internal: bug", "ok"]
    run = stage.run(pipeline({**BUILD, "retries": 3, "backoff": "1m"}))
    assert run.status == "succeeded"
    with stage.db.reading() as tx:
        attempts = tx.pipeline_runs.attempts(run.run_id)
    assert [(one.attempt, one.status, one.error) for one in attempts] == [
        (1, "failed", "no database"),
        (2, "failed", "killed"),
        (3, "failed", "bug"),
        (4, "succeeded", None),
    ]
    begun = [one.started_at for one in attempts]
    pauses = [(later - earlier).total_seconds() for earlier, later in pairwise(begun)]
    assert [round(pause / 60) for pause in pauses] == [1, 2, 4]
    assert len({job.job_id for job in stage.backend.seen}) == 4
    assert len({job.created_by for job in stage.backend.seen}) == 1, "on behalf of one thing"


def test_retries_end(stage: Stage, pipeline: Any) -> None:
    stage.backend.script["build"] = ["unavailable: away"] * 9
    run = stage.run(pipeline({**BUILD, "retries": 2, "backoff": 1}, QUALITY))
    assert (run.status, run.reason) == ("failed", "build failed: away")
    assert len(stage.backend.seen) == 3
    assert stage.steps(run)["quality"].reason == "build failed: away"


@pytest.mark.parametrize("error_type", ["misuse", "bad-input", "not-found", "corrupt"])
def test_a_failure_that_will_not_pass_is_not_tried_again(stage: Stage, pipeline: Any, error_type: str) -> None:
    stage.backend.script["build"] = [f"{error_type}: no"]
    assert stage.run(pipeline({**BUILD, "retries": 5})).status == "failed"
    assert len(stage.backend.seen) == 1


def test_a_step_that_takes_longer_than_its_limit_is_stopped_and_tried_again(stage: Stage, pipeline: Any) -> None:
    stage.backend.script["build"] = ["hang", "ok"]
    run = stage.run(pipeline({**BUILD, "limit": 60, "retries": 1, "backoff": 1}))
    assert run.status == "succeeded"
    (hung,) = stage.backend.stopped
    assert hung == stage.backend.seen[0].submission_id
    with stage.db.reading() as tx:
        assert tx.pipeline_runs.attempts(run.run_id)[0].error == "longer than 60 s"
        assert tx.jobs.get(stage.backend.seen[0].job_id).status == "cancelled"


def test_a_job_that_somebody_cancels_ends_its_step_for_good(stage: Stage, pipeline: Any) -> None:
    stage.backend.script["build"] = ["hang"]
    run = stage.open(pipeline({**BUILD, "retries": 5}, QUALITY))
    looks: list[float] = []

    def sleep(seconds: float) -> None:
        looks.append(seconds)
        stage.clock.sleep(seconds)
        if len(looks) == 2:
            stage.service.cancel(stage.backend.seen[0].job_id, reason="wrong file")

    from axiom.jobs.pipelines.runner import Runner

    ended = Runner(stage.service, sleep=sleep).run(run.run_id)
    assert (ended.status, ended.reason) == ("failed", "build cancelled: wrong file")
    assert stage.statuses(ended) == {"build": "cancelled", "quality": "skipped"}


def test_an_answer_without_the_field_that_is_needed_fails_the_step(stage: Stage, pipeline: Any) -> None:
    stage.backend.script["score"] = [{"rows": 3}]
    run = stage.run(pipeline(*STEPS))
    assert (run.status, run.reason) == (
        "failed",
        "publish failed: step 'score' answered no 'score_set' (it answered rows)",
    )


def test_an_answer_that_is_no_parameter_fails_the_step(stage: Stage, pipeline: Any) -> None:
    stage.backend.script["score"] = [{"score_set": "../../etc"}]
    run = stage.run(pipeline(*STEPS))
    assert run.status == "failed"
    assert "score_set: string should match pattern" in str(run.reason)


def test_a_cluster_that_is_away_is_waited_for(stage: Stage, pipeline: Any) -> None:
    run = stage.open(pipeline(BUILD))
    stage.backend.away = True
    looks: list[float] = []

    def sleep(seconds: float) -> None:
        looks.append(seconds)
        stage.clock.advance(seconds=5)
        stage.backend.away = len(looks) < 5

    from axiom.jobs.pipelines.runner import Runner

    assert Runner(stage.service, sleep=sleep).run(run.run_id).status == "succeeded"
    assert len(stage.backend.seen) == 1


def test_only_what_is_missing_is_done_when_a_run_goes_on(stage: Stage, pipeline: Any) -> None:
    stage.backend.script["score"] = ["bad-input: nobody is a customer"]
    failed = stage.run(pipeline(*STEPS))
    with stage.db.transaction() as tx:
        reopen_run(tx, failed.run_id)
    done = stage.runner().run(failed.run_id)
    assert done.status == "succeeded"
    assert stage.backend.kinds == ["build", "quality", "score", "score", "publish"]
    assert [stage.steps(done)[name].attempt for name in ("build", "score", "publish")] == [1, 2, 1]


def test_retries_count_anew_when_a_run_goes_on(stage: Stage, pipeline: Any) -> None:
    stage.backend.script["build"] = ["lost: killed"] * 2 + ["lost: killed", "ok"]
    chosen = pipeline({**BUILD, "retries": 1, "backoff": 1})
    failed = stage.run(chosen)
    assert failed.status == "failed"
    with stage.db.transaction() as tx:
        reopen_run(tx, failed.run_id)
    assert stage.runner().run(failed.run_id).status == "succeeded"
    assert [job.created_by[-1] for job in stage.backend.seen] == ["1", "1", "3", "3"], "another thing since"


def test_a_step_and_all_that_need_it_are_done_again_on_request(stage: Stage, pipeline: Any) -> None:
    done = stage.run(pipeline(*STEPS))
    with stage.db.transaction() as tx:
        assert reopen_run(tx, done.run_id) == done, "nothing is missing"
        reopen_run(tx, done.run_id, step="score")
    assert stage.runner().run(done.run_id).status == "succeeded"
    assert stage.backend.kinds == ["build", "quality", "score", "publish", "score", "publish"]
    with pytest.raises(MisuseError, match="has no step 'scoer'"), stage.db.transaction() as tx:
        reopen_run(tx, done.run_id, step="scoer")
    with pytest.raises(NotFoundError), stage.db.transaction() as tx:
        reopen_run(tx, "no")


def test_a_run_is_cancelled_with_its_jobs(stage: Stage, pipeline: Any) -> None:
    stage.backend.script["build"] = ["hang"]
    run = stage.open(pipeline(*STEPS))
    looks: list[float] = []

    def sleep(seconds: float) -> None:
        looks.append(seconds)
        stage.clock.sleep(seconds)
        if len(looks) == 2:
            with stage.db.transaction() as tx:
                tx.pipeline_runs.ask_cancel(run.run_id, "wrong file")

    from axiom.jobs.pipelines.runner import Runner

    ended = Runner(stage.service, sleep=sleep).run(run.run_id)
    assert (ended.status, ended.reason) == ("cancelled", "wrong file")
    assert set(stage.statuses(ended).values()) == {"cancelled"}
    assert stage.backend.stopped == [stage.backend.seen[0].submission_id]
    with pytest.raises(ConflictError, match="is cancelled already"):
        cancel_run(stage.db, stage.runner(), run.run_id, reason="again")


def test_a_run_that_nobody_works_on_is_cancelled_by_who_asks(stage: Stage, pipeline: Any) -> None:
    run = stage.open(pipeline(*STEPS))
    assert cancel_run(stage.db, stage.runner(), run.run_id, reason="not today").status == "cancelled"
    assert stage.backend.seen == []


def test_a_second_runner_waits_or_is_told(stage: Stage, pipeline: Any) -> None:
    run = stage.open(pipeline(BUILD))
    with stage.db.transaction() as tx:
        tx.pipeline_runs.take(run.run_id, "elsewhere:1:x", timedelta(seconds=60))
    with pytest.raises(ConflictError, match="being worked on by elsewhere:1:x"):
        stage.runner().run(run.run_id, wait=False)
    before = stage.clock.now
    ended = stage.runner().run(run.run_id)
    assert ended.status == "succeeded", "the other one never came back"
    assert stage.clock.now - before > timedelta(seconds=60), "and was given its time"


def test_a_runner_that_was_taken_over_does_no_more(stage: Stage, pipeline: Any) -> None:
    run = stage.open(pipeline({**BUILD}, QUALITY))
    stage.backend.script["build"] = ["hang"]
    other = stage.runner()
    looks: list[float] = []

    def sleep(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 2:  # this one stood still for longer than its lease, and another one came
            stage.clock.advance(seconds=100)
            with stage.db.transaction() as tx:
                tx.jobs.finish(stage.backend.seen[0].job_id, 1, {})
            other.run(run.run_id)

    from axiom.jobs.pipelines.runner import Runner

    ended = Runner(stage.service, owner="elsewhere:1:x", sleep=sleep).run(run.run_id)
    assert ended.status == "succeeded"
    assert stage.backend.kinds == ["build", "quality"]
    with stage.db.reading() as tx:
        assert [one.attempt for one in tx.pipeline_runs.attempts(run.run_id)] == [1, 1]


def test_a_runner_finds_the_jobs_of_one_that_died_before_it_could_submit(stage: Stage, pipeline: Any) -> None:
    from axiom.jobs.service import job_id_of

    run = stage.open(pipeline(BUILD))
    with stage.db.transaction() as tx:
        tx.pipeline_runs.begin_attempt(run.run_id, "build", lambda n: job_id_of("build", f"{run.run_id}/build/{n}"))
    assert stage.runner().run(run.run_id).status == "succeeded"
    assert len(stage.backend.seen) == 1
    assert stage.steps(run)["build"].attempt == 1


def test_many_that_run_one_logical_time_at_once_do_every_step_once(stage: Stage, pipeline: Any) -> None:
    ends = []

    def work() -> None:
        from axiom.jobs.pipelines.runner import Runner

        with stage.db.transaction() as tx:
            run, _ = open_run(tx, pipeline(*STEPS), stage.clock.now)
        pause = threading.Event()
        ends.append(Runner(stage.service, every=0.01, sleep=lambda s: bool(pause.wait(s))).run(run.run_id))  # type: ignore[arg-type,return-value]

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [end.status for end in ends] == ["succeeded"] * 4
    assert stage.backend.kinds == ["build", "quality", "score", "publish"]


def test_a_database_that_stays_away_ends_the_runner(stage: Stage, pipeline: Any) -> None:
    from axiom.db import Database
    from axiom.jobs.pipelines.runner import Runner
    from axiom.jobs.service import JobService

    with Database("postgresql+psycopg://nobody@127.0.0.1:1/gone") as gone:
        runner = Runner(JobService(gone, stage.service.settings), patience=0.0, sleep=lambda _seconds: None)
        with pytest.raises(UnavailableError, match="does not answer"):
            runner.run("any")


def test_a_back_fill_goes_from_the_earliest_and_stops_where_it_fails(stage: Stage, pipeline: Any) -> None:
    chosen = pipeline(*STEPS)
    times = [stage.clock.now - timedelta(days=days) for days in (1, 3, 2)]
    stage.backend.script["score"] = ["ok", "bad-input: no"]
    done = backfill(stage.db, stage.runner(), chosen, times)
    assert [(run.logical_time, run.status) for run in done] == [(times[1], "succeeded"), (times[2], "failed")]
    assert {run.cause for run in done} == {"backfill"}
    again = backfill(stage.db, stage.runner(), chosen, times)
    assert [run.status for run in again] == ["succeeded"] * 3
    assert stage.backend.kinds.count("build") == 3, "what was done stays done"
    assert stage.backend.kinds.count("score") == 4


def test_a_back_fill_may_keep_going(stage: Stage, pipeline: Any) -> None:
    stage.backend.script["build"] = ["bad-input: no"]
    times = [stage.clock.now - timedelta(days=days) for days in (2, 1)]
    done = backfill(stage.db, stage.runner(), pipeline(BUILD), times, keep_going=True)
    assert [run.status for run in done] == ["failed", "succeeded"]


def test_a_logical_time_without_zone_or_with_a_fraction_is_refused(stage: Stage, pipeline: Any) -> None:
    for at in (stage.clock.now.replace(tzinfo=None), stage.clock.now.replace(microsecond=5)):
        with pytest.raises(MisuseError, match="no logical time"), stage.db.transaction() as tx:
            open_run(tx, pipeline(BUILD), at)


def test_every_change_of_a_run_can_be_followed(stage: Stage, pipeline: Any) -> None:
    run = stage.run(pipeline(BUILD, QUALITY))
    with stage.db.reading() as tx:
        found = tx.events.events_after(0, topic="pipeline", subject=run.run_id)
    told = [(event.name, event.data.get("step"), event.data.get("status")) for event in found]
    assert told == [
        ("opened", None, "running"),
        ("step", "build", "running"),
        ("step", "build", "succeeded"),
        ("step", "quality", "running"),
        ("step", "quality", "succeeded"),
        ("succeeded", None, "succeeded"),
    ]
