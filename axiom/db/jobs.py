"""Jobs: submitted once a key, tried several times, with progress and the reason of every failure."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, cast

import sqlalchemy as sa

from axiom.db.job_tables import job_attempts, jobs
from axiom.db.statements import insert
from axiom.db.tables import runs
from axiom.errors import ConflictError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from axiom.db.events import Events

JobStatus = Literal["queued", "running", "succeeded", "failed", "cancelled"]
ENDED: tuple[JobStatus, ...] = ("succeeded", "failed", "cancelled")


@dataclass(frozen=True)
class Job:
    """One job; its facts are those of the latest attempt.

    Attributes:
        job_id: unique.
        kind: which kind of job.
        key: idempotency key, unique.
        params: what it was asked to do; never a secret.
        status: `queued`, `running`, `succeeded`, `failed` or `cancelled`.
        attempt: 1, 2, …; only the latest one may report.
        submission_id: what the back end knows the attempt by.
        backend: `local` or `ray`.
        host: machine that it was queued from, then the one it runs on.
        pid: process of the driver; None before it started.
        progress: of the present stage, 0 to 1.
        stage: which stage that is; None before the first.
        result: what it answered; None until it succeeded.
        error: why it failed or was cancelled.
        error_type: problem type of the error; `lost` where the driver died.
        created_at: first submission, UTC.
        created_by: who submitted it.
        queued_at: submission of the latest attempt, UTC.
        started_at: start of the latest attempt, UTC.
        heartbeat_at: last sign of life, UTC.
        finished_at: UTC; None until it ended.
    """

    job_id: str
    kind: str
    key: str
    params: Mapping[str, Any]
    status: JobStatus
    attempt: int
    submission_id: str
    backend: str
    host: str
    pid: int | None
    progress: float
    stage: str | None
    result: Mapping[str, Any] | None
    error: str | None
    error_type: str | None
    created_at: datetime
    created_by: str
    queued_at: datetime
    started_at: datetime | None
    heartbeat_at: datetime
    finished_at: datetime | None

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it by itself."""
        return self.status in ENDED


@dataclass(frozen=True)
class JobAttempt:
    """An attempt that ended; see `Job` for the fields."""

    job_id: str
    attempt: int
    submission_id: str
    status: JobStatus
    host: str
    pid: int | None
    error: str | None
    queued_at: datetime
    started_at: datetime | None
    finished_at: datetime


@dataclass(frozen=True)
class NewJob:
    """What is submitted; see `Job` for the fields. `submission` names the back end's submission of an attempt."""

    job_id: str
    kind: str
    key: str
    params: Mapping[str, Any]
    backend: str
    host: str
    created_by: str
    submission: Callable[[int], str] = field(repr=False)


