"""Vectors for the event loop: from memory or a file at once, over the network without holding others up."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from axiom.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from axiom.scoring.online.cache import CacheView, Found


@dataclass(frozen=True)
class Vectors:
    """How a replica looks customers up.

    Attributes:
        remote: whether a miss is a trip over the network, which a thread makes while other requests go on. A read from
            a file of this machine takes microseconds, less than handing it to a thread would.
    """

    remote: bool

    async def one(self, view: CacheView, customer: str) -> Found:
        """The vector of one customer, None for an unknown one, and whether it came from memory.

        Raises:
            UnavailableError: it is not in memory, and the store is away.
            GoneError: the generation of the view is not in the store any more.
        """
        if self.remote and not view.fresh(customer):
            return (await self.many(view, (customer,)))[0]
        return view.get(customer)

    async def many(self, view: CacheView, customers: Sequence[str]) -> list[Found]:
        """The vectors of many customers, in their order; see `one`."""
        missing = [name for name in dict.fromkeys(customers) if not view.fresh(name)] if self.remote else []
        if not missing:
            return view.get_many(customers)
        try:
            view.keep(missing, await asyncio.to_thread(view.fetch, missing))
        except UnavailableError:
            return view.get_many(customers)  # what is in memory past its time is better than nothing
        held = [name for name in dict.fromkeys(customers) if view.fresh(name)]
        found = dict(zip(held, view.get_many(held), strict=True))
        fetched = set(missing)
        return [(found[name][0], name not in fetched) if name in found else (None, False) for name in customers]
