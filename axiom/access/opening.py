"""The door and the limiter that the settings ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from axiom.access.keyring import Door, KeyRing, OpenDoor
from axiom.access.keys import KeysInDatabase
from axiom.access.limits import LocalLimiter, RateLimiter

if TYPE_CHECKING:
    from axiom.db import Database
    from axiom.settings import Settings

_DATA_PLANE = frozenset({"predict", "explain", "cache", "metrics"})


def open_door(settings: Settings, database: Database) -> Door:
    """A key ring that keeps itself up to date, or with AXIOM_AUTH=off a door that lets everybody to the data plane.

    A database that does not answer is no reason not to start: the door is `degraded` until it does. Close it.
    """
    if settings.auth == "off":
        return OpenDoor(_DATA_PLANE)
    return KeyRing(KeysInDatabase(database), rate=settings.rate_limit, burst=settings.rate_burst).start()


def open_limiter(settings: Settings) -> RateLimiter:
    """Limits shared through Redis where AXIOM_REDIS_URL is set, else counted in this process. Close it."""
    if settings.redis_url is None:
        return LocalLimiter()
    from axiom.access.limits_redis import RedisLimiter

    return RedisLimiter(settings.redis_url)
