from __future__ import annotations

import asyncio
import json
import warnings
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import jwt
import pytest

from axiom.pipelines.workspace import create

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Ray Serve defines its schemas in a way that newer pydantic warns about
    from axiom.serve.platform.deployment import behind_haproxy, believe_no_header

if TYPE_CHECKING:
    from tests.platform.conftest import Client

PASSWORD = "correct horse battery"
SECRET = "6f1c0e9b7a5d4832" * 4
NEW = {"name": "ann", "role": "analyst", "password": "staple battery horse"}
ANY = {"if-match": "*"}


def test_a_session_begins_goes_on_and_ends(empty: Client) -> None:
    first = empty.post("/api/auth/login", {"name": "the-analyst", "password": PASSWORD}).json()
    second = empty.post("/api/auth/refresh", {"refresh_token": first["refresh_token"]}).json()
    client = empty.using(second["access_token"])
    assert client.get("/api/auth/me").json()["actor"] == "the-analyst"
    assert empty.post("/api/auth/logout", {"refresh_token": second["refresh_token"]}).status_code == 204
    assert client.get("/api/auth/me").status_code == 401
    assert empty.post("/api/auth/refresh", {"refresh_token": second["refresh_token"]}).status_code == 401


def test_a_refresh_token_that_is_used_twice_ends_the_session(empty: Client) -> None:
    first = empty.post("/api/auth/login", {"name": "the-analyst", "password": PASSWORD}).json()
    second = empty.post("/api/auth/refresh", {"refresh_token": first["refresh_token"]}).json()
    assert empty.post("/api/auth/refresh", {"refresh_token": first["refresh_token"]}).status_code == 401
    assert empty.post("/api/auth/refresh", {"refresh_token": second["refresh_token"]}).status_code == 401
    assert empty.using(second["access_token"]).get("/api/auth/me").status_code == 401
    assert any(entry["action"] == "session.replay" for entry in empty.audit())


def test_a_wrong_password_and_a_name_that_nobody_has_are_refused_alike(local: Client) -> None:
    refused = [
        local.post("/api/auth/login", {"name": name, "password": "x" * 12}) for name in ("the-analyst", "nobody")
    ]
    assert [reply.status_code for reply in refused] == [401, 401]
    assert refused[0].json()["detail"] == refused[1].json()["detail"]
    for _ in range(5):
        last = local.post("/api/auth/login", {"name": "the-analyst", "password": "x" * 12})
    assert (last.status_code, int(last.headers["retry-after"]) > 60) == (429, True)
    admin = local.logged_in("the-administrator")
    assert admin.post("/api/users/the-analyst/unlock").status_code == 200
    assert local.logged_in("the-analyst").get("/api/auth/me").status_code == 200


NEWER = "staple battery horse"


def test_a_user_chooses_another_password_and_the_other_sessions_end(empty: Client) -> None:
    mine, other = empty.logged_in("the-analyst"), empty.logged_in("the-analyst")
    changed = mine.post("/api/auth/password", {"current": PASSWORD, "new": NEWER})
    assert (changed.status_code, changed.json()) == (200, {"ended": 1})
    assert mine.get("/api/auth/me").status_code == 200
    assert other.get("/api/auth/me").status_code == 401
    assert empty.post("/api/auth/login", {"name": "the-analyst", "password": PASSWORD}).status_code == 401
    assert empty.logged_in("the-analyst", NEWER).get("/api/auth/me").status_code == 200
    told = next(entry for entry in empty.audit() if entry["action"] == "user.change")
    assert (told["actor"], told["object"]) == ("the-analyst", "user:the-analyst")
    assert told["detail"] == {"password": "changed"}


def test_a_new_password_needs_the_current_one_and_guesses_are_counted(empty: Client) -> None:
    client = empty.logged_in("the-analyst")
    replies = [client.post("/api/auth/password", {"current": "x" * 12, "new": NEWER}) for _ in range(6)]
    assert [reply.status_code for reply in replies] == [403] * 5 + [429]
    assert int(replies[5].headers["retry-after"]) > 60
    assert empty.logged_in("the-administrator").post("/api/users/the-analyst/unlock").status_code == 200
    assert client.post("/api/auth/password", {"current": PASSWORD, "new": NEWER}).status_code == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"current": PASSWORD, "new": PASSWORD}, 400),
        ({"current": PASSWORD, "new": "the-analyst-1"}, 400),
        ({"current": PASSWORD, "new": "aaaaaaaaaaaaaa"}, 400),
        ({"current": PASSWORD, "new": "short"}, 422),
        ({"current": PASSWORD}, 422),
        ({"current": "", "new": NEWER}, 422),
        ({"current": PASSWORD, "new": NEWER, "name": "the-administrator"}, 422),
    ],
)
def test_a_new_password_that_is_no_good_changes_nothing(local: Client, body: dict[str, str], status: int) -> None:
    client = local.logged_in("the-analyst")
    reply = client.post("/api/auth/password", body)
    assert reply.status_code == status
    assert not any(value in reply.text for value in (PASSWORD, NEWER, "aaaaaaaa"))
    assert local.logged_in("the-analyst")


