from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from tests.platform.conftest import Client

DRAFT = {
    "name": "spring",
    "hypothesis": "a call keeps those who stopped buying",
    "metric": "revenue",
    "variants": [{"name": "control", "weight": 1}, {"name": "call", "weight": 3}],
}
URL = "/api/experiments/spring"


@pytest.fixture
def manager(empty: Client) -> Client:
    """A product manager; on SQLite and on PostgreSQL."""
    return empty.logged_in("the-product-manager")


@pytest.fixture
def quick(local: Client) -> Client:
    """As `manager`, on SQLite alone."""
    return local.logged_in("the-product-manager")


def started(client: Client, **changes: Any) -> Client:
    assert client.post("/api/experiments", {**DRAFT, **changes}).status_code == 201
    assert client.post(f"{URL}/start").status_code == 200
    return client


def moment(**ahead: float) -> str:
    return (datetime.now(UTC) + timedelta(**ahead)).isoformat()


def exposure(customer: str = "C1", variant: str = "call", **more: Any) -> dict[str, Any]:
    return {"customer_id": customer, "kind": "exposure", "at": moment(), "variant": variant, **more}


def outcome(customer: str = "C1", value: Any = 10.0, **more: Any) -> dict[str, Any]:
    return {"customer_id": customer, "kind": "outcome", "at": moment(), "value": value, **more}


def observe(client: Client, *rows: Any) -> httpx.Response:
    return client.post(f"{URL}/observations", {"observations": list(rows)})


def test_an_experiment_goes_from_draft_to_its_end(manager: Client) -> None:
    made = manager.post("/api/experiments", DRAFT)
    assert (made.status_code, made.headers["location"], made.headers["etag"]) == (201, URL, '"1"')
    assert "salt" not in made.json()
    changed = manager("PATCH", URL, json={"hypothesis": "shorter"}, headers={"if-match": '"1"'})
    assert (changed.status_code, changed.json()["hypothesis"], changed.headers["etag"]) == (200, "shorter", '"2"')
    assert manager.post(f"{URL}/start").json()["status"] == "running"
    rows = [exposure("a"), outcome("a", 10.0), outcome("a", 2.5), exposure("b", "control"), exposure("c")]
    assert observe(manager, *rows).json() == {"added": 5, "already": 0}
    assert observe(manager, *rows).json() == {"added": 0, "already": 5}
    told = manager.get(URL)
    assert (told.headers["etag"], told.json()["mixed"]) == ('"3"', 0)
    assert told.json()["counts"] == [
        {"variant": "control", "customers": 1, "converted": 0, "outcomes": 0, "value": 0.0},
        {"variant": "call", "customers": 2, "converted": 1, "outcomes": 2, "value": 12.5},
    ]
    stopped = manager.post(f"{URL}/stop", {"reason": "seen enough"})
    assert (stopped.json()["status"], stopped.json()["stopped_at"] is None) == ("stopped", False)
    trail = manager.logged_in("the-administrator").get("/api/audit?object=experiment:spring").json()["items"]
    assert [entry["action"].partition(".")[2] for entry in trail][::-1] == [
        "create", "change", "start", "observe", "stop",
    ]  # fmt: skip


def test_experiments_are_paged_filtered_and_sorted(manager: Client) -> None:
    for name, metric in (("a", "revenue"), ("b", "conversion"), ("c", "conversion")):
        manager.post("/api/experiments", {**DRAFT, "name": name, "metric": metric})
    manager.post("/api/experiments/b/start")

    def names(query: str) -> list[str]:
        return [one["name"] for one in manager.get(f"/api/experiments?{query}").json()["items"]]

    assert names("") == ["c", "b", "a"]
    assert names("sort=name&limit=2&offset=1") == ["b", "c"]
    assert names("metric=conversion&sort=-name") == ["c", "b"]
    assert names("status=running") == names("sort=-started_at&limit=1") == ["b"]
    assert manager.get("/api/experiments?limit=1").json()["total"] == 3
    for wrong in ("sort=salt", "status=done", "metric=profit", "limit=0"):
        assert manager.get(f"/api/experiments?{wrong}").status_code == 422


