"""The cache of a replica, before a store on LMDB and on Redis, and before one that goes away."""

from __future__ import annotations

import math
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from axiom.errors import CorruptError, NotFoundError, UnavailableError
from axiom.scoring.online.cache import VectorCache
from axiom.scoring.online.store import GoneError, StoreInfo
from axiom.scoring.online.vectors import VectorLayout
from axiom.training.catalogue.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from axiom.maths.arrays import FloatArray
    from axiom.scoring.online.store import OnlineStore


class FakeStore:
    """One generation in memory that counts what it is asked and can be away, empty or replaced."""

    place = "memory"

    def __init__(self, draft: StoreInfo) -> None:
        self.held: StoreInfo | None = draft
        self.away = False
        self.asked: list[str] = []
        self.gone: set[str] = set()

    def info(self) -> StoreInfo | None:
        self._check()
        return self.held

    def get(self, generation: str, customer_id: str) -> FloatArray | None:
        return self.get_many(generation, [customer_id])[0]

    def get_many(self, generation: str, customer_ids: Sequence[str]) -> list[FloatArray | None]:
        self._check()
        if generation in self.gone:
            raise GoneError(f"{generation} is gone")
        self.asked += customer_ids
        return [None if name.startswith("?") else np.array([float(name)]) for name in customer_ids]

    def _check(self) -> None:
        if self.away:
            raise UnavailableError("the store is away")


@pytest.fixture
def fake(draft: StoreInfo) -> FakeStore:
    return FakeStore(draft)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cache(fake: Any, clock: Clock) -> VectorCache:
    return VectorCache(fake, most=3, ttl_seconds=60, clock=clock)


def test_it_gives_what_the_store_gives_and_asks_once(
    store: OnlineStore, draft: StoreInfo, three: Any, bits: Any
) -> None:
    cache = VectorCache(store)
    store.publish(draft, [three])
    ids, vectors = three
    for cached in (False, True):
        for customer_id, vector in zip(ids, vectors, strict=True):
            found, from_memory = cache.get(customer_id)
            assert (bits(found), from_memory) == (bits(vector), cached)
    assert cache.get_many(["C2", "nobody"])[1] == (None, False)
    assert [cached for _, cached in cache.get_many(ids)] == [True] * 3
    stats = cache.stats
    assert (stats.hits, stats.misses, stats.stale, stats.size) == (7, 4, 0, 3)
    assert stats.hit_rate == 7 / 11


def test_an_empty_store_is_told_with_the_way_out_and_noticed_once_it_is_filled(
    store: OnlineStore, draft: StoreInfo, three: Any
) -> None:
    cache = VectorCache(store)
    assert not cache.refresh()
    assert cache.info is None
    assert cache.degraded is None
    with pytest.raises(NotFoundError, match="is empty"):
        cache.get("C1")
    info = store.publish(draft, [three])
    assert cache.refresh()
    assert cache.info == info
    assert not cache.refresh()
    assert cache.get("C1")[0] is not None
    store.clear()
    assert cache.refresh()
    with pytest.raises(NotFoundError, match="is empty"):
        cache.get("C1")


def test_a_new_generation_is_seen_by_refresh_and_nothing_old_is_given(
    store: OnlineStore, draft: StoreInfo, three: Any
) -> None:
    ids, vectors = three
    cache = VectorCache(store)
    store.publish(draft, [three])
    assert cache.get("C1")[0].tolist() == [1.0, 9.5, 0.0]  # type: ignore[union-attr]
    store.publish(draft, [(ids, vectors + 1)])
    assert cache.get("C1")[0].tolist() == [1.0, 9.5, 0.0], "until refresh"  # type: ignore[union-attr]
    assert cache.refresh()
    vector, cached = cache.get("C1")
    assert vector is not None
    assert (vector.tolist(), cached) == ([2.0, 10.5, 1.0], False)
    assert cache.stats.hits == 1, "counts go on across generations"


def test_a_generation_that_was_dropped_under_a_slow_reader_is_replaced_on_the_way(
    fake: FakeStore, cache: VectorCache
) -> None:
    cache.get("1")
    assert fake.held
    fake.gone.add(fake.held.generation)
    fake.held = replace(fake.held, generation="next")
    assert cache.get("1")[1] is True, "what is in memory was read in one piece with its layout"
    assert cache.get("2")[1] is False
    assert cache.info == fake.held
    fake.gone.add("next")
    fake.held = replace(fake.held, generation="after")
    assert [cached for _, cached in cache.get_many(["2", "3"])] == [False, False]


def test_a_generation_that_is_visible_and_gone_is_an_error_and_no_endless_search(
    fake: FakeStore, cache: VectorCache
) -> None:
    assert fake.held
    fake.gone.add(fake.held.generation)
    with pytest.raises(CorruptError, match="gone"):
        cache.get("1")
    with pytest.raises(CorruptError, match="gone"):
        cache.get_many(["1"])


def test_a_view_never_mixes_the_layout_of_one_generation_with_vectors_of_another(
    store: OnlineStore, draft: StoreInfo, three: Any
) -> None:
    cache = VectorCache(store)
    store.publish(draft, [three])
    view = cache.view()
    swapped = VectorLayout(Layout(("spend", "orders", "channel"), draft.layout.layout.levels), "v1")
    store.publish(replace(draft, layout=swapped), [(["C1"], np.array([[9.5, 1.0, 0.0]]))])
    cache.refresh()
    for one in (view, cache.view()):
        vector, _ = one.get("C1")
        assert vector is not None
        assert vector[one.info.layout.layout.names.index("spend")] == 9.5


