"""Live events: an append-only list that readers follow by id, and resume after any id they have seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

import sqlalchemy as sa

from axiom.db.job_tables import events

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

Topic = Literal["job", "pipeline", "alert"]


@dataclass(frozen=True)
class Event:
    """Something happened.

    Attributes:
        id: grows from event to event, in the order in which they became visible; gaps mean nothing.
        at: when, UTC.
        topic: `job`, `pipeline` or `alert`.
        subject: id of the job, of the pipeline run, or of the alert.
        name: what: a status (`queued`, `running`, `succeeded`, …), or `progress`, or `step`; of an alert `open`,
            `mute`, `unmute` or `resolve`.
        data: facts about it.
    """

    id: int
    at: datetime
    topic: Topic
    subject: str
    name: str
    data: Mapping[str, Any]


@dataclass(frozen=True)
class Events:
    """Repository of events."""

    connection: Connection
    clock: Callable[[], datetime]

    def add(self, topic: Topic, subject: str, name: str, data: Mapping[str, Any]) -> None:
        """Append an event. It becomes visible with the transaction that it is part of.

        Call it last in a transaction: until that ends, nobody else can append.
        """
        if self.connection.dialect.name == "postgresql":
            # Ids are drawn before they are visible. Were two transactions to draw at once, the later id could be read
            # first, and a reader that goes on after it would never see the earlier one. SQLite writes one at a time.
            self.connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext('axiom.events'))"))
        self.connection.execute(
            sa.insert(events).values(at=self.clock(), topic=topic, subject=subject, name=name, data=dict(data))
        )

    def events_after(
        self, last_id: int, limit: int = 100, *, topic: Topic | None = None, subject: str | None = None
    ) -> Sequence[Event]:
        """The events after an id, oldest first, at most `limit`; 0 begins at the first one that is kept."""
        query = sa.select(events).where(events.c.id > last_id).order_by(events.c.id).limit(limit)
        if topic is not None:
            query = query.where(events.c.topic == topic)
        if subject is not None:
            query = query.where(events.c.subject == subject)
        return [Event(**cast("dict[str, Any]", row)) for row in self.connection.execute(query).mappings()]

    def last_id(self) -> int:
        """Id of the newest event; 0 where there is none. Who wants only what comes starts here."""
        return int(self.connection.execute(sa.select(sa.func.max(events.c.id))).scalar() or 0)

    def forget(self, before: datetime) -> int:
        """Delete what is older; gives how many. Ids are not used again."""
        return self.connection.execute(sa.delete(events).where(events.c.at < before)).rowcount
