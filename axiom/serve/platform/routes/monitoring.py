"""Monitoring: the pillars, what was measured, thresholds, alerts."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import Field
from starlette.responses import Response

from axiom.monitoring.history import read_history
from axiom.monitoring.measures import measure_of
from axiom.monitoring.summary import read_summary
from axiom.monitoring.thresholds import change_threshold, threshold_of, thresholds_in_force
from axiom.serve.platform.admission import Who, With
from axiom.serve.platform.conditions import IfMatch, IfMatchOrAny, etag
from axiom.serve.platform.wire import Given, Id, Listed, Moment, Paged, Reason, Shown, asked, cut, equal, listed

if TYPE_CHECKING:
    from axiom.db.alerts import Alert as AlertRow
    from axiom.monitoring.thresholds import Threshold as InForce

router = APIRouter(tags=["monitoring"])
Pillar = Literal["data_quality", "model_health", "business_impact"]
State = Literal["ok", "breached", "unknown", "off"]
Severity = Literal["info", "warning", "critical"]
MeasureName = Annotated[str, Path(pattern=r"^[a-z][a-z0-9_]{0,63}$")]


class PillarState(Shown):
    """One pillar."""

    pillar: Pillar
    state: Literal["ok", "breached", "unknown"] = Field(description="`unknown` where nothing could be measured.")
    ok: int
    breached: int
    unknown: int
    off: int
    alerts: int = Field(description="Open ones that nobody muted.")
    muted: int


class MonitoringSummary(Shown):
    """The three pillars."""

    at: datetime | None = Field(description="What was measured last speaks about this; null before the first run.")
    measured_at: datetime | None
    pillars: list[PillarState]


class Measurement(Shown):
    """A measured value."""

    measure: str
    subject: str = Field(description="Of which entity, feature, model or cohort; empty where there is one.")
    pillar: Pillar
    state: State
    value: float | None
    limit: float
    reason: str | None = Field(description="Why it is unknown, or no breach although it is beyond its limit.")
    evidence: dict[str, Any]
    at: datetime
    measured_at: datetime


class MeasureTimeLine(Shown):
    """The newest values of a measure, oldest first."""

    measure: str
    points: list[Measurement]


class Threshold(Shown):
    """Where trouble begins."""

    measure: str
    pillar: Pillar
    title: str
    direction: Literal["above", "below"] = Field(description="On which side of the limit trouble lies.")
    limit: float
    severity: Severity
    owner: str
    enabled: bool
    default: float = Field(description="The limit where nobody changed it.")
    revision: int = Field(description="Counts the changes; 0: nobody changed it.")
    updated_at: datetime | None
    updated_by: str | None


class Thresholds(Shown):
    """Every threshold."""

    items: list[Threshold]


class ThresholdChange(Given):
    """A threshold as it shall be."""

    limit: float = Field(ge=0)
    severity: Severity
    owner: str = Field(min_length=1, max_length=128, pattern=r"\S")
    enabled: bool = True


class Alert(Shown):
    """A measure beyond its limit."""

    alert_id: str
    measure: str
    subject: str
    pillar: Pillar
    state: Literal["open", "resolved"]
    severity: Severity
    owner: str
    action: str = Field(description="What to do first.")
    value: float
    limit: float
    evidence: dict[str, Any]
    seen: int = Field(description="At how many logical times.")
    first_seen: datetime
    last_seen: datetime
    opened_at: datetime
    muted_until: datetime | None
    muted_by: str | None
    resolved_at: datetime | None
    resolved_by: str | None = Field(description="`monitor` where the measure recovered.")
    reason: str | None
    revision: int = Field(description="Counts the changes; the ETag.")


class Happening(Shown):
    """A change of an alert."""

    at: datetime
    actor: str
    what: str
    reason: str


class AlertInFull(Alert):
    """An alert with what happened to it."""

    history: list[Happening]


class Mute(Given):
    """Until when nobody is bothered, and why."""

    until: Moment
    reason: Reason


class Resolution(Given):
    """Why an alert is over."""

    reason: Reason


@router.get("/api/monitoring/summary")
def summary(known: With) -> MonitoringSummary:
    """The three pillars: data quality, model health, business impact."""
    with known.db.reading() as tx:
        return MonitoringSummary.model_validate(read_summary(tx))


@router.get("/api/monitoring/measures")
def measures(
    known: With,
    part: Paged,
    pillar: Annotated[Pillar | None, Query()] = None,
    state: Annotated[State | None, Query()] = None,
    measure: Annotated[str | None, Query(max_length=64)] = None,
) -> Listed[Measurement]:
    """What the newest run measured, by pillar, measure and subject."""
    if measure is not None:
        measure_of(measure)
    with known.db.reading() as tx:
        found = tx.measurements.latest()
    wanted = {"pillar": pillar, "state": state, "measure": measure}
    shown = [one for one in found if all(value in (None, getattr(one, name)) for name, value in wanted.items())]
    return Listed[Measurement].model_validate(cut(shown, part))


@router.get("/api/monitoring/measures/{measure}/timeline")
def timeline(
    measure: MeasureName,
    known: With,
    subject: Annotated[str | None, Query(max_length=256, description="Only of this one.")] = None,
    points: Annotated[int, Query(ge=1, le=1000, description="Newest values.")] = 30,
) -> MeasureTimeLine:
    """The newest values of one measure, oldest first."""
    name = measure_of(measure).name
    with known.db.reading() as tx:
        found = tx.measurements.timeline(name, subject=subject, limit=points)
    return MeasureTimeLine(measure=name, points=[Measurement.model_validate(one) for one in found])


@router.get("/api/monitoring/thresholds")
def thresholds(known: With) -> Thresholds:
    """The threshold of every measure."""
    with known.db.reading() as tx:
        return Thresholds(items=[Threshold.model_validate(one) for one in thresholds_in_force(tx).values()])


@router.get("/api/monitoring/thresholds/{measure}")
def threshold(measure: MeasureName, known: With, response: Response) -> Threshold:
    """The threshold of one measure."""
    with known.db.reading() as tx:
        return _shown(threshold_of(tx, measure), response)


@router.put("/api/monitoring/thresholds/{measure}")
def change(
    measure: MeasureName, body: ThresholdChange, who: Who, known: With, seen: IfMatch, response: Response
) -> Threshold:
    """Change the threshold of a measure; it counts from the next run of the monitor on."""
    with known.db.transaction() as tx:
        before = threshold_of(tx, measure)
        seen.check(etag(Threshold.model_validate(before)), f"the threshold of {measure}")
        return _shown(change_threshold(tx, before, actor=who.actor, **body.model_dump()), response)


@router.delete("/api/monitoring/thresholds/{measure}")
def reset(measure: MeasureName, who: Who, known: With, seen: IfMatchOrAny, response: Response) -> Threshold:
    """Go back to the default threshold of a measure; gives that."""
    with known.db.transaction() as tx:
        seen.check(etag(Threshold.model_validate(threshold_of(tx, measure))), f"the threshold of {measure}")
        tx.thresholds.forget(measure, actor=who.actor)
        return _shown(threshold_of(tx, measure), response)


@router.get("/api/monitoring/alerts")
def alerts(
    known: With,
    part: Paged,
    state: Annotated[Literal["open", "resolved"] | None, Query()] = None,
    pillar: Annotated[Pillar | None, Query()] = None,
    severity: Annotated[Severity | None, Query()] = None,
    measure: Annotated[str | None, Query(max_length=64)] = None,
    subject: Annotated[str | None, Query(max_length=256)] = None,
    sort: Annotated[Literal["opened_at", "-opened_at", "last_seen", "-last_seen"], Query()] = "-opened_at",
) -> Listed[Alert]:
    """Alerts, newest first; those that were resolved are kept."""
    wanted = asked(
        part,
        sort,
        equal("state", state),
        equal("pillar", pillar),
        equal("severity", severity),
        equal("measure", measure),
        equal("subject", subject),
    )
    with known.db.reading() as tx:
        found = tx.pages.alerts(wanted)
    return Listed[Alert].model_validate(listed(found))


@router.get("/api/monitoring/alerts/{alert_id}")
def show_alert(alert_id: Id, known: With, response: Response) -> AlertInFull:
    """One alert: evidence, what to do, and what happened to it."""
    with known.db.reading() as tx:
        row = tx.alerts.get(alert_id)
        history = read_history(tx, alert_id)
    response.headers["etag"] = _tag(row)
    return AlertInFull.model_validate({**vars(row), "history": list(history)})


@router.post("/api/monitoring/alerts/{alert_id}/mute")
def mute(alert_id: Id, body: Mute, who: Who, known: With, seen: IfMatchOrAny, response: Response) -> Alert:
    """Bother nobody with an open alert before a time; it stays open."""
    with known.db.transaction() as tx:
        seen.check(_tag(tx.alerts.locked(alert_id)), f"alert {alert_id}")
        return _alert(tx.alerts.mute(alert_id, body.until, actor=who.actor, reason=body.reason), response)


@router.post("/api/monitoring/alerts/{alert_id}/unmute")
def unmute(alert_id: Id, who: Who, known: With, seen: IfMatchOrAny, response: Response) -> Alert:
    """Let a muted alert count again."""
    with known.db.transaction() as tx:
        seen.check(_tag(tx.alerts.locked(alert_id)), f"alert {alert_id}")
        return _alert(tx.alerts.unmute(alert_id, actor=who.actor), response)


@router.post("/api/monitoring/alerts/{alert_id}/resolve")
def resolve(alert_id: Id, body: Resolution, who: Who, known: With, seen: IfMatchOrAny, response: Response) -> Alert:
    """End an alert by hand; a breach at a later time opens a new one."""
    with known.db.transaction() as tx:
        seen.check(_tag(tx.alerts.locked(alert_id)), f"alert {alert_id}")
        return _alert(tx.alerts.resolve(alert_id, actor=who.actor, reason=body.reason), response)


def _shown(found: InForce, response: Response) -> Threshold:
    shown = Threshold.model_validate(found)
    response.headers["etag"] = etag(shown)
    return shown


def _alert(row: AlertRow, response: Response) -> Alert:
    response.headers["etag"] = _tag(row)
    return Alert.model_validate(row)


def _tag(row: AlertRow) -> str:
    return f'"{row.revision}"'
