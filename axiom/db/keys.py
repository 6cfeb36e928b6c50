"""API keys: who may call, for what, until when. Never the secret, only its SHA-256."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from axiom.db.access_tables import api_keys
from axiom.errors import ConflictError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from axiom.db.audit import Audit

MOST = 10_000  # live keys; every replica holds them all in memory
_TELL_EXPIRED = timedelta(days=30)  # so long a replica still knows that a key has expired, and says so


@dataclass(frozen=True)
class ApiKey:
    """One API key.

    Attributes:
        key_id: names it; the middle part of its text.
        name: what people call it.
        digest: SHA-256 of its text, hexadecimal.
        previous_digest: the same of its text before the last rotation; None when that is not good any more.
        previous_until: until when the text before the last rotation stays good, UTC.
        scopes: what it may do.
        rate: requests a second; None for the default of the installation.
        burst: requests at once; None for the default of the installation.
        created_at: UTC.
        created_by: who made it.
        expires_at: UTC; None for never.
        revoked_at: UTC; None while it is good.
    """

    key_id: str
    name: str
    digest: str
    previous_digest: str | None
    previous_until: datetime | None
    scopes: tuple[str, ...]
    rate: float | None
    burst: float | None
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True)
class Keys:
    """Repository of API keys. Every write leaves an entry in the audit trail."""

    connection: Connection
    clock: Callable[[], datetime]
    audit: Audit

    def add(
        self,
        key_id: str,
        *,
        name: str,
        digest: str,
        scopes: Sequence[str],
        rate: float | None,
        burst: float | None,
        expires_at: datetime | None,
        actor: str,
    ) -> ApiKey:
        """Store a new key; `axiom.access.keys.issue` makes one.

        Raises:
            ConflictError: There are `MOST` live keys already, or one with this id.
        """
        live = self.connection.execute(sa.select(sa.func.count()).where(*self._live())).scalar_one()
        if live >= MOST:
            raise ConflictError(f"there are {live:,} API keys already", hint="revoke those that are not used")
        row = {
            "key_id": key_id,
            "name": name,
            "digest": digest,
            "previous_digest": None,
            "previous_until": None,
            "scopes": list(scopes),
            "rate": rate,
            "burst": burst,
            "created_at": self.clock(),
            "created_by": actor,
            "expires_at": expires_at,
            "revoked_at": None,
        }
        self.connection.execute(sa.insert(api_keys).values(row))
        told = {"name": name, "scopes": list(scopes), "rate": rate, "burst": burst, "expires_at": _iso(expires_at)}
        self.audit.record(actor, "key.create", f"key:{key_id}", told)
        return self.get(key_id)

    def get(self, key_id: str) -> ApiKey:
        """The key with that id.

        Raises:
            NotFoundError: No such key.
        """
        found = self._select(api_keys.c.key_id == key_id)
        if not found:
            raise NotFoundError(f"there is no API key {key_id!r}", hint="`axiom key list` shows them")
        return found[0]

    def list(self) -> Sequence[ApiKey]:
        """Every key, oldest first, those that are no good any more included."""
        return self._select()

    def live(self) -> Sequence[ApiKey]:
        """Keys that are not revoked, and did not expire long ago."""
        return self._select(*self._live())

    def revision(self) -> str:
        """Text that changes whenever a key does: every such write is audited, so the head of the trail tells."""
        return self.audit.head().hash

    def rotate(self, key_id: str, *, digest: str, previous_until: datetime | None, actor: str) -> ApiKey:
        """Give a key another secret; the one before stays good until `previous_until`.

        Raises:
            NotFoundError: No such key.
            ConflictError: It is revoked or expired.
        """
        key = self._locked(key_id)
        if key.expires_at is not None and key.expires_at <= self.clock():
            raise ConflictError(f"API key {key_id} has expired", hint="make a new one: `axiom key create`")
        changes = {
            "digest": digest,
            "previous_digest": None if previous_until is None else key.digest,
            "previous_until": previous_until,
        }
        self.connection.execute(sa.update(api_keys).where(api_keys.c.key_id == key_id).values(changes))
        self.audit.record(actor, "key.rotate", f"key:{key_id}", {"previous_until": _iso(previous_until)})
        return self.get(key_id)

    def revoke(self, key_id: str, *, actor: str, reason: str) -> ApiKey:
        """Make a key useless, for good.

        Raises:
            NotFoundError: No such key.
            ConflictError: It is revoked already.
        """
        self._locked(key_id)
        changes = {"revoked_at": self.clock(), "previous_digest": None, "previous_until": None}
        self.connection.execute(sa.update(api_keys).where(api_keys.c.key_id == key_id).values(changes))
        self.audit.record(actor, "key.revoke", f"key:{key_id}", {"reason": reason})
        return self.get(key_id)

    def _locked(self, key_id: str) -> ApiKey:
        self.connection.execute(sa.select(api_keys.c.key_id).where(api_keys.c.key_id == key_id).with_for_update())
        key = self.get(key_id)
        if key.revoked_at is not None:
            raise ConflictError(f"API key {key_id} was revoked at {key.revoked_at:%Y-%m-%d %H:%M} UTC")
        return key

    def _live(self) -> tuple[sa.ColumnElement[bool], ...]:
        still_told = self.clock() - _TELL_EXPIRED
        return (
            api_keys.c.revoked_at.is_(None),
            sa.or_(api_keys.c.expires_at.is_(None), api_keys.c.expires_at > still_told),
        )

    def _select(self, *conditions: sa.ColumnElement[bool]) -> Sequence[ApiKey]:
        query = sa.select(api_keys).where(*conditions).order_by(api_keys.c.created_at, api_keys.c.key_id)
        return [_key(row) for row in self.connection.execute(query).mappings()]


def _key(row: Mapping[Any, Any]) -> ApiKey:
    return ApiKey(**{**row, "scopes": tuple(row["scopes"])})


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
