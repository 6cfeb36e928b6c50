"""A copy in memory of what a source holds: asked once a second whether it changed, read only then, off the hot path."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from datetime import UTC, datetime, timedelta
from math import inf
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, ClassVar, Self, TypedDict

from axiom.errors import AxiomError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

_READ_ALL_SECONDS = 60.0  # even when nothing seems to have changed: somebody may have edited the table by hand
_OVERDUE = 10.0  # refreshes that may be missing before the copy counts as old: the source may hang instead of failing


class Timing(TypedDict, total=False):
    """How a `Follower` is timed; its defaults are for serving."""

    refresh_seconds: float
    grace_seconds: float
    wall: Callable[[], datetime]
    monotonic: Callable[[], float]


class Follower(ABC):
    """Keeps a copy current. A source that does not answer leaves it as it is; `degraded` tells.

    Args:
        refresh_seconds: how often `start` asks the source; what is new or gone there is known after that long.
        grace_seconds: how long the copy stays good while the source does not answer.
        wall: time of day.
        monotonic: seconds that never jump, for everything but the expiry of what is held.
    """

    what: ClassVar[str]
    """What is held, in the plural, for messages."""

    def __init__(
        self,
        *,
        refresh_seconds: float = 1.0,
        grace_seconds: float = 900.0,
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._refresh_seconds, self._grace_seconds = refresh_seconds, grace_seconds
        self._wall, self._monotonic = wall, monotonic
        self._revision = ""
        self._problem = f"the {self.what} were not read yet"
        self._answered = -inf  # when the source last answered
        self._read = -inf  # when it was last read
        self._refreshing = Lock()
        self._stop = Event()
        self._thread: Thread | None = None

    @abstractmethod
    def _ask(self) -> str:
        """Text that changes whenever the source does. Asked every second, so it has to be cheap."""

    @abstractmethod
    def _take(self, now: float) -> None:
        """Take over everything that the source holds; `now` is of the monotonic clock."""

    @property
    def degraded(self) -> str | None:
        """Why the copy may be out of date; None while it is not."""
        age = self._monotonic() - self._answered
        if not self._problem and age <= _OVERDUE * self._refresh_seconds:
            return None
        since = "never read" if age == inf else f"{age:.0f} s old"
        return f"{self.what} are {since}: {self._problem or 'the database does not answer'}"

    def refresh(self) -> bool:
        """Ask the source what changed; False when it did not answer. Never raises: `degraded` tells."""
        with self._refreshing:
            now = self._monotonic()
            try:
                revision = self._ask()
                if revision != self._revision or now - self._read >= _READ_ALL_SECONDS:
                    self._take(now)
                    self._revision, self._read = revision, now
            except Exception as error:  # noqa: BLE001  (a thread that dies would leave the copy as it is for ever)
                self._problem = error.message if isinstance(error, AxiomError) else repr(error)
                return False
            self._problem, self._answered = "", now
            return True

    def start(self) -> Self:
        """Refresh now, and from a thread until `close`."""
        self.refresh()
        self._thread = Thread(target=self._refresh_until_closed, name=f"axiom-{self.what}", daemon=True)
        self._thread.start()
        return self

    def close(self) -> None:
        """Stop the thread of `start`. The copy stays as it is."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=2.0)  # it may be waiting for a database that does not answer

    def _confirmed_at(self) -> datetime:
        """When, by the time of day, the copy was last known to be current; long ago where it never was."""
        age = self._monotonic() - self._answered
        return datetime.min.replace(tzinfo=UTC) if age == inf else self._wall() - timedelta(seconds=age)

    def _unconfirmed(self, what: str) -> UnavailableError:
        return UnavailableError(f"{what} cannot be confirmed: {self.degraded}", hint="see `/health`")

    def _refresh_until_closed(self) -> None:
        while not self._stop.wait(self._refresh_seconds):
            self.refresh()