def test_only_a_user_has_a_password_to_change(local: Client) -> None:
    body = {"current": PASSWORD, "new": NEWER}
    assert local.post("/api/auth/password", body).status_code == 401
    assert local.with_key("users.write").post("/api/auth/password", body).status_code == 403


def guess(client: Client, number: int, said: str) -> int:
    body = {"name": f"guess-{number}", "password": "x" * 12}
    return client.post("/api/auth/login", body, headers={"x-forwarded-for": said} if said else {}).status_code


def test_a_client_that_makes_up_an_address_for_each_guess_is_limited_all_the_same(local: Client) -> None:
    found = [guess(local, number, f"203.0.113.{number}") for number in range(21)]
    assert found == [401] * 20 + [429]


def test_behind_a_known_proxy_each_client_has_its_own_limit(tmp_path: Any, serving: Any, settings_for: Any) -> None:
    settings = settings_for(tmp_path / "proxied", trusted_proxies="127.0.0.0/8, 10.0.0.0/8")
    create(settings)
    with serving(settings) as client:
        assert [guess(client, number, "203.0.113.1") for number in range(21)] == [401] * 20 + [429]
        for made_up in ("203.0.113.77", "10.0.0.1", "nonsense"):
            assert guess(client, 30, f"{made_up}, 203.0.113.1") == 429
            assert guess(client, 31, f"{made_up}, 203.0.113.1, 10.9.9.9") == 429
        assert guess(client, 32, "203.0.113.2") == 401
        assert guess(client, 33, "203.0.113.1, 203.0.113.2") == 401


def test_one_who_guesses_does_not_keep_out_everybody_behind_the_same_proxy(
    tmp_path: Any, serving: Any, settings_for: Any
) -> None:
    settings = settings_for(tmp_path / "shared")
    create(settings)
    with serving(settings, behind_proxy=True) as client:
        assert {guess(client, number, f"203.0.113.{number}") for number in range(60)} == {401}
        assert client.logged_in("the-analyst").get("/api/auth/me").status_code == 200


