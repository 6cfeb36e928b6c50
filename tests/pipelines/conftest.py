"""A runner whose jobs end as the test has written down, with a clock that moves when the runner waits."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from axiom.db import Database
from axiom.errors import UnavailableError
from axiom.jobs.backend import Standing
from axiom.jobs.pipelines.definition import pipeline_of
from axiom.jobs.pipelines.runner import Runner
from axiom.jobs.pipelines.runs import open_run
from axiom.jobs.service import JobService
from axiom.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from axiom.db.jobs import Job
    from axiom.db.pipeline_runs import PipelineRun, StepRun
    from axiom.jobs.pipelines.definition import Pipeline

AT = datetime(2026, 1, 1, 5, tzinfo=UTC)


class Clock:
    """A clock that moves only when it is told to, or when somebody waits."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **span: float) -> None:
        self.now += timedelta(**span)

    def sleep(self, seconds: float) -> None:
        self.advance(seconds=max(seconds, 0.001))


@dataclass
class Scripted:
    """Does jobs at once. What a kind does, attempt by attempt, is written down in `script`; the default is success.

    `ok` (or a dict, the answer), `hang`, `die`, or `error_type: message` of a failure.
    """

    db: Database
    script: dict[str, list[Any]] = field(default_factory=dict)
    seen: list[Job] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    away: bool = False
    name: str = "fake"

    def submit(self, job: Job) -> None:
        if self.away:
            raise UnavailableError("the cluster does not answer")
        self.seen.append(job)
        steps = self.script.get(job.kind, [])
        what = steps.pop(0) if steps else "ok"
        with self.db.transaction() as tx:
            tx.jobs.start(job.job_id, job.attempt, pid=1, host="there")
            if isinstance(what, dict):
                tx.jobs.finish(job.job_id, job.attempt, what)
            elif what == "ok":
                tx.jobs.finish(job.job_id, job.attempt, {"score_set": "s1", "model": "churn@2"})
            elif what not in ("hang", "die"):
                kind, _, message = what.partition(": ")
                tx.jobs.fail(job.job_id, job.attempt, message, kind)
        if what == "die":
            self.stopped.append(job.submission_id)

    def standing(self, job: Job) -> Standing:
        if job.submission_id not in [one.submission_id for one in self.seen]:
            return Standing("missing")
        return Standing("ended", "killed") if job.submission_id in self.stopped else Standing("alive")

    def stop(self, job: Job) -> None:
        self.stopped.append(job.submission_id)

    def log(self, submission_id: str, offset: int, limit: int) -> bytes:
        return b""

    @property
    def kinds(self) -> list[str]:
        return [job.kind for job in self.seen]


@dataclass
class Stage:
    """Everything a test of the runner needs."""

    db: Database
    clock: Clock
    backend: Scripted
    service: JobService

    def runner(self, **changes: Any) -> Runner:
        return Runner(self.service, sleep=self.clock.sleep, **changes)

    def open(self, pipeline: Pipeline, at: datetime = AT) -> PipelineRun:
        with self.db.transaction() as tx:
            return open_run(tx, pipeline, at)[0]

    def run(self, pipeline: Pipeline, at: datetime = AT) -> PipelineRun:
        return self.runner().run(self.open(pipeline, at).run_id)

    def steps(self, run: PipelineRun) -> dict[str, StepRun]:
        with self.db.reading() as tx:
            return {step.step: step for step in tx.pipeline_runs.steps(run.run_id)}

    def statuses(self, run: PipelineRun) -> dict[str, str]:
        return {name: step.status for name, step in self.steps(run).items()}


def make(*steps: dict[str, Any], name: str = "p", **more: Any) -> Pipeline:
    return pipeline_of({"name": name, "steps": [{"name": step["job"], **step} for step in steps], **more})


@pytest.fixture
def pipeline() -> Any:
    """`pipeline({"job": "build"}, {"job": "score", "needs": ["build"]})`; a step is called as its job by default."""
    return make


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def stage(tables_url: str, tmp_path: Path, clock: Clock) -> Iterator[Stage]:
    """On SQLite and on PostgreSQL."""
    with Database(tables_url, clock=clock) as db:
        db.migrate()
        backend = Scripted(db)
        service = JobService(db, Settings(home=tmp_path / "home"), opener=lambda _settings, _name: backend)
        yield Stage(db, clock, backend, service)
