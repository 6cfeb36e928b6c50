from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from axiom.access.permissions import MAY, PERMISSIONS, ROLES
from axiom.pipelines.workspace import create
from axiom.serve.platform.http import ROUTERS
from axiom.serve.platform.permits import ANYBODY, PASSED_ON, PERMITS, SIGNED_IN

if TYPE_CHECKING:
    from pathlib import Path

    from tests.platform.conftest import Client

GUARDED = {route: needed for route, needed in PERMITS.items() if needed in PERMISSIONS}


def asked(client: Client, route: str) -> int:
    """Ask for a route with values that name nothing; whoever is let in gets some other answer than 401 and 403."""
    method, _, path = route.partition(" ")
    for name, value in (("{version}", "1"), ("{kind}", "features")):
        path = path.replace(name, value)
    while "{" in path:
        start, _, rest = path.partition("{")
        path = f"{start}none{rest.partition('}')[2]}"
    if route.startswith("GET /api/events"):
        path += "?follow=false"
    return client(method, path, json={}).status_code if method != "GET" else client(method, path).status_code


def test_every_route_has_its_line_and_every_line_its_route() -> None:
    routes = {f"{method} {route.path}" for router in ROUTERS for route in router.routes for method in route.methods}
    assert routes == set(PERMITS)
    assert {needed for needed in PERMITS.values() if needed not in PERMISSIONS} == {ANYBODY, PASSED_ON, SIGNED_IN}


@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_use_exactly_the_routes_of_its_permissions(local: Client, role: str) -> None:
    client = local if role == "anonymous" else local.logged_in(f"the-{role}")
    refused = 401 if role == "anonymous" else 403
    for route, needed in GUARDED.items():
        may = needed in MAY[role]
        assert (asked(client, route) == refused) == (not may), f"{role}: {route}"


@pytest.mark.parametrize("scope", sorted(set(GUARDED.values())))
def test_a_key_may_use_exactly_the_routes_of_its_scope(local: Client, scope: str) -> None:
    client = local.with_key(scope)
    for route, needed in GUARDED.items():
        assert (asked(client, route) == 403) == (needed != scope), f"{scope}: {route}"
    assert client.get("/api/auth/me").json()["permissions"] == [scope]


def test_any_good_credential_may_ask_who_it_is(local: Client) -> None:
    assert local.get("/api/auth/me").status_code == 401
    told = local.logged_in("the-analyst").get("/api/auth/me").json()
    assert (told["actor"], told["kind"], told["role"]) == ("the-analyst", "user", "analyst")
    assert set(told["permissions"]) == MAY["analyst"]


def test_another_role_counts_from_the_next_request_on(local: Client) -> None:
    admin, analyst = local.logged_in("the-administrator"), local.logged_in("the-analyst")
    assert analyst.get("/api/users").status_code == 403
    changed = admin("PATCH", "/api/users/the-analyst", json={"role": "administrator"}, headers={"if-match": "*"})
    assert changed.status_code == 200
    assert analyst.get("/api/users").status_code == 200


def test_without_authentication_the_data_plane_alone_is_open(tmp_path: Path, serving: Any, settings_for: Any) -> None:
    settings = settings_for(tmp_path / "open", auth="off")
    create(settings)
    with serving(settings) as client:
        assert client.post("/api/online/clear").status_code == 200
        assert client.get("/api/users").status_code == 401
        assert client.logged_in("the-administrator").get("/api/users").status_code == 200
        assert client.with_key("users.read").get("/api/users").status_code == 200
        assert client.with_key("users.read").get("/api/keys").status_code == 403
