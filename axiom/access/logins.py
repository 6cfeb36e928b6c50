"""Log in, refresh, log out: the only way from a password to a token."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from axiom.access.passwords import Passwords, check_password
from axiom.access.permissions import check_role
from axiom.access.tokens import AccessTokens, Claims, new_refresh_token, refresh_digest
from axiom.db.users import normal_name
from axiom.errors import ConflictError, ForbiddenError, MisuseError, TooManyError, UnauthorizedError

if TYPE_CHECKING:
    from datetime import datetime

    from axiom.access.limits import RateLimiter
    from axiom.access.permissions import Role
    from axiom.db import Database, Transaction
    from axiom.db.users import User

MOST_FAILURES = 5
FAILURES_WITHIN = timedelta(minutes=15)
LOCKED_FOR = timedelta(minutes=15)
SESSION = timedelta(days=14)
ADDRESS_RATE, ADDRESS_BURST = 0.2, 20.0  # attempts to log in from one address: a second, and at once
# The same from an address that many share, a proxy: one who guesses must not keep the others out, nor all cores busy.
SHARED_RATE, SHARED_BURST = 10.0, 200.0


@dataclass(frozen=True)
class Grant:
    """What a client gets for a password or a refresh token. Both texts are shown to it once."""

    access: str
    refresh: str
    expires_in: float
    user: User
    session_id: str

    def __repr__(self) -> str:
        return f"Grant({self.user!r})"


@dataclass(frozen=True)
class Identity:
    """Who is asking, as the database knows it now."""

    user_id: str
    name: str
    role: Role
    session_id: str


@dataclass(frozen=True)
class Logins:
    """Sessions of people.

    Attributes:
        database: where users and sessions are kept.
        tokens: signs and reads access tokens.
        passwords: hashes and verifies passwords.
        limiter: slows down who guesses from one address.
    """

    database: Database
    tokens: AccessTokens
    passwords: Passwords
    limiter: RateLimiter

    def login(self, name: str, password: str, *, address: str, shared: bool = False, client: str = "") -> Grant:
        """Begin a session.

        Args:
            name: as it was typed.
            password: as it was typed.
            address: where it comes from, for the rate limit.
            shared: whether many people come from that address.
            client: what the client says it is, for people to recognise the session by.

        Raises:
            UnauthorizedError: Wrong name or password; the message does not say which.
            TooManyError: Too many attempts from this address, or under this name.
        """
        self._slow_down(address, shared=shared)
        known = normal_name(name)
        if known is not None:
            self._count(known)
        with self.database.reading() as tx:
            user = None if known is None else tx.users.find(known)
        stored = user.password_hash if user else None
        right = self.passwords.verify(stored, password)  # also for nobody: the time it takes tells nothing
        if not right or user is None or user.disabled_at is not None:
            raise _wrong()
        dated = self.passwords.is_dated(user.password_hash)
        renewed = self.passwords.hash(password) if dated else user.password_hash
        with self.database.transaction() as tx:
            now = tx.users.by_id(user.user_id)
            if now is None or now.revision != user.revision:
                raise _wrong()  # changed while the hash was computed: perhaps disabled, or given another password
            tx.logins.clear(user.name)
            if dated:
                tx.users.rehash(user.user_id, renewed)
            return self._begin(tx, user, "".join(filter(str.isprintable, client[:200])))

    def refresh(self, token: str) -> Grant:
        """Trade a refresh token for the next one and a new access token.

        Raises:
            UnauthorizedError: The token is unknown, its session is over, or it was used before: then the session ends.
        """
        following = new_refresh_token()
        with self.database.transaction() as tx:
            session, good = tx.sessions.rotate(refresh_digest(token), refresh_digest(following))
            user = tx.users.by_id(session.user_id)
            if not good:
                about = f"user:{user.name}" if user else f"user-id:{session.user_id}"
                tx.audit.record("login", "session.replay", about, {"session": session.session_id})
        if not good:
            raise UnauthorizedError("the refresh token was used before: the session is over", hint="log in again")
        if user is None or user.disabled_at is not None:
            raise UnauthorizedError("the session is over", hint="log in again")
        return self._grant(user, session.session_id, following)

    def logout(self, token: str) -> None:
        """End the session of a refresh token, at once and for its access tokens too. Twice does no harm."""
        with self.database.transaction() as tx:
            session = tx.sessions.of_token(refresh_digest(token))
            user = tx.users.by_id(session.user_id) if session else None
            if session and user and tx.sessions.end(session.session_id, "logout"):
                tx.audit.record(user.name, "session.end", f"user:{user.name}", {"session": session.session_id})

    def change_password(
        self, name: str, current: str, new: str, *, session_id: str, address: str, shared: bool = False
    ) -> int:
        """Let a user who is logged in choose another password. Attempts are limited as those to log in are.

        Args:
            name: of the user.
            current: the password until now, as it was typed.
            new: the password from now on, as it was typed.
            session_id: the session that asks; every other one of the user ends.
            address: where it comes from, for the rate limit.
            shared: whether many people come from that address.

        Returns:
            How many sessions ended.

        Raises:
            MisuseError: The new password is no good.
            ForbiddenError: The current password is wrong.
            TooManyError: Too many attempts from this address, or under this name.
            ConflictError: The user was changed meanwhile.
        """
        check_password(new, names=[name])
        if new == current:
            raise MisuseError("the new password is the current one", hint="choose another")
        self._slow_down(address, shared=shared)
        self._count(name)
        with self.database.reading() as tx:
            user = tx.users.get(name)
        if not self.passwords.verify(user.password_hash, current):
            raise ForbiddenError("the current password is wrong", hint="an administrator can set a new one")
        hashed = self.passwords.hash(new)
        with self.database.transaction() as tx:
            now = tx.users.by_id(user.user_id)
            if now is None or now.revision != user.revision:
                raise ConflictError(f"user {name!r} was changed meanwhile", hint="log in and try again")
            tx.users.change(name, password_hash=hashed, actor=name)
            tx.logins.clear(name)
            return tx.sessions.end_all(user.user_id, "password", but=session_id)

    def who(self, access: str | None) -> Identity:
        """Who sent this access token: user, role and session as they are now.

        Raises:
            UnauthorizedError: The token is not valid, or its session or user is gone.
        """
        claims = self.tokens.read(access)
        with self.database.reading() as tx:
            session = tx.sessions.find(claims.session_id)
            user = tx.users.by_id(claims.user_id)
        if session is None or user is None or session.user_id != user.user_id:
            raise UnauthorizedError("the session is over", hint="log in again")
        if session.ended_at is not None or user.disabled_at is not None:
            raise UnauthorizedError("the session is over", hint="log in again")
        return Identity(user.user_id, user.name, check_role(user.role), session.session_id)

    def _slow_down(self, address: str, *, shared: bool) -> None:
        rate, burst = (SHARED_RATE, SHARED_BURST) if shared else (ADDRESS_RATE, ADDRESS_BURST)
        if wait := self.limiter.allow(f"login:{address}", rate, burst):
            raise TooManyError("too many attempts to log in", hint=f"wait {wait:.0f} s", retry_after=wait)

    def _count(self, name: str) -> None:
        with self.database.transaction() as tx:
            until: datetime | None = tx.logins.begin(name, most=MOST_FAILURES, within=FAILURES_WITHIN, lock=LOCKED_FOR)
            wait = (until - tx.clock()).total_seconds() if until else 0.0
        if wait:
            raise TooManyError(
                f"too many attempts to log in as {name!r}", hint=f"wait {wait / 60:.0f} minutes", retry_after=wait
            )

    def _begin(self, tx: Transaction, user: User, client: str) -> Grant:
        token, session_id = new_refresh_token(), secrets.token_hex(16)
        tx.sessions.begin(
            session_id,
            user_id=user.user_id,
            client=client,
            expires_at=tx.clock() + SESSION,
            digest=refresh_digest(token),
        )
        tx.audit.record(user.name, "session.begin", f"user:{user.name}", {"session": session_id, "client": client})
        return self._grant(user, session_id, token)

    def _grant(self, user: User, session_id: str, refresh: str) -> Grant:
        access = self.tokens.sign(Claims(user.user_id, session_id))
        return Grant(access, refresh, self.tokens.lifetime.total_seconds(), user, session_id)


def _wrong() -> UnauthorizedError:
    return UnauthorizedError("wrong name or password", hint="an administrator can set a new password")


def create_user(tx: Transaction, passwords: Passwords, name: str, *, role: str, password: str, actor: str) -> User:
    """Make a user.

    Raises:
        MisuseError: The name, the role or the password is no good.
        ConflictError: The name is taken.
    """
    known = check_role(role)
    check_password(password, names=[name])
    return tx.users.add(name, role=known, password_hash=passwords.hash(password), actor=actor)


def set_password(tx: Transaction, passwords: Passwords, name: str, password: str, *, actor: str) -> User:
    """Give a user another password; every session of the user ends.

    Raises:
        NotFoundError: No such user.
        MisuseError: The password is no good.
    """
    user = tx.users.get(name)
    check_password(password, names=[user.name])
    changed = tx.users.change(user.name, password_hash=passwords.hash(password), actor=actor)
    tx.sessions.end_all(user.user_id, "password")
    tx.logins.clear(user.name)
    return changed


def set_disabled(tx: Transaction, name: str, *, disabled: bool, actor: str) -> User:
    """Keep a user out, at once, or let the user in again.

    Raises:
        NotFoundError: No such user.
        ConflictError: No administrator would be left.
    """
    user = tx.users.change(name, disabled=disabled, actor=actor)
    if disabled:
        tx.sessions.end_all(user.user_id, "disabled")
    return user
