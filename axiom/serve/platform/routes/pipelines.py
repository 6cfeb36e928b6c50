"""Pipelines, their runs, back-fills and how long their steps take."""

from __future__ import annotations

import statistics
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import Field
from starlette.responses import Response

from axiom.errors import ConflictError
from axiom.serve.platform.admission import Who, With
from axiom.serve.platform.wire import Given, Id, JsonObject, Listed, Moment, Paged, Reason, Shown, asked, equal, listed

if TYPE_CHECKING:
    from axiom.db.pipeline_runs import PipelineRun as Row
    from axiom.serve.platform.services import Services

router = APIRouter(tags=["pipelines"])
PipelineName = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$")]
Status = Literal["running", "succeeded", "blocked", "failed", "cancelled"]
MOST = 400
"""Runs of one back-fill over HTTP."""


class Pipeline(Shown):
    """A pipeline as it is defined now."""

    name: str
    about: str
    schedule: JsonObject | None = Field(description="Cron, time zone, and what becomes of missed times.")
    steps: list[JsonObject]


class Pipelines(Shown):
    """Every pipeline."""

    items: list[Pipeline]


class PipelineRun(Shown):
    """One run of one pipeline for one logical time."""

    run_id: str
    pipeline: str
    logical_time: datetime
    cause: str
    status: Status
    reason: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class StepRun(Shown):
    """Where a step stands."""

    step: str
    kind: str
    status: Literal["pending", "running", "succeeded", "refused", "failed", "skipped", "cancelled"]
    attempt: int
    job_id: str | None
    not_before: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    result: dict[str, Any] | None
    reason: str | None


class StepAttempt(Shown):
    """One attempt of a step: one job."""

    step: str
    attempt: int
    job_id: str
    status: str
    started_at: datetime
    finished_at: datetime | None
    error: str | None


class PipelineRunInFull(PipelineRun):
    """A run with its definition, steps and attempts."""

    definition: JsonObject
    steps: list[StepRun]
    attempts: list[StepAttempt]


class NewRun(Given):
    """For which logical time."""

    logical_time: Moment | None = Field(None, description="Whole seconds. Default: now.")


class Resumption(Given):
    """From where on a run is done again."""

    step: str | None = Field(
        None, max_length=128, description="This one and all that need it; default: what is missing."
    )


class RunCancellation(Given):
    """Why a run is to stop."""

    reason: Reason


class BackFill(Given):
    """A range of logical times, both ends included."""

    first: Moment
    last: Moment
    every_hours: float | None = Field(None, gt=0, le=24 * 366, description="Default: the ticks of the schedule.")


class BackFilled(Shown):
    """The runs of a back-fill, earliest first."""

    items: list[PipelineRun]


class StepLatency(Shown):
    """How long a step takes, in seconds from first start to success."""

    step: str
    runs: int
    median: float
    longest: float


class Latencies(Shown):
    """Every step of a pipeline."""

    items: list[StepLatency]


@router.get("/api/pipelines")
def list_pipelines(known: With) -> Pipelines:
    """Every pipeline: those that ship with Axiom, and those below AXIOM_HOME/pipelines."""
    from axiom.jobs.pipelines.library import pipeline_names

    return Pipelines(items=[_pipeline(known, name) for name in pipeline_names(known.settings)])


@router.get("/api/pipelines/{pipeline}")
def show(pipeline: PipelineName, known: With) -> Pipeline:
    """One pipeline."""
    return _pipeline(known, pipeline)


@router.get("/api/pipelines/{pipeline}/latency")
def latency(pipeline: PipelineName, known: With, runs: Annotated[int, Query(ge=1, le=500)] = 100) -> Latencies:
    """How long the steps took in the latest runs."""
    with known.db.reading() as tx:
        took = tx.pipeline_runs.durations(pipeline, runs)
    if not took:
        _pipeline(known, pipeline)  # it has not run yet, or there is no such pipeline
    rows = [
        StepLatency(step=step, runs=len(seconds), median=statistics.median(seconds), longest=max(seconds))
        for step, seconds in took.items()
    ]
    return Latencies(items=rows)


