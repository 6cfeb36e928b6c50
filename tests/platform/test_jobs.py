from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx

    from tests.platform.conftest import Client


def events(reply: httpx.Response) -> list[dict[str, Any]]:
    assert reply.headers["content-type"].startswith("text/event-stream")
    return [json.loads(line[6:]) for line in reply.text.splitlines() if line.startswith("data: ")]


def test_a_job_is_submitted_once_a_key(admin: Client) -> None:
    key = {"idempotency-key": "tonight"}
    first = admin.post("/api/jobs/score", {"clv": None}, headers=key)
    again = admin.post("/api/jobs/score", {"clv": None, "churn": "churn"}, headers=key)
    assert (first.status_code, again.status_code, again.headers["idempotent-replayed"]) == (202, 202, "true")
    assert again.json()["job_id"] == first.json()["job_id"]
    assert first.json()["created_by"] == "the-administrator"
    assert admin.post("/api/jobs/score", {}, headers=key).status_code == 409
    assert admin.post("/api/jobs/train-churn", {}, headers=key).status_code == 409
    assert admin.get("/api/jobs?kind=score").json()["total"] == 1
    assert [entry["action"] for entry in admin.audit()].count("job.submit") == 1
    assert admin.post("/api/jobs/score", {"version": "../.."}).status_code == 422
    assert admin.post("/api/jobs/nonsense", {}).status_code in (404, 405)


def test_a_job_whose_driver_died_says_so_and_is_tried_again(admin: Client) -> None:
    job = admin.post("/api/jobs/score", {}).json()
    url = f"/api/jobs/{job['job_id']}"
    seen = admin.get(url).json()
    assert (seen["status"], seen["error_type"], len(seen["attempts"])) == ("failed", "lost", 1)
    assert admin.post(f"{url}/cancel", {"reason": "late"}).status_code == 409
    assert admin.post(f"{url}/retry").json()["attempt"] == 2
    cancelled = admin.post(f"{url}/cancel", {"reason": "not needed"}).json()
    assert (cancelled["status"], "the-administrator: not needed" in cancelled["error"]) == ("cancelled", True)
    assert admin.get(f"{url}/log").json()["text"].startswith("first line")
    assert admin.get(f"{url}/log?offset=11").json()["text"] == "second line\n"
    assert admin.get(f"{url}/log?attempt=9").status_code == 404
    assert admin.get("/api/jobs/nothing").status_code == 404


def test_events_are_followed_and_resumed_where_they_broke_off(admin: Client) -> None:
    first = admin.post("/api/jobs/score", {}).json()["job_id"]
    admin.get(f"/api/jobs/{first}")
    seen = events(admin.get("/api/events/jobs?after=0&follow=false"))
    assert [(event["subject"], event["name"]) for event in seen] == [(first, "queued"), (first, "failed")]
    missed = admin.get("/api/events/jobs?after=0&follow=false", headers={"last-event-id": str(seen[0]["id"])})
    assert events(missed) == seen[1:]
    assert events(admin.get("/api/events/jobs?follow=false")) == []
    assert events(admin.get("/api/events/jobs?after=0&follow=false&subject=other")) == []
    assert events(admin.get("/api/events/jobs?after=0&seconds=1")) == seen
    assert admin.get("/api/events/jobs", headers={"last-event-id": "x"}).status_code == 422


def test_a_pipeline_has_one_run_a_logical_time(admin: Client) -> None:
    names = [pipeline["name"] for pipeline in admin.get("/api/pipelines").json()["items"]]
    assert {"daily", "retrain"} <= set(names)
    assert admin.get("/api/pipelines/daily").json()["steps"]
    assert admin.get("/api/pipelines/nothing").status_code == 404
    body = {"logical_time": "2026-01-02T03:00:00+01:00"}
    runs = [admin.post("/api/pipelines/daily/runs", body) for _ in range(2)]
    assert [run.status_code for run in runs] == [202, 202]
    assert runs[0].json()["run_id"] == runs[1].json()["run_id"] == "daily-20260102T020000Z"
    run = admin.get(runs[0].headers["location"]).json()
    assert (run["logical_time"], run["cause"]) == ("2026-01-02T02:00:00Z", "manual")
    assert [step["step"] for step in run["steps"]] == [step["name"] for step in run["definition"]["steps"]]
    assert admin.get("/api/pipeline-runs?pipeline=daily").json()["total"] == 1
    assert [entry["action"] for entry in admin.audit()].count("pipeline.run") == 1
    cancelled = admin.post("/api/pipeline-runs/daily-20260102T020000Z/cancel", {"reason": "wrong file"})
    assert cancelled.status_code == 202
    assert admin.get("/api/pipelines/daily/latency").json() == {"items": []}


def test_a_back_fill_opens_every_run_of_its_range(admin: Client) -> None:
    body = {"first": "2026-01-01", "last": "2026-01-03", "every_hours": 24}
    runs = admin.post("/api/pipelines/daily/backfill", body).json()["items"]
    assert [run["logical_time"][:10] for run in runs] == ["2026-01-01", "2026-01-02", "2026-01-03"]
    assert admin.post("/api/pipelines/daily/backfill", {**body, "every_hours": 0.01}).status_code == 409
    assert admin.post("/api/pipelines/daily/backfill", {**body, "last": "2025-01-01"}).status_code == 400
    for run in runs:
        admin.post(f"/api/pipeline-runs/{run['run_id']}/cancel", {"reason": "enough"})
