"""Every route, asked for what nobody has and told what is no JSON; and what is away in the middle of a request."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from axiom.db import Database
from axiom.db.access_tables import audit_head
from axiom.errors import UnavailableError
from axiom.jobs.backend import Standing
from axiom.pipelines.workspace import create

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.platform.conftest import Client

PATIENCE = 30.0
NOBODY = "none"
ELSEWHERE = ("/predict", "/explain", "/api/explain", "/api/predictions")
"""Asked of `predict`, which is away here, or a list that is empty for whoever is unknown."""


def operations(client: Client) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every operation of the platform itself, with the name of nobody in its path."""
    for path, methods in client.get("/api/openapi.json").json()["paths"].items():
        url = path.replace("{version}", "1").replace("{kind}", "features")
        while "{" in url:
            start, _, rest = url.partition("{")
            url = start + NOBODY + rest.partition("}")[2]
        if not path.startswith("/api/predict/"):
            yield from ((method.upper(), url, operation) for method, operation in methods.items())


@pytest.mark.parametrize(
    ("body", "status"), [(b"{", 400), (b"", 422), (b"[]", 422), (b'"text"', 422), (b"\xff\xfe", 400), (b"null", 422)]
)
def test_every_route_with_a_body_refuses_what_is_none(local: Client, body: bytes, status: int) -> None:
    admin = local.logged_in("the-administrator")
    asked = 0
    for method, url, operation in operations(local):
        if "requestBody" in operation:
            asked += 1
            headers = {"content-type": "application/json", "if-match": "*"}
            reply = admin(method, url, content=body, headers=headers)
            assert (reply.status_code, reply.json()["status"]) == (status, status), f"{method} {url}: {reply.text}"
    assert asked > 30


def test_every_route_about_one_thing_says_that_nobody_has_it(local: Client) -> None:
    admin = local.logged_in("the-administrator")
    asked, wrong = 0, []
    for method, url, operation in operations(local):
        if method in {"GET", "DELETE"} and NOBODY in url and not url.startswith(ELSEWHERE):
            asked += 1
            assert "404" in operation["responses"]
            reply = admin(method, url)
            if (reply.status_code, reply.json().get("type")) != (404, "/problems/not-found"):
                wrong.append(f"{method} {url}: {reply.status_code} {reply.text[:300]}")
    assert wrong == []
    assert asked > 25


class Away:
    """A back end of jobs that does not answer, until it does."""

    name = "local"

    def __init__(self) -> None:
        self.away = True
        self.submitted: list[str] = []

    def submit(self, job: Any) -> None:
        self._answer()
        self.submitted.append(job.submission_id)

    def standing(self, job: Any) -> Standing:
        self._answer()
        return Standing("alive" if job.submission_id in self.submitted else "missing", "")

    def stop(self, _job: Any) -> None:
        self._answer()

    def log(self, _submission_id: str, _offset: int, _limit: int) -> bytes:
        self._answer()
        return b""

    def _answer(self) -> None:
        if self.away:
            raise UnavailableError("the Ray dashboard does not answer", hint="see `ray status`")


def test_while_the_ray_dashboard_is_away_jobs_are_kept_and_shown(admin: Client) -> None:
    backend = Away()
    admin.services._opener = lambda _settings, _name: backend
    key = {"idempotency-key": "tonight"}
    refused = admin.post("/api/jobs/score", {}, headers=key)
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
    assert "Ray dashboard does not answer" in refused.json()["detail"]
    (job,) = admin.get("/api/jobs").json()["items"]
    url = f"/api/jobs/{job['job_id']}"
    assert admin.get(url).json()["status"] == "queued"
    assert admin.get(f"{url}/log").status_code == 503
    again = admin.post("/api/jobs/score", {}, headers=key)
    assert (again.status_code, again.json()["job_id"]) == (202, job["job_id"]), "it is there, and will be sent"
    assert admin.post(f"{url}/cancel", {"reason": "not needed"}).json()["status"] == "cancelled"
    assert admin.post(f"{url}/retry").status_code == 503
    backend.away = False
    assert admin.get(url).json()["status"] == "queued"
    assert admin.get("/api/jobs").json()["total"] == 1


def cut_who_waits(database: Database) -> None:
    """Cut the connection of whoever waits for a lock, once somebody does."""
    cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with database.transaction() as tx:
            if tx.connection.execute(sa.text(cut)).scalar_one():
                return
        time.sleep(0.02)


def test_a_database_that_goes_away_in_the_middle_of_a_change_leaves_nothing_half_written(
    empty_postgres_url: str, tmp_path: Path, serving: Any, settings_for: Any
) -> None:
    settings = settings_for(tmp_path / "home", database_url=empty_postgres_url)
    create(settings)
    body = {"name": "ann", "role": "analyst", "password": "staple battery horse"}
    key = {"idempotency-key": "make-ann"}
    with (
        serving(settings) as client,
        Database(empty_postgres_url) as other,
        Database(empty_postgres_url) as killer,
    ):
        admin = client.logged_in("the-administrator")
        with other.transaction() as holding:
            holding.connection.execute(audit_head.select().with_for_update())
            thread = threading.Thread(target=cut_who_waits, args=(killer,))
            thread.start()
            reply = admin.post("/api/users", body, headers=key)  # has written the user when it waits for the trail
            thread.join()
        assert (reply.status_code, reply.headers["retry-after"]) == (503, "5")
        assert admin.get("/api/users/ann").status_code == 404
        made = admin.post("/api/users", body, headers=key)
        assert (made.status_code, "idempotent-replayed" in made.headers) == (201, False)
        assert admin.get("/api/audit/verify").status_code == 200
