"""Alerts: one open at most for each measure and subject; those that ended are kept."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

import sqlalchemy as sa

from axiom.db.monitoring_tables import alerts
from axiom.db.statements import insert
from axiom.errors import ConflictError, MisuseError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from axiom.db.audit import Audit
    from axiom.db.events import Events
    from axiom.db.thresholds import Severity

MONITOR = "monitor"
"""Who opens alerts, and resolves those whose measure has recovered."""


@dataclass(frozen=True)
class Alert:
    """A measure that went beyond its limit.

    Attributes:
        alert_id: unique.
        measure: which.
        subject: of what; "" where there is only one.
        pillar: that the measure belongs to.
        state: `open` or `resolved`.
        severity: `info`, `warning` or `critical`.
        owner: who acts.
        action: what to do first.
        value: newest value beyond the limit.
        limit: what it was compared with.
        evidence: what stands behind the value.
        seen: at how many logical times it was beyond the limit.
        first_seen: the first of them, UTC.
        last_seen: the latest of them, UTC.
        opened_at: when the alert was raised, UTC.
        muted_until: nobody is bothered before; None: everybody is.
        muted_by: who wanted that.
        resolved_at: None while it is open.
        resolved_by: `monitor`, or who said so.
        reason: why it was muted or resolved.
        revision: counts the changes, from 1.
    """

    alert_id: str
    measure: str
    subject: str
    pillar: str
    state: Literal["open", "resolved"]
    severity: Severity
    owner: str
    action: str
    value: float
    limit: float
    evidence: Mapping[str, Any]
    seen: int
    first_seen: datetime
    last_seen: datetime
    opened_at: datetime
    muted_until: datetime | None
    muted_by: str | None
    resolved_at: datetime | None
    resolved_by: str | None
    reason: str | None
    revision: int

    def muted(self, now: datetime) -> bool:
        """Whether nobody wants to be bothered with it at this moment."""
        return self.state == "open" and self.muted_until is not None and self.muted_until > now


@dataclass(frozen=True)
class Breach:
    """A value beyond its limit at one logical time; see `Alert` for the fields."""

    measure: str
    subject: str
    pillar: str
    severity: Severity
    owner: str
    action: str
    value: float
    limit: float
    evidence: Mapping[str, Any]
    at: datetime


@dataclass(frozen=True)
class Alerts:
    """Repository of alerts. What changes a state, or silences somebody, leaves an audit entry and an event."""

    connection: Connection
    clock: Callable[[], datetime]
    audit: Audit
    events: Events

    def get(self, alert_id: str) -> Alert:
        """The alert of that id.

        Raises:
            NotFoundError: there is none.
        """
        found = self._rows(sa.select(alerts).where(alerts.c.alert_id == alert_id))
        if not found:
            raise NotFoundError(f"there is no alert {alert_id!r}", hint="`axiom monitor alerts` shows them")
        return found[0]

    def locked(self, alert_id: str) -> Alert:
        """As `get`; nobody else changes it until the transaction ends."""
        self.connection.execute(sa.select(alerts.c.alert_id).where(alerts.c.alert_id == alert_id).with_for_update())
        return self.get(alert_id)

    def open_ones(self) -> Sequence[Alert]:
        """Every open alert, by measure and subject."""
        query = sa.select(alerts).where(alerts.c.state == "open")
        return self._rows(query.order_by(alerts.c.measure, alerts.c.subject))

    def locked_open_ones(self) -> Sequence[Alert]:
        """As `open_ones`; nobody else changes them until the transaction ends.

        Who changes several alerts takes all of them first: whoever mutes one holds its row, and then waits for the head
        of the audit trail, which the other has already.
        """
        held = sa.select(alerts.c.alert_id).where(alerts.c.state == "open").order_by(alerts.c.alert_id)
        self.connection.execute(held.with_for_update()).all()
        return self.open_ones()

    def last(self, measure: str, subject: str) -> Alert | None:
        """The newest alert about a subject, open or not."""
        query = sa.select(alerts).where(alerts.c.measure == measure, alerts.c.subject == subject)
        found = self._rows(query.order_by(alerts.c.last_seen.desc(), alerts.c.opened_at.desc()).limit(1))
        return found[0] if found else None

    def counts(self) -> Mapping[str, int]:
        """Severity -> open alerts that nobody muted."""
        loud = sa.or_(alerts.c.muted_until.is_(None), alerts.c.muted_until <= self.clock())
        query = sa.select(alerts.c.severity, sa.func.count()).where(alerts.c.state == "open", loud)
        found = self.connection.execute(query.group_by(alerts.c.severity))
        return {severity: count for severity, count in found}  # noqa: C416  (as in `read_facts`)

    def raise_(self, breach: Breach) -> Alert | None:
        """Open an alert; None where somebody else has just opened one about the same subject."""
        now, alert_id = self.clock(), secrets.token_hex(8)
        facts = {name: value for name, value in vars(breach).items() if name != "at"}
        made = self.connection.execute(
            insert(self.connection, alerts)
            .values(
                alert_id=alert_id,
                state="open",
                seen=1,
                first_seen=breach.at,
                last_seen=breach.at,
                opened_at=now,
                revision=1,
                **{**facts, "evidence": dict(breach.evidence)},
            )
            .on_conflict_do_nothing()
            .returning(alerts.c.alert_id)
        ).one_or_none()
        return None if made is None else self._tell(self.get(alert_id), MONITOR, "open")

    def see_again(self, alert: Alert, breach: Breach) -> Alert:
        """The same breach at a later time, or the same time once more: newest value, limit and evidence."""
        values = {
            "value": breach.value,
            "limit": breach.limit,
            "severity": breach.severity,
            "owner": breach.owner,
            "action": breach.action,
            "evidence": dict(breach.evidence),
            "last_seen": max(breach.at, alert.last_seen),
            "seen": alert.seen + (breach.at > alert.last_seen),
        }
        return self._write(alert, values)

    def mute(self, alert_id: str, until: datetime, *, actor: str, reason: str) -> Alert:
        """Bother nobody with an open alert before a time.

        Raises:
            NotFoundError: there is no such alert.
            ConflictError: it is resolved.
            MisuseError: the time is past, or there is no reason.
        """
        alert = self._still_open(alert_id, "muted", reason)
        if until <= self.clock():
            raise MisuseError(
                f"alert {alert_id} cannot be muted until {until.isoformat(timespec='seconds')}: that is past",
                hint="name a time to come",
            )
        return self._tell(
            self._write(alert, {"muted_until": until, "muted_by": actor, "reason": reason}), actor, "mute"
        )

    def unmute(self, alert_id: str, *, actor: str) -> Alert:
        """Bother everybody again; an alert that is not muted stays as it is.

        Raises:
            NotFoundError: there is no such alert.
            ConflictError: it is resolved.
        """
        alert = self._still_open(alert_id, "unmuted", "asked for")
        if alert.muted_until is None:
            return alert
        quiet = {"muted_until": None, "muted_by": None, "reason": None}
        return self._tell(self._write(alert, quiet), actor, "unmute")

    def resolve(self, alert_id: str, *, actor: str, reason: str) -> Alert:
        """End an alert. A breach at a later time opens a new one.

        Raises:
            NotFoundError: there is no such alert.
            ConflictError: it is resolved already.
            MisuseError: there is no reason.
        """
        alert = self._still_open(alert_id, "resolved", reason)
        ended = {"state": "resolved", "resolved_at": self.clock(), "resolved_by": actor, "reason": reason}
        return self._tell(self._write(alert, ended), actor, "resolve")

    def _still_open(self, alert_id: str, what: str, reason: str) -> Alert:
        if not reason.strip():
            raise MisuseError(f"alert {alert_id} is not {what} without a reason", hint="say why")
        alert = self.locked(alert_id)
        if alert.state != "open":
            raise ConflictError(
                f"alert {alert_id} was resolved by {alert.resolved_by}: {alert.reason}",
                hint="a later breach opens a new one",
            )
        return alert

    def _write(self, alert: Alert, values: Mapping[str, Any]) -> Alert:
        changed = {**values, "revision": alert.revision + 1}
        self.connection.execute(sa.update(alerts).where(alerts.c.alert_id == alert.alert_id).values(changed))
        return self.get(alert.alert_id)

    def _tell(self, alert: Alert, actor: str, what: str) -> Alert:
        told = {"measure": alert.measure, "subject": alert.subject, "severity": alert.severity, "value": alert.value}
        detail = {**told, "limit": alert.limit, **({"reason": alert.reason} if alert.reason else {})}
        self.audit.record(actor, f"alert.{what}", f"alert:{alert.alert_id}", detail)
        self.events.add("alert", alert.alert_id, what, {**detail, "state": alert.state, "by": actor})
        return alert

    def _rows(self, query: sa.Select[Any]) -> list[Alert]:
        return [Alert(**cast("dict[str, Any]", row)) for row in self.connection.execute(query).mappings()]
