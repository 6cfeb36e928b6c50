"""The stage over real companies: what it reads, what it cannot read, and what it leaves behind."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from axiom.db.alerts import MONITOR
from axiom.errors import BadInputError, CorruptError, MisuseError
from axiom.jobs.kinds import kind_of
from axiom.monitoring.measures import MEASURES
from axiom.pipelines.monitor import monitor
from axiom.pipelines.monitor_inputs import sampled
from axiom.pipelines.workspace import create, opened
from axiom.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from axiom.monitoring.judging import Judged
    from axiom.pipelines.monitor import MonitorReport
    from axiom.pipelines.workspace import Workspace

END = datetime(2023, 11, 27, tzinfo=UTC)
"""The morning after the last row of the grown company."""


def by_measure(report: MonitorReport) -> dict[str, list[Judged]]:
    found: dict[str, list[Judged]] = {}
    for one in report.judged:
        found.setdefault(one.measure.name, []).append(one)
    return found


def test_a_company_with_champions_and_two_score_sets_shows_every_measure_but_those_of_business(
    watched: Workspace,
) -> None:
    report = monitor(watched, as_of=END)
    found = by_measure(report)
    assert set(found) == set(MEASURES)
    known = {name for name, readings in found.items() if any(one.value is not None for one in readings)}
    assert set(MEASURES) - known == {"intervention_rate", "save_rate", "lead_time_days", "refused_share"}
    assert {one.subject for one in found["freshness_hours"]} == {"events", "transactions"}
    assert all(one.value is not None and 0 <= one.value <= 48 for one in found["freshness_hours"])
    champion = watched.registry.get("churn", "champion")
    for name in ("missing_excess", "missing_ratio", "feature_psi"):
        assert len(found[name]) == len({one.subject for one in found[name]}) > 20
    (brier,) = found["brier_increase"]
    assert brier.evidence["card_brier"] == champion.card.metrics["brier"].value
    assert brier.evidence["horizon_days"] == 30
    assert 0 < brier.evidence["churned"] < brier.evidence["rows"]
    assert {one.subject for one in found["score_step_ks"]} == {"churn", "clv"}
    assert {one.subject for one in found["champion_age_days"]} == {"churn", "clv"}
    assert {one.subject for one in found["cohort_pr_auc"]} <= {"new", "established", "mature", "unknown"}


def test_the_brier_score_is_that_of_the_scores_that_were_given_then(watched: Workspace) -> None:
    (brier,) = by_measure(monitor(watched, as_of=END))["brier_increase"]
    with watched.db.reading() as tx:
        first = tx.scores.sets(2)[-1]
    assert brier.evidence["score_set"] == first.id
    assert first.as_of + timedelta(days=30) <= END


def test_breaches_become_alerts_once_however_often_the_run_is_repeated(watched: Workspace) -> None:
    late = END + timedelta(days=3)
    report = monitor(watched, as_of=late)
    breached = {(one.measure.name, one.subject) for one in report.judged if one.state == "breached"}
    assert {("freshness_hours", "events"), ("freshness_hours", "transactions")} <= breached
    assert {(alert.measure, alert.subject) for alert in report.opened} == breached
    again = monitor(watched, as_of=late)
    assert (again.opened, again.resolved, len(again.seen_again)) == ((), (), len(breached))
    with watched.db.reading() as tx:
        assert len(tx.measurements.latest()) == len(report.judged)
        assert len(tx.alerts.open_ones()) == len(breached)
        assert [run.status for run in tx.runs.list(stage="monitor")] == ["succeeded", "succeeded"]


def test_data_that_arrive_again_resolve_the_alert_about_their_age(watched: Workspace) -> None:
    monitor(watched, as_of=END + timedelta(days=3))
    with watched.db.transaction() as tx:  # the same data under a limit that they keep: as if newer ones had come
        tx.thresholds.put(
            "freshness_hours", limit=240, severity="critical", owner="ann", enabled=True, actor="ann", revision=0
        )
    report = monitor(watched, as_of=END + timedelta(days=4))
    ended = {(alert.measure, alert.resolved_by) for alert in report.resolved}
    assert ("freshness_hours", MONITOR) in ended


def test_rows_that_ingest_refused_in_the_last_day_are_told(watched: Workspace) -> None:
    (refused,) = by_measure(monitor(watched, as_of=END))["refused_share"]
    assert "no rows were ingested in the day up to" in refused.reason
    for at in (None, datetime.now(UTC) - timedelta(hours=2)):  # the ingest of a pipeline ends after its logical time
        now = {one.subject: one for one in by_measure(monitor(watched, as_of=at))["refused_share"]}
        assert {one.value for one in now.values()} == {0.0}
        assert set(now) == {"events", "transactions"}


def unknown(report: MonitorReport) -> dict[str, set[str]]:
    return {
        name: {one.reason for one in readings}
        for name, readings in by_measure(report).items()
        if all(one.value is None for one in readings)
    }


def test_without_a_champion_the_models_are_unknown_and_the_data_are_not(own_company: Workspace) -> None:
    report = monitor(own_company, as_of=END)
    told = unknown(report)
    for name in ("feature_psi", "score_ks", "brier_increase", "auc_drop", "cohort_pr_auc", "champion_age_days"):
        assert any("champion" in reason for reason in told[name]), name
    assert told["score_step_ks"] == {"there is no score set before that of 2023-09-30"}
    assert "freshness_hours" not in told


def test_a_champion_whose_outcomes_are_not_known_yet_says_so(own_company: Workspace) -> None:
    own_company.registry.promote("churn", 2, "champion", actor="test", reason="best")
    told = unknown(monitor(own_company, as_of=datetime(2023, 10, 2, tzinfo=UTC)))
    for name in ("brier_increase", "auc_drop", "cohort_pr_auc"):
        assert told[name] == {"no score set of churn@2 is 30 days old yet: what became of its customers is not known"}
    assert "feature_psi" not in told
    assert "score_ks" not in told


def test_a_champion_that_did_not_make_the_scores_is_not_judged_by_them(own_company: Workspace) -> None:
    own_company.registry.promote("churn", 1, "champion", actor="test", reason="simple")
    told = unknown(monitor(own_company, as_of=END))
    assert told["score_ks"] == {"churn@2, not churn@1, made the newest churn scores"}


def test_scores_of_two_versions_are_no_step_of_one(watched: Workspace) -> None:
    from axiom.pipelines.score import score

    watched.registry.promote("churn", 1, "champion", actor="test", reason="simple")
    score(watched)
    told = unknown(monitor(watched, as_of=END))
    assert told.get("score_step_ks") is None  # CLV scores are of one version
    steps = {one.subject: one for one in by_measure(monitor(watched, as_of=END))["score_step_ks"]}
    assert "two versions cannot be told from a change: churn@2" in steps["churn"].reason
    assert steps["clv"].value is not None


def test_before_anything_was_scored_the_champion_is_old_and_the_rest_unknown(watched: Workspace) -> None:
    told = unknown(monitor(watched, as_of=datetime(2023, 3, 1, tzinfo=UTC)))
    for name in ("feature_psi", "score_ks", "score_step_ks"):
        assert told[name] == {"nothing was scored up to 2023-03-01 00:00 UTC: run `axiom score`"}


def test_features_that_were_cleaned_up_are_told(watched: Workspace) -> None:
    for manifest in watched.lake.datasets("features"):
        watched.lake.storage.delete(f"gold/features/{manifest.id}/_manifest.json")
    told = unknown(monitor(watched, as_of=END))
    assert all("no features dataset" in reason for reason in told["feature_psi"] | told["score_ks"])


def test_a_damaged_champion_is_no_reading_but_an_error_and_leaves_nothing(watched: Workspace) -> None:
    champion = watched.registry.get("churn", "champion")
    watched.lake.storage.write(champion.artefact_path, b"not what was registered")
    with pytest.raises(CorruptError, match="churn@2"):
        monitor(watched, as_of=END)
    with watched.db.reading() as tx:
        assert tx.measurements.latest() == []
        assert [run.status for run in tx.runs.list(stage="monitor")] == ["failed"]


def test_of_a_large_dataset_whole_buckets_are_read_until_there_are_enough_rows(watched: Workspace) -> None:
    with watched.db.reading() as tx:
        scores = watched.lake.dataset("scores", tx.scores.sets(1)[0].id)
    first, second = sorted(scores.manifest.files, key=lambda file: file.bucket)
    assert sampled(scores, ["customer_id"], enough=1).num_rows == first.rows
    assert sampled(scores, ["customer_id"], enough=first.rows + 1).num_rows == first.rows + second.rows
    with pytest.raises(BadInputError, match="holds no rows of 1999-01-01"):
        sampled(scores, ["customer_id"], [datetime(1999, 1, 1, tzinfo=UTC)])


def test_an_empty_workspace_is_unknown_all_over(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", engine="inline", buckets=2)
    create(settings)
    with opened(settings) as ws:
        report = monitor(ws)
        assert report.states == {"ok": 0, "breached": 0, "unknown": len(report.judged), "off": 0}
        assert all(one.reason for one in report.judged)


def test_models_that_are_left_out_are_not_looked_for(watched: Workspace) -> None:
    told = unknown(monitor(watched, as_of=END, churn=None, clv=None))
    assert told["feature_psi"] == told["champion_age_days"] == {"it was left out"}


def test_a_moment_that_has_not_come_is_refused(own_company: Workspace) -> None:
    with pytest.raises(MisuseError, match="has not come yet"):
        monitor(own_company, as_of=datetime.now(UTC) + timedelta(days=1))


def test_the_job_does_the_same_and_answers_in_plain_values(watched: Workspace) -> None:
    kind = kind_of("monitor")
    answer = kind.run(watched, kind.read({"as_of": "2023-11-27T00:00:00Z"}), "job")
    assert answer["at"] == "2023-11-27T00:00:00+00:00"
    assert answer["breached"] == len(answer["opened"])
    assert kind.run(watched, kind.read({"as_of": "2023-11-27T00:00:00Z"}), "job")["opened"] == []
