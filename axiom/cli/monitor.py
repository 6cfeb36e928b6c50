"""Verbs of monitoring: what was measured, thresholds, alerts."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from axiom.cli.console import JsonFlag, database, emit, parse_time, table, workspace
from axiom.errors import MisuseError

if TYPE_CHECKING:
    from collections.abc import Callable

    from axiom.db import Transaction
    from axiom.db.alerts import Alert
    from axiom.monitoring.thresholds import Threshold
    from axiom.pipelines.monitor import MonitorReport

monitor = typer.Typer(no_args_is_help=True, help="Measure data and models; thresholds, and the alerts that they raise.")

MeasureName = Annotated[str, typer.Argument(help="Name of the measure; `axiom monitor thresholds` shows all.")]
AlertId = Annotated[str, typer.Argument(help="Id of the alert.", metavar="ALERT")]
Reason = Annotated[str, typer.Option(help="Why, for the audit trail.")]
PillarOption = Annotated[
    str | None, typer.Option("--pillar", help="Only this one: data_quality, model_health or business_impact.")
]


def register(app: typer.Typer) -> None:
    """Add the verbs of this module."""
    app.add_typer(monitor, name="monitor")


@monitor.command("run", epilog="Example: axiom monitor run --as-of 2011-12-09T05:00:00Z")
def run(
    as_of: Annotated[
        str | None, typer.Option("--as-of", metavar="TIME", help="What the readings speak about, UTC. Default: now.")
    ] = None,
    churn: Annotated[str, typer.Option(help="Name of the churn model; '' leaves it out.")] = "churn",
    clv: Annotated[str, typer.Option(help="Name of the CLV model; '' leaves it out.")] = "clv",
    json: JsonFlag = False,
) -> None:
    """Measure everything once, and open and resolve alerts accordingly."""
    from axiom.pipelines.monitor import monitor as measure

    moment = parse_time(as_of, "--as-of") if as_of else None
    with workspace() as ws:
        report = measure(ws, as_of=moment, churn=churn or None, clv=clv or None)
    emit(_of_run(report), as_json=json, lines=_told(report))


@monitor.command("summary", epilog="Example: axiom monitor summary")
def summary(json: JsonFlag = False) -> None:
    """The three pillars: whether they hold, and how many alerts are open."""
    from axiom.monitoring.summary import read_summary

    with database() as db, db.reading() as tx:
        found = read_summary(tx)
    when = "nothing was measured yet: axiom monitor run" if found.at is None else f"as of {found.at.isoformat()}"
    emit(found, as_json=json, lines=[when, *table([vars(pillar) for pillar in found.pillars])])


@monitor.command("measures", epilog="Example: axiom monitor measures --pillar model_health")
def measures(
    pillar: PillarOption = None,
    state: Annotated[str | None, typer.Option("--state", help="Only these: ok, breached, unknown or off.")] = None,
    json: JsonFlag = False,
) -> None:
    """What the newest run measured."""
    from axiom.db.monitoring_tables import READING_STATES
    from axiom.monitoring.measures import PILLARS

    _one_of("--pillar", pillar, PILLARS)
    _one_of("--state", state, READING_STATES)
    with database() as db, db.reading() as tx:
        found = [one for one in tx.measurements.latest() if pillar in (None, one.pillar) and state in (None, one.state)]
    rows = [_row(one, "measure", "subject", "state", "value", "limit", "reason") for one in found]
    emit({"measures": found}, as_json=json, lines=table(rows))


@monitor.command("timeline", epilog="Example: axiom monitor timeline feature_psi --subject txn_count_30d")
def timeline(
    measure: MeasureName,
    subject: Annotated[str | None, typer.Option("--subject", help="Only of this one: a feature, a model.")] = None,
    points: Annotated[int, typer.Option("--points", min=1, help="Newest values.")] = 30,
    json: JsonFlag = False,
) -> None:
    """The values of one measure over time, oldest first."""
    from axiom.monitoring.measures import measure_of

    name = measure_of(measure).name
    with database() as db, db.reading() as tx:
        found = tx.measurements.timeline(name, subject=subject, limit=points)
    rows = [_row(one, "at", "subject", "state", "value", "limit", "reason") for one in found]
    emit({"measure": name, "points": found}, as_json=json, lines=table(rows))


@monitor.command("alerts", epilog="Example: axiom monitor alerts --all")
def alerts(
    everything: Annotated[bool, typer.Option("--all", help="Those that were resolved as well.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many, newest first.")] = 50,
    json: JsonFlag = False,
) -> None:
    """Open alerts, newest first."""
    from axiom.db.pages import Condition, Part

    only = () if everything else (Condition("state", "=", "open"),)
    with database() as db, db.reading() as tx:
        found = tx.pages.alerts(Part(limit=limit, where=only)).items
    shown = (
        "alert_id",
        "measure",
        "subject",
        "severity",
        "state",
        "value",
        "limit",
        "owner",
        "first_seen",
        "last_seen",
    )
    rows = [_row(one, *shown, "muted_until") for one in found]
    emit({"alerts": found}, as_json=json, lines=table(rows) if rows else ["no alert is open"])


@monitor.command("show", epilog="Example: axiom monitor show 9f1c2a7be4d05863")
def show(alert: AlertId, json: JsonFlag = False) -> None:
    """One alert: evidence, what to do, and what happened to it."""
    from axiom.monitoring.history import read_history

    with database() as db, db.reading() as tx:
        found = tx.alerts.get(alert)
        history = read_history(tx, alert)
    lines = [f"{name}: {value}" for name, value in vars(found).items() if value is not None]
    happened = [f"{one.at:%Y-%m-%d %H:%M:%S} {one.what} by {one.actor} {one.reason}".rstrip() for one in history]
    emit({**vars(found), "history": history}, as_json=json, lines=[*lines, "", *happened])


@monitor.command(
    "mute", epilog="Example: axiom monitor mute 9f1c2a7be4d05863 --until 2026-01-31 --reason 'known, fix comes'"
)
def mute(
    alert: AlertId,
    until: Annotated[str, typer.Option("--until", metavar="TIME", help="When it counts again, ISO, UTC.")],
    reason: Reason,
    json: JsonFlag = False,
) -> None:
    """Bother nobody with an alert for a while; it stays open."""
    moment = parse_time(until, "--until")
    _change(lambda tx: tx.alerts.mute(alert, moment, actor=getpass.getuser(), reason=reason), json=json)


@monitor.command("unmute", epilog="Example: axiom monitor unmute 9f1c2a7be4d05863")
def unmute(alert: AlertId, json: JsonFlag = False) -> None:
    """Let a muted alert count again."""
    _change(lambda tx: tx.alerts.unmute(alert, actor=getpass.getuser()), json=json)


@monitor.command("resolve", epilog="Example: axiom monitor resolve 9f1c2a7be4d05863 --reason 'source repaired'")
def resolve(alert: AlertId, reason: Reason, json: JsonFlag = False) -> None:
    """End an alert by hand; a breach at a later time opens a new one."""
    _change(lambda tx: tx.alerts.resolve(alert, actor=getpass.getuser(), reason=reason), json=json)


@monitor.command("thresholds", epilog="Example: axiom monitor thresholds")
def thresholds(json: JsonFlag = False) -> None:
    """The threshold of every measure."""
    from axiom.monitoring.thresholds import thresholds_in_force

    with database() as db, db.reading() as tx:
        found = list(thresholds_in_force(tx).values())
    emit({"thresholds": found}, as_json=json, lines=table([_threshold_row(one) for one in found]))


@monitor.command("set", epilog="Example: axiom monitor set feature_psi --limit 0.25 --owner ann")
def set_threshold(
    measure: MeasureName,
    limit: Annotated[float | None, typer.Option("--limit", help="The value beyond which an alert is raised.")] = None,
    severity: Annotated[str | None, typer.Option("--severity", help="info, warning or critical.")] = None,
    owner: Annotated[str | None, typer.Option("--owner", help="Who acts on the alert.")] = None,
    enabled: Annotated[bool | None, typer.Option("--enabled/--disabled", help="Whether the measure is judged.")] = None,
    json: JsonFlag = False,
) -> None:
    """Change the threshold of a measure; it counts from the next run on."""
    from axiom.monitoring.thresholds import change_threshold, threshold_of

    changes: dict[str, Any] = {"limit": limit, "severity": severity, "owner": owner, "enabled": enabled}
    if all(value is None for value in changes.values()):
        raise MisuseError("nothing to change is named", hint="--limit, --severity, --owner, --enabled or --disabled")
    with database() as db, db.transaction() as tx:
        found = change_threshold(tx, threshold_of(tx, measure), actor=getpass.getuser(), **changes)
    emit(found, as_json=json, lines=table([_threshold_row(found)]))


@monitor.command("reset", epilog="Example: axiom monitor reset feature_psi")
def reset(measure: MeasureName, json: JsonFlag = False) -> None:
    """Go back to the default threshold of a measure."""
    from axiom.monitoring.thresholds import threshold_of

    with database() as db, db.transaction() as tx:
        tx.thresholds.forget(threshold_of(tx, measure).measure, actor=getpass.getuser())
        found = threshold_of(tx, measure)
    emit(found, as_json=json, lines=table([_threshold_row(found)]))


def _change(change: Callable[[Transaction], Alert], *, json: bool) -> None:
    with database() as db, db.transaction() as tx:
        found = change(tx)
    ends = {"open": f"muted until {found.muted_until:%Y-%m-%d %H:%M} UTC" if found.muted_until else "open"}
    told = f"alert {found.alert_id} ({_named(found)}) is {ends.get(found.state, found.state)}"
    emit(found, as_json=json, lines=[told])


def _of_run(report: MonitorReport) -> dict[str, Any]:
    readings = [
        {
            "measure": one.measure.name,
            "subject": one.subject,
            "state": one.state,
            "value": one.value,
            "limit": one.threshold.limit,
            "reason": one.reason,
            "evidence": one.evidence,
        }
        for one in report.judged
    ]
    alerts = {"opened": report.opened, "still_open": report.seen_again, "resolved": report.resolved}
    return {"at": report.at, **report.states, **alerts, "past": report.past, "readings": readings}


def _told(report: MonitorReport) -> list[str]:
    counts = ", ".join(f"{count} {state}" for state, count in report.states.items() if count)
    lines = [f"as of {report.at:%Y-%m-%d %H:%M} UTC: {counts}"]
    if report.past:
        lines.append("a later time was measured before: alerts stay as they are")
    unknown = dict.fromkeys((one.reason, one.measure.pillar) for one in report.judged if one.state == "unknown")
    lines += [f"unknown ({pillar}): {reason}" for reason, pillar in unknown]
    for what, alerts in (("new", report.opened), ("still", report.seen_again), ("resolved", report.resolved)):
        lines += [f"{what}: {one.severity} {_named(one)}: {one.value:.4g}, limit {one.limit:g}" for one in alerts]
    return lines


def _named(alert: Alert) -> str:
    return f"{alert.measure} {alert.subject}".rstrip()


def _row(one: Any, *names: str) -> dict[str, Any]:
    return {name: _cell(getattr(one, name)) for name in names}


def _cell(value: Any) -> Any:
    return value.isoformat(timespec="minutes") if hasattr(value, "isoformat") else None if value == "" else value


def _threshold_row(one: Threshold) -> dict[str, Any]:
    return {
        "measure": one.measure,
        "pillar": one.pillar,
        "trouble": f"{one.direction} {one.limit:g}",
        "severity": one.severity,
        "owner": one.owner,
        "judged": one.enabled,
        "changed_by": one.updated_by,
        "what": one.title,
    }


def _one_of(option: str, value: str | None, known: tuple[str, ...]) -> None:
    if value is not None and value not in known:
        raise MisuseError(f"{option} {value!r} is unknown", hint=f"one of {', '.join(known)}")