def test_two_who_change_a_draft_at_once_are_told_apart(manager: Client) -> None:
    seen = manager.post("/api/experiments", DRAFT).headers["etag"]
    assert manager("PATCH", URL, json={"metric": "conversion"}).status_code == 428
    for status in (200, 412):
        reply = manager("PATCH", URL, json={"metric": "conversion"}, headers={"if-match": seen})
        assert reply.status_code == status
    for method, url, body in (("POST", f"{URL}/start", None), ("DELETE", URL, None)):
        assert manager(method, url, json=body, headers={"if-match": seen}).status_code == 412
    assert manager("DELETE", URL, headers={"if-match": '"2"'}).status_code == 204
    assert manager.get(URL).status_code == 404


def test_a_create_that_is_sent_again_is_done_once(manager: Client) -> None:
    key = {"idempotency-key": "one"}
    first, again = (manager.post("/api/experiments", DRAFT, headers=key) for _ in range(2))
    assert (again.json(), again.headers["idempotent-replayed"]) == (first.json(), "true")
    assert manager.post("/api/experiments", DRAFT).status_code == 409


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": "no spaces"}, "body.name"),
        ({"hypothesis": "  "}, "body.hypothesis"),
        ({"metric": "profit"}, "body.metric"),
        ({"variants": []}, "body.variants"),
        ({"variants": [{"name": "alone"}]}, "body.variants"),
        ({"variants": [{"name": f"v{number}"} for number in range(21)]}, "body.variants"),
        ({"variants": [{"name": "a", "weight": 0}, {"name": "b"}]}, "body.variants.0.weight"),
        ({"variants": [{"name": "a"}, {"name": "b", "weight": -1}]}, "body.variants.1.weight"),
        ({"variants": [{"name": "a"}, {"name": "b", "weight": 1e300}]}, "body.variants.1.weight"),
        ({"variants": [{"name": "a"}, {"name": "b", "weight": "much"}]}, "body.variants.1.weight"),
        ({"variants": [{"name": "a"}, {"name": "' OR 1=1"}]}, "body.variants.1.name"),
        ({"salt": "mine"}, "body.salt"),
    ],
)
def test_a_draft_that_is_no_experiment_is_refused_and_names_the_field(
    quick: Client, changes: dict[str, Any], field: str
) -> None:
    reply = quick.post("/api/experiments", {**DRAFT, **changes})
    assert (reply.status_code, reply.json()["errors"][0]["field"]) == (422, field)


def test_a_draft_with_a_variant_twice_is_refused(quick: Client) -> None:
    reply = quick.post("/api/experiments", {**DRAFT, "variants": [{"name": "a"}, {"name": "a"}]})
    assert (reply.status_code, reply.json()["detail"]) == (422, "there are two variants 'a'")
    assert quick.post("/api/experiments", DRAFT).status_code == 201
    assert quick("PATCH", URL, json={}, headers={"if-match": "*"}).status_code == 400


def test_what_runs_is_not_changed_and_what_was_stopped_takes_nothing(quick: Client) -> None:
    quick.post("/api/experiments", DRAFT)
    early = observe(quick, exposure())
    assert (early.status_code, "has not started" in early.json()["detail"]) == (409, True)
    assert quick.post(f"{URL}/stop", {"reason": "r"}).status_code == 409
    quick.post(f"{URL}/start")
    too_late = (("PATCH", URL, {"metric": "conversion"}), ("DELETE", URL, None), ("POST", f"{URL}/start", None))
    for method, url, body in too_late:
        assert quick(method, url, json=body, headers={"if-match": "*"}).status_code == 409
    assert quick.post(f"{URL}/stop", {"reason": " "}).status_code == 422
    quick.post(f"{URL}/stop", {"reason": "r"})
    late = observe(quick, exposure())
    assert (late.status_code, "was stopped" in late.json()["detail"]) == (409, True)


@pytest.mark.parametrize(
    ("kind", "changes", "says"),
    [
        (exposure, {"variant": "none"}, "observation 1 (from 0): there is no variant 'none', only control, call"),
        (exposure, {"variant": None}, "has to name its variant"),
        (exposure, {"value": 1.0}, "an exposure has no value"),
        (outcome, {"value": None}, "an outcome of revenue needs a value"),
        (outcome, {"variant": "call"}, "an outcome names no variant"),
        (exposure, {"at": "2199-01-01T00:00:00Z"}, "in the future"),
        (exposure, {"at": "2020-01-01T00:00:00Z"}, "before the experiment started"),
    ],
)
def test_a_row_that_cannot_be_true_refuses_its_whole_batch(
    quick: Client, kind: Callable[..., dict[str, Any]], changes: dict[str, Any], says: str
) -> None:
    started(quick)
    reply = observe(quick, exposure("good"), kind(**changes))
    assert (reply.status_code, reply.json()["type"]) == (422, "/problems/bad-input")
    assert says in reply.json()["detail"]
    assert [one["customers"] for one in quick.get(URL).json()["counts"]] == [0, 0]


