"""Ingest batches: what came in, what was kept, what was refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

import sqlalchemy as sa

from axiom.db.statements import insert
from axiom.db.tables import ingest_batches as table
from axiom.errors import ConflictError, NotFoundError, QualityError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection


@dataclass(frozen=True)
class Batch:
    """One ingest batch. Once it succeeded, `rows_in == accepted + duplicates + dropped + refused`.

    Attributes:
        batch_id: names the batch; the same input gives the same id.
        source: source it came from.
        entity: canonical entity of its rows.
        rows_in: rows read.
        accepted: rows that went to silver.
        duplicates: rows that were there already, or twice in the batch.
        dropped: rows left out on purpose, by a filter or a policy.
        refused: rows in quarantine.
        status: `running`, `succeeded` or `failed`.
        started_at: UTC.
        finished_at: UTC; None while it runs.
        detail: anything else worth keeping: reasons, watermark, files.
    """

    batch_id: str
    source: str
    entity: str
    rows_in: int
    accepted: int
    duplicates: int
    dropped: int
    refused: int
    status: Literal["running", "succeeded", "failed"]
    started_at: datetime
    finished_at: datetime | None
    detail: Mapping[str, Any]


@dataclass(frozen=True)
class Batches:
    """Repository of ingest batches."""

    connection: Connection
    clock: Callable[[], datetime]

    def begin(self, batch_id: str, *, source: str, entity: str) -> Batch:
        """Note that a batch starts. One that succeeded earlier comes back as it is: there is nothing left to do."""
        fresh = {
            "source": source,
            "entity": entity,
            "rows_in": 0,
            "accepted": 0,
            "duplicates": 0,
            "dropped": 0,
            "refused": 0,
            "status": "running",
            "started_at": self.clock(),
            "finished_at": None,
            "detail": {},
        }
        self.connection.execute(
            insert(self.connection, table)
            .values(batch_id=batch_id, **fresh)
            .on_conflict_do_update(
                index_elements=[table.c.batch_id], set_=fresh, where=table.c.status != sa.literal("succeeded")
            )
        )
        return self.get(batch_id)

    def finish(
        self,
        batch_id: str,
        *,
        rows_in: int,
        accepted: int,
        duplicates: int,
        dropped: int,
        refused: int,
        detail: Mapping[str, Any] | None = None,
    ) -> Batch:
        """Note that a running batch is in the lake.

        Raises:
            QualityError: Rows were lost: `rows_in` is not the sum of the four.
            ConflictError: The batch is not running.
            NotFoundError: No such batch.
        """
        outcome = {"accepted": accepted, "duplicates": duplicates, "dropped": dropped, "refused": refused}
        if min(outcome.values()) < 0 or rows_in != sum(outcome.values()):
            listed = ", ".join(f"{rows} {name}" for name, rows in outcome.items())
            raise QualityError(f"batch {batch_id!r} does not add up: {rows_in} rows in, but {listed}")
        counts = {"rows_in": rows_in, **outcome}
        return self._end(batch_id, status="succeeded", detail=dict(detail or {}), **counts)

    def fail(self, batch_id: str, reason: str) -> Batch:
        """Note that a running batch left nothing behind.

        Raises:
            ConflictError: The batch is not running.
            NotFoundError: No such batch.
        """
        return self._end(batch_id, status="failed", detail={"error": reason})

    def get(self, batch_id: str) -> Batch:
        """The batch with that id.

        Raises:
            NotFoundError: No such batch.
        """
        row = self.connection.execute(sa.select(table).where(table.c.batch_id == batch_id)).mappings().one_or_none()
        if row is None:
            raise NotFoundError(f"there is no ingest batch {batch_id!r}")
        return Batch(**cast("dict[str, Any]", row))

    def list(self, *, source: str | None = None, limit: int = 100) -> Sequence[Batch]:
        """Batches, newest first."""
        query = sa.select(table).order_by(table.c.started_at.desc(), table.c.batch_id).limit(limit)
        if source is not None:
            query = query.where(table.c.source == source)
        return [Batch(**cast("dict[str, Any]", row)) for row in self.connection.execute(query).mappings()]

    def refused_between(self, start: datetime, stop: datetime) -> Mapping[str, tuple[int, int]]:
        """Entity -> (rows refused, rows read) of the batches that succeeded in (start, stop]."""
        sums = sa.func.sum(table.c.refused), sa.func.sum(table.c.rows_in)
        ended = (table.c.status == "succeeded", table.c.finished_at > start, table.c.finished_at <= stop)
        found = self.connection.execute(sa.select(table.c.entity, *sums).where(*ended).group_by(table.c.entity))
        return {entity: (int(refused), int(rows)) for entity, refused, rows in found}

    def _end(self, batch_id: str, **values: Any) -> Batch:
        changed = self.connection.execute(
            sa.update(table)
            .where(table.c.batch_id == batch_id, table.c.status == "running")
            .values(finished_at=self.clock(), **values)
        )
        batch = self.get(batch_id)
        if changed.rowcount == 0:
            raise ConflictError(f"ingest batch {batch_id!r} is {batch.status}, not running")
        return batch
