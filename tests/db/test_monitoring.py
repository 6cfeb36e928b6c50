from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from axiom.db.alerts import Breach
from axiom.db.measurements import Measurement
from axiom.db.pages import Condition, Part

if TYPE_CHECKING:
    from axiom.db import Database
    from axiom.db.alerts import Alert
    from tests.db.conftest import Clock


def breach(clock: Clock, subject: str = "events", **changes: Any) -> Breach:
    facts: dict[str, Any] = {
        "measure": "freshness_hours",
        "subject": subject,
        "pillar": "data_quality",
        "severity": "critical",
        "owner": "ann",
        "action": "look",
        "value": 30.0,
        "limit": 24.0,
        "evidence": {"rows": 3},
        "at": clock.now,
    }
    return Breach(**{**facts, **changes})


def opened(db: Database, found: Breach) -> Alert:
    with db.transaction() as tx:
        alert = tx.alerts.raise_(found)
    assert alert is not None
    return alert


def test_there_is_one_open_alert_at_most_for_a_subject(clocked: Database, clock: Clock) -> None:
    first = opened(clocked, breach(clock))
    with clocked.transaction() as tx:
        assert tx.alerts.raise_(breach(clock)) is None
        tx.alerts.resolve(first.alert_id, actor="ann", reason="repaired")
    second = opened(clocked, breach(clock))
    with clocked.reading() as tx:
        assert [alert.alert_id for alert in tx.alerts.open_ones()] == [second.alert_id]
        assert tx.alerts.counts() == {"critical": 1}


def test_an_older_time_does_not_move_an_alert_back(clocked: Database, clock: Clock) -> None:
    early = clock.now
    clock.advance(days=2)
    alert = opened(clocked, breach(clock))
    with clocked.transaction() as tx:
        seen = tx.alerts.see_again(alert, breach(clock, at=early, value=99.0))
    assert (seen.last_seen, seen.seen, seen.value) == (clock.now, 1, 99.0)


def test_alerts_are_listed_newest_first_by_what_is_asked(clocked: Database, clock: Clock) -> None:
    for subject, severity in (("events", "critical"), ("transactions", "info")):
        opened(clocked, breach(clock, subject, severity=severity))
        clock.advance(hours=1)
    with clocked.reading() as tx:
        assert [alert.subject for alert in tx.pages.alerts(Part()).items] == ["transactions", "events"]
        found = tx.pages.alerts(Part(where=(Condition("severity", "=", "critical"),)))
    assert (found.total, found.items[0].evidence) == (1, {"rows": 3})


def test_what_was_refused_is_counted_by_entity_and_time(clocked: Database, clock: Clock) -> None:
    since = clock.now
    clock.advance(hours=1)
    for number, (entity, refused) in enumerate((("events", 2), ("events", 3), ("transactions", 0))):
        with clocked.transaction() as tx:
            tx.batches.begin(f"b{number}", source="s", entity=entity)
            tx.batches.finish(f"b{number}", rows_in=10, accepted=10 - refused, duplicates=0, dropped=0, refused=refused)
    with clocked.transaction() as tx:
        tx.batches.begin("b9", source="s", entity="events")
        tx.batches.fail("b9", "boom")
        assert tx.batches.refused_between(since, clock.now) == {"events": (5, 20), "transactions": (0, 10)}
        assert tx.batches.refused_between(clock.now, clock.now) == {}


def test_the_tables_go_down_and_up_again_with_data_in_them(clocked: Database, clock: Clock) -> None:
    def fill() -> None:
        opened(clocked, breach(clock))
        row = Measurement(
            clock.now, "freshness_hours", "events", "data_quality", "ok", None, 24.0, "why", {"n": 1}, clock.now
        )
        with clocked.transaction() as tx:
            tx.measurements.record(clock.now, [row])
            put = {"limit": 1.5, "severity": "info", "owner": "ann", "enabled": True, "actor": "ann"}
            assert tx.thresholds.put("freshness_hours", revision=0, **put).limit == 1.5
            assert tx.measurements.latest() == [row]
            assert tx.measurements.latest_at() == clock.now

    fill()
    clocked.migrate("0005")
    with clocked.reading() as tx:
        names = set(sa.inspect(tx.connection).get_table_names())
    assert not names & {"alerts", "thresholds", "measurements"}
    assert "replies" in names
    clocked.migrate()
    fill()


@pytest.mark.parametrize("column", ["severity", "state"])
def test_a_word_that_is_none_is_refused_by_the_table(clocked: Database, clock: Clock, column: str) -> None:
    from axiom.db.monitoring_tables import alerts
    from axiom.errors import AxiomError

    alert = opened(clocked, breach(clock))
    with pytest.raises(AxiomError), clocked.transaction() as tx:
        tx.connection.execute(sa.update(alerts).where(alerts.c.alert_id == alert.alert_id).values({column: "dire"}))