@router.post("/api/pipelines/{pipeline}/runs", status_code=202)
def start(pipeline: PipelineName, body: NewRun, who: Who, known: With, response: Response) -> PipelineRun:
    """Run a pipeline for a logical time, or find the one run that there is for it. Sending it again is harmless."""
    from axiom.jobs.pipelines.library import load_pipeline
    from axiom.jobs.pipelines.runs import open_run

    moment = (body.logical_time or datetime.now(UTC)).replace(microsecond=0)
    found = load_pipeline(known.settings, pipeline)
    with known.db.transaction() as tx:
        run, is_new = open_run(tx, found, moment)
        if is_new:
            tx.audit.record(who.actor, "pipeline.run", f"pipeline-run:{run.run_id}", {"pipeline": pipeline})
    response.headers["location"] = f"/api/pipeline-runs/{run.run_id}"
    return _begun(known, run)


@router.post("/api/pipelines/{pipeline}/backfill", status_code=202)
def backfill(pipeline: PipelineName, body: BackFill, who: Who, known: With) -> BackFilled:
    """Have a run for every logical time of a range. What was done stays done."""
    from axiom.jobs.pipelines.library import load_pipeline
    from axiom.jobs.pipelines.runs import logical_times, open_run

    found = load_pipeline(known.settings, pipeline)
    every = None if body.every_hours is None else timedelta(hours=body.every_hours)
    first, last = body.first.replace(microsecond=0), body.last.replace(microsecond=0)
    times = [moment.replace(microsecond=0) for moment in logical_times(found, first, last, every=every)]
    if len(times) > MOST:
        raise ConflictError(f"{len(times):,} runs at once are too many", hint=f"ask for {MOST} at most")
    with known.db.transaction() as tx:
        runs = [open_run(tx, found, moment, cause="backfill")[0] for moment in times]
        told = {"first": first.isoformat(), "last": last.isoformat(), "runs": len(runs)}
        tx.audit.record(who.actor, "pipeline.backfill", f"pipeline:{pipeline}", told)
    known.work_on(*(run.run_id for run in runs if not run.ended))
    return BackFilled(items=[PipelineRun.model_validate(run) for run in runs])


@router.get("/api/pipeline-runs")
def list_runs(
    known: With,
    part: Paged,
    pipeline: Annotated[str | None, Query(max_length=128)] = None,
    status: Annotated[Status | None, Query()] = None,
    sort: Annotated[Literal["logical_time", "-logical_time", "created_at", "-created_at"], Query()] = "-logical_time",
) -> Listed[PipelineRun]:
    """Runs, latest logical time first."""
    with known.db.reading() as tx:
        found = tx.pages.pipeline_runs(asked(part, sort, equal("pipeline", pipeline), equal("status", status)))
    return Listed[PipelineRun].model_validate(listed(found))


@router.get("/api/pipeline-runs/{run_id}")
def show_run(run_id: Id, known: With) -> PipelineRunInFull:
    """One run with its steps and attempts."""
    with known.db.reading() as tx:
        run = tx.pipeline_runs.get(run_id)
        steps, attempts = tx.pipeline_runs.steps(run_id), tx.pipeline_runs.attempts(run_id)
    return PipelineRunInFull.model_validate({**vars(run), "steps": list(steps), "attempts": list(attempts)})


@router.post("/api/pipeline-runs/{run_id}/resume", status_code=202)
def resume(run_id: Id, body: Resumption, who: Who, known: With) -> PipelineRun:
    """Go on with a run that failed, was blocked, cancelled or left: only what is missing is done."""
    from axiom.jobs.pipelines.runs import reopen_run

    with known.db.transaction() as tx:
        run = reopen_run(tx, run_id, step=body.step)
        tx.audit.record(who.actor, "pipeline.resume", f"pipeline-run:{run_id}", {"step": body.step})
    return _begun(known, run)


@router.post("/api/pipeline-runs/{run_id}/cancel", status_code=202)
def cancel(run_id: Id, body: RunCancellation, who: Who, known: With) -> PipelineRun:
    """Have a run and its jobs cancelled. What it had finished stays."""
    with known.db.transaction() as tx:
        tx.pipeline_runs.ask_cancel(run_id, f"{who.actor}: {body.reason}")
        tx.audit.record(who.actor, "pipeline.cancel", f"pipeline-run:{run_id}", {"reason": body.reason})
        run = tx.pipeline_runs.get(run_id)
    return _begun(known, run)


def _begun(known: Services, run: Row) -> PipelineRun:
    if not run.ended:
        known.work_on(run.run_id)
    return PipelineRun.model_validate(run)


def _pipeline(known: Services, name: str) -> Pipeline:
    from axiom.jobs.pipelines.library import load_pipeline

    document = load_pipeline(known.settings, name).to_dict()
    facts = {"about": document.get("about", ""), "schedule": document.get("schedule"), "steps": document["steps"]}
    return Pipeline.model_validate({"name": name, **facts})
