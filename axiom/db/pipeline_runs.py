"""Pipeline runs: one a pipeline and logical time, held by one runner at a time, with the state of every step."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

import sqlalchemy as sa

from axiom.db.job_tables import pipeline_runs, step_attempts, step_runs
from axiom.db.processes import process_exists
from axiom.db.statements import insert
from axiom.errors import ConflictError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime, timedelta

    from sqlalchemy import Connection

    from axiom.db.events import Events

RunStatus = Literal["running", "succeeded", "blocked", "failed", "cancelled"]
StepStatus = Literal["pending", "running", "succeeded", "refused", "failed", "skipped", "cancelled"]
AttemptStatus = Literal["running", "succeeded", "refused", "failed", "cancelled"]


@dataclass(frozen=True)
class PipelineRun:
    """One run of one pipeline for one logical time.

    Attributes:
        run_id: unique.
        pipeline: its name.
        logical_time: the time that the run is about, UTC; not the time at which it runs.
        cause: `manual`, `schedule` or `backfill`.
        definition: the pipeline as it was when the run was opened.
        status: `running` (also before it starts), `succeeded`, `blocked` (by a gate), `failed` or `cancelled`.
        reason: why it did not succeed; None otherwise.
        cancel_reason: why it shall be cancelled; None where nobody asked.
        lease_owner: the runner that works on it, `host:pid:token`.
        lease_until: until when that runner has to show life again, UTC.
        created_at: when it was opened, UTC.
        started_at: when a runner first took it, UTC.
        finished_at: UTC; None while it runs.
    """

    run_id: str
    pipeline: str
    logical_time: datetime
    cause: str
    definition: Mapping[str, Any]
    status: RunStatus
    reason: str | None
    cancel_reason: str | None
    lease_owner: str | None
    lease_until: datetime | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it by itself."""
        return self.status != "running"


@dataclass(frozen=True)
class StepRun:
    """Where one step of one run stands.

    Attributes:
        run_id: of the run.
        step: its name.
        position: its place in the definition.
        kind: the kind of job that does it.
        status: `pending`, `running`, `succeeded`, `refused` (a gate), `failed`, `skipped` or `cancelled`.
        attempt: attempts so far.
        spent: attempts before the run was resumed last; they no longer count against the retries.
        job_id: job of the latest attempt.
        not_before: when the next attempt may begin, UTC.
        started_at: start of the first attempt since it was last pending, UTC.
        finished_at: UTC.
        result: what its job answered.
        reason: why it did not succeed.
    """

    run_id: str
    step: str
    position: int
    kind: str
    status: StepStatus
    attempt: int
    spent: int
    job_id: str | None
    not_before: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    result: Mapping[str, Any] | None
    reason: str | None


@dataclass(frozen=True)
class StepAttempt:
    """One attempt of one step: one job."""

    run_id: str
    step: str
    attempt: int
    job_id: str
    status: AttemptStatus
    started_at: datetime
    finished_at: datetime | None
    error: str | None


