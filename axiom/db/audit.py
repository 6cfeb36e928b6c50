"""The audit trail: who did what to which thing, as a chain of hashes that shows tampering.

Each entry's hash covers its content and the hash before it; `audit_head` holds the number of entries and the last
hash. So an entry that is altered, removed, moved or put in between breaks the chain, and a tail that is cut does not
reach the head. Who rewrites every later hash *and* the head leaves no trace here: keep the head elsewhere from time to
time (`axiom audit verify` prints it, `--anchor` checks against it).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import UTC
from typing import TYPE_CHECKING, Any, cast

import sqlalchemy as sa

from axiom.db.access_tables import audit, audit_head
from axiom.errors import BadInputError, CorruptError, MisuseError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

BEFORE_THE_FIRST = "0" * 64
_PAGE = 1000


@dataclass(frozen=True)
class Entry:
    """One line of the trail.

    Attributes:
        id: 1, 2, … without a gap.
        at: when, UTC.
        actor: who; a user, a key (`key:<id>`) or a person at the command line.
        action: what, as `thing.verb`: `key.revoke`.
        object: to which: `key:<id>`, `user:<name>`.
        detail: what else is worth knowing; never a secret.
        prev_hash: hash of the entry before.
        hash: SHA-256 over all of the above, hexadecimal.
    """

    id: int
    at: datetime
    actor: str
    action: str
    object: str
    detail: Mapping[str, Any]
    prev_hash: str
    hash: str


@dataclass(frozen=True)
class Head:
    """The end of the trail: how many entries there are, and the hash of the last."""

    entries: int
    hash: str

    def __str__(self) -> str:
        return f"{self.entries}:{self.hash}"

    @classmethod
    def parse(cls, text: str) -> Head:
        """Read what `str` wrote.

        Raises:
            MisuseError: It is something else.
        """
        entries, _, digest = text.strip().partition(":")
        if not (entries.isascii() and entries.isdigit() and len(digest) == len(BEFORE_THE_FIRST)):
            raise MisuseError(f"{text!r} is no anchor", hint="`axiom audit verify` prints one: <entries>:<hash>")
        return cls(int(entries), digest)


@dataclass(frozen=True)
class Audit:
    """Repository of the audit trail. There is no way to change or delete an entry."""

    connection: Connection
    clock: Callable[[], datetime]

    def record(self, actor: str, action: str, thing: str, detail: Mapping[str, Any] | None = None) -> Entry:
        """Add an entry, in the transaction of the write it describes.

        From here to the end of the transaction no other one can record: do it last.

        Raises:
            MisuseError: Actor, action or thing is empty.
            BadInputError: `detail` is not JSON.
            CorruptError: The head of the trail is gone.
        """
        if not (actor.strip() and action.strip() and thing.strip()):
            raise MisuseError(f"an audit entry needs an actor, an action and an object: {actor!r} {action!r} {thing!r}")
        before = self._lock()
        at = self.clock().astimezone(UTC)
        entry = Entry(before.entries + 1, at, actor, action, thing, _plain(detail or {}), before.hash, hash="")
        entry = replace(entry, hash=seal(entry))
        self.connection.execute(sa.insert(audit).values(vars(entry)))
        self.connection.execute(sa.update(audit_head).values(entries=entry.id, hash=entry.hash))
        return entry

    def head(self) -> Head:
        """The end of the trail. Cheap: one row.

        Raises:
            CorruptError: It is gone.
        """
        return self._head(sa.select(audit_head))

    def list(
        self, *, thing: str | None = None, actor: str | None = None, limit: int = 100, before: int | None = None
    ) -> Sequence[Entry]:
        """Entries, newest first; `before` is the id of the last one of the page before."""
        query = sa.select(audit).order_by(audit.c.id.desc()).limit(limit)
        if thing is not None:
            query = query.where(audit.c.object == thing)
        if actor is not None:
            query = query.where(audit.c.actor == actor)
        if before is not None:
            query = query.where(audit.c.id < before)
        return [_entry(row) for row in self.connection.execute(query).mappings()]

    def verify(self, anchor: Head | None = None) -> Head:
        """Walk the whole trail; the head, when everything fits. Needs the memory of one page, whatever its length.

        Args:
            anchor: a head that was kept elsewhere; the trail must still go through it.

        Raises:
            CorruptError: The first thing that does not fit.
        """
        reached = Head(0, BEFORE_THE_FIRST)
        seen_anchor = anchor is None or anchor == reached
        for entry in self._oldest_first():
            _check_link(entry, reached)
            reached = Head(entry.id, entry.hash)
            seen_anchor = seen_anchor or reached == anchor
        head = self.head()
        if reached != head:
            raise CorruptError(
                f"the audit trail ends with entry {reached.entries}, but its head says {head.entries}",
                hint="its tail was cut, or its head altered; compare with a backup",
            )
        if not seen_anchor:
            raise CorruptError(
                f"the audit trail does not go through the anchor {anchor}",
                hint="it was written anew, or cut, after the anchor was taken; compare with a backup",
            )
        return head

    def _oldest_first(self) -> Iterator[Entry]:
        last = None
        while True:
            query = sa.select(audit).order_by(audit.c.id).limit(_PAGE)
            rows = self.connection.execute(query if last is None else query.where(audit.c.id > last)).mappings().all()
            yield from map(_entry, rows)
            if len(rows) < _PAGE:
                return
            last = rows[-1]["id"]

    def _lock(self) -> Head:
        # SQLite, which knows no row locks, has one writer anyway.
        return self._head(sa.select(audit_head).with_for_update())

    def _head(self, query: sa.Select[Any]) -> Head:
        row = self.connection.execute(query).mappings().one_or_none()
        if row is None:
            raise CorruptError("the head of the audit trail is gone", hint="somebody deleted it; compare with a backup")
        return Head(row["entries"], row["hash"])


def seal(entry: Entry) -> str:
    """SHA-256, hexadecimal, over everything in an entry but its own hash."""
    parts = [entry.id, entry.at.isoformat(), entry.actor, entry.action, entry.object, entry.detail, entry.prev_hash]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _check_link(entry: Entry, reached: Head) -> None:
    hint = "compare with a backup"
    if entry.id != reached.entries + 1:
        raise CorruptError(f"audit entry {reached.entries + 1} is missing: {entry.id} follows", hint=hint)
    if entry.prev_hash != reached.hash:
        raise CorruptError(f"audit entry {entry.id} does not follow entry {reached.entries}", hint=hint)
    if entry.hash != seal(entry):
        raise CorruptError(f"audit entry {entry.id} was altered", hint=hint)


def _plain(detail: Mapping[str, Any]) -> dict[str, Any]:
    """As it will be read back: tuples become lists, keys text."""
    try:
        text = json.dumps(dict(detail), allow_nan=False, ensure_ascii=False)
        return cast("dict[str, Any]", json.loads(text.encode()))
    except (TypeError, ValueError) as error:
        raise BadInputError(f"the detail of an audit entry is not JSON: {error}") from None


def _entry(row: Mapping[Any, Any]) -> Entry:
    return Entry(**cast("dict[str, Any]", row))
