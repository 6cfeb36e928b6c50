"""The thresholds in force: those of the code, under whatever somebody changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from axiom.monitoring.measures import MEASURES, measure_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from axiom.db import Transaction
    from axiom.db.thresholds import Severity, ThresholdRow
    from axiom.monitoring.measures import Direction, Measure, Pillar


@dataclass(frozen=True)
class Threshold:
    """Where trouble begins.

    Attributes:
        measure: of what.
        pillar: that the measure belongs to.
        title: what the value is.
        direction: on which side of the limit trouble lies.
        limit: in force.
        severity: of the alert.
        owner: who acts on it.
        enabled: whether the measure is judged.
        default: the limit of the code.
        revision: counts the changes; 0: nobody changed it.
        updated_at: UTC; None where nobody changed it.
        updated_by: who; None where nobody did.
    """

    measure: str
    pillar: Pillar
    title: str
    direction: Direction
    limit: float
    severity: Severity
    owner: str
    enabled: bool
    default: float
    revision: int = 0
    updated_at: datetime | None = None
    updated_by: str | None = None


def thresholds_in_force(tx: Transaction) -> Mapping[str, Threshold]:
    """Measure -> its threshold, for every measure there is."""
    changed = tx.thresholds.all()
    return {name: _in_force(measure, changed.get(name)) for name, measure in MEASURES.items()}


def threshold_of(tx: Transaction, name: str) -> Threshold:
    """The threshold in force of one measure.

    Raises:
        NotFoundError: there is no such measure.
    """
    return _in_force(measure_of(name), tx.thresholds.find(name))


def change_threshold(
    tx: Transaction,
    seen: Threshold,
    *,
    actor: str,
    limit: float | None = None,
    severity: str | None = None,
    owner: str | None = None,
    enabled: bool | None = None,
) -> Threshold:
    """Change some of a threshold, as it was seen; what is None stays. It counts from the next run of the monitor on.

    Raises:
        MisuseError: a limit that is no finite number, an unknown severity, no owner.
        StaleError: somebody else changed it meanwhile.
    """
    tx.thresholds.put(
        seen.measure,
        limit=seen.limit if limit is None else limit,
        severity=severity or seen.severity,
        owner=seen.owner if owner is None else owner,
        enabled=seen.enabled if enabled is None else enabled,
        actor=actor,
        revision=seen.revision,
    )
    return threshold_of(tx, seen.measure)


def _in_force(measure: Measure, row: ThresholdRow | None) -> Threshold:
    fixed = (measure.name, measure.pillar, measure.title, measure.direction)
    if row is None:
        return Threshold(*fixed, measure.limit, measure.severity, measure.owner, enabled=True, default=measure.limit)
    return Threshold(
        *fixed,
        row.limit,
        row.severity,
        row.owner,
        row.enabled,
        measure.limit,
        row.revision,
        row.updated_at,
        row.updated_by,
    )
