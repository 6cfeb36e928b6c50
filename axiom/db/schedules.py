"""What schedules decided: the last tick of each pipeline, decided about exactly once whoever asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from axiom.db.job_tables import schedules
from axiom.db.statements import insert

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy import Connection


@dataclass(frozen=True)
class Schedules:
    """Repository of schedules."""

    connection: Connection
    clock: Callable[[], datetime]

    def last_tick(self, pipeline: str, *, first: datetime, by: str) -> datetime:
        """The last tick of a pipeline that was decided about; locks it until the end of the transaction.

        Args:
            pipeline: its name.
            first: what counts as decided where nothing was decided yet.
            by: who asks.
        """
        self.connection.execute(
            insert(self.connection, schedules)
            .values(pipeline=pipeline, last_tick=first, decided_by=by, decided_at=self.clock())
            .on_conflict_do_nothing(index_elements=[schedules.c.pipeline])
        )
        query = sa.select(schedules.c.last_tick).where(schedules.c.pipeline == pipeline).with_for_update()
        found: datetime = self.connection.execute(query).scalar_one()
        return found

    def decide(self, pipeline: str, tick: datetime, *, by: str) -> None:
        """Note that everything up to a tick was decided about."""
        self.connection.execute(
            sa.update(schedules)
            .where(schedules.c.pipeline == pipeline)
            .values(last_tick=tick, decided_by=by, decided_at=self.clock())
        )
