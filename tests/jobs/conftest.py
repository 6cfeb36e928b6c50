"""A back end that does nothing until it is told to, and a service over it with a clock of its own."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from axiom.db import Database
from axiom.errors import UnavailableError
from axiom.jobs.backend import Standing
from axiom.jobs.service import JobService
from axiom.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from axiom.db.jobs import Job


class Clock:
    """A clock that moves only when it is told to."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **span: float) -> None:
        self.now += timedelta(**span)


@dataclass
class FakeBackend:
    """Remembers what it was asked; `state` and `logs` say what it answers."""

    name: str = "fake"
    submitted: list[str] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    state: dict[str, Standing] = field(default_factory=dict)
    logs: dict[str, bytes] = field(default_factory=dict)
    away: bool = False

    def submit(self, job: Job) -> None:
        self._answer()
        self.submitted.append(job.submission_id)
        self.state.setdefault(job.submission_id, Standing("alive"))

    def standing(self, job: Job) -> Standing:
        self._answer()
        return self.state.get(job.submission_id, Standing("missing"))

    def stop(self, job: Job) -> None:
        self._answer()
        self.stopped.append(job.submission_id)

    def log(self, submission_id: str, offset: int, limit: int) -> bytes:
        self._answer()
        return self.logs.get(submission_id, b"")[offset : offset + limit]

    def _answer(self) -> None:
        if self.away:
            raise UnavailableError("the cluster does not answer")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def backend() -> FakeBackend:
    return FakeBackend()


@pytest.fixture
def service(tmp_path: Path, sqlite_tables: Path, clock: Clock, backend: FakeBackend) -> Iterator[JobService]:
    shutil.copy(sqlite_tables, tmp_path)
    with Database(f"sqlite:///{tmp_path / 'axiom.db'}", clock=clock) as db:
        db.migrate()
        yield JobService(db, Settings(home=tmp_path), opener=lambda _settings, _name: backend)
