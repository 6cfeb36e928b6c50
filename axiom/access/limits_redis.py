"""Limits that all replicas share, kept in Redis: one atomic script, and far fewer round trips than requests."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from axiom.access.limits import LocalLimiter, check_budget
from axiom.errors import MisuseError
from axiom.settings import mask_url

if TYPE_CHECKING:
    from collections.abc import Callable

# As in `LocalLimiter`, by the server's clock: take `lease` requests, else `cost`, else say how long to wait for `cost`.
# Two guards more: a clock that was set back must not lock a key out for hours, hence the upper bound; and a key with a
# full budget is nothing to remember, hence the expiry.
_SCRIPT = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local span = tonumber(ARGV[3])
local start = tonumber(redis.call('GET', KEYS[1])) or now
start = math.min(math.max(start, now), now + span)
local wait = 0
for taken = 1, 2 do
  local arrival = start + tonumber(ARGV[taken])
  wait = arrival - now - span
  if wait <= 0.000001 then
    redis.call('SET', KEYS[1], string.format('%.6f', arrival), 'PX', math.ceil((arrival - now) * 1000) + 1)
    return {taken, '0'}
  end
end
return {0, string.format('%.6f', wait)}
"""
_PREFIX = "axiom:limit:"
_LEASE_OF_RATE, _LEASE_OF_BURST = 0.05, 0.1  # a lease is so many seconds of the rate, and that share of the burst
_LEASE_SECONDS = 1.0  # what is not used until then is lost: a replica that falls silent hoards nothing
_MOST = 10_000  # keys with a lease or a refusal to remember


@dataclass
class _Known:
    """What this process knows about one key without asking: requests it may still let through, or how long not."""

    left: float = 0.0
    left_until: float = 0.0
    refused_until: float = 0.0


class RedisLimiter:
    """Limits across every process that uses the same Redis.

    A process takes a few requests of a quick key at a time and spends them by itself, so it may let through a little
    less than the budget, never more. While Redis is away each process counts for itself, so a key may get its budget
    once a replica; `degraded` says so.

    Args:
        url: redis://...
        timeout: seconds to wait for an answer.
        retry_seconds: how long to leave Redis alone after it did not answer.
        clock: seconds that never jump.

    Raises:
        MisuseError: The URL cannot be read.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout: float = 0.05,
        retry_seconds: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        try:
            self._redis = Redis.from_url(
                url, socket_timeout=timeout, socket_connect_timeout=timeout, retry=Retry(NoBackoff(), 0)
            )
        except ValueError:
            raise MisuseError(f"{mask_url(url)!r} is not a Redis URL", hint="redis://host:6379/0") from None
        self._script = self._redis.register_script(_SCRIPT)
        self._local = LocalLimiter(clock=clock)
        self._retry_seconds, self._clock = retry_seconds, clock
        self._known: dict[str, _Known] = {}
        self._lock = Lock()
        self._away_until = 0.0
        self._problem = ""
        self._probing = Lock()

    @property
    def degraded(self) -> str | None:
        """Why each process counts for itself; None while Redis answers."""
        return f"rate limits count per replica: {self._problem}" if self._problem else None

    def allow(self, key_id: str, rate: float, burst: float, cost: float = 1.0) -> float:
        """See `RateLimiter.allow`."""
        known = self.decided(key_id, rate, burst, cost)
        if known is not None:
            return known
        if not self._problem:
            return self._ask(key_id, rate, burst, cost)
        # One thread finds out whether Redis is back; the others do not wait with it.
        if self._probing.acquire(blocking=False):
            try:
                return self._ask(key_id, rate, burst, cost)
            finally:
                self._probing.release()
        return self._local.allow(key_id, rate, burst, cost)

    def decided(self, key_id: str, rate: float, burst: float, cost: float = 1.0) -> float | None:
        """See `RateLimiter.decided`: from a lease, or counted here while Redis is left alone."""
        check_budget(rate, burst, cost)
        if rate == math.inf:
            return 0.0
        known = self._decided(key_id, cost)
        if known is None and self._problem and self._clock() < self._away_until:
            return self._local.allow(key_id, rate, burst, cost)
        return known

    def close(self) -> None:
        """Give the connections back."""
        self._redis.close()

    def _decided(self, key_id: str, cost: float) -> float | None:
        """The answer where this process has it: requests left of a lease, or a refusal that still holds."""
        now = self._clock()
        with self._lock:
            known = self._known.get(key_id)
            if known is None:
                return None
            if known.left >= cost and known.left_until > now:
                known.left -= cost
                return 0.0
            return known.refused_until - now if cost >= 1 and known.refused_until > now else None

    def _ask(self, key_id: str, rate: float, burst: float, cost: float) -> float:
        lease = max(cost, math.floor(min(rate * _LEASE_OF_RATE, burst * _LEASE_OF_BURST)))
        try:
            taken, told = self._script(keys=[_PREFIX + key_id], args=[lease / rate, cost / rate, burst / rate])
        except RedisError as error:
            self._problem = f"Redis does not answer: {type(error).__name__}"
            self._away_until = self._clock() + self._retry_seconds
            return self._local.allow(key_id, rate, burst, cost)
        self._problem = ""
        wait = float(told)
        self._learn(key_id, left=lease - cost if taken == 1 else 0.0, wait=wait if cost <= 1 else 0.0)
        return wait

    def _learn(self, key_id: str, *, left: float, wait: float) -> None:
        """Note what the answer for one key means for its next requests."""
        now = self._clock()
        with self._lock:
            if not left and not wait:
                self._known.pop(key_id, None)
                return
            if len(self._known) >= _MOST and key_id not in self._known:
                self._known.clear()  # costs each of them one round trip
            self._known[key_id] = _Known(left, now + _LEASE_SECONDS, now + wait)
