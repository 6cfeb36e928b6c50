"""The platform in this process, asked over ASGI: no Ray and no socket, the database is a real one."""

from __future__ import annotations

import asyncio
import shutil
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from argon2 import PasswordHasher

from axiom.access.keys import issue
from axiom.access.logins import create_user
from axiom.access.passwords import Passwords
from axiom.access.permissions import ROLES
from axiom.errors import UnavailableError
from axiom.jobs.backend import Standing
from axiom.pipelines.workspace import create
from axiom.settings import Settings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Ray Serve defines its schemas in a way that newer pydantic warns about
    from axiom.serve.platform.http import create_app
    from axiom.serve.platform.services import Services

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from axiom.db.jobs import Job
    from axiom.pipelines.workspace import Workspace
    from axiom.serve.asked_inside import Inside, Outcome

PASSWORD = "correct horse battery"
SECRET = "6f1c0e9b7a5d4832" * 4


@dataclass
class Client:
    """Somebody who asks: with a credential, or without one."""

    http: httpx.AsyncClient
    services: Services
    runner: asyncio.Runner
    credential: str | None = None

    def __call__(self, method: str, url: str, *, headers: dict[str, str] | None = None, **more: Any) -> httpx.Response:
        sent = {"authorization": f"Bearer {self.credential}"} if self.credential else {}
        return self.runner.run(self.http.request(method, url, headers={**sent, **(headers or {})}, **more))

    def get(self, url: str, **more: Any) -> httpx.Response:
        return self("GET", url, **more)

    def post(self, url: str, body: Any = None, **more: Any) -> httpx.Response:
        return self("POST", url, **({} if body is None else {"json": body}), **more)

    def using(self, credential: str | None) -> Client:
        return Client(self.http, self.services, self.runner, credential)

    def logged_in(self, name: str, password: str = PASSWORD) -> Client:
        reply = self.using(None).post("/api/auth/login", {"name": name, "password": password})
        assert reply.status_code == 200, reply.text
        return self.using(reply.json()["access_token"])

    def with_key(self, *scopes: str) -> Client:
        with self.services.db.transaction() as tx:
            text = issue(tx, "test", scopes=scopes, actor="test").text
        self.services.keys.refresh()
        return self.using(text)

    def audit(self, **only: str) -> list[dict[str, Any]]:
        """The newest entries of the trail."""
        with self.services.db.reading() as tx:
            return [vars(entry) for entry in tx.audit.list(limit=50)]


@pytest.fixture(scope="session")
def runner() -> Iterator[asyncio.Runner]:
    """The one event loop of these tests."""
    with asyncio.Runner() as found:
        yield found


async def away(_request: Inside) -> Outcome:
    raise UnavailableError("the application 'predict' does not answer", hint="see `serve status`")


@pytest.fixture(scope="session")
def serving(runner: asyncio.Runner) -> Callable[..., AbstractContextManager[Client]]:
    """`with serving(settings) as anonymous:` runs a platform with a user of every role; predict is away."""

    @contextmanager
    def run(settings: Settings, **more: Any) -> Iterator[Client]:
        passwords = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        backend = Nobody()
        services = Services(
            settings, more.pop("ask", away), passwords=passwords, opener=lambda _settings, _name: backend, **more
        )
        try:
            with services.db.transaction() as tx:
                for role in ROLES[1:]:
                    if tx.users.find(f"the-{role}") is None:
                        create_user(tx, passwords, f"the-{role}", role=role, password=PASSWORD, actor="test")
            http = httpx.AsyncClient(transport=httpx.ASGITransport(create_app(services)), base_url="http://axiom")
            yield Client(http, services, runner)
        finally:
            services.close()

    return run


class Nobody:
    """A back end of jobs whose drivers die at once."""

    name = "local"

    def __init__(self) -> None:
        self.submitted: list[str] = []

    def submit(self, job: Job) -> None:
        self.submitted.append(job.job_id)

    def standing(self, job: Job) -> Standing:
        return Standing("ended", "nobody runs it")

    def stop(self, job: Job) -> None:
        pass

    def log(self, submission_id: str, offset: int, limit: int) -> bytes:
        return b"first line\nsecond line\n"[offset : offset + limit]


@pytest.fixture(scope="session")
def settings_for() -> Callable[..., Settings]:
    """Settings of a workspace in a folder, with changes."""
    return settings_of


def settings_of(home: Any, **changes: Any) -> Settings:
    given = {"secret_key": SECRET, "rate_limit": 1e6, "rate_burst": 1e6, "engine": "inline", "buckets": 2}
    return Settings(**{"home": home, **given, **changes})


@pytest.fixture
def empty(tables_url: str, tmp_path: Any, serving: Any) -> Iterator[Client]:
    """A platform over an empty workspace, nobody logged in; on SQLite and on PostgreSQL."""
    settings = settings_of(tmp_path / "home", database_url=tables_url)
    create(settings)
    with serving(settings) as client:
        yield client


@pytest.fixture
def admin(empty: Client) -> Client:
    """An administrator of `empty`."""
    return empty.logged_in("the-administrator")


@pytest.fixture
def local(tmp_path: Any, sqlite_tables: Path, serving: Any) -> Iterator[Client]:
    """As `empty`, on SQLite alone: for what has nothing to do with the database."""
    settings = settings_of(tmp_path / "home")
    settings.home.mkdir()
    shutil.copy(sqlite_tables, settings.home)
    create(settings)
    with serving(settings) as client:
        yield client


@pytest.fixture(scope="session")
def company_settings(trained_company: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    home = tmp_path_factory.mktemp("platform")
    shutil.copytree(trained_company.settings.home, home, dirs_exist_ok=True)
    return settings_of(home)


@pytest.fixture(scope="session")
def company(company_settings: Settings, serving: Any) -> Iterator[Client]:
    """An administrator of a company that was trained and scored. Nobody may change it."""
    with serving(company_settings) as client:
        yield client.logged_in("the-administrator")


@pytest.fixture
def own(trained_company: Workspace, tmp_path: Any, serving: Any) -> Iterator[Client]:
    """An administrator of such a company that the test may change."""
    shutil.copytree(trained_company.settings.home, tmp_path / "own", dirs_exist_ok=True)
    with serving(settings_of(tmp_path / "own")) as client:
        yield client.logged_in("the-administrator")