def test_a_conversion_has_no_value(quick: Client) -> None:
    started(quick, metric="conversion")
    reply = observe(quick, outcome(value=1.0))
    assert (reply.status_code, "has no value" in reply.json()["detail"]) == (422, True)
    assert observe(quick, outcome(value=None)).json() == {"added": 1, "already": 0}


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ({**outcome(), "customer_id": ""}, "customer_id"),
        ({**outcome(), "customer_id": "x" * 1025}, "customer_id"),
        ({**outcome(), "kind": "click"}, "kind"),
        ({**outcome(), "at": "yesterday"}, "at"),
        ({**outcome(), "at": "0001-01-01T00:00:00Z"}, "at"),
        ({**outcome(), "value": "ten"}, "value"),
        ({**outcome(), "extra": 1}, "extra"),
    ],
)
def test_a_row_that_does_not_fit_is_422_and_names_its_field(quick: Client, row: dict[str, Any], field: str) -> None:
    started(quick)
    reply = observe(quick, row)
    assert (reply.status_code, reply.json()["errors"][0]["field"]) == (422, f"body.observations.0.{field}")


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b"1e999"])
def test_a_value_that_is_no_number_is_refused(quick: Client, number: bytes) -> None:
    started(quick)
    body = b'{"observations": [{"customer_id": "C1", "kind": "outcome", "at": "2026-01-01", "value": %s}]}' % number
    reply = quick("POST", f"{URL}/observations", content=body, headers={"content-type": "application/json"})
    assert (reply.status_code, reply.json()["errors"][0]["field"]) == (422, "body.observations.0.value")


def test_a_batch_has_an_end(quick: Client) -> None:
    started(quick)
    row = exposure()
    assert observe(quick).status_code == 422
    assert observe(quick, *[{**row, "customer_id": f"C{number}"} for number in range(5000)]).json()["added"] == 5000
    assert observe(quick, *[row] * 5001).status_code == 422
    assert observe(quick, *[row] * 100_000).status_code == 413
    assert quick.get(URL).json()["counts"][1]["customers"] == 5000


def test_a_customer_always_sees_the_same_variant_also_after_the_end(quick: Client) -> None:
    quick.post("/api/experiments", DRAFT)
    assert quick.get(f"{URL}/assignment/C1").status_code == 409
    quick.post(f"{URL}/start")
    names = [f"customer/{number}" for number in range(60)]
    first = [quick.get(f"{URL}/assignment/{name}").json() for name in names]
    assert {one["customer_id"] for one in first} == set(names)
    calls = sum(one["variant"] == "call" for one in first)
    assert abs(calls - 45) < 4.5 * (60 * 0.75 * 0.25) ** 0.5
    quick.post(f"{URL}/stop", {"reason": "r"})
    again = [quick.get(f"{URL}/assignment/{name}").json() for name in names]
    assert [one["variant"] for one in again] == [one["variant"] for one in first]
    assert {one["status"] for one in again} == {"stopped"}
    assert quick.get(f"/api/experiments/none/assignment/{names[0]}").status_code == 404


def test_two_experiments_divide_the_customers_independently(quick: Client) -> None:
    halves = [{"name": "a"}, {"name": "b"}]
    for name in ("one", "two"):
        quick.post("/api/experiments", {**DRAFT, "name": name, "variants": halves})
        quick.post(f"/api/experiments/{name}/start")
    sides = [
        tuple(quick.get(f"/api/experiments/{name}/assignment/C{number}").json()["variant"] for name in ("one", "two"))
        for number in range(60)
    ]
    assert {("a", "a"), ("a", "b"), ("b", "a"), ("b", "b")} == set(sides)


def test_an_application_reports_with_a_key_of_its_own(quick: Client) -> None:
    started(quick)
    app, reader = quick.with_key("experiments.write"), quick.with_key("experiments.read")
    assert observe(app, exposure()).status_code == 200
    assert observe(reader, exposure()).status_code == 403
    assert reader.get(f"{URL}/assignment/C1").status_code == 200
    assert app.audit()[0]["actor"].startswith("key:")