@dataclass(frozen=True)
class PipelineRuns:
    """Repository of pipeline runs. Every change leaves an event."""

    connection: Connection
    clock: Callable[[], datetime]
    events: Events

    def open(
        self,
        run_id: str,
        pipeline: str,
        logical_time: datetime,
        *,
        definition: Mapping[str, Any],
        steps: Iterable[tuple[str, str]],
        cause: str,
    ) -> tuple[PipelineRun, bool]:
        """Open the run of a pipeline and logical time, or find it; gives also whether it is new.

        Args:
            run_id: of a new run.
            pipeline: its name.
            logical_time: what it is about.
            definition: the pipeline, as JSON values.
            steps: name and kind of each, in order.
            cause: `manual`, `schedule` or `backfill`.
        """
        values = {"run_id": run_id, "pipeline": pipeline, "logical_time": logical_time, "cause": cause}
        made = self.connection.execute(
            insert(self.connection, pipeline_runs)
            .values(**values, definition=dict(definition), status="running", created_at=self.clock())
            .on_conflict_do_nothing()
            .returning(pipeline_runs.c.run_id)
        ).one_or_none()
        run = self.find(pipeline, logical_time)
        assert run is not None  # noqa: S101  # it was inserted above or made the insert a no-op
        if made is not None:
            rows = [
                {"run_id": run_id, "step": name, "position": place, "kind": kind}
                | {"status": "pending", "attempt": 0, "spent": 0}
                for place, (name, kind) in enumerate(steps)
            ]
            self.connection.execute(sa.insert(step_runs), rows)
            self._tell(run, "opened")
        return run, made is not None

    def take(self, run_id: str, owner: str, lease: timedelta) -> PipelineRun:
        """Become the runner of a run, if it has none, or one that is dead or was silent for longer than its lease.

        Raises:
            NotFoundError: no such run.
            ConflictError: another runner works on it, or it has ended.
        """
        run = self._locked(run_id)
        now = self.clock()
        if run.ended:
            raise ConflictError(f"run {run_id} is {run.status} already", hint=f"axiom pipelines resume {run_id}")
        if run.lease_owner not in (None, owner) and not self._is_free(run):
            raise ConflictError(
                f"run {run_id} is being worked on by {run.lease_owner}",
                hint=f"wait for it, or axiom pipelines cancel {run_id}",
            )
        return self._write(run, lease_owner=owner, lease_until=now + lease, started_at=run.started_at or now)

    def hold(self, run_id: str, owner: str, lease: timedelta) -> PipelineRun:
        """Show life as the runner of a run; locks it until the end of the transaction.

        Raises:
            NotFoundError: no such run.
            ConflictError: another runner took over: stop working.
        """
        run = self._locked(run_id)
        if run.lease_owner != owner:
            raise ConflictError(
                f"run {run_id} was taken over by {run.lease_owner or 'nobody yet'}", hint="stop working on it"
            )
        return self._write(run, lease_until=self.clock() + lease)

    def release(self, run_id: str, owner: str) -> None:
        """Stop being the runner of a run that goes on; does nothing where another one took over."""
        mine = (pipeline_runs.c.run_id == run_id) & (pipeline_runs.c.lease_owner == owner)
        self.connection.execute(sa.update(pipeline_runs).where(mine).values(lease_owner=None, lease_until=None))

    def finish(self, run_id: str, status: RunStatus, reason: str | None) -> PipelineRun:
        """Close a run."""
        values = {"status": status, "reason": reason, "finished_at": self.clock()}
        run = self._write(self._locked(run_id), **values, lease_owner=None, lease_until=None)
        return self._tell(run, status)

    def ask_cancel(self, run_id: str, reason: str) -> PipelineRun:
        """Ask whoever runs it to cancel a run.

        Raises:
            NotFoundError: no such run.
            ConflictError: it has ended.
        """
        run = self._locked(run_id)
        if run.ended:
            raise ConflictError(f"run {run_id} is {run.status} already")
        return self._tell(self._write(run, cancel_reason=run.cancel_reason or reason), "cancelling")

    def reopen(self, run_id: str, steps: Iterable[str]) -> PipelineRun:
        """Let an ended run go on: `steps` are to be done again, with all their retries.

        Raises:
            NotFoundError: no such run.
            ConflictError: it has not ended.
        """
        run = self._locked(run_id)
        if not run.ended:
            raise ConflictError(f"run {run_id} has not ended", hint=f"axiom pipelines resume {run_id} takes it up")
        cleared = ("job_id", "not_before", "started_at", "finished_at", "result", "reason")
        self.connection.execute(
            sa.update(step_runs)
            .where(step_runs.c.run_id == run_id, step_runs.c.step.in_(list(steps)))
            .values(status="pending", spent=step_runs.c.attempt, **dict.fromkeys(cleared))
        )
        again = self._write(run, status="running", reason=None, cancel_reason=None, finished_at=None)
        return self._tell(again, "reopened")

    def begin_attempt(self, run_id: str, step: str, job_id_of: Callable[[int], str]) -> StepRun:
        """The next attempt of a pending step; `job_id_of` names the job of an attempt."""
        before = self.step(run_id, step)
        attempt, now = before.attempt + 1, self.clock()
        job_id = job_id_of(attempt)
        values = {"run_id": run_id, "step": step, "attempt": attempt, "job_id": job_id}
        self.connection.execute(sa.insert(step_attempts).values(**values, status="running", started_at=now))
        started = before.started_at or now
        return self._step(before, status="running", attempt=attempt, job_id=job_id, not_before=None, started_at=started)

    def end_attempt(
        self, step: StepRun, status: AttemptStatus, *, error: str | None = None, again_at: datetime | None = None
    ) -> StepRun:
        """The running attempt of a step ended; with `again_at` the step is pending again, until then."""
        now = self.clock()
        self.connection.execute(
            sa.update(step_attempts)
            .where(
                step_attempts.c.run_id == step.run_id,
                step_attempts.c.step == step.step,
                step_attempts.c.attempt == step.attempt,
            )
            .values(status=status, finished_at=now, error=error)
        )
        if again_at is not None:
            return self._step(step, status="pending", not_before=again_at, reason=error)
        return self._step(step, status=status, finished_at=now, reason=error)

    def keep_result(self, step: StepRun, result: Mapping[str, Any]) -> None:
        """What the job of a step answered."""
        self._update(step, result=dict(result))

    def pass_over(self, step: StepRun, status: Literal["skipped", "cancelled"], reason: str) -> StepRun:
        """A pending step will not be done."""
        return self._step(step, status=status, reason=reason, finished_at=self.clock())

    def get(self, run_id: str) -> PipelineRun:
        """The run with that id.

        Raises:
            NotFoundError: no such run.
        """
        run = self._one(pipeline_runs.c.run_id == run_id)
        if run is None:
            raise NotFoundError(f"there is no pipeline run {run_id!r}", hint="`axiom pipelines history` shows them")
        return run

    def find(self, pipeline: str, logical_time: datetime) -> PipelineRun | None:
        """The run of a pipeline and logical time, if there is one."""
        return self._one(pipeline_runs.c.pipeline == pipeline, pipeline_runs.c.logical_time == logical_time)

    def list(
        self, *, pipeline: str | None = None, status: RunStatus | None = None, limit: int = 100, offset: int = 0
    ) -> Sequence[PipelineRun]:
        """Runs, latest logical time first."""
        order = (pipeline_runs.c.logical_time.desc(), pipeline_runs.c.pipeline)
        query = sa.select(pipeline_runs).order_by(*order).limit(limit).offset(offset)
        if pipeline is not None:
            query = query.where(pipeline_runs.c.pipeline == pipeline)
        if status is not None:
            query = query.where(pipeline_runs.c.status == status)
        return [PipelineRun(**cast("dict[str, Any]", row)) for row in self.connection.execute(query).mappings()]

    def abandoned(self) -> Sequence[PipelineRun]:
        """Open runs that nobody works on, earliest logical time first."""
        query = sa.select(pipeline_runs).where(pipeline_runs.c.status == "running")
        query = query.order_by(pipeline_runs.c.logical_time, pipeline_runs.c.pipeline)
        found = [PipelineRun(**cast("dict[str, Any]", row)) for row in self.connection.execute(query).mappings()]
        return [run for run in found if self._is_free(run)]

    def step(self, run_id: str, step: str) -> StepRun:
        """One step of a run.

        Raises:
            NotFoundError: no such run or step.
        """
        for found in self.steps(run_id):
            if found.step == step:
                return found
        raise NotFoundError(f"run {run_id!r} has no step {step!r}")

    def steps(self, run_id: str) -> Sequence[StepRun]:
        """The steps of a run in the order of the definition."""
        query = sa.select(step_runs).where(step_runs.c.run_id == run_id).order_by(step_runs.c.position)
        return [StepRun(**cast("dict[str, Any]", row)) for row in self.connection.execute(query).mappings()]

    def attempts(self, run_id: str) -> Sequence[StepAttempt]:
        """Every attempt of every step of a run, first one first."""
        query = sa.select(step_attempts).where(step_attempts.c.run_id == run_id)
        query = query.order_by(step_attempts.c.started_at, step_attempts.c.step, step_attempts.c.attempt)
        return [StepAttempt(**cast("dict[str, Any]", row)) for row in self.connection.execute(query).mappings()]

    def durations(self, pipeline: str, limit: int = 100) -> Mapping[str, Sequence[float]]:
        """Step -> seconds from first start to success, of the latest runs of a pipeline, latest first."""
        latest = sa.select(pipeline_runs.c.run_id, pipeline_runs.c.logical_time)
        latest = latest.where(pipeline_runs.c.pipeline == pipeline)
        kept = latest.order_by(pipeline_runs.c.logical_time.desc()).limit(limit).subquery()
        query = (
            sa.select(step_runs.c.step, step_runs.c.started_at, step_runs.c.finished_at)
            .join(kept, kept.c.run_id == step_runs.c.run_id)
            .where(step_runs.c.status == "succeeded")
            .order_by(step_runs.c.position, kept.c.logical_time.desc())
        )
        found: dict[str, list[float]] = {}
        for row in self.connection.execute(query):
            found.setdefault(row.step, []).append((row.finished_at - row.started_at).total_seconds())
        return found

    def _is_free(self, run: PipelineRun) -> bool:
        if run.lease_owner is None or run.lease_until is None or run.lease_until < self.clock():
            return True
        host, _, rest = run.lease_owner.partition(":")
        return host == socket.gethostname() and not process_exists(int(rest.partition(":")[0]))

    def _step(self, step: StepRun, **values: Any) -> StepRun:
        changed = self._update(step, **values)
        facts = ("step", "status", "attempt", "job_id", "reason")
        self.events.add("pipeline", step.run_id, "step", {fact: getattr(changed, fact) for fact in facts})
        return changed

    def _update(self, step: StepRun, **values: Any) -> StepRun:
        own = (step_runs.c.run_id == step.run_id) & (step_runs.c.step == step.step)
        self.connection.execute(sa.update(step_runs).where(own).values(**values))
        return self.step(step.run_id, step.step)

    def _tell(self, run: PipelineRun, name: str) -> PipelineRun:
        facts = {"pipeline": run.pipeline, "logical_time": run.logical_time.isoformat(), "status": run.status}
        self.events.add("pipeline", run.run_id, name, {**facts, "reason": run.reason or run.cancel_reason})
        return run

    def _write(self, run: PipelineRun, **values: Any) -> PipelineRun:
        self.connection.execute(sa.update(pipeline_runs).where(pipeline_runs.c.run_id == run.run_id).values(**values))
        return self.get(run.run_id)

    def _locked(self, run_id: str) -> PipelineRun:
        query = sa.select(pipeline_runs.c.run_id).where(pipeline_runs.c.run_id == run_id)
        self.connection.execute(query.with_for_update())
        return self.get(run_id)

    def _one(self, *conditions: sa.ColumnElement[bool]) -> PipelineRun | None:
        row = self.connection.execute(sa.select(pipeline_runs).where(*conditions)).mappings().one_or_none()
        return None if row is None else PipelineRun(**cast("dict[str, Any]", row))
