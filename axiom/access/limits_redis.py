"""Limits that all replicas share, kept in Redis: one atomic script a request."""

from __future__ import annotations

import time
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

# As in `LocalLimiter`, by the server's clock. Two guards more: a clock that was set back must not lock a key out for
# hours, hence the upper bound; and a key with a full budget is nothing to remember, hence the expiry.
_SCRIPT = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local step, span = tonumber(ARGV[1]), tonumber(ARGV[2])
local arrival = tonumber(redis.call('GET', KEYS[1])) or now
arrival = math.min(math.max(arrival, now), now + span) + step
local wait = arrival - now - span
if wait > 0.000001 then return string.format('%.6f', wait) end
redis.call('SET', KEYS[1], string.format('%.6f', arrival), 'PX', math.ceil((arrival - now) * 1000) + 1)
return '0'
"""
_PREFIX = "axiom:limit:"


class RedisLimiter:
    """Limits across every process that uses the same Redis.

    While Redis is away each process counts for itself, so a key may get its budget once a replica; `degraded` says so.

    Args:
        url: redis://...
        timeout: seconds to wait for an answer.
        retry_seconds: how long to leave Redis alone after it did not answer.
        clock: seconds that never jump, for `retry_seconds`.

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
        self._away_until = 0.0
        self._problem = ""
        self._probing = Lock()

    @property
    def degraded(self) -> str | None:
        """Why each process counts for itself; None while Redis answers."""
        return f"rate limits count per replica: {self._problem}" if self._problem else None

    def allow(self, key_id: str, rate: float, burst: float, cost: float = 1.0) -> float:
        """See `RateLimiter.allow`."""
        check_budget(rate, burst, cost)
        if rate == float("inf"):
            return 0.0
        if not self._problem:
            return self._ask(key_id, rate, burst, cost)
        # One thread finds out whether Redis is back; the others do not wait with it.
        if self._clock() >= self._away_until and self._probing.acquire(blocking=False):
            try:
                return self._ask(key_id, rate, burst, cost)
            finally:
                self._probing.release()
        return self._local.allow(key_id, rate, burst, cost)

    def close(self) -> None:
        """Give the connections back."""
        self._redis.close()

    def _ask(self, key_id: str, rate: float, burst: float, cost: float) -> float:
        try:
            wait = float(self._script(keys=[_PREFIX + key_id], args=[cost / rate, burst / rate]))
        except RedisError as error:
            self._problem = f"Redis does not answer: {type(error).__name__}"
            self._away_until = self._clock() + self._retry_seconds
            return self._local.allow(key_id, rate, burst, cost)
        self._problem = ""
        return wait
