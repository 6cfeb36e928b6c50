"""What the routes work with, made once a replica."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from axiom.access.keyring import KeyRing, OpenDoor
from axiom.access.keys import KeysInDatabase
from axiom.access.logins import Logins
from axiom.access.opening import open_door, open_limiter
from axiom.access.origins import Origins, networks
from axiom.access.passwords import Passwords
from axiom.access.tokens import AccessTokens
from axiom.db import Database
from axiom.errors import AxiomError, ConflictError, UnavailableError
from axiom.jobs.backend import open_backend
from axiom.jobs.pipelines.runner import Runner
from axiom.jobs.service import JobService
from axiom.lake import Lake, storage_of
from axiom.pipelines.workspace import Workspace
from axiom.registry.mlflow_log import recorder_of
from axiom.registry.registry import Registry
from axiom.telemetry import get_logger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import TypeAlias

    from axiom.jobs.backend import JobBackend
    from axiom.serve.asked_inside import Inside, Outcome
    from axiom.settings import Settings

    Ask: TypeAlias = Callable[[Inside], Awaitable[Outcome]]

_log = get_logger(__name__)
PATIENCE = 5.0
"""Seconds that a request waits for a lock of SQLite before it is answered with 503."""


class _StoppingError(AxiomError):
    """Ends a runner between two steps."""


class Services:
    """Database, lake, keys and sessions of one replica. Whatever is away when it starts may come later. Close it.

    Args:
        settings: of the workspace.
        ask: lets a replica of `predict` answer.
        passwords: hashes passwords.
        patience: seconds to wait for a lock of SQLite.
        opener: opens the back end that runs jobs.
        behind_proxy: whether every request comes through Ray's HAProxy, which does not tell whom it serves.
    """

    def __init__(
        self,
        settings: Settings,
        ask: Ask,
        *,
        passwords: Passwords | None = None,
        patience: float = PATIENCE,
        opener: Callable[[Settings, str | None], JobBackend] = open_backend,
        behind_proxy: bool = False,
    ) -> None:
        self.settings = settings
        self.ask = ask
        self.passwords = passwords or Passwords()
        self._database = Database(settings.database_location, patience=patience)
        self._checked = threading.Lock()
        self._usable = False
        self._workspace: Workspace | None = None
        source = KeysInDatabase(self._database)
        self.keys = KeyRing(source, rate=settings.rate_limit, burst=settings.rate_burst).start()
        self.limiter = open_limiter(settings)
        self.origins = Origins(networks(settings.trusted_proxies), behind_proxy=behind_proxy)
        door = open_door(settings, self._database) if settings.auth == "off" else None
        self.open_door = door if isinstance(door, OpenDoor) else None
        self._logins = self._open_logins()
        self._jobs: JobService | None = None
        self._opener = opener
        self._stop = threading.Event()
        self._runners: list[threading.Thread] = []

    @property
    def db(self) -> Database:
        """The database, with tables that this code fits.

        Raises:
            UnavailableError: It does not answer, or has other tables.
        """
        if not self._usable:
            with self._checked:
                try:
                    Database.open(self.settings).close()
                except ConflictError as error:
                    raise UnavailableError(error.message, hint=error.hint) from error
                self._usable = True
        return self._database

    @property
    def workspace(self) -> Workspace:
        """Lake, database and registry.

        Raises:
            UnavailableError: One of them does not answer.
            NotFoundError: There is no lake.
        """
        if self._workspace is None:
            db, lake = self.db, Lake.open(storage_of(self.settings))
            self._workspace = Workspace(self.settings, lake, db, Registry(db, lake.storage, recorder_of(self.settings)))
        return self._workspace

    @property
    def logins(self) -> Logins:
        """Sessions of people.

        Raises:
            UnavailableError: AXIOM_SECRET_KEY is not set.
        """
        if self._logins is None:
            raise UnavailableError(
                "nobody can log in: AXIOM_SECRET_KEY is not set", hint="set it to 32 random bytes, or use an API key"
            )
        return self._logins

    @property
    def jobs(self) -> JobService:
        """Jobs, submitted and watched."""
        if self._jobs is None:
            self._jobs = JobService(self.db, self.settings, opener=self._opener)
        return self._jobs

    def work_on(self, *run_ids: str) -> None:
        """Let a thread bring pipeline runs to their end, one after the other, unless another runner is on them.

        Should this process die, `axiom schedule` or whoever resumes a run takes it up where it is.
        """
        thread = threading.Thread(target=self._run_all, args=(run_ids,), daemon=True, name=f"runner-{run_ids[:1]}")
        self._runners = [*(one for one in self._runners if one.is_alive()), thread]
        thread.start()

    def _run_all(self, run_ids: tuple[str, ...]) -> None:
        for run_id in run_ids:
            try:
                Runner(self.jobs, sleep=self._pause).run(run_id, wait=False)
            except _StoppingError:
                return
            except ConflictError:
                continue  # another runner works on it
            except AxiomError as error:
                _log.warning("run_left", run=run_id, error=str(error))

    def _pause(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise _StoppingError("the service stops")

    def close(self) -> None:
        """Give back what it holds. Pipeline runs stay where they are until somebody takes them up."""
        self._stop.set()
        for thread in self._runners:
            thread.join(timeout=2.0)
        self.keys.close()
        self.limiter.close()
        self._database.close()

    def _open_logins(self) -> Logins | None:
        if self.settings.secret_key is None:
            return None
        return Logins(self._database, AccessTokens.of(self.settings), self.passwords, self.limiter)
