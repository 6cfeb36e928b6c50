"""The runner: takes a run, does what can be done next, and writes every step of it down before and after.

All state is in SQL. A runner that dies leaves its lease to run out, or is seen to be gone; the next one finds every
step as it was, and the jobs that are still running. The key of a job is run, step and attempt: submitting it again is
harmless.
"""

from __future__ import annotations

import os
import socket
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from axiom.errors import AxiomError, ConflictError, NotFoundError, UnavailableError
from axiom.jobs.pipelines.definition import pipeline_of
from axiom.jobs.service import job_id_of
from axiom.telemetry import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from axiom.db import Transaction
    from axiom.db.jobs import Job
    from axiom.db.pipeline_runs import PipelineRun, RunStatus, StepRun
    from axiom.jobs.pipelines.definition import Pipeline, Step
    from axiom.jobs.service import JobService

MAY_PASS = frozenset({"unavailable", "conflict", "internal", "lost"})
"""Problem types after which the same step is worth another try."""
_LONGEST_PAUSE = 3600.0
_log = get_logger(__name__)


def new_owner() -> str:
    """A name for a runner of this process, `host:pid:token`."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


@dataclass(frozen=True)
class Runner:
    """Works on one run at a time.

    Attributes:
        service: where its jobs go.
        owner: its name in leases.
        lease: after so much silence another runner may take over.
        every: seconds between two looks.
        patience: how many seconds the database may be away.
        sleep: waits between two looks.
    """

    service: JobService
    owner: str = field(default_factory=new_owner)
    lease: timedelta = timedelta(seconds=60)
    every: float = 0.5
    patience: float = 600.0
    sleep: Callable[[float], None] = time.sleep

    def run(self, run_id: str, *, wait: bool = True) -> PipelineRun:
        """Work on a run until it has ended. Where another runner does, wait for it, and take over should it die.

        Args:
            run_id: which.
            wait: False: leave it to the other runner.

        Raises:
            NotFoundError: no such run.
            ConflictError: another runner works on it and `wait` is not set.
            UnavailableError: the database stayed away for longer than the patience.
        """
        silent_since: float | None = None
        mine = False
        while True:
            ended: PipelineRun | None = None
            try:
                if mine:
                    ended = self._advance(run_id)
                else:
                    mine, ended = self._take(run_id, wait=wait)
                silent_since = None
            except UnavailableError as error:
                silent_since = silent_since or time.monotonic()
                if time.monotonic() - silent_since > self.patience:
                    raise
                _log.warning("database_away", run=run_id, error=error.message)
                self.sleep(min(time.monotonic() - silent_since, 5.0))
            except ConflictError:
                # Taken over meanwhile, or two transactions met; either way the database knows.
                if not mine:
                    raise
                mine = False
            except BaseException:
                self._release(run_id)
                raise
            if ended is not None:
                return ended
            self.sleep(self.every)

    def _take(self, run_id: str, *, wait: bool) -> tuple[bool, PipelineRun | None]:
        """Try to become the runner: whether this one is, and the run where it has ended."""
        with self.service.db.reading() as tx:
            run = tx.pipeline_runs.get(run_id)
        if run.ended:
            return False, run
        try:
            with self.service.db.transaction() as tx:
                tx.pipeline_runs.take(run_id, self.owner, self.lease)
        except ConflictError:
            if not wait:
                raise
            return False, None
        return True, None

    def _release(self, run_id: str) -> None:
        try:
            with self.service.db.transaction() as tx:
                tx.pipeline_runs.release(run_id, self.owner)
        except AxiomError as error:
            _log.warning("lease_not_released", run=run_id, error=str(error))

    def _advance(self, run_id: str) -> PipelineRun | None:
        """Do everything that can be done now; gives the run once it has ended."""
        run, steps = self._hold(run_id)
        pipeline = pipeline_of(run.definition)
        if run.cancel_reason is not None:
            return self._cancel(run, steps, run.cancel_reason)
        for step in steps:
            if step.status == "running":
                self._look(run, pipeline.step(step.step), step)
        for step in steps:
            if step.status == "pending":
                self._consider(run, pipeline, step)
        with self.service.db.reading() as tx:
            steps = tx.pipeline_runs.steps(run_id)
        if any(step.status in ("pending", "running") for step in steps):
            return None
        return self._finish(run, pipeline, steps)

    def _hold(self, run_id: str) -> tuple[PipelineRun, Sequence[StepRun]]:
        with self.service.db.transaction() as tx:
            return tx.pipeline_runs.hold(run_id, self.owner, self.lease), tx.pipeline_runs.steps(run_id)

    def _writing(self, run_id: str, what: Callable[[Transaction], None]) -> None:
        """Write as the runner of the run, or not at all."""
        with self.service.db.transaction() as tx:
            tx.pipeline_runs.hold(run_id, self.owner, self.lease)
            what(tx)

    def _look(self, run: PipelineRun, step: Step, state: StepRun) -> None:
        """Look after the job of a running step."""
        try:
            job = self.service.refresh(str(state.job_id))
        except NotFoundError:
            self._submit(run, step, state)  # this runner's predecessor died before it came to that
            return
        if not job.ended:
            with self.service.db.reading() as tx:
                age = (tx.clock() - job.created_at).total_seconds()
            if step.limit is None or age <= step.limit:
                return
            self._stop(job, f"it took longer than its limit of {step.limit:g} s")
            self._writing(run.run_id, lambda tx: self._failed(tx, step, state, f"longer than {step.limit:g} s", "lost"))
            return
        self._writing(run.run_id, lambda tx: self._ended(tx, step, state, job))

    def _ended(self, tx: Transaction, step: Step, state: StepRun, job: Job) -> None:
        if job.status == "succeeded":
            tx.pipeline_runs.keep_result(state, job.result or {})
            tx.pipeline_runs.end_attempt(state, "succeeded")
        elif job.status == "cancelled":
            tx.pipeline_runs.end_attempt(state, "cancelled", error=job.error)
        elif job.error_type == "quality-gate" and step.gate != "none":
            tx.pipeline_runs.end_attempt(state, "refused", error=job.error)
        else:
            self._failed(tx, step, state, job.error or "no reason", job.error_type or "internal")

    def _failed(self, tx: Transaction, step: Step, state: StepRun, error: str, error_type: str) -> None:
        tries = state.attempt - state.spent
        if error_type not in MAY_PASS or tries > step.retries:
            tx.pipeline_runs.end_attempt(state, "failed", error=error)
            return
        pause = min(step.backoff * 2.0 ** (tries - 1), _LONGEST_PAUSE)
        tx.pipeline_runs.end_attempt(state, "failed", error=error, again_at=tx.clock() + timedelta(seconds=pause))

    def _consider(self, run: PipelineRun, pipeline: Pipeline, state: StepRun) -> None:
        """Start a pending step, or pass it over, where what it needs allows."""
        step = pipeline.step(state.step)
        with self.service.db.reading() as tx:
            states = {one.step: one for one in tx.pipeline_runs.steps(run.run_id)}
            too_early = state.not_before is not None and tx.clock() < state.not_before
        needed = [states[need] for need in step.needs]
        for need in needed:
            if need.status in ("refused", "failed", "skipped", "cancelled"):
                reason = need.reason or "" if need.status == "skipped" else f"{need.step} {need.status}: {need.reason}"
                self._writing(run.run_id, lambda tx, why=reason: tx.pipeline_runs.pass_over(state, "skipped", why))  # type: ignore[misc]
                return
        if too_early or any(need.status != "succeeded" for need in needed):
            return
        begun: list[StepRun] = []

        def begin(tx: Transaction) -> None:
            key_of = _keys(run.run_id, step.name)
            begun.append(
                tx.pipeline_runs.begin_attempt(run.run_id, step.name, lambda n: job_id_of(step.job, key_of(n)))
            )

        self._writing(run.run_id, begin)
        self._submit(run, step, begun[-1])

    def _submit(self, run: PipelineRun, step: Step, state: StepRun) -> None:
        """Hand the attempt over as a job; a second time it is found, not done again."""
        try:
            self.service.submit(
                step.job,
                self._params(run, step),
                key=_keys(run.run_id, step.name)(state.attempt),
                # The same for every attempt: what an earlier one registered before it died is found by it.
                actor=f"pipeline {run.run_id}/{step.name}/{state.spent + 1}",
            )
        except UnavailableError as error:
            _log.warning("job_not_submitted", run=run.run_id, step=step.name, error=error.message)
        except AxiomError as error:
            told, kind = str(error), error.problem_type
            self._writing(run.run_id, lambda tx: self._failed(tx, step, state, told, kind))

    def _params(self, run: PipelineRun, step: Step) -> dict[str, Any]:
        from axiom.jobs.kinds import kind_of

        found = dict(step.params)
        time_of = kind_of(step.job).time
        if time_of and time_of not in step.inputs:
            found.setdefault(time_of, run.logical_time.isoformat())
        if step.inputs:
            with self.service.db.reading() as tx:
                results = {one.step: one.result or {} for one in tx.pipeline_runs.steps(run.run_id)}
            found |= {name: _input(results, reference) for name, reference in step.inputs.items()}
        return found

    def _cancel(self, run: PipelineRun, steps: Sequence[StepRun], reason: str) -> PipelineRun:
        for state in steps:
            if state.status == "running":
                with suppress(NotFoundError):  # it may never have been submitted
                    self._stop(self.service.get(str(state.job_id)), reason)
                self._writing(
                    run.run_id,
                    lambda tx, one=state: tx.pipeline_runs.end_attempt(one, "cancelled", error=reason),  # type: ignore[misc]
                )
            elif state.status == "pending":
                self._writing(run.run_id, lambda tx, one=state: tx.pipeline_runs.pass_over(one, "cancelled", reason))  # type: ignore[misc]
        return self._close(run, "cancelled", reason)

    def _stop(self, job: Job, reason: str) -> None:
        try:
            self.service.cancel(job.job_id, reason=reason)
        except ConflictError:
            return  # it ended meanwhile

    def _finish(self, run: PipelineRun, pipeline: Pipeline, steps: Sequence[StepRun]) -> PipelineRun:
        for wanted in ("failed", "cancelled", "refused"):
            first = next((state for state in steps if state.status == wanted), None)
            if first is None:
                continue
            reason = f"{first.step} {wanted}: {first.reason}"
            if wanted != "refused":
                return self._close(run, "failed", reason)
            stops = [s for s in steps if s.status == "refused" and pipeline.step(s.step).gate == "blocks"]
            if stops:
                return self._close(run, "blocked", f"{stops[0].step} refused: {stops[0].reason}")
            return self._close(run, "succeeded", reason)
        return self._close(run, "succeeded", None)

    def _close(self, run: PipelineRun, status: RunStatus, reason: str | None) -> PipelineRun:
        with self.service.db.transaction() as tx:
            tx.pipeline_runs.hold(run.run_id, self.owner, self.lease)
            closed = tx.pipeline_runs.finish(run.run_id, status, reason)
        _log.info("pipeline_ended", run=run.run_id, status=status, reason=reason)
        return closed


def _keys(run_id: str, step: str) -> Callable[[int], str]:
    return lambda attempt: f"{run_id}/{step}/{attempt}"


def _input(results: Mapping[str, Mapping[str, Any]], reference: str) -> Any:
    step, _, key = reference.partition(".")
    if key not in results[step]:
        known = ", ".join(sorted(results[step])) or "nothing"
        raise NotFoundError(f"step {step!r} answered no {key!r}", hint=f"it answered {known}")
    return results[step][key]
