"""Vectors for the event loop: from memory or a file at once, over the network without holding others up."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from axiom.errors import UnavailableError
from axiom.tracing import OFF

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from axiom.scoring.online.cache import CacheView, Found
    from axiom.tracing import Tracing


@dataclass(frozen=True)
class Vectors:
    """How a replica looks customers up.

    Attributes:
        remote: whether a miss is a trip over the network, which a thread makes while other requests go on. A read from
            a file of this machine takes microseconds, less than handing it to a thread would.
        tracing: times what the features of a request cost, and the trips among them.
    """

    remote: bool
    tracing: Tracing = OFF

    async def one(self, view: CacheView, customer: str) -> Found:
        """The vector of one customer, None for an unknown one, and whether it came from memory.

        Raises:
            UnavailableError: it is not in memory, and the store is away.
            GoneError: the generation of the view is not in the store any more.
        """
        if self.remote and not view.fresh(customer):
            return (await self.many(view, (customer,)))[0]
        with self.tracing.span("features") as span:
            found = view.get(customer)
            span.note("axiom.cached", found[1])
        return found

    async def many(self, view: CacheView, customers: Sequence[str]) -> list[Found]:
        """The vectors of many customers, in their order; see `one`."""
        distinct = dict.fromkeys(customers)
        missing = [name for name in distinct if not view.fresh(name)] if self.remote else []
        with self.tracing.span("features") as span:
            span.note("axiom.customers", len(customers))
            span.note("axiom.missing", len(missing))
            return await self._read(view, customers, distinct, missing)

    async def _read(
        self, view: CacheView, customers: Sequence[str], distinct: Iterable[str], missing: Sequence[str]
    ) -> list[Found]:
        if not missing:
            return view.get_many(customers)
        # Taken before anybody waits: what is kept meanwhile may push it out of a small cache.
        asked = set(missing)
        held = [name for name in distinct if name not in asked]
        found = dict(zip(held, view.get_many(held), strict=True))
        try:
            with self.tracing.span("store"):
                fetched = await asyncio.to_thread(view.fetch, missing)
        except UnavailableError:
            # What is in memory past its time is better than nothing.
            found |= zip(missing, view.get_many(missing), strict=True)
        else:
            view.keep(missing, fetched)
            found |= {name: (vector, False) for name, vector in zip(missing, fetched, strict=True)}
        return [found[name] for name in customers]
