"""The online store in Redis: the records of a generation are spread over hashes, a pointer names the visible one.

    {axiom:online}:current               what is visible; set in one step, last
    {axiom:online}:lock                  who publishes; a lease
    {axiom:online}:generations           names of all generations that were begun
    axiom:online:<generation>:info       what the generation is; gone first when it is dropped
    axiom:online:<generation>:<shard>    hash: key of the id -> record, and one field that every shard has

Every command touches one key, or keys of one hash tag, so the same layout spreads over the slots of a Redis Cluster. A
hash a shard rather than a key a customer: a generation of millions is dropped by 16 commands whose work the server does
in the background, and a shard that the server evicted is told from a customer who is not there.
"""

from __future__ import annotations

import secrets
import time
import zlib
from contextlib import contextmanager, suppress
from itertools import groupby
from typing import TYPE_CHECKING, Any

from axiom.errors import BadInputError, ConflictError, CorruptError, MisuseError, UnavailableError
from axiom.scoring.online.records import Records, id_bytes, key_of
from axiom.scoring.online.store import GoneError, StoreInfo, refuse_writing
from axiom.scoring.online.vectors import REPUBLISH
from axiom.settings import mask_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from axiom.maths.arrays import FloatArray
    from axiom.scoring.online.store import Batch

_CURRENT, _LOCK, _GENERATIONS = (f"{{axiom:online}}:{name}" for name in ("current", "lock", "generations"))
_SHARDS = 16
_MARK = b"\xff"  # a field that no id has, in every shard of a generation
_CHUNK = 1000
_LEASE_MS = 120_000
_READ_SECONDS, _WRITE_SECONDS, _CONNECT_SECONDS = 0.25, 10.0, 0.5
_REST_SECONDS = 1.0
_CHECK = "is it running, and is AXIOM_REDIS_URL right?"

# A lease that ran out is taken again where nobody else has it.
_RENEW = """
local owner = redis.call('get', KEYS[1])
if owner and owner ~= ARGV[1] then return 0 end
redis.call('set', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1"""
_SHOW = "if redis.call('get', KEYS[1]) ~= ARGV[1] then return 0 end redis.call('set', KEYS[2], ARGV[2]) return 1"
_RELEASE = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0"


