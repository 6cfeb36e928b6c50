"""Users and their roles, and attempts to log in."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import sqlalchemy as sa

from axiom.db.access_tables import login_failures, sessions, users
from axiom.db.statements import insert
from axiom.errors import ConflictError, MisuseError, NotFoundError, StaleError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from axiom.db.audit import Audit

_NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,127}")
_ADMINISTRATOR = "administrator"
_FORGET_ATTEMPTS = timedelta(days=1)


@dataclass(frozen=True)
class User:
    """One user.

    Attributes:
        user_id: names the user for good; a name that is used again gets another.
        name: what is typed to log in; lower case.
        role: see `axiom.access.permissions`.
        password_hash: argon2.
        revision: 1, 2, …; counts the changes, so that two who change at once are told apart.
        created_at: UTC.
        updated_at: UTC.
        disabled_at: UTC; None while the user may log in.
    """

    user_id: str
    name: str
    role: str
    password_hash: str
    revision: int
    created_at: datetime
    updated_at: datetime
    disabled_at: datetime | None

    def __repr__(self) -> str:
        return f"User({self.name!r}, {self.role})"  # never the hash


def normal_name(name: str) -> str | None:
    """The name as it is stored; None when no user can have it."""
    low = name.strip().lower() if len(name) <= 256 else ""
    return low if _NAME.fullmatch(low) else None


@dataclass(frozen=True)
class Users:
    """Repository of users. Every write leaves an entry in the audit trail."""

    connection: Connection
    clock: Callable[[], datetime]
    audit: Audit

    def add(self, name: str, *, role: str, password_hash: str, actor: str) -> User:
        """Store a new user.

        Raises:
            MisuseError: The name is no good.
            ConflictError: It is taken.
        """
        known = normal_name(name)
        if known is None:
            raise MisuseError(f"{name!r} cannot name a user", hint="1 to 128 letters, digits and . _ @ + -")
        if self.find(known) is not None:
            raise ConflictError(f"there is a user {known!r} already", hint="use another name")
        now = self.clock()
        row = {
            "user_id": secrets.token_hex(8),
            "name": known,
            "role": role,
            "password_hash": password_hash,
            "revision": 1,
            "created_at": now,
            "updated_at": now,
            "disabled_at": None,
        }
        self.connection.execute(sa.insert(users).values(row))
        self.audit.record(actor, "user.create", f"user:{known}", {"role": role})
        return self.get(known)

    def get(self, name: str) -> User:
        """The user of that name.

        Raises:
            NotFoundError: No such user.
        """
        found = self.find(name)
        if found is None:
            raise NotFoundError(f"there is no user {name!r}", hint="`axiom user list` shows them")
        return found

    def find(self, name: str) -> User | None:
        """The user of that name, if there is one."""
        known = normal_name(name)
        return None if known is None else self._one(users.c.name == known)

    def by_id(self, user_id: str) -> User | None:
        """The user with that id, if there still is one."""
        return self._one(users.c.user_id == user_id)

    def list(self) -> Sequence[User]:
        """All users by name."""
        rows = self.connection.execute(sa.select(users).order_by(users.c.name)).mappings()
        return [User(**cast("dict[str, Any]", row)) for row in rows]

    def may_log_in(self) -> Sequence[tuple[str, str, str]]:
        """(user id, name, role) of everybody who is not disabled; no hash: whoever asks keeps them in memory."""
        query = sa.select(users.c.user_id, users.c.name, users.c.role).where(users.c.disabled_at.is_(None))
        return [(user_id, name, role) for user_id, name, role in self.connection.execute(query)]

    def change(
        self,
        name: str,
        *,
        actor: str,
        role: str | None = None,
        password_hash: str | None = None,
        disabled: bool | None = None,
        revision: int | None = None,
    ) -> User:
        """Change some of role, password and whether the user may log in.

        Args:
            name: whom.
            actor: who does it.
            role: the new role.
            password_hash: of the new password.
            disabled: whether to keep the user out.
            revision: the revision that the caller has seen; another one is refused.

        Raises:
            NotFoundError: No such user.
            StaleError: Somebody else changed the user meanwhile.
            ConflictError: No administrator would be left.
        """
        user = self._locked(name, revision)
        changes: dict[str, Any] = {}
        if role is not None and role != user.role:
            changes["role"] = role
        if password_hash is not None:
            changes["password_hash"] = password_hash
        if disabled is not None and disabled != (user.disabled_at is not None):
            changes["disabled_at"] = self.clock() if disabled else None
        if not changes:
            return user
        if changes.get("role", _ADMINISTRATOR) != _ADMINISTRATOR or changes.get("disabled_at"):
            self._keep_an_administrator(user)
        stamp = {"revision": user.revision + 1, "updated_at": self.clock()}
        self.connection.execute(sa.update(users).where(users.c.user_id == user.user_id).values(changes | stamp))
        told: dict[str, Any] = {"role": [user.role, role]} if "role" in changes else {}
        told |= {"password": "changed"} if "password_hash" in changes else {}
        told |= {"disabled": disabled} if "disabled_at" in changes else {}
        self.audit.record(actor, "user.change", f"user:{user.name}", told)
        return self.get(user.name)

    def delete(self, name: str, *, actor: str, revision: int | None = None) -> None:
        """Forget a user and the user's sessions; the audit trail keeps the name.

        Raises:
            NotFoundError: No such user.
            StaleError: The user is not at that revision any more.
            ConflictError: No administrator would be left.
        """
        user = self._locked(name, revision)
        self._keep_an_administrator(user)
        self.connection.execute(sa.delete(sessions).where(sessions.c.user_id == user.user_id))
        self.connection.execute(sa.delete(users).where(users.c.user_id == user.user_id))
        self.audit.record(actor, "user.delete", f"user:{user.name}", {"role": user.role})

    def rehash(self, user_id: str, password_hash: str) -> None:
        """Keep the same password under a hash with other costs: nothing that anybody needs to be told."""
        self.connection.execute(sa.update(users).where(users.c.user_id == user_id).values(password_hash=password_hash))

    def _locked(self, name: str, revision: int | None) -> User:
        # All rows, in one order: two administrators could remove each other at once, and users are changed rarely.
        # Not the keys: a session that begins meanwhile refers to one of these rows and need not wait.
        query = sa.select(users.c.user_id).order_by(users.c.user_id).with_for_update(key_share=True)
        self.connection.execute(query).all()
        user = self.get(name)
        if revision is not None and revision != user.revision:
            raise StaleError(
                f"user {user.name!r} was changed meanwhile: revision {user.revision}, not {revision}",
                hint="look at the user again, then repeat the change",
            )
        return user

    def _keep_an_administrator(self, leaving: User) -> None:
        query = sa.select(users.c.user_id).where(users.c.role == _ADMINISTRATOR, users.c.disabled_at.is_(None))
        if set(self.connection.execute(query).scalars()) == {leaving.user_id}:
            raise ConflictError(
                f"{leaving.name!r} is the only administrator who may log in", hint="make another administrator first"
            )

    def _one(self, condition: sa.ColumnElement[bool]) -> User | None:
        row = self.connection.execute(sa.select(users).where(condition)).mappings().one_or_none()
        return None if row is None else User(**cast("dict[str, Any]", row))


@dataclass(frozen=True)
class LoginAttempts:
    """Repository of attempts to log in by the name that was typed, whether there is such a user or not."""

    connection: Connection
    clock: Callable[[], datetime]
    audit: Audit

    def begin(self, name: str, *, most: int, within: timedelta, lock: timedelta) -> datetime | None:
        """Count an attempt before its password is looked at, so that guesses sent at once all count.

        Args:
            name: what was typed, normalised.
            most: attempts that may fail; the next one locks the name.
            within: what is longer ago than this since the last attempt does not count.
            lock: for how long the name is locked.

        Returns:
            None when the password may be looked at, else until when it will not be.
        """
        now = self.clock()
        # Old attempts of every name go, so that guessed names do not pile up.
        self.connection.execute(sa.delete(login_failures).where(login_failures.c.last_at < now - _FORGET_ATTEMPTS))
        row = self._locked(name, now)
        until: datetime | None = row["locked_until"]
        if until is not None and until > now:
            return until
        count = 1 + (row["failures"] if until is None and row["last_at"] > now - within else 0)
        until = now + lock if count > most else None
        values = {"failures": count, "last_at": now, "locked_until": until}
        self.connection.execute(sa.update(login_failures).where(login_failures.c.name == name).values(values))
        if until is not None:
            self.audit.record("login", "user.lock-out", f"user:{name}", {"until": until.isoformat()})
        return until

    def clear(self, name: str) -> bool:
        """Forget the attempts under a name; whether there were any."""
        return self.connection.execute(sa.delete(login_failures).where(login_failures.c.name == name)).rowcount > 0

    def _locked(self, name: str, now: datetime) -> Mapping[Any, Any]:
        # A row has to be there to be locked.
        first = insert(self.connection, login_failures).values(name=name, failures=0, last_at=now)
        self.connection.execute(first.on_conflict_do_nothing())
        query = sa.select(login_failures).where(login_failures.c.name == name).with_for_update()
        return self.connection.execute(query).mappings().one()
