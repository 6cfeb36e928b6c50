"""Sessions of users: a chain of refresh tokens, each good for one use. Only hashes of the tokens are kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import sqlalchemy as sa

from axiom.db.access_tables import refresh_tokens, sessions
from axiom.errors import UnauthorizedError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from sqlalchemy import Connection


_FORGET = timedelta(hours=1)  # so long after a session is over it is kept: an access token may be around for minutes


@dataclass(frozen=True)
class Session:
    """One log-in of one user.

    Attributes:
        session_id: names it.
        user_id: whose it is.
        client: what the client said it is; for people to recognise it by.
        created_at: when the user logged in, UTC.
        expires_at: when the user has to log in again, UTC.
        ended_at: UTC; None while it lasts.
        ended_because: `logout`, `replay`, `password`, `disabled`; None while it lasts.
    """

    session_id: str
    user_id: str
    client: str
    created_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    ended_because: str | None


@dataclass(frozen=True)
class Sessions:
    """Repository of sessions and their refresh tokens."""

    connection: Connection
    clock: Callable[[], datetime]

    def begin(self, session_id: str, *, user_id: str, client: str, expires_at: datetime, digest: str) -> Session:
        """Store a new session with its first refresh token. Those of anybody that are long over are forgotten."""
        now = self.clock()
        self.connection.execute(sa.delete(sessions).where(sessions.c.expires_at < now - _FORGET))
        made = Session(session_id, user_id, client, now, expires_at, None, None)
        self.connection.execute(sa.insert(sessions).values(vars(made)))
        self._issue(session_id, digest)
        return made

    def rotate(self, digest: str, new_digest: str) -> tuple[Session, bool]:
        """Use a refresh token up and put the next one in its place.

        Returns:
            The session, and whether the token was good. A token that was used before was copied by somebody: nothing
            tells the thief from the owner, so the session ends for both.

        Raises:
            UnauthorizedError: No such token, or its session is over.
        """
        row = self._token(digest)
        session = None if row is None else self.find(row["session_id"])
        if row is None or session is None or session.ended_at is not None or session.expires_at <= self.clock():
            raise UnauthorizedError("the session is over", hint="log in again")
        if row["used_at"] is not None:
            self.end(session.session_id, "replay")
            return session, False
        used = sa.update(refresh_tokens).where(refresh_tokens.c.digest == digest).values(used_at=self.clock())
        self.connection.execute(used)
        self._issue(session.session_id, new_digest)
        return session, True

    def of_token(self, digest: str) -> Session | None:
        """The session that a refresh token belongs to, used or not."""
        row = self._token(digest)
        return None if row is None else self.find(row["session_id"])

    def find(self, session_id: str) -> Session | None:
        """The session with that id, over or not."""
        row = self.connection.execute(sa.select(sessions).where(sessions.c.session_id == session_id)).mappings()
        found = row.one_or_none()
        return None if found is None else Session(**cast("dict[str, Any]", found))

    def list(self, user_id: str) -> Sequence[Session]:
        """The sessions of a user that last, newest first."""
        lasting = (sessions.c.ended_at.is_(None), sessions.c.expires_at > self.clock())
        query = sa.select(sessions).where(sessions.c.user_id == user_id, *lasting)
        rows = self.connection.execute(query.order_by(sessions.c.created_at.desc())).mappings()
        return [Session(**cast("dict[str, Any]", row)) for row in rows]

    def ended(self, since: datetime) -> frozenset[str]:
        """Sessions that somebody ended after `since`."""
        query = sa.select(sessions.c.session_id).where(sessions.c.ended_at >= since)
        return frozenset(self.connection.execute(query).scalars())

    def end(self, session_id: str, because: str) -> bool:
        """End a session; whether it lasted until now."""
        return self._end(sessions.c.session_id == session_id, because) > 0

    def end_all(self, user_id: str, because: str, *, but: str = "") -> int:
        """End every session of a user, except the one with the id `but`; how many there were."""
        return self._end(sa.and_(sessions.c.user_id == user_id, sessions.c.session_id != but), because)

    def _end(self, condition: sa.ColumnElement[bool], because: str) -> int:
        ending = sa.update(sessions).where(condition, sessions.c.ended_at.is_(None))
        return self.connection.execute(ending.values(ended_at=self.clock(), ended_because=because)).rowcount

    def _token(self, digest: str) -> sa.RowMapping | None:
        # Locked, so that of two uses at once one comes second.
        query = sa.select(refresh_tokens).where(refresh_tokens.c.digest == digest).with_for_update()
        return self.connection.execute(query).mappings().one_or_none()

    def _issue(self, session_id: str, digest: str) -> None:
        row = {"digest": digest, "session_id": session_id, "issued_at": self.clock(), "used_at": None}
        self.connection.execute(sa.insert(refresh_tokens).values(row))
