"""What a replica keeps of the online store in its own memory."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from axiom.errors import AxiomError, ConflictError, CorruptError, UnavailableError
from axiom.scoring.online.store import GoneError, empty
from axiom.scoring.online.vectors import REPUBLISH

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from axiom.maths.arrays import FloatArray
    from axiom.scoring.online.store import OnlineStore, StoreInfo

Found = tuple["FloatArray | None", bool]
"""A vector, or None for an unknown customer; and whether it came from the cache."""


@dataclass(frozen=True)
class CacheStats:
    """What a cache did since it was made.

    Attributes:
        hits: answers from memory, stale ones included.
        misses: answers of the store, unknown customers included.
        stale: hits past their time to live, given because the store was away.
        size: vectors held.
        staleness: seconds since the store last told what is visible; infinite where it never did.
    """

    hits: int
    misses: int
    stale: int
    size: int
    staleness: float

    @property
    def hit_rate(self) -> float:
        """Share of answers from memory, in [0, 1]; 0 before the first answer."""
        return self.hits / max(self.hits + self.misses, 1)


class _Counts:
    """Answers so far; only the reading thread counts."""

    hits = misses = stale = 0


class CacheView:
    """One generation, as a replica sees it: `info.layout` is how every vector that this view gives is to be read.

    Least recently used entries leave first. One thread reads; another one may put a new view in its place meanwhile, so
    a reader that takes layout and vectors from one view never reads a vector of one generation as one of another.
    """

    def __init__(
        self,
        store: OnlineStore,
        info: StoreInfo,
        counts: _Counts,
        *,
        most: int,
        ttl_seconds: float,
        clock: Callable[[], float],
    ) -> None:
        self.info = info
        self._counts = counts
        self._store = store
        self._most = most
        self._ttl = ttl_seconds
        self._clock = clock
        # When each was read, and what. A dict keeps order: the first is the least used.
        self._entries: dict[str, tuple[float, FloatArray]] = {}

    def keep_to(self, most: int, ttl_seconds: float) -> None:
        """Bounds of size and age from now on."""
        self._most, self._ttl = most, ttl_seconds

    @property
    def size(self) -> int:
        """Vectors held."""
        return len(self._entries)

    def fresh(self, customer_id: str) -> bool:
        """Whether `get` would answer from memory, without a trip to the store."""
        entry = self._entries.get(customer_id)
        return entry is not None and self._clock() - entry[0] < self._ttl

    def fetch(self, customer_ids: Sequence[str]) -> list[FloatArray | None]:
        """Ask the store and keep nothing: for a thread that may wait, while the one that reads goes on; see `keep`.

        Raises:
            UnavailableError: the store is away.
            GoneError: this generation is not in the store any more.
            CorruptError: a record cannot be trusted.
        """
        return self._store.get_many(self.info.generation, customer_ids)

    def keep(self, customer_ids: Sequence[str], vectors: Sequence[FloatArray | None]) -> None:
        """Take over what `fetch` brought; for the thread that reads."""
        for customer_id, vector in zip(customer_ids, vectors, strict=True):
            self._read(customer_id, vector)

    def get(self, customer_id: str) -> Found:
        """The vector of one customer.

        Raises:
            UnavailableError: it is not in the cache, and the store is away.
            GoneError: this generation is not in the store any more.
            CorruptError: the record cannot be trusted.
        """
        entry = self._entries.pop(customer_id, None)
        if entry is not None:
            self._entries[customer_id] = entry
            if self._clock() - entry[0] < self._ttl:
                self._counts.hits += 1
                return entry[1], True
        try:
            vector = self._store.get(self.info.generation, customer_id)
        except UnavailableError:
            if entry is None:
                raise
            return self._stale(entry), True
        return self._read(customer_id, vector), False

    def get_many(self, customer_ids: Sequence[str]) -> list[Found]:
        """The vectors of many customers, in their order; those that are not in the cache in one trip.

        Raises:
            UnavailableError: one of them is not in the cache, and the store is away.
            GoneError: this generation is not in the store any more.
            CorruptError: a record cannot be trusted.
        """
        oldest, entries = self._clock() - self._ttl, self._entries
        held = {name: entries[name] for name in customer_ids if name in entries}
        wanted = [name for name in dict.fromkeys(customer_ids) if name not in held or held[name][0] <= oldest]
        answers: dict[str, Found] = {}
        if wanted:
            try:
                vectors = self._store.get_many(self.info.generation, wanted)
            except UnavailableError:
                if not held.keys() >= set(wanted):
                    raise
                answers = {name: (self._stale(held[name]), True) for name in wanted}
            else:
                answers = {name: (self._read(name, v), False) for name, v in zip(wanted, vectors, strict=True)}
        for name, entry in held.items():
            if name not in answers:
                self._counts.hits += 1
                answers[name] = entry[1], True
                entries[name] = entries.pop(name, entry)
        self._shrink()
        return [answers[name] for name in customer_ids]

    def _read(self, customer_id: str, vector: FloatArray | None) -> FloatArray | None:
        self._counts.misses += 1
        self._entries.pop(customer_id, None)
        # Unknown ids are not kept: whoever sends many of them would push the known ones out.
        if vector is not None:
            self._entries[customer_id] = self._clock(), vector
            self._shrink()
        return vector

    def _shrink(self) -> None:
        while len(self._entries) > self._most:
            del self._entries[next(iter(self._entries))]

    def _stale(self, entry: tuple[float, FloatArray]) -> FloatArray:
        self._counts.hits += 1
        self._counts.stale += 1
        return entry[1]


class VectorCache:
    """Read-through cache before an `OnlineStore`: bounded in size and in age, never across generations."""

    def __init__(
        self,
        store: OnlineStore,
        *,
        most: int = 100_000,
        ttl_seconds: float = 300.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make an empty cache; the store is first asked by `refresh`, or by the first `get`.

        Args:
            store: where vectors come from.
            most: vectors that are kept at most.
            ttl_seconds: how long one is given without asking again.
            clock: seconds that only grow.
        """
        self._store = store
        self._most = most
        self._ttl = ttl_seconds
        self._clock = clock
        self._view: CacheView | None = None
        self._counts = _Counts()
        self._told: float | None = None
        self._degraded: str | None = None

    def keep(self, most: int, ttl_seconds: float) -> None:
        """Keep more or fewer vectors, for a longer or shorter time, from now on; see the class.

        It holds for those that are kept already; what is too many leaves when the next one comes.
        """
        self._most, self._ttl = most, ttl_seconds
        if self._view is not None:
            self._view.keep_to(most, ttl_seconds)

    @property
    def info(self) -> StoreInfo | None:
        """What the store held at the last refresh."""
        view = self._view
        return None if view is None else view.info

    @property
    def degraded(self) -> str | None:
        """Why the store could not be asked at the last attempt; None where all is well."""
        return self._degraded

    @property
    def stats(self) -> CacheStats:
        """Counts since the cache was made."""
        counts, view = self._counts, self._view
        staleness = float("inf") if self._told is None else self._clock() - self._told
        return CacheStats(counts.hits, counts.misses, counts.stale, view.size if view is not None else 0, staleness)

    def view(self) -> CacheView:
        """The visible generation: take it once a request, and layout and vectors from it.

        Raises:
            NotFoundError: the store is empty.
            UnavailableError: the store is away, and was never seen.
        """
        view = self._view
        if view is None:
            self._refresh()
            view = self._view
        if view is None:
            raise empty(self._store)
        return view

    def get(self, customer_id: str) -> Found:
        """`CacheView.get` of the visible generation; where it was dropped meanwhile, of the one after it."""
        view = self.view()
        try:
            return view.get(customer_id)
        except GoneError as error:
            return self.after(view, error).get(customer_id)

    def get_many(self, customer_ids: Sequence[str]) -> list[Found]:
        """`CacheView.get_many` of the visible generation; where it was dropped meanwhile, of the one after it."""
        view = self.view()
        try:
            return view.get_many(customer_ids)
        except GoneError as error:
            return self.after(view, error).get_many(customer_ids)

    def after(self, view: CacheView, error: GoneError) -> CacheView:
        """The view to ask where `view` said that its generation is gone.

        Raises:
            CorruptError: the store still calls that generation the visible one.
        """
        self._refresh()
        following = self.view()
        if following is view:
            raise CorruptError(error.message, hint=REPUBLISH) from error
        return following

    def refresh(self) -> bool:
        """Look for a new generation; whether there is one. Never raises: what is wrong is told by `degraded`."""
        try:
            return self._refresh()
        except AxiomError:
            return False

    def _refresh(self) -> bool:
        try:
            info = self._store.info()
        except (UnavailableError, CorruptError, ConflictError) as error:
            self._degraded = error.message
            raise
        self._degraded = None
        self._told = self._clock()
        if info == self.info:
            return False
        if info is None:
            self._view = None
        else:
            self._view = CacheView(
                self._store, info, self._counts, most=self._most, ttl_seconds=self._ttl, clock=self._clock
            )
        return True
