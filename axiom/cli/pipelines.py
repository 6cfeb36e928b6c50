"""Verbs of pipelines: axiom pipelines list, show, copy, run, resume, backfill, history, cancel."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from axiom.cli.console import JsonFlag, emit, parse_time, settings, table
from axiom.cli.jobs import Backend, service

if TYPE_CHECKING:
    from datetime import datetime

    from axiom.db.pipeline_runs import PipelineRun
    from axiom.jobs.pipelines.runner import Runner
    from axiom.jobs.service import JobService

pipelines = typer.Typer(no_args_is_help=True, help="Steps that need each other: run, resume, back-fill, look back.")

PipelineName = Annotated[str, typer.Argument(help="Name of the pipeline.", metavar="PIPELINE")]
RunId = Annotated[str, typer.Argument(help="Id of the run.", metavar="RUN")]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Do not wait where another runner works on it.")]


def register(app: typer.Typer) -> None:
    """Add the verbs of this module."""
    app.add_typer(pipelines, name="pipelines")


@pipelines.command("list", epilog="Example: axiom pipelines list")
def list_pipelines(json: JsonFlag = False) -> None:
    """Every pipeline: those that ship, and those in AXIOM_HOME/pipelines."""
    from axiom.jobs.pipelines.library import load_pipeline, pipeline_names

    loaded = settings()
    found = [load_pipeline(loaded, name) for name in pipeline_names(loaded)]
    rows = [
        {
            "pipeline": one.name,
            "steps": len(one.steps),
            "schedule": f"{one.schedule.cron} {one.schedule.timezone}" if one.schedule else None,
            "what": one.about,
        }
        for one in found
    ]
    emit({"pipelines": [one.to_dict() for one in found]}, as_json=json, lines=table(rows))


@pipelines.command("show", epilog="Example: axiom pipelines show daily")
def show(pipeline: PipelineName, json: JsonFlag = False) -> None:
    """Steps, needs, retries, limits and schedule of one pipeline."""
    from axiom.jobs.pipelines.library import load_pipeline

    found = load_pipeline(settings(), pipeline)
    rows: list[dict[str, Any]] = [
        {
            "step": step.name,
            "job": step.job,
            "needs": ", ".join(step.needs) or None,
            "gate": None if step.gate == "none" else step.gate,
            "retries": step.retries,
            "limit": None if step.limit is None else f"{step.limit:g} s",
            "params": {**step.params, **{name: f"<{ref}>" for name, ref in step.inputs.items()}} or None,
        }
        for step in found.steps
    ]
    when = found.schedule
    at = [f"  {when.cron} {when.timezone}, missed ticks: {when.missed}"] if when else ["  no schedule"]
    emit(found.to_dict(), as_json=json, lines=[f"{found.name}: {found.about}", *at, "", *table(rows)])


@pipelines.command("copy", epilog="Example: axiom pipelines copy daily")
def copy(pipeline: PipelineName, json: JsonFlag = False) -> None:
    """Copy a shipped pipeline into AXIOM_HOME/pipelines, to be changed there."""
    from axiom.jobs.pipelines.library import copy_pipeline

    target = copy_pipeline(settings(), pipeline)
    emit({"path": str(target)}, as_json=json, lines=[f"change {target}; it is used instead of the shipped one"])


@pipelines.command("run", epilog="Example: axiom pipelines run daily --at 2011-12-09T05:00:00Z")
def run(
    pipeline: PipelineName,
    at: Annotated[
        str | None, typer.Option("--at", metavar="TIME", help="Logical time, ISO, UTC. Default: now.")
    ] = None,
    no_wait: NoWait = False,
    backend: Backend = None,
    json: JsonFlag = False,
) -> None:
    """Run a pipeline for a logical time, or join the one run that there is for it. Exit code 1 unless it succeeds."""
    from axiom.errors import ConflictError
    from axiom.jobs.pipelines.library import load_pipeline
    from axiom.jobs.pipelines.runs import open_run

    found = load_pipeline(settings(), pipeline)
    with service(backend) as jobs:
        with jobs.db.transaction() as tx:
            moment = parse_time(at, "--at") if at else tx.clock().replace(microsecond=0)
            opened, _ = open_run(tx, found, moment)
        if opened.ended and opened.status != "succeeded":
            raise ConflictError(
                f"run {opened.run_id} is {opened.status}: {opened.reason}",
                hint=f"axiom pipelines resume {opened.run_id} does what is missing",
            )
        _end(jobs, _runner(jobs).run(opened.run_id, wait=not no_wait), as_json=json)


@pipelines.command("resume", epilog="Example: axiom pipelines resume daily-20111209T050000Z --from score")
def resume(
    run_id: RunId,
    step: Annotated[
        str | None, typer.Option("--from", metavar="STEP", help="Do this step, and all that need it, again.")
    ] = None,
    no_wait: NoWait = False,
    backend: Backend = None,
    json: JsonFlag = False,
) -> None:
    """Go on with a run that failed, was blocked, cancelled or left: only what is missing is done."""
    from axiom.jobs.pipelines.runs import reopen_run

    with service(backend) as jobs:
        with jobs.db.transaction() as tx:
            reopen_run(tx, run_id, step=step)
        _end(jobs, _runner(jobs).run(run_id, wait=not no_wait), as_json=json)


@pipelines.command("backfill", epilog="Example: axiom pipelines backfill daily --from 2011-12-01 --to 2011-12-09")
def backfill(
    pipeline: PipelineName,
    first: Annotated[str, typer.Option("--from", metavar="TIME", help="First logical time, ISO, UTC.")],
    last: Annotated[str, typer.Option("--to", metavar="TIME", help="Last logical time, ISO, UTC.")],
    every: Annotated[
        str | None, typer.Option(help="Distance, such as 1d or 6h. Default: the ticks of the schedule.")
    ] = None,
    keep_going: Annotated[bool, typer.Option("--keep-going", help="Go on after a run that did not succeed.")] = False,
    backend: Backend = None,
    json: JsonFlag = False,
) -> None:
    """Have a run for every logical time of a range, earliest first. What was done stays done."""
    from datetime import timedelta

    from axiom.jobs.pipelines.definition import seconds
    from axiom.jobs.pipelines.library import load_pipeline
    from axiom.jobs.pipelines.runs import backfill as fill
    from axiom.jobs.pipelines.runs import logical_times

    found = load_pipeline(settings(), pipeline)
    distance = None if every is None else timedelta(seconds=seconds(every, "--every"))
    times = logical_times(found, parse_time(first, "--from"), parse_time(last, "--to"), every=distance)
    with service(backend) as jobs:
        done = fill(jobs.db, _runner(jobs), found, times, keep_going=keep_going)
    emit({"runs": done, "times": len(times)}, as_json=json, lines=table([_row(one) for one in done]))
    if any(one.status != "succeeded" for one in done):
        raise typer.Exit(1)


@pipelines.command("history", epilog="Example: axiom pipelines history daily --limit 10")
def history(
    pipeline: Annotated[str | None, typer.Argument(help="Of this pipeline only.")] = None,
    run_id: Annotated[str | None, typer.Option("--run", help="Steps and attempts of this run.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many runs, latest logical time first.")] = 20,
    json: JsonFlag = False,
) -> None:
    """Runs with their duration; of one pipeline also how long its steps take; of one run its steps."""
    with service() as jobs:
        if run_id is not None:
            with jobs.db.reading() as tx:
                found = tx.pipeline_runs.get(run_id)
            _show(jobs, found, as_json=json)
            return
        with jobs.db.reading() as tx:
            runs = tx.pipeline_runs.list(pipeline=pipeline, limit=limit)
            took = tx.pipeline_runs.durations(pipeline, limit) if pipeline else {}
    latency = [_latency(step, list(seconds)) for step, seconds in took.items()]
    lines = [*table([_row(one) for one in runs]), *(["", *table(latency)] if latency else [])]
    emit({"runs": runs, "latency": latency}, as_json=json, lines=lines)


@pipelines.command("cancel", epilog="Example: axiom pipelines cancel daily-20111209T050000Z --reason 'wrong file'")
def cancel(
    run_id: RunId,
    reason: Annotated[str | None, typer.Option(help="Why, for the record.")] = None,
    json: JsonFlag = False,
) -> None:
    """Cancel a run and its jobs. What it had finished stays."""
    from axiom.jobs.pipelines.runs import cancel_run

    with service() as jobs:
        ended = cancel_run(jobs.db, _runner(jobs), run_id, reason=reason or f"cancelled by {getpass.getuser()}")
        _show(jobs, ended, as_json=json)


def _runner(jobs: JobService) -> Runner:
    from axiom.jobs.pipelines.runner import Runner

    return Runner(jobs)


def _end(jobs: JobService, ended: PipelineRun, *, as_json: bool) -> None:
    _show(jobs, ended, as_json=as_json)
    if ended.status != "succeeded":
        raise typer.Exit(1)


def _show(jobs: JobService, found: PipelineRun, *, as_json: bool) -> None:
    with jobs.db.reading() as tx:
        steps, attempts = tx.pipeline_runs.steps(found.run_id), tx.pipeline_runs.attempts(found.run_id)
    rows = [
        {
            "step": step.step,
            "status": step.status,
            "attempts": step.attempt,
            "seconds": _seconds(step.started_at, step.finished_at),
            "job": step.job_id,
            "reason": step.reason if step.status != "succeeded" else None,
        }
        for step in steps
    ]
    head = [f"{found.run_id}: {found.status}", *([f"  {found.reason}"] if found.reason else []), ""]
    emit({"run": found, "steps": steps, "attempts": attempts}, as_json=as_json, lines=[*head, *table(rows)])


def _row(found: PipelineRun) -> dict[str, Any]:
    return {
        "run": found.run_id,
        "logical time": f"{found.logical_time:%Y-%m-%d %H:%M:%S}",
        "status": found.status,
        "cause": found.cause,
        "seconds": _seconds(found.started_at, found.finished_at),
        "reason": found.reason,
    }


def _latency(step: str, seconds: list[float]) -> dict[str, Any]:
    from statistics import median

    ordered = sorted(seconds)
    p95 = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
    return {
        "step": step,
        "runs": len(ordered),
        "median s": round(median(ordered), 1),
        "p95 s": round(p95, 1),
        "latest s": round(seconds[0], 1),
    }


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    return round((end - start).total_seconds(), 1) if start and end else None