def test_the_server_that_ray_starts_takes_no_address_from_a_header(monkeypatch: pytest.MonkeyPatch) -> None:
    import uvicorn

    seen: list[Any] = []

    async def note(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append(scope["client"])

    monkeypatch.delenv("FORWARDED_ALLOW_IPS", raising=False)
    assert "127.0.0.1" in uvicorn.Config(note).forwarded_allow_ips, "else there is nothing to keep it from"
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")
    believe_no_header()
    config = uvicorn.Config(note, lifespan="off", log_config=None)
    config.load()
    scope = {
        "type": "http", "http_version": "1.1", "method": "GET", "path": "/", "raw_path": b"/", "query_string": b"",
        "root_path": "", "scheme": "http", "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 1234),
        "asgi": {"version": "3.0"}, "headers": [(b"x-forwarded-for", b"203.0.113.9")],
    }  # fmt: skip
    asyncio.run(config.loaded_app(scope, None, None))
    assert seen == [("127.0.0.1", 1234)]


def test_haproxy_in_front_is_known_by_the_variable_that_chooses_it() -> None:
    assert behind_haproxy({"RAY_SERVE_ENABLE_HA_PROXY": "1"})
    assert not behind_haproxy({})


def forged(**changes: Any) -> str:
    now = datetime.now(UTC)
    body = {"iss": "axiom", "aud": "axiom-platform", "sub": "u", "sid": "s", "iat": now, "nbf": now}
    return jwt.encode({**body, "exp": now + timedelta(minutes=1), **changes}, SECRET, algorithm="HS256")


@pytest.mark.parametrize(
    "token",
    [
        forged(exp=datetime(2020, 1, 1, tzinfo=UTC)),
        forged(aud="somebody-else"),
        forged(),  # signed well, but nobody's session
        jwt.encode({"sub": "u", "sid": "s"}, "another secret of 32 bytes or more....", algorithm="HS256"),
        jwt.encode({"sub": "u", "sid": "s"}, None, algorithm="none"),
        "a.b.c",
        "axk_aaaaaaaaaaaa_" + "x" * 43,
        "axk_",
        "' OR 1=1 --",
        "x" * 5000,
    ],
    ids=[
        "expired",
        "audience",
        "no session",
        "forged",
        "none",
        "malformed",
        "unknown key",
        "half a key",
        "sql",
        "long",
    ],
)
def test_a_credential_that_is_no_good_is_401_and_never_repeated(local: Client, token: str) -> None:
    reply = local.using(token).get("/api/users")
    assert (reply.status_code, reply.headers["www-authenticate"]) == (401, "Bearer")
    assert token[:20] not in reply.text or len(token) < 5


def test_without_a_secret_nobody_logs_in_and_keys_go_on_working(tmp_path: Any, serving: Any, settings_for: Any) -> None:
    settings = settings_for(tmp_path / "keyless", secret_key=None)
    create(settings)
    with serving(settings) as client:
        reply = client.post("/api/auth/login", {"name": "the-analyst", "password": PASSWORD})
        assert (reply.status_code, "AXIOM_SECRET_KEY" in reply.json()["detail"]) == (503, True)
        assert client.with_key("users.read").get("/api/users").status_code == 200
        assert client.get("/api/health").json()["components"]["logins"]["status"] == "degraded"


def test_users_are_made_changed_and_deleted_and_the_trail_says_by_whom(admin: Client) -> None:
    made = admin.post("/api/users", NEW)
    assert (made.status_code, made.headers["location"], made.headers["etag"]) == (201, "/api/users/ann", '"1"')
    assert "password" not in made.text
    assert admin.logged_in("ann", NEW["password"]).get("/api/auth/me").json()["role"] == "analyst"
    changed = admin(
        "PATCH", "/api/users/ann", json={"role": "ml-engineer", "disabled": True}, headers={"if-match": '"1"'}
    )
    assert (changed.status_code, changed.json()["role"], changed.json()["disabled_at"] is None) == (
        200,
        "ml-engineer",
        False,
    )
    assert admin.using(None).post("/api/auth/login", {"name": "ann", "password": NEW["password"]}).status_code == 401
    assert admin("DELETE", "/api/users/ann").status_code == 204
    assert admin.get("/api/users/ann").status_code == 404
    trail = admin.get("/api/audit?object=user:ann").json()["items"]
    assert [entry["action"] for entry in trail if entry["actor"] == "the-administrator"][::-1] == [
        "user.create", "user.change", "user.change", "user.delete",
    ]  # fmt: skip
    assert admin.get("/api/audit/verify").json()["entries"] >= len(trail)


def test_two_administrators_who_change_the_same_user_are_told_apart(admin: Client) -> None:
    seen = admin.get("/api/users/the-analyst").headers["etag"]
    assert admin("PATCH", "/api/users/the-analyst", json={"role": "ml-engineer"}).status_code == 428
    change = {"json": {"role": "ml-engineer"}, "headers": {"if-match": seen}}
    assert admin("PATCH", "/api/users/the-analyst", **change).status_code == 200
    late = admin("PATCH", "/api/users/the-analyst", json={"disabled": True}, headers={"if-match": seen})
    assert (late.status_code, late.json()["type"]) == (412, "/problems/stale")
    assert admin("DELETE", "/api/users/the-analyst", headers={"if-match": seen}).status_code == 412
    assert admin.get("/api/users/the-analyst").json()["disabled_at"] is None


def test_the_last_administrator_stays(admin: Client) -> None:
    for change in ({"role": "analyst"}, {"disabled": True}):
        assert admin("PATCH", "/api/users/the-administrator", json=change, headers=ANY).status_code == 409
    assert admin("DELETE", "/api/users/the-administrator").status_code == 409


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({**NEW, "role": "king"}, "body.role"),
        ({**NEW, "password": "short"}, "body.password"),
        ({**NEW, "extra": 1}, "body.extra"),
        ({"name": "ann", "role": "analyst"}, "body.password"),
        ([], "body"),
    ],
)
def test_a_value_that_does_not_fit_is_422_and_names_its_field(local: Client, body: Any, field: str) -> None:
    reply = local.logged_in("the-administrator").post("/api/users", body)
    assert (reply.status_code, reply.json()["errors"][0]["field"]) == (422, field)
    assert "short" not in reply.text


