"""The keys of this installation in memory: checked in microseconds, refreshed off the hot path.

Every live key is held, so a key that is not there is refused at once: no stranger can make a replica ask the database,
and none can make it remember anything.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from hmac import compare_digest
from math import inf
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Protocol, Self

from axiom.access.keytext import digest, id_of
from axiom.errors import AxiomError, ForbiddenError, UnauthorizedError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from axiom.db.keys import ApiKey

_READ_ALL_SECONDS = 60.0  # even when nothing seems to have changed: somebody may have edited the table by hand
_OVERDUE = 10.0  # refreshes that may be missing before the keys count as old: the source may hang instead of failing


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is asking.

    Attributes:
        key_id: names the key in logs, metrics and limits; not secret.
        name: what people call it.
        scopes: what it may do, see `axiom.access.permissions`.
        rate: requests a second that it may keep up; infinite for no limit.
        burst: requests that it may send at once.
    """

    key_id: str
    name: str
    scopes: frozenset[str]
    rate: float
    burst: float


class Door(Protocol):
    """What the hot path asks of every request."""

    def check(self, text: str | None, scope: str) -> Caller:
        """Who sent this key text, if it is good for `scope`."""

    @property
    def degraded(self) -> str | None:
        """What is wrong, for health read-outs; None when nothing is."""

    def close(self) -> None:
        """Stop watching."""


class KeySource(Protocol):
    """Where the keys are kept."""

    def revision(self) -> str:
        """Text that changes whenever a key does. Asked every second, so it has to be cheap."""

    def live(self) -> Sequence[ApiKey]:
        """Every key that is not revoked; long expired ones may be left out."""


@dataclass(frozen=True, slots=True)
class _Held:
    """One key. Its times are seconds of the monotonic clock, so that a wall clock that jumps moves nothing."""

    caller: Caller
    digest: bytes
    until: float
    previous: bytes
    previous_until: float

    def proven_by(self, text: str, now: float) -> bool:
        given = digest(text)
        return compare_digest(given, self.digest) or (
            now < self.previous_until and compare_digest(given, self.previous)
        )


class KeyRing:
    """Checks key texts against the live keys of a source.

    Args:
        source: where the keys are kept.
        rate: requests a second of a key that has no rate of its own.
        burst: requests at once of a key that has no burst of its own.
        refresh_seconds: how often `start` asks the source; a new or a revoked key is known after that long.
        grace_seconds: how long known keys stay good while the source does not answer.
        wall: time of day, for expiry.
        monotonic: seconds that never jump, for everything else.
    """

    def __init__(
        self,
        source: KeySource,
        *,
        rate: float,
        burst: float,
        refresh_seconds: float = 1.0,
        grace_seconds: float = 900.0,
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._rate, self._burst = rate, burst
        self._refresh_seconds, self._grace_seconds = refresh_seconds, grace_seconds
        self._wall, self._monotonic = wall, monotonic
        self._keys: dict[str, _Held] = {}
        self._revision = ""
        self._problem = "the keys were not read yet"
        self._answered = -inf  # when the source last answered
        self._read = -inf  # when the keys were last read
        self._refreshing = Lock()
        self._stop = Event()
        self._thread: Thread | None = None

    def check(self, text: str | None, scope: str) -> Caller:
        """Who sent this key text, if it is good for `scope`. Never touches the source.

        Raises:
            UnauthorizedError: No key, or one that is malformed, unknown, forged, revoked or expired.
            ForbiddenError: The key lacks the scope.
            UnavailableError: The source does not answer, and the key is unknown or was not confirmed for too long.
        """
        if not text:
            raise UnauthorizedError("an API key is needed", hint="send `Authorization: Bearer axk_...`")
        held = self._keys.get(id_of(text))
        now = self._monotonic()
        if held is None or not held.proven_by(text, now):
            raise self._stranger()
        if now >= held.until:
            raise UnauthorizedError(
                f"API key {held.caller.key_id} has expired", hint="`axiom key create` makes a new one"
            )
        if now - self._answered > self._grace_seconds:
            raise UnavailableError(f"API keys cannot be confirmed: {self.degraded}", hint="see `/health`")
        if scope not in held.caller.scopes:
            raise ForbiddenError(
                f"API key {held.caller.key_id} lacks the scope {scope!r}",
                hint=f"it has: {', '.join(sorted(held.caller.scopes)) or 'none'}",
            )
        return held.caller

    @property
    def degraded(self) -> str | None:
        """Why the keys may be out of date; None while they are not."""
        age = self._monotonic() - self._answered
        if not self._problem and age <= _OVERDUE * self._refresh_seconds:
            return None
        since = "never read" if age == inf else f"{age:.0f} s old"
        return f"keys are {since}: {self._problem or 'the database does not answer'}"

    def __len__(self) -> int:
        return len(self._keys)

    def refresh(self) -> bool:
        """Ask the source what changed; False when it did not answer. Never raises: `degraded` tells."""
        with self._refreshing:
            now = self._monotonic()
            try:
                revision = self._source.revision()
                if revision != self._revision or now - self._read >= _READ_ALL_SECONDS:
                    self._keys = {key.key_id: self._hold(key, now) for key in self._source.live()}
                    self._revision, self._read = revision, now
            except Exception as error:  # noqa: BLE001  (a thread that dies would leave the keys as they are for ever)
                self._problem = error.message if isinstance(error, AxiomError) else repr(error)
                return False
            self._problem, self._answered = "", now
            return True

    def start(self) -> Self:
        """Refresh now, and from a thread until `close`."""
        self.refresh()
        self._thread = Thread(target=self._refresh_until_closed, name="axiom-keys", daemon=True)
        self._thread.start()
        return self

    def close(self) -> None:
        """Stop the thread of `start`. The keys stay as they are."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=2.0)  # it may be waiting for a database that does not answer

    def _refresh_until_closed(self) -> None:
        while not self._stop.wait(self._refresh_seconds):
            self.refresh()

    def _stranger(self) -> AxiomError:
        # While the source is away the key may be newer than what is known here: that is no reason to call it wrong.
        if degraded := self.degraded:
            return UnavailableError(f"the API key cannot be looked up: {degraded}", hint="try again in a few seconds")
        return UnauthorizedError("the API key is not valid", hint="it is unknown, revoked or mistyped")

    def _hold(self, key: ApiKey, now: float) -> _Held:
        wall = self._wall()

        def left(moment: datetime | None) -> float:
            return inf if moment is None else now + (moment - wall).total_seconds()

        return _Held(
            caller=Caller(
                key.key_id,
                key.name,
                frozenset(key.scopes),
                self._rate if key.rate is None else key.rate,
                self._burst if key.burst is None else key.burst,
            ),
            digest=bytes.fromhex(key.digest),
            until=left(key.expires_at),
            previous=bytes.fromhex(key.previous_digest or ""),
            previous_until=left(key.previous_until) if key.previous_digest else -inf,
        )


class OpenDoor:
    """Lets everybody in to what `scopes` name, without a limit: AXIOM_AUTH=off, for a machine of one's own."""

    degraded: str | None = None

    def __init__(self, scopes: frozenset[str]) -> None:
        self._caller = Caller("-", "anybody", scopes, inf, inf)

    def check(self, text: str | None, scope: str) -> Caller:  # noqa: ARG002
        """Anybody.

        Raises:
            ForbiddenError: The scope is none of those that are open.
        """
        if scope not in self._caller.scopes:
            raise ForbiddenError(f"AXIOM_AUTH=off does not open {scope!r}", hint="set AXIOM_AUTH=required, use a key")
        return self._caller

    def close(self) -> None:
        """Nothing to stop."""
