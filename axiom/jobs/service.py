"""Jobs as callers see them: submit, watch, read the log, cancel, try again, find those whose driver is gone."""

from __future__ import annotations

import hashlib
import socket
import time
import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from axiom.db.jobs import NewJob
from axiom.errors import AxiomError, MisuseError, UnavailableError
from axiom.jobs.backend import open_backend
from axiom.jobs.kinds import kind_of
from axiom.telemetry import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from axiom.db import Database
    from axiom.db.jobs import Job
    from axiom.jobs.backend import JobBackend, Standing
    from axiom.settings import Settings

STALE_AFTER = timedelta(minutes=2)
"""A driver that showed no life for so long is given up."""
ARRIVAL = timedelta(seconds=10)
"""A submission that has not arrived after so long is sent again."""
_LOG_BYTES = 65536
_log = get_logger(__name__)


@dataclass(frozen=True)
class LogPiece:
    """A piece of a log.

    Attributes:
        text: whole lines, as far as there are line ends.
        offset: where the next piece begins, in bytes; give it to go on after this one.
        ended: whether the attempt is over and this was the last piece.
    """

    text: str
    offset: int
    ended: bool


@dataclass(frozen=True)
class JobService:
    """Jobs of one database.

    Attributes:
        db: where they are kept.
        settings: of the drivers.
        backend: name of the back end of new attempts; None: see `open_backend`.
        stale_after: see `STALE_AFTER`.
        arrival: see `ARRIVAL`.
        opener: opens a back end by name; tests put their own in.
    """

    db: Database
    settings: Settings
    backend: str | None = None
    stale_after: timedelta = STALE_AFTER
    arrival: timedelta = ARRIVAL
    opener: Callable[[Settings, str | None], JobBackend] = open_backend
    _open: dict[str | None, JobBackend] = field(default_factory=dict, repr=False)

    def submit(self, kind: str, params: Mapping[str, Any], *, key: str | None = None, actor: str = "axiom") -> Job:
        """Have a job done. The same key with the same job gives the job that is there, whatever became of it.

        Args:
            kind: one of `axiom.jobs.kinds.KINDS`.
            params: of that kind, as plain values.
            key: idempotency key; None: a new job each time.
            actor: who asks.

        Raises:
            MisuseError: unknown kind, malformed parameters or key.
            ConflictError: the key was used for another job.
            UnavailableError: nobody takes submissions; the job is queued, `refresh` or `retry` sends it again.
        """
        if key is not None and not (key.strip() and len(key) <= 200 and key.isprintable()):
            raise MisuseError(f"{key[:50]!r} is no idempotency key", hint="use up to 200 printable characters")
        body = kind_of(kind).read(params).body()
        chosen = key or uuid.uuid4().hex
        job_id = job_id_of(kind, chosen)
        backend = self._backend(self.backend)
        new = NewJob(
            job_id, kind, chosen, body, backend.name, socket.gethostname(), actor, partial(self._submission, job_id)
        )
        with self.db.transaction() as tx:
            job, is_new = tx.jobs.submit(new)
        if is_new:
            backend.submit(job)
        return job

    def get(self, job_id: str) -> Job:
        """A job as it stands in the database; `refresh` also looks after its driver.

        Raises:
            NotFoundError: no such job.
        """
        with self.db.reading() as tx:
            return tx.jobs.get(job_id)

    def refresh(self, job_id: str) -> Job:
        """A job after a look at its driver: one that died is marked failed with the reason.

        Raises:
            NotFoundError: no such job.
        """
        job = self.get(job_id)
        if job.ended:
            return job
        try:
            backend = self._backend(job.backend)
            standing = backend.standing(job)
            if standing.state == "missing" and job.status == "queued" and self._age(job) > self.arrival:
                backend.submit(job)
                return job
        except UnavailableError as error:
            _log.warning("backend_silent", job=job_id, error=str(error))
            return self._give_up_if_stale(job, None)
        if standing.state == "ended":
            return self._lose(job, f"its driver died: {standing.detail}")
        return self._give_up_if_stale(job, backend if standing.state == "alive" else None, standing)

    def cancel(self, job_id: str, *, reason: str = "cancelled") -> Job:
        """Stop a job. Its driver may report no more from this moment on, wherever it runs.

        Raises:
            NotFoundError: no such job.
            ConflictError: it has ended.
        """
        before = self.get(job_id)
        with self.db.transaction() as tx:
            job = tx.jobs.cancel(job_id, reason)
        self._stop(before)
        return job

    def retry(self, job_id: str) -> Job:
        """Another attempt of a job that failed or was cancelled.

        Raises:
            NotFoundError: no such job.
            ConflictError: it has not ended, or it succeeded.
            UnavailableError: nobody takes submissions.
        """
        backend = self._backend(self.backend)
        with self.db.transaction() as tx:
            submission = partial(self._submission, job_id)
            job = tx.jobs.requeue(job_id, submission, backend=backend.name, host=socket.gethostname())
        backend.submit(job)
        return job

    def reap(self) -> list[Job]:
        """Look at every job that has not ended; gives those whose driver turned out to be gone."""
        with self.db.reading() as tx:
            unfinished = tx.jobs.unfinished()
        seen = [self.refresh(job.job_id) for job in unfinished]
        return [job for job in seen if job.error_type == "lost"]

    def log(self, job_id: str, offset: int = 0, *, attempt: int | None = None) -> LogPiece:
        """A piece of the log of an attempt, from a byte offset on.

        Args:
            job_id: of which job.
            offset: where to begin, as an earlier piece said; 0 is the beginning.
            attempt: default: the latest one.

        Raises:
            NotFoundError: no such job or attempt.
            MisuseError: the offset is negative.
            UnavailableError: Ray does not answer.
        """
        if offset < 0:
            raise MisuseError(f"a log has no offset {offset}", hint="begin at 0")
        job = self.get(job_id)
        ended = job.ended
        submission, backend = job.submission_id, job.backend
        if attempt is not None and attempt != job.attempt:
            submission, ended = self._earlier(job, attempt), True
        raw = self._backend(backend).log(submission, offset, _LOG_BYTES)
        kept = _whole_lines(raw, final=ended)
        return LogPiece(kept.decode(errors="replace"), offset + len(kept), ended and len(raw) < _LOG_BYTES)

    def follow(
        self, job_id: str, offset: int = 0, *, every: float = 0.5, sleep: Callable[[float], None] = time.sleep
    ) -> Iterator[LogPiece]:
        """The log of the latest attempt as it grows, until the job ends; the last piece says so.

        Args:
            job_id: of which job.
            offset: where to begin.
            every: seconds between two looks.
            sleep: waits between two looks.
        """
        while True:
            piece = self.log(job_id, offset)
            if piece.text or piece.ended:
                yield piece
            if piece.ended:
                return
            offset = piece.offset
            if not piece.text:
                sleep(every)
                self.refresh(job_id)

    def wait(self, job_id: str, *, every: float = 0.5, sleep: Callable[[float], None] = time.sleep) -> Job:
        """Wait until a job has ended."""
        while not (job := self.refresh(job_id)).ended:
            sleep(every)
        return job

    def _backend(self, name: str | None) -> JobBackend:
        if name not in self._open:
            self._open[name] = self.opener(self.settings, name)
        return self._open[name]

    def _submission(self, job_id: str, attempt: int) -> str:
        # Two Axioms may share a cluster, and their pipelines may share names and times.
        own = hashlib.blake2b(self.db.location.encode(), digest_size=4).hexdigest()
        return f"axiom-{own}-{job_id}-{attempt}"

    def _earlier(self, job: Job, attempt: int) -> str:
        from axiom.errors import NotFoundError

        with self.db.reading() as tx:
            found = {one.attempt: one.submission_id for one in tx.jobs.attempts(job.job_id)}
        if attempt not in found:
            raise NotFoundError(f"job {job.job_id} has no attempt {attempt}", hint=f"it has 1 to {job.attempt}")
        return found[attempt]

    def _age(self, job: Job) -> timedelta:
        with self.db.reading() as tx:
            return tx.clock() - job.heartbeat_at

    def _give_up_if_stale(self, job: Job, backend: JobBackend | None, standing: Standing | None = None) -> Job:
        age = self._age(job)
        waits_in_line = job.status == "queued" and standing is not None and standing.state == "alive"
        if age <= self.stale_after or waits_in_line:
            return job
        if backend is not None:
            backend.stop(job)
        return self._lose(job, f"its driver showed no life for {age.total_seconds():.0f} s")

    def _lose(self, job: Job, reason: str) -> Job:
        with self.db.transaction() as tx:
            lost = tx.jobs.lose(job.job_id, job.attempt, reason)
        if lost.error_type == "lost":
            _log.warning("job_lost", job=job.job_id, attempt=job.attempt, reason=reason)
        return lost

    def _stop(self, job: Job) -> None:
        try:
            self._backend(job.backend).stop(job)
        except AxiomError as error:
            # The driver finds out by itself: its next sign of life is refused.
            _log.warning("driver_not_stopped", job=job.job_id, error=str(error))


def job_id_of(kind: str, key: str) -> str:
    """The id of the job of an idempotency key; the same on every machine."""
    return f"{kind}-{hashlib.blake2b(f'{kind}/{key}'.encode(), digest_size=8).hexdigest()}"


def _whole_lines(raw: bytes, *, final: bool) -> bytes:
    """Up to the last line end, so that no character is cut in two; all of it where nothing will follow."""
    end = raw.rfind(b"\n") + 1
    if end or not raw:
        return raw if final and len(raw) < _LOG_BYTES else raw[:end]
    return raw if final or len(raw) >= _LOG_BYTES else b""
