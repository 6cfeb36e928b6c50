"""Jobs: submitted once a key, watched, cancelled, tried again."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Body, Query
from pydantic import Field
from starlette.responses import Response  # noqa: TC002  (read at run time)

from axiom.jobs.kinds import KINDS
from axiom.serve.platform.admission import Who, With
from axiom.serve.platform.once import REPLAYED, KeyHeader
from axiom.serve.platform.wire import Given, Id, Listed, Paged, Reason, Shown, asked, equal, listed

if TYPE_CHECKING:
    from collections.abc import Callable

    from axiom.jobs.kinds import JobKind

router = APIRouter(tags=["jobs"])
Status = Literal["queued", "running", "succeeded", "failed", "cancelled"]


class Job(Shown):
    """One job; its facts are those of the latest attempt."""

    job_id: str
    kind: str
    key: str = Field(description="Idempotency key.")
    params: dict[str, Any]
    status: Status
    attempt: int
    progress: float = Field(description="Of the present stage, 0 to 1.")
    stage: str | None
    result: dict[str, Any] | None
    error: str | None
    error_type: str | None = Field(description="`lost` where the driver died.")
    created_at: datetime
    created_by: str
    queued_at: datetime
    started_at: datetime | None
    heartbeat_at: datetime
    finished_at: datetime | None


class Attempt(Shown):
    """An attempt that ended."""

    attempt: int
    status: Status
    error: str | None
    queued_at: datetime
    started_at: datetime | None
    finished_at: datetime


class JobInFull(Job):
    """A job with the attempts that ended."""

    attempts: list[Attempt]


class Kind(Shown):
    """A kind of job."""

    name: str
    about: str
    parameters: dict[str, Any] = Field(description="JSON schema of the body of POST /api/jobs/<name>.")


class Kinds(Shown):
    """Every kind of job."""

    items: list[Kind]


class LogPiece(Shown):
    """A piece of a log."""

    text: str
    offset: int = Field(description="Where the next piece begins, in bytes.")
    ended: bool = Field(description="Whether nothing more will come.")


class JobCancellation(Given):
    """Why a job is to stop."""

    reason: Reason


@router.get("/api/jobs")
def list_jobs(
    known: With,
    part: Paged,
    kind: Annotated[str | None, Query(max_length=64)] = None,
    status: Annotated[Status | None, Query()] = None,
    created_by: Annotated[str | None, Query(max_length=256)] = None,
    sort: Annotated[Literal["created_at", "-created_at"], Query()] = "-created_at",
) -> Listed[Job]:
    """Jobs, newest first."""
    wanted = asked(part, sort, equal("kind", kind), equal("status", status), equal("created_by", created_by))
    with known.db.reading() as tx:
        found = tx.pages.jobs(wanted)
    return Listed[Job].model_validate(listed(found))


@router.get("/api/jobs/kinds")
def kinds() -> Kinds:
    """What can be submitted, with which parameters."""
    return Kinds(
        items=[
            Kind(name=kind.name, about=kind.about, parameters=kind.params.model_json_schema())
            for kind in KINDS.values()
        ]
    )


@router.get("/api/jobs/{job_id}")
def show(job_id: Id, known: With) -> JobInFull:
    """One job, after a look at its driver: one that died is marked failed with the reason."""
    job = known.jobs.refresh(job_id)
    with known.db.reading() as tx:
        attempts = tx.jobs.attempts(job_id)
    return JobInFull.model_validate({**vars(job), "attempts": list(attempts)})


@router.get("/api/jobs/{job_id}/log")
def log(
    job_id: Id,
    known: With,
    offset: Annotated[int, Query(ge=0, le=2**53)] = 0,
    attempt: Annotated[int | None, Query(ge=1, le=10_000)] = None,
) -> LogPiece:
    """A piece of the log of a job, from a byte on. /api/events/jobs tells when there may be more."""
    return LogPiece.model_validate(known.jobs.log(job_id, offset, attempt=attempt))


@router.post("/api/jobs/{job_id}/cancel")
def cancel(job_id: Id, body: JobCancellation, who: Who, known: With) -> Job:
    """Stop a job. Its driver may report no more from this moment on."""
    known.jobs.get(job_id)
    _note(known, who.actor, "job.cancel", job_id, {"reason": body.reason})
    return Job.model_validate(known.jobs.cancel(job_id, reason=f"{who.actor}: {body.reason}"))


@router.post("/api/jobs/{job_id}/retry")
def retry(job_id: Id, who: Who, known: With) -> Job:
    """Another attempt of a job that failed or was cancelled."""
    known.jobs.get(job_id)
    _note(known, who.actor, "job.retry", job_id, {})
    return Job.model_validate(known.jobs.retry(job_id))


def _submitting(kind: JobKind) -> Callable[..., Response]:
    def submit(body: Any, who: Who, known: With, response: Response, idempotency_key: KeyHeader = None) -> Job:
        params = body.model_dump(mode="json", exclude_defaults=True)
        with known.db.reading() as tx:
            before = tx.jobs.of_key(idempotency_key) if idempotency_key else None
        if before is None:
            # The job is queued in a transaction of its own: that it was asked for is noted first.
            _note(known, who.actor, "job.submit", kind.name, {"key": idempotency_key, "params": params})
        job = known.jobs.submit(kind.name, params, key=idempotency_key, actor=who.actor)
        response.headers["location"] = f"/api/jobs/{job.job_id}"
        if before is not None:
            response.headers.update(REPLAYED)
        return Job.model_validate(job)

    # FastAPI reads the parameters of the kind from the signature.
    submit.__annotations__["body"] = Annotated[kind.params, Body()]
    submit.__name__ = kind.name.replace("-", "_")
    submit.__doc__ = (
        f"{kind.about}\n\nThe same `Idempotency-Key` and body give the same job; another body is a conflict."
    )
    return submit


def _note(known: With, actor: str, action: str, thing: str, detail: dict[str, Any]) -> None:
    with known.db.transaction() as tx:
        tx.audit.record(actor, action, f"job:{thing}", detail)


for _kind in KINDS.values():
    router.add_api_route(
        f"/api/jobs/{_kind.name}", _submitting(_kind), methods=["POST"], status_code=202, response_model=Job
    )
