"""Numbers of a workspace: what is there, what has failed, what is away."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal

import pytest

from axiom.db import Database
from axiom.db.alerts import Breach
from axiom.db.backup import back_up, restore
from axiom.db.facts import read_facts
from axiom.db.jobs import NewJob
from axiom.observe.catalogue import BY_NAME, WORKSPACE
from axiom.observe.workspace import WorkspaceGauges

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from axiom.pipelines.workspace import Workspace
    from axiom.settings import Settings


def read(settings: Settings, ahead: timedelta = timedelta(0)) -> Mapping[tuple[str, ...], float]:
    """(name, label values…) -> value."""
    gauges = WorkspaceGauges(settings, lambda: datetime.now(UTC) + ahead)
    samples = list(gauges.samples())
    found = {(sample.name, *(value for _, value in sample.labels)): sample.value for sample in samples}
    assert len(found) == len(samples)
    for sample in samples:
        assert {name for name, _ in sample.labels} == set(BY_NAME[sample.name].labels)
        assert not sample.cumulative
    return found


def submit(ws: Workspace, number: int) -> str:
    job = NewJob(
        f"j-{number}", "score", f"k-{number}", {}, "local", "here", "ann", lambda attempt: f"s-{number}-{attempt}"
    )
    with ws.db.transaction() as tx:
        return tx.jobs.submit(job)[0].job_id


def test_a_company_that_went_through_every_stage_shows_every_number(own_company: Workspace) -> None:
    submit(own_company, 1)
    with own_company.db.transaction() as tx:
        tx.models.move("churn", 2, "champion", actor="ann", reason="best")
        tx.pipeline_runs.open(
            "p-1", "daily", datetime(2023, 10, 1, tzinfo=UTC), definition={}, steps=[("score", "score")], cause="manual"
        )
    found = read(own_company.settings)
    assert {name for name, *_ in found} == {metric.name for metric in WORKSPACE}
    assert found["axiom_workspace_up", "database"] == found["axiom_workspace_up", "lake"] == 1
    assert found["axiom_models", "churn", "champion"] == 1
    assert found["axiom_models", "churn", "shadow"] == 0
    assert found["axiom_models", "clv", "candidate"] == 1
    champion = own_company.registry.get("churn", "champion")
    quality = {name: metric.value for name, metric in champion.card.metrics.items() if metric.value is not None}
    assert {key[2]: value for key, value in found.items() if key[0] == "axiom_model_quality"} == quality
    assert ("axiom_model_champion_created_timestamp_seconds", "clv") not in found
    with own_company.db.reading() as tx:
        assert found["axiom_scores_customers",] == tx.scores.count()
    for entity in ("transactions", "events"):
        snapshot = own_company.lake.snapshot(entity)
        assert snapshot.max_ts is not None
        assert found["axiom_data_rows", entity] == snapshot.rows == found["axiom_ingest_rows", entity, "accepted"]
        assert found["axiom_data_newest_timestamp_seconds", entity] == snapshot.max_ts / 1e6
    assert found["axiom_stage_failed", "score"] == found["axiom_pipeline_failed", "daily"] == 0
    assert 0 < found["axiom_stage_success_timestamp_seconds", "score"] <= datetime.now(UTC).timestamp()
    assert found["axiom_jobs", "score", "queued"] == 1
    assert found["axiom_jobs", "score", "failed"] == 0


def test_a_job_that_waits_and_one_that_is_silent_are_told_by_how_long(own_company: Workspace) -> None:
    submit(own_company, 1)
    running = submit(own_company, 2)
    with own_company.db.transaction() as tx:
        tx.jobs.start(running, 1, pid=1, host="here")
    found = read(own_company.settings, ahead=timedelta(hours=1))
    assert found["axiom_jobs_queued_seconds",] == pytest.approx(3600, abs=60)
    assert found["axiom_jobs_silent_seconds",] == pytest.approx(3600, abs=60)
    with own_company.db.transaction() as tx:
        tx.jobs.finish(running, 1, {})
    assert read(own_company.settings, ahead=timedelta(hours=1))["axiom_jobs_silent_seconds",] == 0


def test_a_stage_has_failed_until_its_newest_run_succeeds(own_company: Workspace) -> None:
    def run(key: str, *, well: bool) -> None:
        with own_company.db.transaction() as tx:
            begun = tx.runs.begin("score", key, {})
            if well:
                tx.runs.finish(begun, {})
            else:
                tx.runs.fail(begun, "boom")

    run("later", well=False)
    failed = read(own_company.settings)
    assert failed["axiom_stage_failed", "score"] == 1
    assert failed["axiom_stage_failed", "ingest"] == 0
    run("latest", well=True)
    assert read(own_company.settings)["axiom_stage_failed", "score"] == 0


def test_a_pipeline_has_failed_where_its_newest_run_did(own_company: Workspace) -> None:
    with own_company.db.transaction() as tx:
        for day, status in ((1, "succeeded"), (2, "blocked")):
            at = datetime(2023, 10, day, tzinfo=UTC)
            tx.pipeline_runs.open(f"p-{day}", "daily", at, definition={}, steps=[("a", "score")], cause="manual")
            tx.pipeline_runs.finish(f"p-{day}", status, None)
    assert read(own_company.settings)["axiom_pipeline_failed", "daily"] == 1


def test_open_alerts_are_counted_by_severity_and_muted_ones_are_not(own_company: Workspace) -> None:
    def opened(subject: str, severity: Literal["info", "critical"]) -> str:
        now = datetime.now(UTC)
        facts = ("feature_psi", subject, "data_quality", severity, "ann", "look", 0.3, 0.2, {}, now)
        with own_company.db.transaction() as tx:
            alert = tx.alerts.raise_(Breach(*facts))
        assert alert is not None
        return alert.alert_id

    opened("recency", "critical")
    muted = opened("tenure", "critical")
    opened("spend", "info")
    found = read(own_company.settings)
    assert [found["axiom_alerts", severity] for severity in ("critical", "warning", "info")] == [2, 0, 1]
    with own_company.db.transaction() as tx:
        tx.alerts.mute(muted, datetime.now(UTC) + timedelta(days=1), actor="ann", reason="known")
    assert read(own_company.settings)["axiom_alerts", "critical"] == 1


def test_a_database_that_is_away_hides_only_its_own_numbers(own_company: Workspace) -> None:
    url = "postgresql+psycopg://nobody@127.0.0.1:9/none"
    found = read(own_company.settings.model_copy(update={"database_url": url}))
    assert found["axiom_workspace_up", "database"] == 0
    assert found["axiom_workspace_up", "lake"] == 1
    assert ("axiom_data_rows", "events") in found
    assert not [key for key in found if key[0] in {"axiom_jobs", "axiom_models", "axiom_stage_failed"}]


def test_a_lake_that_is_away_hides_only_its_own_numbers(own_company: Workspace, tmp_path: Path) -> None:
    found = read(own_company.settings.model_copy(update={"lake_uri": str(tmp_path / "nothing")}))
    assert found["axiom_workspace_up", "database"] == 1
    assert found["axiom_workspace_up", "lake"] == 0
    assert ("axiom_models", "churn", "candidate") in found
    assert not [key for key in found if key[0] == "axiom_data_rows"]


def test_the_facts_are_the_same_on_both_databases(own_company: Workspace, database_url: str) -> None:
    backup = io.BytesIO()
    submit(own_company, 1)
    back_up(own_company.db, backup)
    with Database(database_url) as other:
        restore(other, io.BytesIO(backup.getvalue()))
        with other.reading() as tx, own_company.db.reading() as mine:
            assert read_facts(tx) == read_facts(mine)
