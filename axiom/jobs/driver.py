"""The process that does a job: `python -m axiom.jobs.driver JOB ATTEMPT`. Everything else it reads from the database.

It may start late, twice, or after it was given up: the database decides whether this attempt may run, and every sign
of life asks again. A database that is away for a while is waited for.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from structlog.contextvars import bound_contextvars

from axiom.errors import AxiomError, ConflictError, UnavailableError
from axiom.settings import load_settings, mask_url
from axiom.telemetry import configure_logging, get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from axiom.db import Database, Transaction
    from axiom.db.jobs import Job
    from axiom.settings import Settings

T = TypeVar("T")
HEARTBEAT_SECONDS = 5.0
PATIENCE_SECONDS = 600.0
"""How long a database may be away before a driver gives up telling what came of its work."""
YIELDING = 10
"""Niceness of a job: what is served on the same machine comes first."""
_TERMINATED = 128 + signal.SIGTERM
_log = get_logger("axiom.jobs.driver")  # as a script this module is called __main__


@dataclass(frozen=True)
class Driver:
    """One attempt of one job, in this process."""

    settings: Settings
    db: Database
    job_id: str
    attempt: int
    patience: float = PATIENCE_SECONDS

    def run(self) -> int:
        """Do the job; gives the exit code.

        Raises:
            ConflictError: this attempt may not run: it runs elsewhere, is over, or was given up.
            NotFoundError: no such job.
            UnavailableError: the database stayed away for longer than the patience.
        """
        job = self.say(lambda tx: tx.jobs.start(self.job_id, self.attempt, pid=os.getpid(), host=socket.gethostname()))
        try:
            with self._alive():
                answer = self._work(job)
        except AxiomError as error:
            return self._failed(str(error), error.problem_type)
        except SystemExit:
            return self._failed("its driver was asked to end", "lost")
        except Exception as error:  # noqa: BLE001  (whatever it is, the job has failed, and says why)
            _log.exception("job_failed", job=self.job_id)
            return self._failed(f"internal error: {type(error).__name__}: {error}", "internal")
        self.say(lambda tx: tx.jobs.finish(self.job_id, self.attempt, answer))
        sys.stdout.write(json.dumps(answer, ensure_ascii=False) + "\n")
        return 0

    def say(self, what: Callable[[Transaction], T]) -> T:
        """Tell the database something, however long that takes within the patience.

        Raises:
            UnavailableError: it stayed away.
        """
        until = time.monotonic() + self.patience
        pause = 0.2
        while True:
            try:
                with self.db.transaction() as tx:
                    return what(tx)
            except UnavailableError as error:
                if time.monotonic() > until:
                    raise
                _log.warning("database_away", error=error.message)
                time.sleep(pause)
                pause = min(2 * pause, 5.0)

    def _work(self, job: Job) -> dict[str, Any]:
        from axiom.jobs.kinds import kind_of
        from axiom.pipelines.workspace import opened

        kind = kind_of(job.kind)
        params = kind.read(job.params)
        # A pipeline says on whose behalf it submits, the same for every attempt at a step.
        origin = job.created_by if job.created_by.startswith("pipeline ") else f"job {job.job_id}"
        _log.info("job_started", job=job.job_id, attempt=job.attempt, kind=job.kind, params=job.params)
        with opened(self.settings) as ws:
            return kind.run(ws, params, origin)

    def _failed(self, error: str, error_type: str) -> int:
        reason = mask_url(error)[:2000]
        _log.error("job_failed", job=self.job_id, error=reason)
        self.say(lambda tx: tx.jobs.fail(self.job_id, self.attempt, reason, error_type))
        return 1

    @contextmanager
    def _alive(self) -> Iterator[None]:
        stop = threading.Event()
        beat = threading.Thread(target=self._beat, args=(stop,), daemon=True, name="job-heartbeat")
        beat.start()
        try:
            yield
        finally:
            stop.set()
            beat.join()

    def _beat(self, stop: threading.Event) -> None:
        while not stop.wait(HEARTBEAT_SECONDS):
            try:
                with self.db.transaction() as tx:
                    tx.jobs.heartbeat(self.job_id, self.attempt)
            except ConflictError as error:
                if self._given_up():
                    _log.warning("job_given_up", job=self.job_id, error=error.message)
                    os.kill(os.getpid(), signal.SIGTERM)
                    return
            except AxiomError as error:
                _log.warning("heartbeat_failed", job=self.job_id, error=str(error))

    def _given_up(self) -> bool:
        """Whether a refusal meant this attempt, and not merely that two transactions met."""
        try:
            with self.db.reading() as tx:
                job = tx.jobs.get(self.job_id)
        except AxiomError:
            return False
        return (job.attempt, job.status) != (self.attempt, "running")


def main(arguments: list[str] | None = None) -> int:
    """Entry point. Exit code 0: done; 1: failed, and the database knows why; 3: this attempt may not run."""
    job_id, attempt = (arguments or sys.argv[1:])[:2]
    # As the `axiom` command does: small matrices, and BLAS threads that wait for one core. Before numpy loads.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    signal.signal(signal.SIGTERM, _terminate)
    settings = load_settings()
    configure_logging(settings)
    from axiom.db import Database

    with Database(settings.database_location) as db, bound_contextvars(job_id=job_id, attempt=int(attempt)):
        driver = Driver(settings, db, job_id, int(attempt))
        try:
            return driver.run()
        except ConflictError as error:
            _log.warning("job_not_run", job=job_id, error=str(error))
            return 3


def _terminate(_number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(_TERMINATED)


if __name__ == "__main__":
    os.nice(YIELDING)
    sys.exit(main())
