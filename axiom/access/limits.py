"""How often a key may ask: the generic cell rate algorithm (GCRA, ITU-T I.371), one number a key.

With rate r (requests a second) and burst b, each request moves the key's *theoretical arrival time* by 1/r; it may run
ahead of now by b/r at most. That is a token bucket of size b refilled at r, without a refill to do.
"""

from __future__ import annotations

import time
from math import inf
from threading import Lock
from typing import TYPE_CHECKING, Protocol

from axiom.errors import MisuseError, TooLargeError

if TYPE_CHECKING:
    from collections.abc import Callable

_SLACK = 1e-9  # seconds; sums of 1/r are not exact, and a caller at exactly its rate is not late


class RateLimiter(Protocol):
    """Says whether a key may go on."""

    def allow(self, key_id: str, rate: float, burst: float, cost: float = 1.0) -> float:
        """0.0 to go on, else the seconds to wait (Retry-After). What is refused costs nothing.

        Args:
            key_id: whose budget pays.
            rate: requests a second that it may keep up, > 0; infinite for no limit.
            burst: requests that it may send at once, >= 1.
            cost: how many requests this one counts for, > 0.

        Raises:
            TooLargeError: `cost` is more than `burst`: waiting would not help.
            MisuseError: Rate, burst or cost out of range.
        """

    def decided(self, key_id: str, rate: float, burst: float, cost: float = 1.0) -> float | None:
        """`allow` where it takes no waiting for a server, else None, and nothing was spent."""

    @property
    def degraded(self) -> str | None:
        """What is wrong, for health read-outs; None when nothing is."""

    def close(self) -> None:
        """Give back what it holds."""


def check_budget(rate: float, burst: float, cost: float = 1.0) -> None:
    """Refuse a budget that makes no sense.

    Raises:
        TooLargeError: `cost` is more than `burst`.
        MisuseError: `rate` or `cost` is not positive, or `burst` is less than 1, or one is NaN.
    """
    if not (rate > 0 and burst >= 1 and 0 < cost < inf):
        raise MisuseError(
            f"rate {rate}, burst {burst}, cost {cost} is no budget", hint="rate > 0, burst >= 1, cost > 0"
        )
    if cost > burst:
        raise TooLargeError(
            f"the request counts for {cost:g}, the key may send {burst:g} at once",
            hint="ask for fewer at a time, or use a key with a larger burst",
        )


class LocalLimiter:
    """Limits within this process: every replica counts for itself.

    Args:
        most: keys to remember. Beyond, those with a full budget are forgotten, which changes nothing for them, and then
            those closest to it.
        clock: seconds that never jump.
    """

    degraded: str | None = None

    def __init__(self, *, most: int = 100_000, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._clock = most, clock
        self._arrival: dict[str, float] = {}
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._arrival)

    def allow(self, key_id: str, rate: float, burst: float, cost: float = 1.0) -> float:
        """See `RateLimiter.allow`."""
        # One comparison for the usual case; `check_budget` finds the words when it fails.
        if not (rate > 0 and burst >= cost > 0 and burst >= 1) or cost == inf:
            check_budget(rate, burst, cost)
        if rate == inf:
            return 0.0
        now = self._clock()
        with self._lock:
            arrival = max(self._arrival.get(key_id, now), now) + cost / rate
            wait = arrival - now - burst / rate
            if wait > _SLACK:
                return wait
            self._arrival[key_id] = arrival
            if len(self._arrival) > self._most:
                self._forget(now)
        return 0.0

    def close(self) -> None:
        """Nothing to give back."""

    def decided(self, key_id: str, rate: float, burst: float, cost: float = 1.0) -> float | None:
        """See `RateLimiter.decided`: always an answer."""
        return self.allow(key_id, rate, burst, cost)

    def _forget(self, now: float) -> None:
        busy = {key: arrival for key, arrival in self._arrival.items() if arrival > now}
        if len(busy) > self._most:
            # Half of them at once, so that this is rare; who has used the least loses the least.
            busy = dict(sorted(busy.items(), key=lambda item: item[1])[-self._most // 2 :])
        self._arrival = busy
