"""Monitoring over HTTP: read-outs, thresholds, alerts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from axiom.monitoring.alerting import settle
from axiom.monitoring.judging import Reading, judge
from axiom.monitoring.measures import MEASURES
from axiom.monitoring.thresholds import thresholds_in_force

if TYPE_CHECKING:
    from tests.platform.conftest import Client

AT = datetime(2026, 1, 1, 5, tzinfo=UTC)
CHANGE = {"limit": 0.25, "severity": "info", "owner": "ann", "enabled": True}


def measured(client: Client, *readings: Reading, at: datetime = AT) -> None:
    with client.services.db.transaction() as tx:
        settle(tx, at, judge(readings, thresholds_in_force(tx)))


@pytest.fixture
def breached(admin: Client) -> Client:
    """Somebody looked: the events are stale, the transactions are not."""
    stale = Reading("freshness_hours", "events", 30.0, evidence={"newest_row": "2025-12-30"})
    measured(admin, stale, Reading("freshness_hours", "transactions", 2.0))
    return admin


def the_alert(client: Client) -> dict[str, Any]:
    (alert,) = client.get("/api/monitoring/alerts?state=open").json()["items"]
    return dict(alert)


def test_before_the_first_run_everything_is_unknown_or_empty(admin: Client) -> None:
    summary = admin.get("/api/monitoring/summary").json()
    assert summary["at"] is None
    assert {one["state"] for one in summary["pillars"]} == {"unknown"}
    assert admin.get("/api/monitoring/measures").json()["items"] == []
    assert admin.get("/api/monitoring/alerts").json()["total"] == 0
    assert admin.get("/api/monitoring/measures/feature_psi/timeline").json() == {"measure": "feature_psi", "points": []}


def test_the_summary_tells_the_state_of_each_pillar(breached: Client) -> None:
    summary = breached.get("/api/monitoring/summary").json()
    assert summary["at"] == "2026-01-01T05:00:00Z"
    quality, health, business = summary["pillars"]
    assert (quality["pillar"], quality["state"], quality["alerts"]) == ("data_quality", "breached", 1)
    assert (quality["ok"], quality["breached"], quality["muted"]) == (1, 1, 0)
    assert health["state"] == business["state"] == "unknown"


def test_the_newest_values_are_filtered_and_paged(breached: Client) -> None:
    every = breached.get("/api/monitoring/measures?limit=500").json()
    assert {one["measure"] for one in every["items"]} == set(MEASURES)
    (stale,) = breached.get("/api/monitoring/measures?state=breached&pillar=data_quality").json()["items"]
    assert (stale["subject"], stale["value"], stale["limit"]) == ("events", 30.0, 24.0)
    part = breached.get("/api/monitoring/measures?measure=freshness_hours&limit=1&offset=1").json()
    assert (part["total"], [one["subject"] for one in part["items"]]) == (2, ["transactions"])
    assert breached.get("/api/monitoring/measures?pillar=weather").status_code == 422
    assert breached.get("/api/monitoring/measures?measure=colour").status_code == 404


def test_a_measure_has_a_time_line(breached: Client) -> None:
    measured(breached, Reading("freshness_hours", "events", 3.0), at=AT.replace(day=2))
    line = breached.get("/api/monitoring/measures/freshness_hours/timeline?subject=events").json()
    assert [(one["at"], one["state"]) for one in line["points"]] == [
        ("2026-01-01T05:00:00Z", "breached"),
        ("2026-01-02T05:00:00Z", "ok"),
    ]
    assert breached.get("/api/monitoring/measures/colour/timeline").status_code == 404
    assert breached.get("/api/monitoring/measures/freshness_hours/timeline?points=0").status_code == 422


def test_a_threshold_is_changed_by_who_has_seen_it_and_audited(admin: Client) -> None:
    every = admin.get("/api/monitoring/thresholds").json()["items"]
    assert [one["measure"] for one in every] == list(MEASURES)
    url = "/api/monitoring/thresholds/feature_psi"
    seen = admin.get(url).headers["etag"]
    assert admin("PUT", url, json=CHANGE).status_code == 428
    changed = admin("PUT", url, json=CHANGE, headers={"if-match": seen})
    assert changed.status_code == 200
    told = changed.json()
    assert (told["limit"], told["default"], told["revision"], told["updated_by"]) == (0.25, 0.2, 1, "the-administrator")
    assert admin("PUT", url, json=CHANGE, headers={"if-match": seen}).status_code == 412
    entry = admin.audit()[0]
    assert (entry["actor"], entry["action"], entry["object"]) == (
        "the-administrator",
        "threshold.change",
        "threshold:feature_psi",
    )
    assert entry["detail"] == CHANGE
    assert admin("DELETE", url, headers={"if-match": seen}).status_code == 412
    reset = admin("DELETE", url, headers={"if-match": changed.headers["etag"]})
    assert (reset.status_code, reset.json()["limit"], reset.headers["etag"]) == (200, 0.2, seen)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"limit": -1}, 422),
        ({"limit": "much"}, 422),
        ({"severity": "dire"}, 422),
        ({"owner": ""}, 422),
        ({"owner": "  "}, 422),
        ({"colour": "red"}, 422),
    ],
)
def test_a_threshold_that_cannot_be_is_refused(local: Client, changes: dict[str, Any], status: int) -> None:
    admin = local.logged_in("the-administrator")
    url = "/api/monitoring/thresholds/feature_psi"
    assert admin("PUT", url, json={**CHANGE, **changes}, headers={"if-match": "*"}).status_code == status
    assert admin.get(url).json()["revision"] == 0


def test_a_limit_that_is_no_number_is_refused(local: Client) -> None:
    admin = local.logged_in("the-administrator")
    headers = {"if-match": "*", "content-type": "application/json"}
    body = '{"limit": NaN, "severity": "info", "owner": "ann"}'
    reply = admin("PUT", "/api/monitoring/thresholds/feature_psi", content=body, headers=headers)
    assert reply.status_code in {400, 422}
    assert admin("PUT", "/api/monitoring/thresholds/colour", json=CHANGE, headers={"if-match": "*"}).status_code == 404
    assert admin.get("/api/monitoring/thresholds/colour").status_code == 404


def test_an_alert_is_looked_at_muted_unmuted_and_resolved(breached: Client) -> None:
    alert = the_alert(breached)
    url = f"/api/monitoring/alerts/{alert['alert_id']}"
    shown = breached.get(url)
    assert shown.headers["etag"] == '"1"'
    assert [one["what"] for one in shown.json()["history"]] == ["open"]
    until = {"until": "2100-01-01T00:00:00Z", "reason": "known"}
    muted = breached.post(f"{url}/mute", until, headers={"if-match": '"1"'})
    assert (muted.status_code, muted.json()["muted_by"]) == (200, "the-administrator")
    assert breached.get("/api/monitoring/summary").json()["pillars"][0]["muted"] == 1
    assert breached.post(f"{url}/resolve", {"reason": "r"}, headers={"if-match": '"1"'}).status_code == 412
    assert breached.post(f"{url}/unmute").json()["muted_until"] is None
    resolved = breached.post(f"{url}/resolve", {"reason": "source repaired"}).json()
    assert (resolved["state"], resolved["resolved_by"], resolved["reason"]) == (
        "resolved",
        "the-administrator",
        "source repaired",
    )
    assert breached.post(f"{url}/resolve", {"reason": "again"}).status_code == 409
    history = breached.get(url).json()["history"]
    assert [(one["what"], one["actor"]) for one in history] == [
        ("open", "monitor"),
        ("mute", "the-administrator"),
        ("unmute", "the-administrator"),
        ("resolve", "the-administrator"),
    ]
    assert breached.get("/api/monitoring/alerts?state=resolved").json()["total"] == 1


@pytest.mark.parametrize(
    ("verb", "body", "status"),
    [
        ("mute", {"until": "2020-01-01T00:00:00Z", "reason": "late"}, 400),
        ("mute", {"until": "tomorrow", "reason": "r"}, 422),
        ("mute", {"until": "2100-01-01T00:00:00Z"}, 422),
        ("resolve", {}, 422),
        ("resolve", {"reason": "  "}, 422),
    ],
)
def test_an_alert_is_not_changed_by_what_makes_no_sense(
    local: Client, verb: str, body: dict[str, Any], status: int
) -> None:
    admin = local.logged_in("the-administrator")
    measured(admin, Reading("freshness_hours", "events", 30.0))
    alert = the_alert(admin)
    reply = admin.post(f"/api/monitoring/alerts/{alert['alert_id']}/{verb}", body)
    assert (reply.status_code, reply.headers["content-type"]) == (status, "application/problem+json")
    assert the_alert(admin) == alert


def test_an_alert_that_is_not_there_is_not_found(local: Client) -> None:
    admin = local.logged_in("the-administrator")
    assert admin.get("/api/monitoring/alerts/none").status_code == 404
    assert admin.post("/api/monitoring/alerts/none/unmute").status_code == 404
    assert admin.post("/api/monitoring/alerts/none/resolve", {"reason": "r"}).status_code == 404


def test_who_reads_may_not_change(local: Client) -> None:
    measured(local, Reading("freshness_hours", "events", 30.0))
    analyst = local.logged_in("the-analyst")
    alert = the_alert(analyst)
    url = f"/api/monitoring/alerts/{alert['alert_id']}"
    assert analyst.post(f"{url}/resolve", {"reason": "r"}).status_code == 403
    assert local.get("/api/monitoring/summary").status_code == 401
    engineer = local.logged_in("the-ml-engineer")
    assert engineer.post(f"{url}/resolve", {"reason": "r"}).status_code == 200


def test_alerts_are_live(breached: Client) -> None:
    alert = the_alert(breached)
    told = breached.get("/api/events/alerts?after=0&follow=false").text
    assert "event: open" in told
    assert alert["alert_id"] in told
    assert breached.get("/api/events/jobs?after=0&follow=false").text == "retry: 2000\n\n"
