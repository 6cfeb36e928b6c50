"""Jobs through the Ray Job Submission API: of the cluster at RAY_ADDRESS, or of the one on this machine."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from axiom.errors import UnavailableError
from axiom.jobs.backend import Standing, public_environment

if TYPE_CHECKING:
    from axiom.db.jobs import Job
    from axiom.settings import Settings

_HINT = "check RAY_ADDRESS, that the dashboard runs (`ray start --head`), and RAY_AUTH_TOKEN; or use --backend local"


@dataclass(frozen=True)
class RayBackend:
    """Drivers are entry points of Ray jobs; what is secret has to be in the environment of the cluster's nodes.

    Attributes:
        client: a `JobSubmissionClient`, or whatever has the same methods.
        environment: what the drivers find in theirs; Ray shows it to everybody who may see the job.
        python: interpreter on the cluster that has Axiom.
    """

    client: Any
    environment: dict[str, str]
    python: str = "python"
    name: str = "ray"

    @classmethod
    def connect(cls, settings: Settings) -> RayBackend:
        """Connect to the dashboard of the cluster.

        Raises:
            UnavailableError: there is none, it does not answer, or it does not know the token.
        """
        _use_token()
        from ray.job_submission import JobSubmissionClient

        try:
            client = JobSubmissionClient()
        except Exception as error:  # noqa: BLE001  (Ray raises whatever its transport does)
            raise UnavailableError(f"Ray takes no jobs: {_first_line(error)}", hint=_HINT) from None
        host = urlsplit(client.get_address()).hostname or ""
        python = sys.executable if host in ("127.0.0.1", "localhost", "::1") else "python"
        return cls(client, public_environment(settings), python)

    def submit(self, job: Job) -> None:
        """See `JobBackend.submit`."""
        entrypoint = f"{self.python} -m axiom.jobs.driver {job.job_id} {job.attempt}"
        try:
            self.client.submit_job(
                entrypoint=entrypoint,
                submission_id=job.submission_id,
                runtime_env={"env_vars": self.environment},
                metadata={"axiom_job": job.job_id, "axiom_kind": job.kind},
            )
        except Exception as error:  # noqa: BLE001  (Ray raises whatever its transport does)
            if self._info(job.submission_id) is not None:
                return  # it arrived before
            raise UnavailableError(f"Ray does not take job {job.job_id}: {_first_line(error)}", hint=_HINT) from None

    def standing(self, job: Job) -> Standing:
        """See `JobBackend.standing`."""
        info = self._info(job.submission_id)
        if info is None:
            return Standing("missing")
        if not info.status.is_terminal():
            return Standing("alive")
        # Ray appends a part of the log, which is there anyway.
        reason = str(info.message or "no reason").partition(", last available logs")[0]
        return Standing("ended", f"Ray says {info.status.value}: {reason}"[:500])

    def stop(self, job: Job) -> None:
        """See `JobBackend.stop`."""
        if self._info(job.submission_id) is not None:
            self._ask(self.client.stop_job, job.submission_id)

    def log(self, submission_id: str, offset: int, limit: int) -> bytes:
        """See `JobBackend.log`. Ray hands out whole logs only; the part is cut out here."""
        if self._info(submission_id) is None:
            return b""
        text: str = self._ask(self.client.get_job_logs, submission_id)
        return text.encode()[offset : offset + limit]

    def _info(self, submission_id: str) -> Any:
        try:
            return self.client.get_job_info(submission_id)
        except RuntimeError as error:
            if "404" in str(error) or "does not exist" in str(error):
                return None
            raise UnavailableError(f"Ray does not answer: {_first_line(error)}", hint=_HINT) from None
        except Exception as error:  # noqa: BLE001  (Ray raises whatever its transport does)
            raise UnavailableError(f"Ray does not answer: {_first_line(error)}", hint=_HINT) from None

    def _ask(self, call: Any, submission_id: str) -> Any:
        try:
            return call(submission_id)
        except Exception as error:  # noqa: BLE001  (Ray raises whatever its transport does)
            raise UnavailableError(f"Ray does not answer: {_first_line(error)}", hint=_HINT) from None


def _use_token() -> None:
    """A client sends the cluster's token only where RAY_AUTH_MODE says so; what the user set stays."""
    known = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
    if any(os.environ.get(name) for name in known) or (Path.home() / ".ray" / "auth_token").exists():
        os.environ.setdefault("RAY_AUTH_MODE", "token")


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
