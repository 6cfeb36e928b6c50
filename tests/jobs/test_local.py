"""Real drivers as processes: in a small workspace, without Ray."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from axiom.db import Database
from axiom.db.jobs import NewJob
from axiom.db.processes import process_exists
from axiom.jobs.backend import environment_of
from axiom.jobs.local import _is_driver
from axiom.jobs.service import JobService
from axiom.pipelines.ingest import ingest_source
from axiom.pipelines.workspace import create, opened
from axiom.settings import Settings
from axiom.sources.request import FileSource, IngestRequest
from axiom.sources.synthetic import generate, write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from axiom.db.jobs import Job, JobAttempt


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", engine="inline", buckets=2)


@pytest.fixture
def jobs(settings: Settings, tmp_path: Path) -> Iterator[JobService]:
    create(settings)
    company = generate("shop", seed=3, customers=60, days=200, acquisition_days=60, events_per_week=0)
    path = next(path for path in write(company, tmp_path / "files") if path.stem == "transactions")
    with opened(settings) as ws:
        ingest_source(ws, IngestRequest("transactions", FileSource((str(path),))), source_name="shop")
    with Database(settings.database_location) as db:
        yield JobService(db, settings, "local")


def until(what: Callable[[], bool]) -> None:
    pause = threading.Event()
    while not what():
        pause.wait(0.02)


def wait_for(jobs: JobService, job: Job, status: str) -> Job:
    until(lambda: jobs.get(job.job_id).status == status or jobs.refresh(job.job_id).ended)
    return jobs.get(job.job_id)


def test_a_job_is_done_by_a_process_of_its_own(jobs: JobService) -> None:
    done = jobs.wait(jobs.submit("build", {"as_of": "2023-06-01", "labels": False}).job_id, every=0.1)
    assert done.status == "succeeded", done.error
    assert done.pid not in (None, os.getpid())
    assert done.result is not None
    assert done.result["rows"] > 0
    piece = jobs.log(done.job_id)
    assert "job_started" in piece.text
    assert '"features"' in piece.text
    assert piece.ended


def test_a_job_that_cannot_be_done_says_why(jobs: JobService) -> None:
    done = jobs.wait(jobs.submit("score", {"as_of": "2023-06-01"}).job_id, every=0.1)
    assert (done.status, done.error_type) == ("failed", "not-found")
    assert "no model is registered" in str(done.error)
    assert [one.status for one in _attempts(jobs, done)] == ["failed"]


def test_a_job_goes_on_with_what_the_settings_say_and_not_the_environment(
    jobs: JobService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AXIOM_HOME", str(tmp_path / "elsewhere"))
    done = jobs.wait(jobs.submit("quality", {"as_of": "2023-07-01"}).job_id, every=0.1)
    assert done.status == "succeeded", done.error


def test_a_driver_is_one_from_the_moment_it_is_spawned() -> None:
    """Its command line is empty for some microseconds, and was then taken for somebody else's."""
    command = [sys.executable, "-S", "-c", "import time; time.sleep(60)", "job-1"]
    for _ in range(100):
        pid = os.posix_spawn(command[0], command, {}, setsid=True)
        try:
            assert _is_driver(pid, "job-1")
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    assert not _is_driver(pid, "job-1")
    assert not _is_driver(os.getpid(), "job-1")


def test_a_driver_that_is_killed_is_noticed_and_its_job_tried_again(jobs: JobService) -> None:
    job = wait_for(jobs, jobs.submit("build", {"as_of": "2023-06-01"}), "running")
    assert job.pid is not None
    os.kill(job.pid, signal.SIGKILL)
    until(lambda: not process_exists(job.pid or 0))
    (lost,) = jobs.reap()
    assert (lost.status, lost.error_type) == ("failed", "lost")
    assert "its driver died" in str(lost.error)
    again = jobs.wait(jobs.retry(job.job_id).job_id, every=0.1)
    assert (again.status, again.attempt) == ("succeeded", 2), again.error
    assert [one.status for one in _attempts(jobs, again)] == ["failed", "succeeded"]


def test_a_cancelled_driver_is_gone(jobs: JobService) -> None:
    job = wait_for(jobs, jobs.submit("build", {"as_of": "2023-06-01", "back": 3}), "running")
    cancelled = jobs.cancel(job.job_id, reason="wrong data")
    assert (cancelled.status, cancelled.error) == ("cancelled", "wrong data")
    until = time.monotonic() + 30.0
    while process_exists(job.pid or 0):  # it was told to end, and needs a moment where the machine is busy
        assert time.monotonic() < until
        time.sleep(0.01)
    assert jobs.refresh(job.job_id).status == "cancelled"


def test_a_second_driver_of_an_attempt_does_nothing(jobs: JobService, settings: Settings) -> None:
    job = jobs.submit("build", {"as_of": "2023-06-01"})
    command = [sys.executable, "-m", "axiom.jobs.driver", job.job_id, "1"]
    second = subprocess.run(command, env={**os.environ, **environment_of(settings)}, capture_output=True, check=False)
    done = jobs.wait(job.job_id, every=0.1)
    assert done.status == "succeeded", done.error
    assert len(_attempts(jobs, done)) == 1
    assert second.returncode in (0, 3), "whichever came first"
    late = subprocess.run(command, env={**os.environ, **environment_of(settings)}, capture_output=True, check=False)
    assert late.returncode == 3
    assert jobs.get(job.job_id) == done


def test_a_driver_that_never_started_leaves_its_last_words(jobs: JobService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AXIOM_LOG_LEVLE", "INFO")
    job = jobs.wait(jobs.submit("quality", {}).job_id, every=0.1)
    assert (job.status, job.error_type, job.started_at) == ("failed", "lost", None)
    assert "its driver died: process" in str(job.error)
    assert "AXIOM_LOG_LEVLE is not a setting" in str(job.error)


def test_a_number_of_a_process_that_was_used_again_is_not_taken_for_the_driver(jobs: JobService) -> None:
    new = NewJob("quality-x", "quality", "x", {}, "local", socket.gethostname(), "me", lambda n: f"x-{n}")
    with jobs.db.transaction() as tx:
        job, _ = tx.jobs.submit(new)
        tx.jobs.start(job.job_id, 1, pid=os.getpid(), host=socket.gethostname())
    lost = jobs.refresh(job.job_id)
    assert (lost.status, lost.error_type, lost.error) == (
        "failed",
        "lost",
        f"its driver died: process {os.getpid()} is gone",
    )


def _attempts(jobs: JobService, job: Job) -> list[JobAttempt]:
    with jobs.db.reading() as tx:
        return list(tx.jobs.attempts(job.job_id))
