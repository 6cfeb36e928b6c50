"""Ticks of a cron expression in a time zone.

As Debian's cron: a fixed time that does not exist on the day the clock goes forward is made up for right after the gap,
and one that exists twice when it goes back happens once; what repeats by the hour or minute follows real time.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from axiom.errors import MisuseError

if TYPE_CHECKING:
    from collections.abc import Iterator


def check_cron(expression: str, timezone: str) -> None:
    """Refuse what is no cron expression, never comes true, or is in a zone that does not exist.

    Raises:
        MisuseError: the message says which.
    """
    _ticks(expression, timezone, datetime(2024, 1, 1, tzinfo=UTC))


def ticks_between(expression: str, timezone: str, after: datetime, until: datetime, *, limit: int) -> list[datetime]:
    """Ticks later than `after` and not later than `until`, in UTC, earliest first; at most the first `limit`."""
    moments = (tick.astimezone(UTC) for tick in _ticks(expression, timezone, after))
    return list(islice(takewhile(lambda tick: tick <= until, moments), limit))


def last_tick(expression: str, timezone: str, after: datetime, until: datetime) -> datetime | None:
    """The latest tick later than `after` and not later than `until`, in UTC."""
    # Growing stretches that end at `until`: the minutes of a day are few, those of years of silence are not. Not
    # backwards, for the two directions need not agree about the hour that is there twice.
    for days in (1, 32, 366, 3660):
        start = max(after, until - timedelta(days=days))
        if found := ticks_between(expression, timezone, start, until, limit=sys.maxsize):
            return found[-1]
        if start == after:
            break
    return None


def next_tick(expression: str, timezone: str, after: datetime) -> datetime:
    """The first tick later than `after`, in UTC."""
    return next(_ticks(expression, timezone, after)).astimezone(UTC)


def _ticks(expression: str, timezone: str, after: datetime) -> Iterator[datetime]:
    from cronsim import CronSim, CronSimError

    try:
        zone = ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise MisuseError(f"{timezone!r} is no time zone", hint="an IANA name such as Europe/Berlin or UTC") from None
    try:
        ticks: Iterator[datetime] = CronSim(expression, after.astimezone(zone))
    except CronSimError as error:
        raise MisuseError(
            f"{expression!r} is no cron expression: {error}",
            hint="minute hour day-of-month month day-of-week, such as '0 5 * * *'",
        ) from None
    return ticks
