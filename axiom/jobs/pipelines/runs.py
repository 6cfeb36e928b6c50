"""What people do with runs: open one for a logical time, resume, back-fill, cancel."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from axiom.errors import ConflictError, MisuseError
from axiom.jobs.pipelines.cron import ticks_between
from axiom.jobs.pipelines.definition import pipeline_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import timedelta

    from axiom.db import Database, Transaction
    from axiom.db.pipeline_runs import PipelineRun
    from axiom.jobs.pipelines.definition import Pipeline
    from axiom.jobs.pipelines.runner import Runner

Cause = Literal["manual", "schedule", "backfill"]
MOST = 10_000
"""Logical times of one back-fill."""


def run_id_of(pipeline: str, logical_time: datetime) -> str:
    """Name of the run of a pipeline and logical time."""
    return f"{pipeline}-{logical_time.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def open_run(
    tx: Transaction, pipeline: Pipeline, logical_time: datetime, *, cause: Cause = "manual"
) -> tuple[PipelineRun, bool]:
    """Open the one run of a pipeline and logical time, or find it; gives also whether it is new.

    Raises:
        MisuseError: the time has no zone, or a fraction of a second.
    """
    if logical_time.tzinfo is None or logical_time.microsecond:
        raise MisuseError(f"{logical_time.isoformat()} is no logical time", hint="whole seconds, with a time zone")
    moment = logical_time.astimezone(UTC)
    return tx.pipeline_runs.open(
        run_id_of(pipeline.name, moment),
        pipeline.name,
        moment,
        definition=pipeline.to_dict(),
        steps=[(step.name, step.job) for step in pipeline.steps],
        cause=cause,
    )


def reopen_run(tx: Transaction, run_id: str, *, step: str | None = None) -> PipelineRun:
    """Let a run go on. What succeeded is not done again, unless `step` says from where on.

    Args:
        tx: the transaction.
        run_id: which.
        step: this one, and all that need it, are done again.

    Raises:
        NotFoundError: no such run.
        MisuseError: no such step.
        ConflictError: a step is to be done again in a run that has not ended.
    """
    run = tx.pipeline_runs.get(run_id)
    pipeline = pipeline_of(run.definition)
    again = {step, *pipeline.after(pipeline.step(step).name)} if step is not None else set()
    if not run.ended:
        if again:
            raise ConflictError(f"run {run_id} has not ended", hint=f"axiom pipelines cancel {run_id} first")
        return run
    again |= {state.step for state in tx.pipeline_runs.steps(run_id) if state.status != "succeeded"}
    if not again or (step is None and run.status == "succeeded"):
        return run
    return tx.pipeline_runs.reopen(run_id, sorted(again))


def cancel_run(db: Database, runner: Runner, run_id: str, *, reason: str) -> PipelineRun:
    """Have a run cancelled: by the runner that works on it, else by this one. Its jobs are stopped.

    Raises:
        NotFoundError: no such run.
        ConflictError: it has ended.
    """
    with db.transaction() as tx:
        tx.pipeline_runs.ask_cancel(run_id, reason)
    return runner.run(run_id)


def logical_times(
    pipeline: Pipeline, first: datetime, last: datetime, *, every: timedelta | None = None
) -> list[datetime]:
    """The logical times of a range, both ends included: ticks of the schedule, or every so often.

    Raises:
        MisuseError: the range is empty or too long, or there is neither a schedule nor a distance.
    """
    if last < first:
        raise MisuseError(f"the range ends {last.isoformat()} before it begins {first.isoformat()}")
    if every is not None:
        if every.total_seconds() < 1:
            raise MisuseError(f"a distance of {every} is too short", hint="at least a second")
        count = int((last - first) / every) + 1
        found = [first + number * every for number in range(min(count, MOST + 1))]
    elif pipeline.schedule is not None:
        from datetime import timedelta as span

        at = pipeline.schedule
        found = ticks_between(at.cron, at.timezone, first - span(seconds=1), last, limit=MOST + 1)
    else:
        raise MisuseError(f"pipeline {pipeline.name!r} has no schedule to take times from", hint="give --every 1d")
    if not found or len(found) > MOST:
        many = f"more than {MOST:,}" if found else "no"
        raise MisuseError(f"{many} logical times from {first.isoformat()} to {last.isoformat()}")
    return found


def backfill(
    db: Database,
    runner: Runner,
    pipeline: Pipeline,
    times: Sequence[datetime],
    *,
    keep_going: bool = False,
    on_run: Callable[[PipelineRun], None] = lambda _run: None,
) -> list[PipelineRun]:
    """Have a run for each logical time, earliest first. What succeeded stays; only what is missing is done.

    Args:
        db: where runs are kept.
        runner: does them, one after the other.
        pipeline: which.
        times: logical times.
        keep_going: whether the times after a run that did not succeed are done all the same.
        on_run: told of every run that ended.
    """
    done = []
    for moment in sorted(times):
        with db.transaction() as tx:
            run, _ = open_run(tx, pipeline, moment, cause="backfill")
            run = reopen_run(tx, run.run_id)
        ended = runner.run(run.run_id)
        done.append(ended)
        on_run(ended)
        if ended.status != "succeeded" and not keep_going:
            break
    return done