class RedisStore:
    """`OnlineStore` in Redis. Threads may share it; it connects when it is first asked.

    Time-outs are short and nothing is tried twice: a reader has a cache, and its caller a deadline. After a failure
    every call fails at once for a second, so that a Redis that is away costs a replica nothing.
    """

    def __init__(self, url: str, *, readonly: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        """Name the server.

        Args:
            url: `redis://`, `rediss://` or `unix://`; options of redis-py may follow, like `?socket_timeout=1`.
            readonly: refuse `publish` and `clear`.
            clock: seconds that only grow.

        Raises:
            MisuseError: it is not such a URL.
        """
        self._masked = mask_url(url)
        self._readonly = readonly
        self._clock = clock
        self._reader = _client(url, self._masked, _READ_SECONDS)
        self._writer = _client(url, self._masked, _WRITE_SECONDS)
        self._rest: tuple[float, str] = (0.0, "")
        self._seen: tuple[bytes, StoreInfo] | None = None
        self._records: dict[str, Records] = {}

    @property
    def place(self) -> str:
        """The URL with its password masked."""
        return self._masked

    def info(self) -> StoreInfo | None:
        """What is visible now; read again only when it has changed."""
        with self._asking():
            text: bytes | None = self._reader.get(_CURRENT)
        if text is None:
            self._seen = None
            return None
        if self._seen is None or self._seen[0] != text:
            self._seen = text, StoreInfo.from_json(text, where=f"{_CURRENT} in {self.place}")
        return self._seen[1]

    def get(self, generation: str, customer_id: str) -> FloatArray | None:
        """The vector of one customer."""
        records = self._records_of(generation)
        customer = id_bytes(customer_id)
        with self._asking():
            record, mark = self._reader.hmget(_shard(generation, customer), [key_of(customer), _MARK])
        if mark is None:
            raise self._lost(generation)
        return None if record is None else records.unpack(customer, record)

    def get_many(self, generation: str, customer_ids: Sequence[str]) -> list[FloatArray | None]:
        """The vectors of many customers: one command a shard, all in one trip."""
        records = self._records_of(generation)
        customers = [id_bytes(customer_id) for customer_id in customer_ids]
        shards = _by_shard(generation, customers)
        with self._asking(), self._reader.pipeline(transaction=False) as trip:
            for shard, places in shards:
                trip.hmget(shard, [*(key_of(customers[i]) for i in places), _MARK])
            replies = trip.execute()
        found: list[FloatArray | None] = [None] * len(customers)
        for (_, places), (*values, mark) in zip(shards, replies, strict=True):
            if mark is None:
                raise self._lost(generation)
            for i, record in zip(places, values, strict=True):
                found[i] = None if record is None else records.unpack(customers[i], record)
        return found

    def ids(self, generation: str) -> Iterator[str]:
        """Every customer of a generation. One may come twice while the server rearranges a hash."""
        records = self._records_of(generation)
        for shard in _shards(generation):
            place = -1
            while place:
                with self._asking():
                    place, found = self._reader.hscan(shard, max(place, 0), count=_CHUNK // 10)
                if not found:
                    raise self._lost(generation)
                yield from (records.owner(record) for field, record in found.items() if field != _MARK)

    def count(self, generation: str) -> int:
        """How many vectors a generation holds."""
        with self._asking(), self._reader.pipeline(transaction=False) as trip:
            for shard in _shards(generation):
                trip.hlen(shard)
            lengths: list[int] = trip.execute()
        if not all(lengths):
            raise self._lost(generation)
        return sum(lengths) - _SHARDS

    def publish(self, info: StoreInfo, batches: Iterable[Batch]) -> StoreInfo:
        """Write new hashes, chunk by chunk, and point to them."""
        with self._alone() as owner:
            visible = self._visible()
            self._sweep({visible.generation} if visible else set())
            begun = info.begun()
            with self._asking():
                self._writer.sadd(_GENERATIONS, begun.generation)
                self._writer.set(_info_key(begun.generation), begun.to_json())
            written = self._write(begun, batches, owner)
            done = begun.finished(written)
            # What the server has, not what was sent: it may evict, or have lost its memory meanwhile.
            held = self.count(begun.generation)
            if held != written:
                raise UnavailableError(
                    f"{self.place} holds {held:,} of the {written:,} vectors that were written to it",
                    hint="give Redis more memory, and `maxmemory-policy noeviction`",
                )
            with self._asking():
                shown = self._writer.eval(_SHOW, 2, _LOCK, _CURRENT, owner, done.to_json())
            if not shown:
                raise self._taken()
            return done

    def clear(self) -> int:
        """Remove everything."""
        with self._alone():
            visible = self._visible()
            with self._asking():
                self._writer.delete(_CURRENT)
            self._sweep(set())
            return visible.customers if visible else 0

    def ping(self) -> None:
        """Return where the server answers."""
        with self._asking():
            self._reader.ping()

    def close(self) -> None:
        """Close the connections."""
        self._reader.close()
        self._writer.close()

    def _visible(self) -> StoreInfo | None:
        """`info`, and None also where it cannot be read: writing is the way out of that."""
        try:
            return self.info()
        except CorruptError:
            return None

    def _records_of(self, generation: str) -> Records:
        known = self._records.get(generation)
        if known is None:
            key = _info_key(generation)
            with self._asking():
                text = self._reader.get(key)
            if text is None:
                raise self._gone(generation)
            known = Records(StoreInfo.from_json(text, where=f"{key} in {self.place}").layout)
            self._records = {**dict(list(self._records.items())[-1:]), generation: known}
        return known

    def _write(self, info: StoreInfo, batches: Iterable[Batch], owner: str) -> int:
        records, written = Records(info.layout), 0
        with self._asking(), self._writer.pipeline(transaction=False) as trip:
            for shard in _shards(info.generation):
                trip.hset(shard, _MARK, b"")
            trip.execute()
        for customer_ids, vectors in batches:
            customers = [id_bytes(customer_id) for customer_id in customer_ids]
            packed = records.pack(customers, vectors)
            for start in range(0, len(customers), _CHUNK):
                chunk = customers[start : start + _CHUNK]
                written += self._write_chunk(info.generation, chunk, packed[start : start + _CHUNK], owner)
        return written

    def _write_chunk(self, generation: str, customers: list[bytes], packed: list[bytes], owner: str) -> int:
        with self._asking(), self._writer.pipeline(transaction=False) as trip:
            trip.eval(_RENEW, 1, _LOCK, owner, _LEASE_MS)
            for shard, places in _by_shard(generation, customers):
                trip.hset(shard, mapping={key_of(customers[i]): packed[i] for i in places})
            mine, *added = trip.execute()
        if not mine:
            raise self._taken()
        if sum(added) != len(customers):
            raise BadInputError(f"{len(customers) - sum(added)} customers came twice", hint="one vector a customer")
        return len(customers)

    def _sweep(self, keep: set[str]) -> None:
        """Drop all generations but these: their description first, so that no reader takes a hole for an answer."""
        with self._asking():
            names = {name.decode() for name in self._writer.smembers(_GENERATIONS)} - keep
            for name in sorted(names):
                self._writer.delete(_info_key(name))
                with self._writer.pipeline(transaction=False) as trip:
                    for shard in _shards(name):
                        trip.unlink(shard)
                    trip.execute()
                self._writer.srem(_GENERATIONS, name)

    @contextmanager
    def _alone(self) -> Iterator[str]:
        """Hold the lease that one publisher has; that of a publisher that died runs out by itself."""
        if self._readonly:
            raise refuse_writing(self.place)
        owner = secrets.token_hex(8)
        with self._asking():
            if not self._writer.set(_LOCK, owner, nx=True, px=_LEASE_MS):
                raise self._taken()
        try:
            yield owner
        finally:
            with suppress(UnavailableError), self._asking():
                self._writer.eval(_RELEASE, 1, _LOCK, owner)

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Turn what redis-py raises into our errors, and leave a server that is away alone for a second."""
        import redis

        until, why = self._rest
        if self._clock() < until:
            raise UnavailableError(why, hint=_CHECK)
        try:
            yield
        except (redis.ConnectionError, redis.TimeoutError) as error:
            why = f"Redis at {self.place} does not answer: {mask_url(str(error))}"
            self._rest = self._clock() + _REST_SECONDS, why
            raise UnavailableError(why, hint=_CHECK) from error
        except redis.RedisError as error:
            raise UnavailableError(f"Redis at {self.place} refuses: {mask_url(str(error))}") from error

    def _lost(self, generation: str) -> GoneError | CorruptError:
        """Why a shard is not there: the generation was dropped, or the server forgot a part of it."""
        with self._asking():
            known = self._reader.exists(_info_key(generation))
        if not known:
            return self._gone(generation)
        return CorruptError(
            f"Redis at {self.place} has lost a part of generation {generation}",
            hint=f"set `maxmemory-policy noeviction`, then {REPUBLISH}",
        )

    def _gone(self, generation: str) -> GoneError:
        return GoneError(f"generation {generation} of the online store {self.place} is gone")

    def _taken(self) -> ConflictError:
        return ConflictError(
            f"somebody else is publishing to the online store {self.place}",
            hint=f"wait until it is done; where it died, {_LEASE_MS // 1000} seconds",
        )


def _client(url: str, masked: str, seconds: float) -> Any:
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    try:
        return redis.Redis.from_url(
            url, socket_timeout=seconds, socket_connect_timeout=_CONNECT_SECONDS, retry=Retry(NoBackoff(), 0)
        )
    except ValueError as error:
        raise MisuseError(
            f"AXIOM_REDIS_URL={masked} is not the URL of a Redis: {mask_url(str(error))}",
            hint="like redis://:password@host:6379/0",
        ) from None


def _info_key(generation: str) -> str:
    return f"axiom:online:{generation}:info"


def _shards(generation: str) -> list[str]:
    return [f"axiom:online:{generation}:{shard:02}" for shard in range(_SHARDS)]


def _shard(generation: str, customer: bytes) -> str:
    return f"axiom:online:{generation}:{zlib.crc32(customer) % _SHARDS:02}"


def _by_shard(generation: str, customers: Sequence[bytes]) -> list[tuple[str, list[int]]]:
    """The places of the customers of each shard."""
    shards = [_shard(generation, customer) for customer in customers]
    order = sorted(range(len(customers)), key=shards.__getitem__)
    return [(shard, list(places)) for shard, places in groupby(order, key=shards.__getitem__)]
