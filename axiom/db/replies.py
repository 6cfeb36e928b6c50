"""Answers to requests that may be sent again: the same idempotency key, the same answer, done once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from axiom.db.reply_tables import replies
from axiom.db.statements import insert
from axiom.errors import ConflictError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from sqlalchemy import Connection

KEPT = timedelta(days=1)


@dataclass(frozen=True)
class Replies:
    """Repository of kept replies. Claim first in a transaction, keep last: a rollback forgets the claim as well."""

    connection: Connection
    clock: Callable[[], datetime]

    def claim(self, actor: str, key: str, *, operation: str, fingerprint: str) -> tuple[int, Mapping[str, Any]] | None:
        """Take a key, or find the answer that was given under it. Of two at once the second one waits.

        Args:
            actor: who asks; each has keys of its own.
            key: idempotency key.
            operation: what is asked for, `POST /api/users`.
            fingerprint: of the request's body.

        Returns:
            None when the work is to be done, else the status and the body of the answer.

        Raises:
            ConflictError: The key was used for another operation or another body.
        """
        now = self.clock()
        self.connection.execute(sa.delete(replies).where(replies.c.created_at < now - KEPT))
        row = {"actor": actor, "key": key, "operation": operation, "fingerprint": fingerprint, "created_at": now}
        # What comes back tells, not the row count: that is unknown where the driver returns rows.
        claimed = insert(self.connection, replies).values(row).on_conflict_do_nothing().returning(replies.c.key)
        if self.connection.execute(claimed).first() is not None:
            return None
        query = sa.select(replies).where(replies.c.actor == actor, replies.c.key == key)
        found = self.connection.execute(query).mappings().one()
        if (found["operation"], found["fingerprint"]) != (operation, fingerprint):
            raise ConflictError(f"the idempotency key {key!r} was used for another request", hint="use a new key")
        return found["status"], found["body"]

    def keep(self, actor: str, key: str, *, status: int, body: Mapping[str, Any]) -> None:
        """Keep the answer to a claimed key."""
        kept = sa.update(replies).where(replies.c.actor == actor, replies.c.key == key)
        self.connection.execute(kept.values(status=status, body=dict(body)))
