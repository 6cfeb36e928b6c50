"""The keys of this installation in memory: checked in microseconds, refreshed off the hot path.

Every live key is held, so a key that is not there is refused at once: no stranger can make a replica ask the database,
and none can make it remember anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from hmac import compare_digest
from math import inf
from typing import TYPE_CHECKING, Protocol

from axiom.access.following import Follower
from axiom.access.keytext import digest, id_of
from axiom.errors import AxiomError, ForbiddenError, UnauthorizedError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from typing import Unpack

    from axiom.access.following import Timing
    from axiom.db.keys import ApiKey


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is asking.

    Attributes:
        key_id: names the caller in logs, metrics and limits: the id of a key, `user:<name>`; not secret.
        name: what people call the key or the user.
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
        """Who sent this key or access token, if it is good for `scope`."""

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


class KeyRing(Follower):
    """Checks key texts against the live keys of a source.

    Args:
        source: where the keys are kept.
        rate: requests a second of a key that has no rate of its own.
        burst: requests at once of a key that has no burst of its own.
        timing: see `Follower`.
    """

    what = "keys"

    def __init__(self, source: KeySource, *, rate: float, burst: float, **timing: Unpack[Timing]) -> None:
        super().__init__(**timing)
        self._source = source
        self._rate, self._burst = rate, burst
        self._keys: dict[str, _Held] = {}

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
            raise self._unconfirmed("API keys")
        if scope not in held.caller.scopes:
            raise ForbiddenError(
                f"API key {held.caller.key_id} lacks the scope {scope!r}",
                hint=f"it has: {', '.join(sorted(held.caller.scopes)) or 'none'}",
            )
        return held.caller

    def __len__(self) -> int:
        return len(self._keys)

    def _ask(self) -> str:
        return self._source.revision()

    def _take(self, now: float) -> None:
        self._keys = {key.key_id: self._hold(key, now) for key in self._source.live()}

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
