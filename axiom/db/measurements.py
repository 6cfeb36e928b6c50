"""What monitoring measured, run by run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

import sqlalchemy as sa

from axiom.db.monitoring_tables import measurements

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

ReadingState = Literal["ok", "breached", "unknown", "off"]


@dataclass(frozen=True)
class Measurement:
    """One value at one logical time.

    Attributes:
        at: what it speaks about, UTC.
        measure: what was measured.
        subject: of what: an entity, a feature, a model, a cohort; "" where there is only one.
        pillar: `data_quality`, `model_health` or `business_impact`.
        state: `ok`, `breached`, `unknown` (it could not be measured), `off` (nobody wants it judged).
        value: None where it is unknown.
        limit: what it was compared with.
        reason: why it is unknown, or not judged; None otherwise.
        evidence: what stands behind it: sample sizes, p-values, baselines.
        measured_at: when the work was done, UTC.
    """

    at: datetime
    measure: str
    subject: str
    pillar: str
    state: ReadingState
    value: float | None
    limit: float
    reason: str | None
    evidence: Mapping[str, Any]
    measured_at: datetime


@dataclass(frozen=True)
class Measurements:
    """Repository of measurements."""

    connection: Connection
    clock: Callable[[], datetime]

    def record(self, at: datetime, rows: Sequence[Measurement]) -> None:
        """Write what was measured for a logical time, over whatever an earlier run wrote for it."""
        self.connection.execute(sa.delete(measurements).where(measurements.c.at == at))
        if rows:
            self.connection.execute(sa.insert(measurements), [{**vars(row), "at": at} for row in rows])

    def latest_at(self) -> datetime | None:
        """The latest logical time that was measured; None before the first."""
        found: datetime | None = self.connection.execute(sa.select(sa.func.max(measurements.c.at))).scalar()
        return found

    def latest(self) -> Sequence[Measurement]:
        """Everything that was measured for the latest logical time, by pillar, measure and subject."""
        newest = sa.select(sa.func.max(measurements.c.at)).scalar_subquery()
        order = (measurements.c.pillar, measurements.c.measure, measurements.c.subject)
        return self._rows(sa.select(measurements).where(measurements.c.at == newest).order_by(*order))

    def timeline(self, measure: str, *, subject: str | None = None, limit: int = 1000) -> Sequence[Measurement]:
        """The newest values of a measure, oldest first; of one subject or of all."""
        query = sa.select(measurements).where(measurements.c.measure == measure)
        if subject is not None:
            query = query.where(measurements.c.subject == subject)
        newest = query.order_by(measurements.c.at.desc(), measurements.c.subject.desc()).limit(limit)
        return self._rows(newest)[::-1]

    def forget(self, before: datetime) -> int:
        """Delete what speaks about earlier times; gives how many."""
        return self.connection.execute(sa.delete(measurements).where(measurements.c.at < before)).rowcount

    def _rows(self, query: sa.Select[Any]) -> list[Measurement]:
        return [Measurement(**cast("dict[str, Any]", row)) for row in self.connection.execute(query).mappings()]
