"""How much `predict` is asked at this moment: its replicas count, and here the differences are taken."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from axiom.errors import UnavailableError
from axiom.serve.asked_inside import Inside

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from axiom.serve.platform.services import Ask

FORGET = 15.0
"""Seconds after which a replica that no answer came from counts as gone."""
_COUNTED = ("answered", "predictions", "rejected")


@dataclass(frozen=True)
class Throughput:
    """Sums over the replicas that answered lately.

    Attributes:
        replicas: how many those are.
        requests: answers of routes that score, a second.
        predictions: predictions, a second; one request may be for many.
        rejected: requests refused before any work, a second.
    """

    replicas: int = 0
    requests: float = 0.0
    predictions: float = 0.0
    rejected: float = 0.0


@dataclass(frozen=True)
class _Seen:
    """What one replica told, and its rates since it told before."""

    at: float
    counts: Mapping[str, int]
    rates: tuple[float, ...] = (0.0,) * len(_COUNTED)

    def next(self, at: float, counts: Mapping[str, int]) -> _Seen:
        passed = at - self.at
        if passed <= 0:
            return self
        return _Seen(at, counts, tuple(max(0, counts[name] - self.counts[name]) / passed for name in _COUNTED))


class Meter:
    """Takes the throughput from one look to the next.

    A request inside the cluster reaches any replica, so each look asks a few times: some more than replicas were seen.

    Args:
        ask: lets a replica of `predict` answer.
        monotonic: seconds that never jump.
    """

    def __init__(self, ask: Ask, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._ask, self._monotonic = ask, monotonic
        self._seen: dict[str, _Seen] = {}

    async def look(self) -> Throughput:
        """The throughput since the look before; the first one knows no rates yet."""
        for replica, counts in await self._told():
            now = self._monotonic()
            before = self._seen.get(replica)
            self._seen[replica] = _Seen(now, counts) if before is None else before.next(now, counts)
        now = self._monotonic()
        self._seen = {name: seen for name, seen in self._seen.items() if now - seen.at <= FORGET}
        live = self._seen.values()
        return Throughput(
            len(live), *(round(sum(rates), 3) for rates in zip(*(seen.rates for seen in live), strict=True))
        )

    async def _told(self) -> list[tuple[str, dict[str, int]]]:
        times = 2 * len(self._seen) + 1
        replies = await asyncio.gather(*(self._one() for _ in range(times)))
        return list({told["replica"]: (told["replica"], told["requests"]) for told in replies if told}.values())

    async def _one(self) -> dict[str, Any] | None:
        try:
            told: dict[str, Any] = orjson.loads((await self._ask(Inside("GET", "/health"))).body)
        except UnavailableError:  # nobody answers at this moment: nothing is going through
            return None
        return told
