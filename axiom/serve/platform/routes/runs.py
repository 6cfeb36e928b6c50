"""Runs of stages: what ran, when, and what came of it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query

from axiom.serve.platform.admission import Who, With
from axiom.serve.platform.wire import Given, Id, Listed, Paged, Reason, Shown, asked, equal, listed

router = APIRouter(tags=["runs"])
Status = Literal["running", "succeeded", "failed", "cancelled"]


class Run(Shown):
    """One run of one stage; every attempt under the same key is the same run."""

    run_id: str
    stage: str
    key: str
    attempt: int
    params: dict[str, Any]
    status: Status
    progress: float
    result: dict[str, Any] | None
    error: str | None
    started_at: datetime
    heartbeat_at: datetime
    finished_at: datetime | None


class Cancellation(Given):
    """Why a run is to stop."""

    reason: Reason


@router.get("/api/runs")
def list_runs(
    known: With,
    part: Paged,
    stage: Annotated[str | None, Query(max_length=64)] = None,
    status: Annotated[Status | None, Query()] = None,
    sort: Annotated[Literal["started_at", "-started_at"], Query()] = "-started_at",
) -> Listed[Run]:
    """What ran, latest start first."""
    with known.db.reading() as tx:
        found = tx.pages.runs(asked(part, sort, equal("stage", stage), equal("status", status)))
    return Listed[Run].model_validate(listed(found))


@router.get("/api/runs/{run_id}")
def show(run_id: Id, known: With) -> Run:
    """One run."""
    with known.db.reading() as tx:
        return Run.model_validate(tx.runs.get(run_id))


@router.post("/api/runs/{run_id}/cancel")
def cancel(run_id: Id, body: Cancellation, who: Who, known: With) -> Run:
    """Ask a run to stop; its next report is refused, which ends it."""
    with known.db.transaction() as tx:
        run = tx.runs.cancel(run_id, f"{who.actor}: {body.reason}")
        tx.audit.record(who.actor, "run.cancel", f"run:{run_id}", {"stage": run.stage, "reason": body.reason})
    return Run.model_validate(run)
