"""What is Redis's own: a server that goes away, hangs, forgets or refuses."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from axiom.errors import ConflictError, CorruptError, MisuseError, UnavailableError
from axiom.scoring.online.on_redis import RedisStore
from axiom.scoring.online.store import GoneError, open_store
from axiom.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from axiom.scoring.online.store import StoreInfo


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_with_a_url_in_the_settings_the_store_is_redis(tmp_path: Any) -> None:
    store = open_store(Settings(home=tmp_path, redis_url="redis://:hunter2@cache.internal:6379/3"))
    assert isinstance(store, RedisStore)
    assert store.place == "redis://:***@cache.internal:6379/3"
    store.close()


@pytest.mark.parametrize("url", ["http://:hunter2@localhost", "localhost:6379", "redis://:hunter2@host:port"])
def test_a_wrong_url_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(MisuseError, match=r"AXIOM_REDIS_URL=.* is not the URL of a Redis") as refused:
        RedisStore(url)
    assert "hunter2" not in str(refused.value)


def test_a_redis_that_stops_is_named_without_its_password_and_found_again(
    own_redis: Any, draft: StoreInfo, three: Any, clock: Clock
) -> None:
    with own_redis() as server:
        store = RedisStore(server.url, clock=clock)
        info = store.publish(draft, [three])
        assert store.get(info.generation, "C1") is not None
    calls = [
        store.ping,
        store.info,
        lambda: store.get(info.generation, "C1"),
        lambda: store.get_many(info.generation, ["C1"]),
        lambda: store.publish(draft, [three]),
        store.clear,
    ]
    for call in calls:
        clock.now += 10
        with pytest.raises(UnavailableError, match=r"redis://:\*\*\*@127\.0\.0\.1:\S+ does not answer") as refused:
            call()
        assert "hunter2" not in str(refused.value)
    with own_redis():
        with pytest.raises(UnavailableError):
            store.ping()  # it is left alone for a second
        clock.now += 1
        store.ping()
        assert store.info() is None
        with pytest.raises(GoneError):
            store.get(info.generation, "C1")
        again = store.publish(draft, [three])
        assert store.get(again.generation, "C1") is not None
    store.close()


def test_a_redis_that_hangs_is_asked_once_a_second(own_redis: Any, draft: StoreInfo, three: Any, clock: Clock) -> None:
    with own_redis() as server:
        store = RedisStore(server.url.replace("=20", "=0.5"), clock=clock)
        info = store.publish(draft, [three])
        store.get(info.generation, "C1")
        os.kill(server.pid, signal.SIGSTOP)
        try:
            with pytest.raises(UnavailableError, match="Timeout"):
                store.ping()
            with pytest.raises(UnavailableError, match="Timeout"):
                store.get(info.generation, "C1")
        finally:
            os.kill(server.pid, signal.SIGCONT)
        # The server works off what reached its socket while it hung; the second question never did.
        assert server.client.info("commandstats")["cmdstat_hmget"]["calls"] == 1
        clock.now += 1
        store.ping()
        store.close()


def test_a_redis_that_stops_in_the_middle_of_a_publish_leaves_nothing_visible(
    own_redis: Any, draft: StoreInfo, three: Any, clock: Clock
) -> None:
    with own_redis() as server:
        store = RedisStore(server.url, clock=clock)

        def torn() -> Iterator[Any]:
            yield three
            server.client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            server.client.config_set("requirepass", "another")
            yield ["C9"], np.ones((1, 3))

        with pytest.raises(UnavailableError):
            store.publish(draft, torn())
        server.client.config_set("requirepass", "")
        clock.now += 10
        assert store.info() is None
        # The dead publisher's lease is still there, and runs out by itself.
        assert 0 < server.client.pttl("{axiom:online}:lock") <= 120_000
        server.client.delete("{axiom:online}:lock")
        info = store.publish(draft, [three])
        assert server.client.smembers("{axiom:online}:generations") == {info.generation.encode()}
        store.close()


def test_a_publisher_whose_lease_was_taken_makes_nothing_visible(own_redis: Any, draft: StoreInfo, three: Any) -> None:
    with own_redis() as server:
        store = RedisStore(server.url)
        before = store.publish(draft, [three])

        def robbed() -> Iterator[Any]:
            yield three
            server.client.set("{axiom:online}:lock", "somebody")

        with pytest.raises(ConflictError, match="somebody else"):
            store.publish(draft, robbed())

        def robbed_early() -> Iterator[Any]:
            server.client.set("{axiom:online}:lock", "somebody")
            yield three

        server.client.delete("{axiom:online}:lock")
        with pytest.raises(ConflictError, match="somebody else"):
            store.publish(draft, robbed_early())
        assert store.info() == before
        assert server.client.get("{axiom:online}:lock") == b"somebody", "the lease of another is left alone"
        store.close()


def test_a_lease_that_ran_out_and_that_nobody_took_is_taken_again(own_redis: Any, draft: StoreInfo, three: Any) -> None:
    with own_redis() as server:
        store = RedisStore(server.url)

        def slow() -> Iterator[Any]:
            server.client.delete("{axiom:online}:lock")
            yield three

        info = store.publish(draft, slow())
        assert store.info() == info
        assert not server.client.exists("{axiom:online}:lock")
        store.close()


def test_a_part_that_the_server_evicted_is_not_an_unknown_customer(
    own_redis: Any, draft: StoreInfo, three: Any
) -> None:
    with own_redis() as server:
        store = RedisStore(server.url)
        info = store.publish(draft, [three])
        for shard in server.client.keys(f"axiom:online:{info.generation}:[0-9]*"):
            server.client.delete(shard)
        for call in (
            lambda: store.get(info.generation, "C1"),
            lambda: store.get_many(info.generation, ["C1", "C2"]),
            lambda: store.count(info.generation),
            lambda: next(store.ids(info.generation)),
        ):
            with pytest.raises(CorruptError, match="has lost a part") as refused:
                call()
            assert "noeviction" in refused.value.hint
        store.close()


def test_vectors_that_were_evicted_while_others_were_written_stop_the_publish(
    own_redis: Any, draft: StoreInfo, three: Any
) -> None:
    with own_redis() as server:
        store = RedisStore(server.url)

        def evicted() -> Iterator[Any]:
            yield three
            for shard in server.client.keys("axiom:online:*:[0-9]*"):
                server.client.hdel(shard, "C1")

        with pytest.raises(UnavailableError, match="holds 2 of the 3"):
            store.publish(draft, evicted())
        assert store.info() is None
        store.close()


def test_a_server_without_memory_refuses_and_what_was_visible_stays(
    own_redis: Any, draft: StoreInfo, three: Any
) -> None:
    with own_redis() as server:
        store = RedisStore(server.url)
        before = store.publish(draft, [three])
        server.client.config_set("maxmemory-policy", "noeviction")
        server.client.config_set("maxmemory", "1")
        with pytest.raises(UnavailableError, match=r"refuses.*memory"):
            store.publish(draft, [three])
        server.client.config_set("maxmemory", "0")
        assert store.info() == before
        assert store.get(before.generation, "C1") is not None
        store.close()


def test_a_wrong_password_is_told(own_redis: Any) -> None:
    with own_redis() as server:
        server.client.config_set("requirepass", "another")
        store = RedisStore(server.url)
        with pytest.raises(UnavailableError, match=r"(?i)password|auth"):
            store.ping()
        server.client.config_set("requirepass", "")
        store.close()


def test_old_keys_are_dropped_and_other_keys_are_left_alone(own_redis: Any, draft: StoreInfo, three: Any) -> None:
    with own_redis() as server:
        server.client.set("somebody:else", 1)
        store = RedisStore(server.url)
        for _ in range(3):
            info = store.publish(draft, [three])
        assert server.client.scard("{axiom:online}:generations") == 2
        assert store.count(info.generation) == 3
        assert store.clear() == 3
        assert server.client.keys() == [b"somebody:else"]
        store.close()
