"""The door and the limiter that the settings ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from axiom.access.door import FrontDoor
from axiom.access.keyring import Door, KeyRing, OpenDoor
from axiom.access.keys import KeysInDatabase
from axiom.access.limits import LocalLimiter, RateLimiter
from axiom.access.people import PeopleInDatabase, PeopleRing
from axiom.access.tokens import AccessTokens

if TYPE_CHECKING:
    from axiom.db import Database
    from axiom.settings import Settings

_DATA_PLANE = frozenset({"predict", "explain", "cache", "metrics"})


def open_door(settings: Settings, database: Database) -> Door:
    """A door that keeps itself up to date, or with AXIOM_AUTH=off one that lets everybody to the data plane.

    Keys are good, and access tokens where AXIOM_SECRET_KEY is set.

    A database that does not answer is no reason not to start: the door is `degraded` until it does. Close it.
    """
    if settings.auth == "off":
        return OpenDoor(_DATA_PLANE)
    rate, burst = settings.rate_limit, settings.rate_burst
    keys = KeyRing(KeysInDatabase(database), rate=rate, burst=burst).start()
    if settings.secret_key is None:
        return FrontDoor(keys, None)
    source, tokens = PeopleInDatabase(database), AccessTokens.of(settings)
    return FrontDoor(keys, PeopleRing(source, tokens, rate=rate, burst=burst).start())


def open_limiter(settings: Settings) -> RateLimiter:
    """Limits shared through Redis where AXIOM_REDIS_URL is set, else counted in this process. Close it."""
    if settings.redis_url is None:
        return LocalLimiter()
    from axiom.access.limits_redis import RedisLimiter

    return RedisLimiter(settings.redis_url)
