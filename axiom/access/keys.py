"""What people do with API keys: issue one, give it another secret, and keep replicas informed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from axiom.access.keytext import digest, new_id, new_text
from axiom.access.limits import check_budget
from axiom.access.permissions import check_scopes
from axiom.errors import MisuseError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from axiom.db import Database, Transaction
    from axiom.db.keys import ApiKey

_NAME = re.compile(r"[^\W_][\w .@/-]{0,63}")


@dataclass(frozen=True)
class Issued:
    """A key and its text. The text is shown to a person once and kept nowhere."""

    key: ApiKey
    text: str

    def __repr__(self) -> str:
        return f"Issued({self.key.key_id})"  # a log line is no place for the text


def issue(
    tx: Transaction,
    name: str,
    *,
    scopes: Iterable[str],
    actor: str,
    rate: float | None = None,
    burst: float | None = None,
    expires_at: datetime | None = None,
) -> Issued:
    """Make a key.

    Args:
        tx: the transaction to write in.
        name: what people call it: 1 to 64 letters, digits, spaces and `_.@/-`.
        scopes: what it may do, see `axiom.access.permissions`.
        actor: who makes it, for the audit trail.
        rate: requests a second; None for the default of the installation.
        burst: requests at once; None for the default of the installation.
        expires_at: when it stops working; None for never.

    Raises:
        MisuseError: The name, a scope, a limit or the time is no good.
        ConflictError: There are too many live keys.
    """
    if not _NAME.fullmatch(name):
        raise MisuseError(f"{name!r} cannot name a key", hint="1 to 64 letters, digits, spaces and _ . @ / -")
    _check_limits(rate, burst)
    if expires_at is not None and expires_at <= tx.clock():
        raise MisuseError(f"the key would have expired at {expires_at:%Y-%m-%d %H:%M} UTC", hint="give a later time")
    key_id = new_id()
    text = new_text(key_id)
    key = tx.keys.add(
        key_id,
        name=name,
        digest=digest(text).hex(),
        scopes=check_scopes(scopes),
        rate=rate,
        burst=burst,
        expires_at=expires_at,
        actor=actor,
    )
    return Issued(key, text)


def rotate(tx: Transaction, key_id: str, *, actor: str, overlap: timedelta = timedelta()) -> Issued:
    """Give a key another secret. The one before stays good for `overlap`, so that callers can change over.

    Raises:
        NotFoundError: No such key.
        ConflictError: It is revoked or expired.
        MisuseError: A negative overlap.
    """
    if overlap < timedelta():
        raise MisuseError(f"an overlap of {overlap} is in the past")
    text = new_text(key_id)
    until = tx.clock() + overlap if overlap else None
    return Issued(tx.keys.rotate(key_id, digest=digest(text).hex(), previous_until=until, actor=actor), text)


@dataclass(frozen=True)
class KeysInDatabase:
    """The source of a `KeyRing`."""

    database: Database

    def revision(self) -> str:
        """See `KeySource`."""
        with self.database.reading() as tx:
            return tx.keys.revision()

    def live(self) -> Sequence[ApiKey]:
        """See `KeySource`."""
        with self.database.reading() as tx:
            return tx.keys.live()


def _check_limits(rate: float | None, burst: float | None) -> None:
    check_budget(1.0 if rate is None else rate, 1.0 if burst is None else burst)
    if float("inf") in (rate, burst):
        raise MisuseError("a limit has to be a number", hint="give a large one")
