"""Runs of stages: idempotent by key, resumable, with heartbeat."""

from __future__ import annotations

import json
import os
import socket
import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, cast

import sqlalchemy as sa

from axiom.db.processes import process_exists
from axiom.db.statements import insert
from axiom.db.tables import runs
from axiom.errors import ConflictError, MisuseError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

Status = Literal["running", "succeeded", "failed", "cancelled"]
STALE_AFTER = timedelta(minutes=2)


@dataclass(frozen=True)
class Run:
    """One run of one stage; every attempt at the same (stage, key) is the same run.

    Attributes:
        run_id: unique.
        stage: `ingest`, `build`, `train`, `score`, ...
        key: idempotency key; unique within the stage.
        attempt: 1, 2, ...; only the latest attempt may report.
        params: what it was asked to do.
        status: `running`, `succeeded`, `failed` or `cancelled`.
        progress: share done, 0 to 1.
        result: what it answered; None until it succeeded.
        error: why it failed or was cancelled.
        started_at: start of the latest attempt, UTC.
        heartbeat_at: last sign of life, UTC.
        finished_at: UTC; None while it runs.
        pid: process of the latest attempt.
        host: machine of the latest attempt.
    """

    run_id: str
    stage: str
    key: str
    attempt: int
    params: Mapping[str, Any]
    status: Status
    progress: float
    result: Mapping[str, Any] | None
    error: str | None
    started_at: datetime
    heartbeat_at: datetime
    finished_at: datetime | None
    pid: int
    host: str


@dataclass(frozen=True)
class Runs:
    """Repository of runs."""

    connection: Connection
    clock: Callable[[], datetime]

    def begin(self, stage: str, key: str, params: Mapping[str, Any], *, stale_after: timedelta = STALE_AFTER) -> Run:
        """Start a run, or resume the one of that key; one that succeeded comes back as it is, with its result.

        An attempt whose process is gone, or silent for longer than `stale_after`, is taken over.

        Raises:
            ConflictError: It is running elsewhere, or the key was used with other parameters.
            MisuseError: Stage or key is empty.
        """
        if not stage or not key:
            raise MisuseError("a run needs a stage and an idempotency key")
        attempt = self._attempt_facts()
        run_id = uuid.uuid4().hex
        self.connection.execute(
            insert(self.connection, runs)
            .values(run_id=run_id, stage=stage, key=key, attempt=1, params=dict(params), **attempt)
            .on_conflict_do_nothing(index_elements=[runs.c.stage, runs.c.key])
        )
        run = self._one(runs.c.stage == stage, runs.c.key == key, lock=True)
        assert run is not None  # noqa: S101  # it was inserted above or made the insert a no-op
        if run.params != json.loads(json.dumps(params)):
            raise ConflictError(
                f"idempotency key {key!r} of stage {stage!r} was used with other parameters", hint="use a new key"
            )
        if run.run_id == run_id or run.status == "succeeded":
            return run
        if run.status == "running" and not self._is_dead(run, stale_after):
            raise ConflictError(
                f"{stage} {key!r} is running already on {run.host} (process {run.pid}), {run.progress:.0%} done",
                hint=f"wait for it, or cancel run {run.run_id}",
            )
        return self._write(run, attempt=run.attempt + 1, result=None, error=None, finished_at=None, **attempt)

    def heartbeat(self, run: Run, progress: float) -> Run:
        """Show life and advance (0 to 1).

        Raises:
            ConflictError: The run was cancelled, or another attempt took over: stop working.
        """
        return self._report(run, progress=min(max(progress, 0.0), 1.0))

    def finish(self, run: Run, result: Mapping[str, Any]) -> Run:
        """Note success.

        Raises:
            ConflictError: The run was cancelled, or another attempt took over.
        """
        return self._report(run, status="succeeded", progress=1.0, result=dict(result), finished_at=self.clock())

    def fail(self, run: Run, error: str) -> Run:
        """Note failure; the next `begin` of the same key tries again.

        Raises:
            ConflictError: The run was cancelled, or another attempt took over.
        """
        return self._report(run, status="failed", error=error, finished_at=self.clock())

    def cancel(self, run_id: str, reason: str) -> Run:
        """Ask a run to stop; its next report is refused, which ends it.

        Raises:
            NotFoundError: No such run.
            ConflictError: It is not running.
        """
        return self._report(self.get(run_id), status="cancelled", error=reason, finished_at=self.clock())

    def get(self, run_id: str) -> Run:
        """The run with that id.

        Raises:
            NotFoundError: No such run.
        """
        run = self._one(runs.c.run_id == run_id)
        if run is None:
            raise NotFoundError(f"there is no run {run_id!r}", hint="`axiom runs` shows them")
        return run

    def list(self, *, stage: str | None = None, status: Status | None = None, limit: int = 100) -> Sequence[Run]:
        """Runs, latest start first."""
        query = sa.select(runs).order_by(runs.c.started_at.desc(), runs.c.run_id).limit(limit)
        if stage is not None:
            query = query.where(runs.c.stage == stage)
        if status is not None:
            query = query.where(runs.c.status == status)
        return [Run(**cast("dict[str, Any]", row)) for row in self.connection.execute(query).mappings()]

    def _attempt_facts(self) -> dict[str, Any]:
        now = self.clock()
        return {
            "status": "running",
            "progress": 0.0,
            "started_at": now,
            "heartbeat_at": now,
            "pid": os.getpid(),
            "host": socket.gethostname(),
        }

    def _is_dead(self, run: Run, stale_after: timedelta) -> bool:
        return self.clock() - run.heartbeat_at > stale_after or (
            run.host == socket.gethostname() and not process_exists(run.pid)
        )

    def _report(self, run: Run, **values: Any) -> Run:
        now = self._one(runs.c.run_id == run.run_id, lock=True)
        if now is None:
            raise NotFoundError(f"there is no run {run.run_id!r}")
        if now.attempt != run.attempt:
            raise ConflictError(f"run {run.run_id} was taken over by attempt {now.attempt}", hint="stop this attempt")
        if now.status != "running":
            raise ConflictError(
                f"run {run.run_id} is {now.status}: {now.error or 'it ended'}", hint="stop working on it"
            )
        return self._write(run, heartbeat_at=self.clock(), **values)

    def _write(self, run: Run, **values: Any) -> Run:
        self.connection.execute(sa.update(runs).where(runs.c.run_id == run.run_id).values(**values))
        return self.get(run.run_id)

    def _one(self, *conditions: sa.ColumnElement[bool], lock: bool = False) -> Run | None:
        query = sa.select(runs).where(*conditions)
        # SQLite has no row locks and needs none: its transactions write one at a time.
        row = self.connection.execute(query.with_for_update() if lock else query).mappings().one_or_none()
        return None if row is None else Run(**cast("dict[str, Any]", row))