@dataclass(frozen=True)
class Jobs:
    """Repository of jobs. Every change leaves an event."""

    connection: Connection
    clock: Callable[[], datetime]
    events: Events

    def submit(self, new: NewJob) -> tuple[Job, bool]:
        """Queue a job, or find the one of that key; gives also whether it is new.

        Raises:
            ConflictError: the key was used for another kind or other parameters.
        """
        now = self.clock()
        made = self.connection.execute(
            insert(self.connection, jobs)
            .values(
                job_id=new.job_id,
                kind=new.kind,
                key=new.key,
                params=dict(new.params),
                created_at=now,
                created_by=new.created_by,
                **self._queued(1, new.submission(1), new.backend, new.host),
            )
            .on_conflict_do_nothing()
            .returning(jobs.c.job_id)
        ).one_or_none()
        job = self._one(jobs.c.key == new.key)
        assert job is not None  # noqa: S101  # it was inserted above or made the insert a no-op
        if job.kind != new.kind or job.params != json.loads(json.dumps(dict(new.params))):
            raise ConflictError(
                f"idempotency key {new.key!r} was used for another job: {job.job_id}", hint="use a new key"
            )
        if made is not None:
            self._tell(job)
        return job, made is not None

    def requeue(self, job_id: str, submission: Callable[[int], str], *, backend: str, host: str) -> Job:
        """Another attempt of a job that failed or was cancelled.

        Raises:
            NotFoundError: no such job.
            ConflictError: it has not ended, or it succeeded.
        """
        job = self._locked(job_id)
        if job.status not in ("failed", "cancelled"):
            raise ConflictError(
                f"job {job_id} is {job.status}: only one that failed or was cancelled is tried again",
                hint="submit it under a new key to have it done twice" if job.ended else "wait for it, or cancel it",
            )
        attempt = job.attempt + 1
        return self._tell(self._write(job, **self._queued(attempt, submission(attempt), backend, host)))

    def start(self, job_id: str, attempt: int, *, pid: int, host: str) -> Job:
        """The driver of an attempt begins; of two drivers of one attempt only the first may.

        Raises:
            NotFoundError: no such job.
            ConflictError: the attempt runs already, ended, or is not the latest one.
        """
        job = self._locked(job_id)
        if job.attempt == attempt and job.status == "running" and (job.pid, job.host) == (pid, host):
            return job  # said again, because the answer to the first time was lost
        self._require(job, attempt, "queued")
        now = self.clock()
        return self._tell(self._write(job, status="running", pid=pid, host=host, started_at=now, heartbeat_at=now))

    def heartbeat(self, job_id: str, attempt: int) -> Job:
        """Show life. The progress is what the run of the present stage says of itself.

        Raises:
            NotFoundError: no such job.
            ConflictError: it was cancelled, given up, or is tried again: stop working.
        """
        job = self._locked(job_id)
        self._require(job, attempt, "running")
        stage, progress = self._progress(job)
        beaten = self._write(job, heartbeat_at=self.clock(), stage=stage, progress=progress)
        if (stage, int(100 * progress)) != (job.stage, int(100 * job.progress)):
            self._tell(beaten, "progress")
        return beaten

    def finish(self, job_id: str, attempt: int, result: Mapping[str, Any]) -> Job:
        """Note success. Saying it again changes nothing.

        Raises:
            NotFoundError: no such job.
            ConflictError: it was cancelled, given up, or is tried again.
        """
        return self._end(job_id, attempt, "succeeded", result=dict(result), progress=1.0)

    def fail(self, job_id: str, attempt: int, error: str, error_type: str) -> Job:
        """Note failure and its reason. Saying it again changes nothing.

        Raises:
            NotFoundError: no such job.
            ConflictError: it was cancelled, given up, or is tried again.
        """
        return self._end(job_id, attempt, "failed", error=error, error_type=error_type)

    def lose(self, job_id: str, attempt: int, reason: str) -> Job:
        """Give an attempt up whose driver is gone, unless it ended meanwhile; gives the job as it then is."""
        job = self._locked(job_id)
        if job.ended or job.attempt != attempt:
            return job
        return self._end(job_id, attempt, "failed", error=reason, error_type="lost")

    def cancel(self, job_id: str, reason: str) -> Job:
        """Have a job stopped; its driver may report no more.

        Raises:
            NotFoundError: no such job.
            ConflictError: it has ended.
        """
        job = self._locked(job_id)
        if job.ended:
            raise ConflictError(f"job {job_id} is {job.status} already")
        return self._end(job_id, job.attempt, "cancelled", error=reason, error_type="cancelled")

    def get(self, job_id: str) -> Job:
        """The job with that id.

        Raises:
            NotFoundError: no such job.
        """
        job = self._one(jobs.c.job_id == job_id)
        if job is None:
            raise NotFoundError(f"there is no job {job_id!r}", hint="`axiom jobs list` shows them")
        return job

    def of_key(self, key: str) -> Job | None:
        """The job of an idempotency key, if there is one."""
        return self._one(jobs.c.key == key)

    def list(
        self, *, kind: str | None = None, status: JobStatus | None = None, limit: int = 100, offset: int = 0
    ) -> Sequence[Job]:
        """Jobs, newest first."""
        query = sa.select(jobs).order_by(jobs.c.created_at.desc(), jobs.c.job_id).limit(limit).offset(offset)
        if kind is not None:
            query = query.where(jobs.c.kind == kind)
        if status is not None:
            query = query.where(jobs.c.status == status)
        return [Job(**cast("dict[str, Any]", row)) for row in self.connection.execute(query).mappings()]

    def unfinished(self) -> Sequence[Job]:
        """Every job that is queued or running, oldest sign of life first."""
        query = sa.select(jobs).where(jobs.c.status.in_(("queued", "running"))).order_by(jobs.c.heartbeat_at)
        return [Job(**cast("dict[str, Any]", row)) for row in self.connection.execute(query).mappings()]

    def attempts(self, job_id: str) -> Sequence[JobAttempt]:
        """The attempts that ended, first one first."""
        query = sa.select(job_attempts).where(job_attempts.c.job_id == job_id).order_by(job_attempts.c.attempt)
        return [JobAttempt(**cast("dict[str, Any]", row)) for row in self.connection.execute(query).mappings()]

    def _queued(self, attempt: int, submission_id: str, backend: str, host: str) -> dict[str, Any]:
        now = self.clock()
        return {
            "status": "queued",
            "attempt": attempt,
            "submission_id": submission_id,
            "backend": backend,
            "host": host,
            "queued_at": now,
            "heartbeat_at": now,
            "progress": 0.0,
            **dict.fromkeys(("pid", "stage", "result", "error", "error_type", "started_at", "finished_at")),
        }

    def _progress(self, job: Job) -> tuple[str | None, float]:
        """Of the run that the driver's process began last."""
        query = (
            sa.select(runs.c.stage, runs.c.progress)
            .where(runs.c.pid == job.pid, runs.c.host == job.host, runs.c.started_at >= job.started_at)
            .order_by(runs.c.started_at.desc())
            .limit(1)
        )
        row = self.connection.execute(query).one_or_none()
        return (None, 0.0) if row is None else (row.stage, float(row.progress))

    def _end(self, job_id: str, attempt: int, status: JobStatus, **values: Any) -> Job:
        job = self._locked(job_id)
        if job.attempt == attempt and job.status == status:
            return job  # said again, because the answer to the first time was lost
        self._require(job, attempt, "queued", "running")
        now = self.clock()
        ended = self._write(job, status=status, finished_at=now, heartbeat_at=now, **values)
        facts = ("attempt", "submission_id", "host", "pid", "error", "queued_at", "started_at", "finished_at")
        kept = {name: getattr(ended, name) for name in facts}
        self.connection.execute(sa.insert(job_attempts).values(job_id=job_id, status=status, **kept))
        return self._tell(ended)

    def _require(self, job: Job, attempt: int, *allowed: JobStatus) -> None:
        if job.attempt != attempt:
            raise ConflictError(
                f"job {job.job_id} is at attempt {job.attempt}, not {attempt}", hint="stop this attempt"
            )
        if job.status not in allowed:
            why = f": {job.error}" if job.error else ""
            raise ConflictError(f"job {job.job_id} is {job.status}{why}", hint="stop this attempt")

    def _tell(self, job: Job, name: str | None = None) -> Job:
        facts = ("kind", "status", "attempt", "stage", "progress", "error")
        self.events.add("job", job.job_id, name or job.status, {fact: getattr(job, fact) for fact in facts})
        return job

    def _write(self, job: Job, **values: Any) -> Job:
        self.connection.execute(sa.update(jobs).where(jobs.c.job_id == job.job_id).values(**values))
        return self.get(job.job_id)

    def _locked(self, job_id: str) -> Job:
        self.connection.execute(sa.select(jobs.c.job_id).where(jobs.c.job_id == job_id).with_for_update())
        return self.get(job_id)

    def _one(self, condition: sa.ColumnElement[bool]) -> Job | None:
        row = self.connection.execute(sa.select(jobs).where(condition)).mappings().one_or_none()
        return None if row is None else Job(**cast("dict[str, Any]", row))
