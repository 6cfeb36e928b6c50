"""Access tokens on the hot path: who may do what and which sessions are over, in memory, refreshed off it.

A token proves by its signature that a session of a user began. What it cannot tell is what happened since: the user may
have another role, may be disabled or gone, the session may have ended. All of that is held here, and only sessions that
ended lately are: a session that nobody ended is good as soon as its token is signed, and the memory needed is small.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from threading import Lock
from typing import TYPE_CHECKING, Protocol

from axiom.access.following import Follower
from axiom.access.keyring import Caller
from axiom.access.permissions import MAY, ROLES, require
from axiom.access.tokens import LIFETIME
from axiom.errors import AxiomError, UnauthorizedError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from typing import Unpack

    from axiom.access.following import Timing
    from axiom.access.permissions import Role
    from axiom.access.tokens import AccessTokens
    from axiom.db import Database

MOST = 10_000  # tokens that are remembered as verified
_CLOCKS = timedelta(seconds=5)  # of two machines differ
_TELL_ENDED = 2 * LIFETIME  # no access token outlives its session's end by more


@dataclass(frozen=True)
class People:
    """Everybody who may log in, and which sessions ended while their access tokens may still be around.

    Attributes:
        users: user id -> (name, role).
        ended: session ids.
    """

    users: Mapping[str, tuple[str, str]]
    ended: frozenset[str]


class PeopleSource(Protocol):
    """Where users and sessions are kept."""

    def revision(self) -> str:
        """Text that changes whenever a user or a session does. Asked every second, so it has to be cheap."""

    def people(self) -> People:
        """As they are now."""


@dataclass(frozen=True, slots=True)
class _Verified:
    """A token whose signature was checked, until its time of the monotonic clock."""

    user_id: str
    session_id: str
    issued_at: datetime
    until: float


class PeopleRing(Follower):
    """Checks access tokens against the people of a source.

    Args:
        source: where users and sessions are kept.
        tokens: reads access tokens.
        rate: requests a second of a user.
        burst: requests at once of a user.
        most: verified tokens to remember; only good ones are, so that strangers cannot make it forget any.
        timing: see `Follower`.
    """

    what = "users and sessions"

    def __init__(
        self,
        source: PeopleSource,
        tokens: AccessTokens,
        *,
        rate: float,
        burst: float,
        most: int = MOST,
        **timing: Unpack[Timing],
    ) -> None:
        super().__init__(**timing)
        self._source, self._tokens = source, tokens
        self._rate, self._burst, self._most = rate, burst, most
        self._callers: dict[str, tuple[Role, Caller]] = {}
        self._ended: frozenset[str] = frozenset()
        self._verified: dict[bytes, _Verified] = {}
        self._remembering = Lock()

    def __len__(self) -> int:
        return len(self._verified)

    def check(self, text: str, scope: str) -> Caller:
        """Who sent this access token, if the role may do what `scope` names. Never touches the source.

        Raises:
            UnauthorizedError: The token is malformed, forged or expired, or its session or user is gone.
            ForbiddenError: The role may not.
            UnavailableError: The source does not answer, and the user is unknown or was not confirmed for too long.
        """
        token = self._verify(text)
        if token.session_id in self._ended:
            raise _over()
        found = self._callers.get(token.user_id)
        if found is None:
            raise self._stranger(token)
        if self._monotonic() - self._answered > self._grace_seconds:
            raise self._unconfirmed("users and sessions")
        role, caller = found
        if scope not in caller.scopes:
            require(role, scope)
        return caller

    def _verify(self, text: str) -> _Verified:
        key = sha256(text.encode("utf-8", "surrogatepass")).digest()  # not the text: memory is no place for it
        held = self._verified.get(key)
        now = self._monotonic()
        if held is not None and now < held.until:
            return held
        proven = self._tokens.prove(text)
        left = (proven.expires_at - self._wall()).total_seconds()
        found = _Verified(proven.claims.user_id, proven.claims.session_id, proven.issued_at, now + left)
        self._remember(key, found, now)
        return found

    def _remember(self, key: bytes, token: _Verified, now: float) -> None:
        with self._remembering:
            if len(self._verified) >= self._most:
                good = [(one, held) for one, held in self._verified.items() if held.until > now]
                # Half of them at once, so that this is rare; to be forgotten costs one more look at the signature.
                self._verified = dict(good[-(self._most // 2) :])
            self._verified[key] = token

    def _stranger(self, token: _Verified) -> AxiomError:
        # The signature is ours, so there was such a user: gone, or so new that this copy does not know it yet.
        if degraded := self.degraded:
            return UnavailableError(f"the user cannot be looked up: {degraded}", hint="try again in a few seconds")
        if token.issued_at >= self._confirmed_at() - _CLOCKS:
            return UnavailableError("the user is not known here yet", hint="try again in a second")
        return _over()

    def _ask(self) -> str:
        return self._source.revision()

    def _take(self, now: float) -> None:  # noqa: ARG002
        people = self._source.people()
        found = {user_id: self._caller(name, role) for user_id, (name, role) in people.users.items()}
        self._callers = {user_id: caller for user_id, caller in found.items() if caller is not None}
        self._ended = people.ended

    def _caller(self, name: str, role: str) -> tuple[Role, Caller] | None:
        known = next((one for one in ROLES if one == role), None)
        if known is None:  # edited by hand: one such user is no reason to know nothing of the others
            return None
        return known, Caller(f"user:{name}", name, MAY[known], self._rate, self._burst)


@dataclass(frozen=True)
class PeopleInDatabase:
    """The source of a `PeopleRing`."""

    database: Database

    def revision(self) -> str:
        """See `PeopleSource`: every change of users and sessions is audited, so the head of the trail tells."""
        with self.database.reading() as tx:
            return tx.audit.head().hash

    def people(self) -> People:
        """See `PeopleSource`."""
        with self.database.reading() as tx:
            users = {user_id: (name, role) for user_id, name, role in tx.users.may_log_in()}
            return People(users, tx.sessions.ended(tx.clock() - _TELL_ENDED))


def _over() -> UnauthorizedError:
    return UnauthorizedError("the session is over", hint="log in again")
