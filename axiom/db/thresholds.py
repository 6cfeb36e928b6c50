"""Limits that somebody changed. What no row is about has the limit of the code."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

import sqlalchemy as sa

from axiom.db.monitoring_tables import SEVERITIES, thresholds
from axiom.db.statements import insert
from axiom.errors import MisuseError, StaleError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from sqlalchemy import Connection

    from axiom.db.audit import Audit

Severity = Literal["info", "warning", "critical"]


@dataclass(frozen=True)
class ThresholdRow:
    """A changed limit.

    Attributes:
        measure: what it is about.
        limit: the value beyond which an alert is raised, finite, >= 0.
        severity: of that alert.
        owner: who acts on it.
        enabled: whether the measure is judged at all.
        revision: counts the changes, from 1.
        updated_at: UTC.
        updated_by: who.
    """

    measure: str
    limit: float
    severity: Severity
    owner: str
    enabled: bool
    revision: int
    updated_at: datetime
    updated_by: str


@dataclass(frozen=True)
class Thresholds:
    """Repository of changed limits. Every write leaves an entry in the audit trail."""

    connection: Connection
    clock: Callable[[], datetime]
    audit: Audit

    def all(self) -> Mapping[str, ThresholdRow]:
        """Measure -> its row, for those that somebody changed."""
        rows = self.connection.execute(sa.select(thresholds).order_by(thresholds.c.measure)).mappings()
        return {row["measure"]: ThresholdRow(**cast("dict[str, Any]", row)) for row in rows}

    def find(self, measure: str) -> ThresholdRow | None:
        """The row of a measure; None where nobody changed it."""
        query = sa.select(thresholds).where(thresholds.c.measure == measure)
        row = self.connection.execute(query).mappings().one_or_none()
        return None if row is None else ThresholdRow(**cast("dict[str, Any]", row))

    def put(
        self, measure: str, *, limit: float, severity: str, owner: str, enabled: bool, actor: str, revision: int
    ) -> ThresholdRow:
        """Write the limit of a measure over the one that was seen.

        Args:
            measure: of what.
            limit: finite, >= 0.
            severity: `info`, `warning` or `critical`.
            owner: who acts on the alert.
            enabled: whether the measure is judged.
            actor: who changes it.
            revision: of the row that was seen; 0 where there was none.

        Raises:
            MisuseError: a value is no limit, no severity, or nobody.
            StaleError: somebody else changed it meanwhile.
        """
        _check(measure, limit, severity, owner)
        values = {
            "limit": limit,
            "severity": severity,
            "owner": owner.strip(),
            "enabled": enabled,
            "revision": revision + 1,
            "updated_at": self.clock(),
            "updated_by": actor,
        }
        written: sa.Insert | sa.Update = (
            sa.update(thresholds)
            .where(thresholds.c.measure == measure, thresholds.c.revision == revision)
            .values(values)
            if revision
            else insert(self.connection, thresholds).values(measure=measure, **values).on_conflict_do_nothing()
        )
        if self.connection.execute(written.returning(thresholds.c.measure)).one_or_none() is None:
            raise StaleError(f"the threshold of {measure} was changed meanwhile", hint="look at it again, then repeat")
        told = {name: values[name] for name in ("limit", "severity", "owner", "enabled")}
        self.audit.record(actor, "threshold.change", f"threshold:{measure}", told)
        return cast("ThresholdRow", self.find(measure))

    def forget(self, measure: str, *, actor: str) -> bool:
        """Go back to the limit of the code; gives whether there was another one."""
        gone = self.connection.execute(sa.delete(thresholds).where(thresholds.c.measure == measure)).rowcount > 0
        if gone:
            self.audit.record(actor, "threshold.reset", f"threshold:{measure}")
        return gone


def _check(measure: str, limit: float, severity: str, owner: str) -> None:
    if not (math.isfinite(limit) and limit >= 0):
        raise MisuseError(f"the limit of {measure} is {limit}", hint="a limit is a finite number and not negative")
    if severity not in SEVERITIES:
        raise MisuseError(f"{severity!r} is no severity", hint=f"one of {', '.join(SEVERITIES)}")
    if not owner.strip():
        raise MisuseError(f"the threshold of {measure} has no owner", hint="name a person or a role")
