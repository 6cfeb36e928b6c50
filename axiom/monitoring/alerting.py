"""From judged readings to alerts: one open at most for each subject, however often a run is repeated."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from axiom.db.alerts import MONITOR, Breach
from axiom.db.measurements import Measurement

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from axiom.db import Transaction
    from axiom.db.alerts import Alert
    from axiom.monitoring.judging import Judged

KEPT = timedelta(days=400)
"""How long measurements are kept: a year, and what it takes to compare with the year before."""


@dataclass
class Settled:
    """What a run did to the alerts.

    Attributes:
        opened: new ones.
        seen_again: those that were open already.
        resolved: those whose measure recovered, is not judged any more, or has lost its subject.
        past: whether a later time was measured before: the past is written down and changes no alert.
    """

    opened: list[Alert] = field(default_factory=list)
    seen_again: list[Alert] = field(default_factory=list)
    resolved: list[Alert] = field(default_factory=list)
    past: bool = False


def settle(tx: Transaction, at: datetime, judged: Sequence[Judged]) -> Settled:
    """Write down what was measured for a logical time, and bring the alerts in line with it.

    Args:
        tx: of everything; nothing is visible before it ends.
        at: the logical time.
        judged: every measure of the run.
    """
    latest = tx.measurements.latest_at()
    done = Settled(past=latest is not None and at < latest)
    tx.measurements.record(at, [_measurement(one, at, tx.clock()) for one in judged])
    tx.measurements.forget(at - KEPT)
    if not done.past:
        _bring_in_line(tx, at, judged, done)
    return done


def _bring_in_line(tx: Transaction, at: datetime, judged: Sequence[Judged], done: Settled) -> None:
    still_open = {(alert.measure, alert.subject): alert for alert in tx.alerts.locked_open_ones()}
    for one in judged:
        alert = still_open.get((one.measure.name, one.subject))
        if one.state == "breached" and one.value is not None:
            _breached(tx, alert, _breach(one, one.value, at), done)
        elif alert is not None and one.state in ("ok", "off"):
            done.resolved.append(tx.alerts.resolve(alert.alert_id, actor=MONITOR, reason=_recovery(one)))
    for alert in _without_subject(list(still_open.values()), judged):
        reason = f"{alert.subject!r} is not measured any more"
        done.resolved.append(tx.alerts.resolve(alert.alert_id, actor=MONITOR, reason=reason))


def _breached(tx: Transaction, alert: Alert | None, breach: Breach, done: Settled) -> None:
    if alert is not None:
        done.seen_again.append(tx.alerts.see_again(alert, breach))
        return
    last = tx.alerts.last(breach.measure, breach.subject)
    if last is not None and last.last_seen >= breach.at and last.resolved_by != MONITOR:
        return  # a person has dealt with this very breach
    opened = tx.alerts.raise_(breach)
    if opened is not None:
        done.opened.append(opened)


def _without_subject(alerts: Sequence[Alert], judged: Sequence[Judged]) -> Iterator[Alert]:
    """Alerts about a subject that a run which measured others did not find: a feature that a new champion lacks.

    A measure that is unknown altogether says nothing about its subjects.
    """
    known: dict[str, set[str]] = {}
    for one in judged:
        known.setdefault(one.measure.name, set()).add(one.subject)
    measured = {one.measure.name for one in judged if one.value is not None}
    for alert in alerts:
        if alert.measure in measured and alert.subject not in known[alert.measure]:
            yield alert


def _recovery(one: Judged) -> str:
    if one.state == "off":
        return one.reason
    told = f"{one.value:.4g}, limit {one.threshold.limit:g}"
    return f"{told}: {one.reason}" if one.reason else told


def _breach(one: Judged, value: float, at: datetime) -> Breach:
    threshold, measure = one.threshold, one.measure
    return Breach(
        measure.name,
        one.subject,
        measure.pillar,
        threshold.severity,
        threshold.owner,
        measure.action,
        value,
        threshold.limit,
        one.evidence,
        at,
    )


def _measurement(one: Judged, at: datetime, now: datetime) -> Measurement:
    return Measurement(
        at=at,
        measure=one.measure.name,
        subject=one.subject,
        pillar=one.measure.pillar,
        state=one.state,
        value=one.value,
        limit=one.threshold.limit,
        reason=one.reason or None,
        evidence=one.evidence,
        measured_at=now,
    )