def test_a_create_that_is_sent_again_is_done_once(admin: Client) -> None:
    key = {"idempotency-key": "make-ann"}
    first = admin.post("/api/users", NEW, headers=key)
    again = admin.post("/api/users", dict(reversed(NEW.items())), headers=key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert (again.json(), again.headers["idempotent-replayed"]) == (first.json(), "true")
    assert admin.post("/api/users", {**NEW, "name": "bob"}, headers=key).status_code == 409
    assert admin.post("/api/keys", {"name": "x"}, headers=key).status_code == 409
    assert [entry["action"] for entry in admin.audit()].count("user.create") == 6


def test_a_create_that_fails_leaves_its_key_free(admin: Client) -> None:
    key = {"idempotency-key": "retry"}
    assert admin.post("/api/users", {**NEW, "name": "the-analyst"}, headers=key).status_code == 409
    assert admin.post("/api/users", NEW, headers=key).status_code == 201


def test_the_text_of_a_key_is_shown_once_and_kept_nowhere(admin: Client, database_url: str) -> None:
    key = {"idempotency-key": "k"}
    body = {"name": "shop", "scopes": ["users.read"]}
    made = admin.post("/api/keys", body, headers=key).json()
    assert admin.using(made["key"]).get("/api/users").status_code == 200
    assert admin.post("/api/keys", body, headers=key).json() == {**made, "key": None}
    rotated = admin.post(f"/api/keys/{made['key_id']}/rotate", {}).json()
    assert admin.using(made["key"]).get("/api/users").status_code == 401
    assert admin.using(rotated["key"]).get("/api/users").status_code == 200
    shown = admin.get("/api/keys").text + admin.get(f"/api/keys/{made['key_id']}").text + admin.get("/api/audit").text
    with admin.services.db.reading() as tx:
        from axiom.db.reply_tables import replies

        shown += json.dumps([dict(row) for row in tx.connection.execute(replies.select()).mappings()], default=str)
    for text in (made["key"], rotated["key"], made["key"][-43:]):
        assert text not in shown
    revoked = admin.post(f"/api/keys/{made['key_id']}/revoke", {"reason": "leaked"})
    assert (revoked.status_code, revoked.json()["state"]) == (200, "revoked")
    assert admin.using(rotated["key"]).get("/api/users").status_code == 401
    assert admin.post(f"/api/keys/{made['key_id']}/revoke", {"reason": "again"}).status_code == 409


def test_a_key_that_asks_too_often_is_told_how_long_to_wait(local: Client) -> None:
    body = {"name": "slow", "scopes": ["users.read"], "rate": 0.1, "burst": 2}
    key = local.logged_in("the-administrator").post("/api/keys", body).json()["key"]
    replies = [local.using(key).get("/api/users") for _ in range(3)]
    assert [reply.status_code for reply in replies] == [200, 200, 429]
    assert 1 <= int(replies[2].headers["retry-after"]) <= 11


def test_lists_are_paged_filtered_and_sorted(admin: Client) -> None:
    page = admin.get("/api/users?limit=2&offset=1&sort=-name").json()
    assert (page["total"], page["limit"], page["offset"], len(page["items"])) == (5, 2, 1, 2)
    everybody = [user["name"] for user in admin.get("/api/users?sort=-name").json()["items"]]
    assert [user["name"] for user in page["items"]] == everybody[1:3] == sorted(everybody, reverse=True)[1:3]
    assert admin.get("/api/users?role=analyst").json()["total"] == 1
    assert admin.get("/api/users?disabled=true").json()["total"] == 0
    for wrong in ("limit=0", "limit=501", "offset=-1", "sort=password_hash", "role=king", "limit=x"):
        assert admin.get(f"/api/users?{wrong}").status_code == 422, wrong


def test_the_trail_is_filtered_by_time_and_a_wrong_anchor_is_refused(admin: Client) -> None:
    assert admin.get("/api/audit?since=2100-01-01").json()["total"] == 0
    assert admin.get("/api/audit?until=2100-01-01T00:00:00%2B02:00&action=user.create").json()["total"] == 5
    head = admin.get("/api/audit/verify").json()["head"]
    assert admin.get("/api/audit/verify", params={"anchor": head}).status_code == 200
    assert admin.get("/api/audit/verify?anchor=nonsense").status_code == 400
    assert admin.get("/api/audit/verify", params={"anchor": f"1:{'0' * 64}"}).status_code == 500
