"""Jobs as processes of this machine, in sessions of their own: they outlive who submitted them."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from axiom.db.processes import process_exists
from axiom.errors import UnavailableError
from axiom.jobs.backend import Standing, environment_of

if TYPE_CHECKING:
    from axiom.db.jobs import Job
    from axiom.settings import Settings

# The serving process has chosen otherwise for its own Ray.
_YIELDING = {"RAY_worker_niceness": "15"}
GRACE_SECONDS = 5.0
"""How long a driver may take to end by itself after it was asked to."""


class LocalBackend:
    """Drivers are children of whoever submits; logs and process ids lie below `AXIOM_HOME/jobs`.

    Args:
        settings: of the drivers; those that differ from the defaults go into their environment.
    """

    name = "local"

    def __init__(self, settings: Settings) -> None:
        self._folder = settings.home / "jobs"
        self._environment = environment_of(settings)

    def submit(self, job: Job) -> None:
        """See `JobBackend.submit`."""
        command = [sys.executable, "-m", "axiom.jobs.driver", job.job_id, str(job.attempt)]
        log = self._file(job.submission_id, "log")
        append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            pid = os.posix_spawn(
                command[0],
                command,
                {**os.environ, **self._environment, **_YIELDING},
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 1, str(log), append, 0o600),
                    (os.POSIX_SPAWN_DUP2, 1, 2),
                ],
                setsid=True,
            )
            self._file(job.submission_id, "pid").write_text(str(pid))
        except OSError as error:
            raise UnavailableError(f"the driver of job {job.job_id} cannot be started: {error.strerror}") from error

    def standing(self, job: Job) -> Standing:
        """See `JobBackend.standing`."""
        if job.host != socket.gethostname():
            return Standing("unknown")
        pid = job.pid or self._submitted(job)
        if pid is None:
            return Standing("missing")
        ended = _reaped(pid)
        if ended is None and _is_driver(pid, job.job_id):
            return Standing("alive")
        told = f"process {pid} is gone" if ended is None else f"process {pid} {ended}"
        return Standing("ended", f"{told}{self._last_line(job.submission_id)}")

    def stop(self, job: Job) -> None:
        """See `JobBackend.stop`."""
        pid = job.pid or self._submitted(job)
        if pid is None or job.host != socket.gethostname():
            return
        for number, patience in ((signal.SIGTERM, GRACE_SECONDS), (signal.SIGKILL, 1.0)):
            until = time.monotonic() + patience
            if _is_driver(pid, job.job_id):
                _signal_group(pid, number)
            while _reaped(pid) is None and _is_driver(pid, job.job_id) and time.monotonic() < until:
                time.sleep(0.02)

    def log(self, submission_id: str, offset: int, limit: int) -> bytes:
        """See `JobBackend.log`."""
        try:
            with self._file(submission_id, "log").open("rb") as file:
                file.seek(offset)
                return file.read(limit)
        except FileNotFoundError:
            return b""

    def _submitted(self, job: Job) -> int | None:
        try:
            return int(self._file(job.submission_id, "pid").read_text())
        except (FileNotFoundError, ValueError):
            return None

    def _last_line(self, submission_id: str) -> str:
        try:
            size = self._file(submission_id, "log").stat().st_size
        except FileNotFoundError:
            return ""
        lines = self.log(submission_id, max(0, size - 2000), 2000).decode(errors="replace").strip().splitlines()
        return f"; its last words: {lines[-1][:300]}" if lines else ""

    def _file(self, submission_id: str, suffix: str) -> Path:
        return self._folder / f"{submission_id}.{suffix}"


def _is_driver(pid: int, job_id: str) -> bool:
    """Whether the process still is that driver: numbers of processes are used again."""
    if not process_exists(pid):
        return False
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
        # None yet: it was spawned a moment ago. What has been given its number meanwhile leads no session of its own.
        return job_id.encode() in words if words else os.getsid(pid) == pid
    except ProcessLookupError:
        return False
    except OSError:
        return True  # no such folder on this system


def _reaped(pid: int) -> str | None:
    """How a child of this process ended; None where it is not over, or is no child of this process."""
    try:
        done, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return None
    if done == 0:
        return None
    code = os.waitstatus_to_exitcode(status)
    return f"ended with code {code}" if code >= 0 else f"was killed by {signal.Signals(-code).name}"


def _signal_group(pid: int, number: signal.Signals) -> None:
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        return
