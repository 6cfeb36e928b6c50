"""Alerts through their lives, on SQLite and on PostgreSQL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any

import pytest

from axiom.db.alerts import MONITOR
from axiom.errors import ConflictError, MisuseError, NotFoundError, StaleError
from axiom.monitoring.alerting import KEPT, settle
from axiom.monitoring.history import read_history
from axiom.monitoring.judging import Reading
from axiom.monitoring.summary import read_summary
from axiom.monitoring.thresholds import change_threshold, threshold_of, thresholds_in_force

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from axiom.db import Database
    from axiom.db.alerts import Alert
    from axiom.monitoring.alerting import Settled
    from tests.monitoring.conftest import Clock

    Run = Callable[..., Settled]


def stale(hours: float = 30.0, entity: str = "events") -> Reading:
    return Reading("freshness_hours", entity, hours, evidence={"newest_row": "2025-12-31"})


@pytest.fixture
def run(clocked: Database, clock: Clock, held: Any) -> Run:
    """`run(reading, ..., at=...)` settles what one run of the monitor read."""

    def settled(*readings: Reading, at: datetime | None = None) -> Settled:
        with clocked.transaction() as tx:
            return settle(tx, at or clock.now, held(tx, *readings))

    return settled


def open_ones(db: Database) -> list[Alert]:
    with db.reading() as tx:
        return list(tx.alerts.open_ones())


def test_a_breach_opens_one_alert_with_evidence_owner_and_action(run: Run, clocked: Database, clock: Clock) -> None:
    (alert,) = run(stale()).opened
    assert (alert.measure, alert.subject, alert.state, alert.severity) == (
        "freshness_hours",
        "events",
        "open",
        "critical",
    )
    assert (alert.value, alert.limit, alert.owner, alert.seen) == (30.0, 24.0, "data-engineer", 1)
    assert alert.evidence == {"newest_row": "2025-12-31"}
    assert alert.first_seen == alert.last_seen == alert.opened_at == clock.now
    assert "still delivers" in alert.action
    with clocked.reading() as tx:
        (entry,) = tx.audit.list(thing=f"alert:{alert.alert_id}")
        (event,) = tx.events.events_after(0, topic="alert")
        assert tx.audit.verify().entries == 1
    assert (entry.actor, entry.action) == (MONITOR, "alert.open")
    assert (event.subject, event.name, event.data["severity"]) == (alert.alert_id, "open", "critical")


def test_a_run_that_is_repeated_doubles_nothing(run: Run, clocked: Database) -> None:
    run(stale())
    with clocked.reading() as tx:
        measured = tx.measurements.latest()
    again = run(stale())
    assert (again.opened, len(again.seen_again)) == ([], 1)
    (alert,) = open_ones(clocked)
    assert alert.seen == 1
    with clocked.reading() as tx:
        assert tx.measurements.latest() == measured
        assert len(tx.events.events_after(0, topic="alert")) == 1


def test_a_breach_that_lasts_moves_the_alert_on(run: Run, clocked: Database, clock: Clock) -> None:
    first = clock.now
    run(stale())
    clock.advance(days=1)
    run(stale(54.0))
    (alert,) = open_ones(clocked)
    assert (alert.first_seen, alert.last_seen, alert.seen, alert.value) == (first, clock.now, 2, 54.0)


def test_a_measure_that_recovers_resolves_its_alert_and_a_later_breach_opens_another(
    run: Run, clocked: Database, clock: Clock
) -> None:
    (first,) = run(stale()).opened
    clock.advance(days=1)
    (ended,) = run(stale(2.0)).resolved
    assert (ended.alert_id, ended.state, ended.resolved_by) == (first.alert_id, "resolved", MONITOR)
    assert ended.reason == "2, limit 24"
    clock.advance(days=1)
    (second,) = run(stale()).opened
    assert second.alert_id != first.alert_id
    with clocked.reading() as tx:
        assert [one.what for one in read_history(tx, first.alert_id)] == ["open", "resolve"]


def test_a_measure_that_cannot_be_measured_leaves_its_alert_open(run: Run, clocked: Database, clock: Clock) -> None:
    run(stale())
    clock.advance(days=1)
    done = run(Reading("freshness_hours", reason="nothing was ingested"))
    assert done.resolved == []
    assert len(open_ones(clocked)) == 1


def test_a_subject_that_is_gone_resolves_its_alert(run: Run, clock: Clock) -> None:
    run(stale(), stale(entity="transactions"))
    clock.advance(days=1)
    (ended,) = run(stale(40.0, "transactions")).resolved
    assert (ended.subject, ended.reason) == ("events", "'events' is not measured any more")


def test_what_a_person_resolved_stays_so_for_that_time_and_comes_back_at_a_later_one(
    run: Run, clocked: Database, clock: Clock
) -> None:
    (alert,) = run(stale()).opened
    with clocked.transaction() as tx:
        tx.alerts.resolve(alert.alert_id, actor="ann", reason="holiday")
    assert run(stale()).opened == []
    clock.advance(days=1)
    assert len(run(stale()).opened) == 1


def test_the_past_is_written_down_and_changes_no_alert(run: Run, clocked: Database, clock: Clock) -> None:
    earlier = clock.now
    clock.advance(days=3)
    run(stale())
    done = run(stale(1.0), stale(90.0, "transactions"), at=earlier)
    assert (done.past, done.opened, done.resolved) == (True, [], [])
    assert [alert.subject for alert in open_ones(clocked)] == ["events"]
    with clocked.reading() as tx:
        line = tx.measurements.timeline("freshness_hours", subject="events")
        assert [(one.at, one.value, one.state) for one in line] == [
            (earlier, 1.0, "ok"),
            (clock.now, 30.0, "breached"),
        ]
        assert len(tx.measurements.timeline("freshness_hours", limit=2)) == 2


def test_measurements_are_forgotten_after_their_time(run: Run, clocked: Database, clock: Clock) -> None:
    run(stale(1.0))
    clock.now += KEPT
    run(stale(1.0))
    with clocked.reading() as tx:
        assert len(tx.measurements.timeline("freshness_hours")) == 2
    clock.advance(days=1)
    run(stale(1.0))
    with clocked.reading() as tx:
        assert len(tx.measurements.timeline("freshness_hours")) == 2


def test_a_muted_alert_stays_open_and_is_not_counted_until_its_time_is_over(
    run: Run, clocked: Database, clock: Clock
) -> None:
    (alert,) = run(stale()).opened
    with clocked.transaction() as tx:
        muted = tx.alerts.mute(alert.alert_id, clock.now.replace(hour=9), actor="ann", reason="known")
        assert (muted.muted(clock.now), muted.muted_by, tx.alerts.counts()) == (True, "ann", {})
    clock.advance(hours=1)
    run(stale(31.0))
    with clocked.reading() as tx:
        (quality, *_) = read_summary(tx).pillars
        assert (quality.state, quality.alerts, quality.muted) == ("breached", 0, 1)
    clock.advance(hours=4)
    with clocked.reading() as tx:
        assert tx.alerts.counts() == {"critical": 1}
        assert read_summary(tx).pillars[0].alerts == 1


def test_an_alert_that_is_unmuted_counts_again(run: Run, clocked: Database, clock: Clock) -> None:
    (alert,) = run(stale()).opened
    with clocked.transaction() as tx:
        tx.alerts.mute(alert.alert_id, clock.now.replace(hour=9), actor="ann", reason="known")
        loud = tx.alerts.unmute(alert.alert_id, actor="bob")
        assert (loud.muted_until, loud.reason, tx.alerts.counts()) == (None, None, {"critical": 1})
        assert tx.alerts.unmute(alert.alert_id, actor="bob") == loud
        told = [(one.actor, one.what, one.reason) for one in read_history(tx, alert.alert_id)]
    assert told == [(MONITOR, "open", ""), ("ann", "mute", "known"), ("bob", "unmute", "")]


def test_what_cannot_be_is_refused_with_its_name(run: Run, clocked: Database, clock: Clock) -> None:
    (alert,) = run(stale()).opened
    with clocked.transaction() as tx:
        with pytest.raises(MisuseError, match=r"cannot be muted until .* that is past"):
            tx.alerts.mute(alert.alert_id, clock.now, actor="ann", reason="known")
        with pytest.raises(MisuseError, match="not resolved without a reason"):
            tx.alerts.resolve(alert.alert_id, actor="ann", reason=" ")
        with pytest.raises(NotFoundError, match="there is no alert 'none'"):
            tx.alerts.get("none")
        tx.alerts.resolve(alert.alert_id, actor="ann", reason="repaired")
        for change in (
            lambda: tx.alerts.resolve(alert.alert_id, actor="bob", reason="again"),
            lambda: tx.alerts.mute(alert.alert_id, clock.now.replace(year=2027), actor="bob", reason="r"),
            lambda: tx.alerts.unmute(alert.alert_id, actor="bob"),
        ):
            with pytest.raises(ConflictError, match="was resolved by ann: repaired"):
                change()


def test_who_mutes_an_alert_and_a_run_that_changes_others_do_not_wait_for_each_other(
    run: Run, clocked: Database, clock: Clock
) -> None:
    (alert,) = run(stale(entity="transactions")).opened
    clock.advance(hours=1)
    with ThreadPoolExecutor(1) as elsewhere:
        with clocked.transaction() as tx:
            tx.alerts.locked(alert.alert_id)
            # The run opens an alert about events, which needs the audit trail, and wants the row that is held here.
            running = elsewhere.submit(run, stale(), stale(31.0, "transactions"))
            wait([running], timeout=0.5)
            tx.alerts.mute(alert.alert_id, clock.now.replace(hour=23), actor="ann", reason="known")
        done = running.result()
    assert [one.subject for one in done.opened] == ["events"]
    (again,) = done.seen_again
    assert (again.seen, again.muted_by, again.value) == (2, "ann", 31.0)


def test_a_disabled_threshold_resolves_the_alerts_of_its_measure(run: Run, clocked: Database, clock: Clock) -> None:
    run(stale())
    with clocked.transaction() as tx:
        change_threshold(tx, threshold_of(tx, "freshness_hours"), actor="ann", enabled=False)
    clock.advance(days=1)
    (ended,) = run(stale()).resolved
    assert ended.reason == "its threshold is disabled"
    with clocked.reading() as tx:
        assert read_summary(tx).pillars[0].off == 1


def test_a_changed_threshold_counts_from_the_next_run_on(run: Run, clocked: Database, clock: Clock) -> None:
    run(stale())
    with clocked.transaction() as tx:
        change_threshold(tx, threshold_of(tx, "freshness_hours"), actor="ann", severity="info", owner="bob")
    assert open_ones(clocked)[0].severity == "critical"
    clock.advance(hours=1)
    run(stale(31.0))
    (alert,) = open_ones(clocked)
    assert (alert.severity, alert.owner) == ("info", "bob")


def test_a_threshold_is_changed_as_it_was_seen_and_goes_back_to_the_default(clocked: Database) -> None:
    with clocked.transaction() as tx:
        seen = threshold_of(tx, "feature_psi")
        assert (seen.limit, seen.default, seen.revision, seen.updated_by) == (0.2, 0.2, 0, None)
        changed = change_threshold(tx, seen, actor="ann", limit=0.25)
        assert (changed.limit, changed.default, changed.severity, changed.revision) == (0.25, 0.2, "warning", 1)
        with pytest.raises(StaleError, match="the threshold of feature_psi was changed meanwhile"):
            change_threshold(tx, seen, actor="bob", limit=0.3)
        again = change_threshold(tx, changed, actor="bob", severity="critical")
        assert (again.limit, again.severity, again.revision, again.updated_by) == (0.25, "critical", 2, "bob")
        with pytest.raises(StaleError):
            change_threshold(tx, changed, actor="ann", limit=0.3)
        assert tx.thresholds.forget("feature_psi", actor="ann")
        assert not tx.thresholds.forget("feature_psi", actor="ann")
        assert threshold_of(tx, "feature_psi") == thresholds_in_force(tx)["feature_psi"] == seen
        actions = [entry.action for entry in tx.audit.list(thing="threshold:feature_psi")]
    assert actions == ["threshold.reset", "threshold.change", "threshold.change"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"limit": float("nan")}, "the limit of feature_psi is nan"),
        ({"limit": float("inf")}, "the limit of feature_psi is inf"),
        ({"limit": -0.1}, "the limit of feature_psi is -0.1"),
        ({"severity": "dire"}, "'dire' is no severity"),
        ({"owner": "  "}, "has no owner"),
    ],
)
def test_a_threshold_that_cannot_be_is_refused(clocked: Database, changes: dict[str, Any], told: str) -> None:
    with clocked.transaction() as tx, pytest.raises(MisuseError, match=told):
        change_threshold(tx, threshold_of(tx, "feature_psi"), actor="ann", **changes)


def test_before_the_first_run_every_pillar_is_unknown(clocked: Database) -> None:
    with clocked.reading() as tx:
        found = read_summary(tx)
    assert (found.at, found.measured_at) == (None, None)
    assert {pillar.state for pillar in found.pillars} == {"unknown"}