def test_the_least_recently_used_leave_first_and_the_bound_holds(fake: FakeStore, cache: VectorCache) -> None:
    for name in ("1", "2", "3", "1", "4"):
        cache.get(name)
    fake.asked.clear()
    assert [cache.get(name)[1] for name in ("1", "3", "4")] == [True] * 3
    assert fake.asked == []
    cache.get("2")
    assert fake.asked == ["2"]
    assert [v.tolist() for v, _ in cache.get_many(["7", "8", "9", "10", "11"])] == [[7], [8], [9], [10], [11]]  # type: ignore[union-attr]
    assert cache.stats.size == 3
    cache.get_many(["9", "12"])
    fake.asked.clear()
    cache.get("9")
    assert fake.asked == []


def test_many_at_once_are_asked_for_once_and_in_one_trip(fake: FakeStore, cache: VectorCache) -> None:
    cache.get("1")
    fake.asked.clear()
    found = cache.get_many(["2", "1", "2", "?x"])
    assert [(None if v is None else v.tolist(), cached) for v, cached in found] == [
        ([2.0], False),
        ([1.0], True),
        ([2.0], False),
        (None, False),
    ]
    assert fake.asked == ["2", "?x"]


def test_unknown_customers_push_nobody_out(fake: FakeStore, cache: VectorCache) -> None:
    cache.get("1")
    for k in range(50):
        assert cache.get(f"?{k}") == (None, False)
    assert cache.stats.size == 1
    assert cache.get("1")[1] is True


def test_after_its_time_an_entry_is_read_again(fake: FakeStore, cache: VectorCache, clock: Clock) -> None:
    cache.get("1")
    clock.now += 59
    assert cache.view().fresh("1")
    assert cache.get("1")[1] is True
    clock.now += 1
    assert not cache.view().fresh("1")
    assert cache.get("1")[1] is False
    clock.now += 60
    assert cache.get_many(["1"])[0][1] is False
    assert fake.asked == ["1"] * 3
    clock.now += 59
    assert cache.get("1")[1] is True


def test_while_the_store_is_away_known_customers_are_served_and_others_refused(
    fake: FakeStore, cache: VectorCache, clock: Clock
) -> None:
    cache.get_many(["1", "2"])
    fake.away = True
    clock.now += 10
    assert not cache.refresh()
    assert cache.degraded == "the store is away"
    assert cache.get("1")[1] is True
    assert cache.stats.stale == 0
    clock.now += 600
    assert [cached for _, cached in cache.get_many(["1", "2"])] == [True, True]
    assert cache.get("1")[1] is True
    for ask in (lambda: cache.get("3"), lambda: cache.get_many(["1", "3"])):
        with pytest.raises(UnavailableError, match="the store is away"):
            ask()
    stats = cache.stats
    assert (stats.stale, stats.size, stats.staleness) == (3, 2, 610)

    fake.away = False
    assert not cache.refresh(), "the same generation as before"
    assert cache.degraded is None
    assert cache.stats.staleness == 0
    assert cache.get("1")[1] is False
    assert cache.get("3")[1] is False


def test_a_store_that_was_away_from_the_start_is_told_as_such(fake: FakeStore, cache: VectorCache) -> None:
    fake.away = True
    assert not cache.refresh()
    assert math.isinf(cache.stats.staleness)
    assert cache.stats.hit_rate == 0
    with pytest.raises(UnavailableError):
        cache.get("1")


def test_redis_stopped_in_mid_run_leaves_the_cached_customers(own_redis: Any, draft: StoreInfo, three: Any) -> None:
    from axiom.scoring.online.on_redis import RedisStore

    with own_redis() as server:
        store = RedisStore(server.url)
        store.publish(draft, [three])
        cache = VectorCache(store)
        cache.get("C1")
    assert not cache.refresh()
    assert "does not answer" in str(cache.degraded)
    assert "hunter2" not in str(cache.degraded)
    assert cache.get("C1")[1] is True
    with pytest.raises(UnavailableError):
        cache.get("C2")
    store.close()


def test_what_one_thread_fetched_another_keeps(fake: FakeStore, cache: VectorCache) -> None:
    view = cache.view()
    names = ["1", "?x"]
    view.keep(names, view.fetch(names))
    assert (view.fresh("1"), view.fresh("?x"), view.size) == (True, False, 1)
    assert view.get("1")[1] is True


def test_a_reader_and_a_refreshing_thread_go_together(fake: FakeStore, clock: Clock) -> None:
    cache = VectorCache(fake, most=50, ttl_seconds=60, clock=clock)  # type: ignore[arg-type]
    cache.refresh()
    stop = threading.Event()
    first = fake.held
    assert first

    def refresh() -> None:
        k = 0
        while not stop.is_set():
            k += 1
            fake.held = replace(first, generation=f"g{k}")
            cache.refresh()

    thread = threading.Thread(target=refresh)
    thread.start()
    try:
        wrong = [k for k in range(20_000) if cache.get(str(k % 100))[0] != float(k % 100)]
    finally:
        stop.set()
        thread.join()
    assert wrong == []
    assert cache.stats.hits + cache.stats.misses == 20_000
