"""Every route: let in, refused, malformed, and always as documented."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import pytest

from axiom.access.keys import issue
from axiom.access.logins import set_disabled
from axiom.access.permissions import MAY
from axiom.serve.asked_inside import Inside, Outcome, ask
from axiom.serve.predict.openapi import document, page

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    import httpx

    from axiom.access.logins import Logins
    from axiom.settings import Settings
    from tests.api.conftest import Keys, Serving, Tokens

    Serve = Callable[..., AbstractContextManager[Serving]]
    Documented = Callable[[httpx.Response], Any]

GUARDED = [
    ("POST", "/churn", "predict"),
    ("GET", "/churn?customer_id=C0000000", "predict"),
    ("POST", "/clv", "predict"),
    ("GET", "/clv?customer_id=C0000000", "predict"),
    ("GET", "/explain/C0000000", "explain"),
    ("GET", "/history/C0000000", "predict"),
    ("GET", "/may/cache", "cache"),
]
OPEN = ["/health", "/metrics", "/openapi.json", "/docs"]
guarded = pytest.mark.parametrize(("method", "url", "scope"), GUARDED)


def send(serving: Serving, method: str, url: str, **more: Any) -> httpx.Response:
    body: dict[str, Any] = {"json": {"customer_id": "C0000000"}} if method == "POST" else {}
    return serving.ask(method, url, **body, **more)


@guarded
def test_a_good_key_gets_an_answer(locked_serving: Serving, keys: Keys, method: str, url: str, scope: str) -> None:
    assert send(locked_serving, method, url, key=keys.everything).status_code == 200


@guarded
def test_a_key_works_in_either_header(locked_serving: Serving, keys: Keys, method: str, url: str, scope: str) -> None:
    assert send(locked_serving, method, url, headers={"X-API-Key": keys.everything}).status_code == 200
    assert send(locked_serving, method, url, headers={"authorization": f"bearer {keys.everything}"}).status_code == 200


@guarded
@pytest.mark.parametrize("which", ["none", "expired", "revoked", "mistyped", "foreign", "basic"])
def test_without_a_good_key_nobody_gets_anything(
    locked_serving: Serving, keys: Keys, method: str, url: str, scope: str, which: str
) -> None:
    texts = {
        "none": {},
        "expired": {"authorization": f"Bearer {keys.expired}"},
        "revoked": {"authorization": f"Bearer {keys.revoked}"},
        "mistyped": {"authorization": f"Bearer {keys.predict[:-1]}{'A' if keys.predict[-1] != 'A' else 'B'}"},
        "foreign": {"x-api-key": "hunter2"},
        "basic": {"authorization": "Basic dXNlcjpwYXNz"},
    }
    reply = send(locked_serving, method, url, headers=texts[which])
    assert reply.status_code == 401
    assert reply.headers["www-authenticate"] == "Bearer"
    assert reply.json()["type"] == "/problems/unauthorized"
    assert "hunter2" not in reply.text


@guarded
def test_a_key_without_the_scope_is_forbidden(
    locked_serving: Serving, keys: Keys, method: str, url: str, scope: str
) -> None:
    reply = send(locked_serving, method, url, key=keys.other_scope)
    assert reply.status_code == 403
    assert scope in reply.json()["detail"]


def test_a_key_for_predictions_explains_nothing(locked_serving: Serving, keys: Keys) -> None:
    assert locked_serving.ask.get("/explain/C0000000", key=keys.predict).status_code == 403
    assert locked_serving.ask.get("/may/cache", key=keys.predict).status_code == 403


@guarded
def test_an_access_token_is_good_for_what_the_role_may_do(
    locked_serving: Serving, tokens: Tokens, method: str, url: str, scope: str
) -> None:
    for headers in ({"authorization": f"Bearer {tokens.good}"}, {"x-api-key": tokens.good}):
        reply = send(locked_serving, method, url, headers=headers)
        assert reply.status_code == (200 if scope in MAY["analyst"] else 403)
        assert reply.status_code == 200 or scope in reply.json()["hint"]


@guarded
@pytest.mark.parametrize(
    "which", ["expired", "forged", "unsigned", "audience", "logged_out", "disabled", "deleted", "cut"]
)
def test_an_access_token_that_is_no_good_opens_nothing(
    locked_serving: Serving, tokens: Tokens, method: str, url: str, scope: str, which: str
) -> None:
    text = getattr(tokens, which, tokens.good[:-9])
    reply = send(locked_serving, method, url, key=text)
    assert (reply.status_code, reply.headers["www-authenticate"]) == (401, "Bearer")
    assert reply.json()["type"] == "/problems/unauthorized"
    assert text not in reply.text


def test_without_a_secret_access_tokens_are_no_good_and_keys_are(
    serve: Serve, copy_of: Callable[..., Settings], tokens: Tokens
) -> None:
    with serve(copy_of(auth="required")) as serving:
        reply = serving.ask.churn("C0000000", key=tokens.good)
        assert (reply.status_code, "AXIOM_SECRET_KEY" in reply.json()["detail"]) == (401, True)
        with serving.replica._ws.db.transaction() as tx:
            key = issue(tx, "shop", scopes=("predict",), actor="ann").text
        serving.replica.keys.refresh()  # type: ignore[attr-defined]
        assert serving.ask.churn("C0000000", key=key).status_code == 200


def test_what_happens_to_people_counts_with_the_next_look(
    serve: Serve, copy_of: Callable[..., Settings], people: Callable[..., Logins], locked_settings: Settings
) -> None:
    settings = copy_of(auth="required", secret_key=locked_settings.secret_key)
    with serve(settings) as serving:
        db, door = serving.replica._ws.db, serving.replica.keys
        logins = people(db, "ann")

        def asked(url: str, token: str) -> int:
            door.refresh()  # type: ignore[attr-defined]
            return serving.ask.get(url, key=token).status_code

        one, other = (logins.login("ann", "correct horse battery", address="here") for _ in range(2))
        assert asked("/explain/C0000000", one.access) == 200
        assert asked("/may/cache", one.access) == 403
        with db.transaction() as tx:
            tx.users.change("ann", role="ml-engineer", actor="root")
        assert asked("/may/cache", one.access) == 200
        logins.logout(one.refresh)
        assert [asked("/explain/C0000000", grant.access) for grant in (one, other)] == [401, 200]
        assert asked("/explain/C0000000", logins.refresh(other.refresh).access) == 200
        with db.transaction() as tx:
            set_disabled(tx, "ann", disabled=True, actor="root")
        assert asked("/explain/C0000000", other.access) == 401


def test_a_user_who_asks_too_often_waits_as_a_key_does(
    serve: Serve, copy_of: Callable[..., Settings], people: Callable[..., Logins], locked_settings: Settings
) -> None:
    settings = copy_of(auth="required", secret_key=locked_settings.secret_key, rate_limit=0.01, rate_burst=3)
    with serve(settings) as serving:
        logins = people(serving.replica._ws.db, "ann", "bob")
        serving.replica.keys.refresh()  # type: ignore[attr-defined]
        ann, again, bob = (
            logins.login(name, "correct horse battery", address="here").access for name in ("ann", "ann", "bob")
        )
        replies = [serving.ask.churn("C0000000", key=token) for token in (ann, again, ann, again, bob)]
        assert [reply.status_code for reply in replies] == [200, 200, 200, 429, 200]
        assert "'ann' asks more often" in replies[3].json()["detail"]
        assert int(replies[3].headers["retry-after"]) > 1
        serving.replica.log.flush()
        recorded = serving.ask.get("/history/C0000000", key=bob).json()["predictions"]
        assert {row["key_id"] for row in recorded} >= {"user:ann", "user:bob"}


@pytest.mark.parametrize("url", OPEN)
def test_what_needs_no_key_is_open(locked_serving: Serving, documented: Documented, url: str) -> None:
    reply = locked_serving.ask.get(url)
    assert reply.status_code == 200
    assert documented(reply)


@pytest.mark.parametrize("url", [url for _, url, _ in GUARDED] + OPEN)
def test_a_wrong_method_is_told_the_right_one(open_serving: Serving, documented: Documented, url: str) -> None:
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"):
        reply = open_serving.ask(method, url)
        assert reply.status_code == 405
        assert "GET" in reply.headers["allow"]
        documented(reply)


@pytest.mark.parametrize("url", OPEN)
def test_head_is_get_without_the_body(open_serving: Serving, url: str) -> None:
    reply = open_serving.ask("HEAD", url)
    assert reply.status_code == 200
    assert reply.content == b""
    assert reply.headers["content-type"] == open_serving.ask.get(url).headers["content-type"]


@pytest.mark.parametrize("url", ["/", "/nothing", "/churn/", "/churn/C0000000", "/clv//", "/CHURN", "/docs/x", "/%00"])
def test_a_path_that_does_not_exist_is_a_problem_like_every_other(
    open_serving: Serving, documented: Documented, url: str
) -> None:
    for method in ("GET", "POST", "DELETE"):
        reply = open_serving.ask(method, url)
        assert reply.status_code == 404
        assert documented(reply)["type"] == "/problems/not-found"


@guarded
def test_answers_have_the_documented_shape(
    open_serving: Serving, documented: Documented, method: str, url: str, scope: str
) -> None:
    reply = send(open_serving, method, url)
    assert reply.status_code == 200
    if scope != "cache":  # between two applications, not for clients
        documented(reply)


def test_batches_have_the_documented_shape(open_serving: Serving, documented: Documented) -> None:
    for path in ("/churn", "/clv"):
        body = documented(open_serving.ask.post(path, {"customer_ids": ["C0000000", "nobody", "C0000002"]}))
        assert [one["customer_id"] for one in body["predictions"]] == ["C0000000", "C0000002"]
        assert body["not_found"] == ["nobody"]


def test_the_examples_of_the_documentation_are_answers_of_their_schema(documented: Documented) -> None:
    import jsonschema

    told = document()
    for path in ("/churn", "/clv"):
        for method in ("get", "post"):
            content = told["paths"][path][method]["responses"]["200"]["content"]["application/json"]
            jsonschema.validate(content["example"], {**content["schema"], "components": told["components"]})
        sent = told["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        for example in sent["examples"].values():
            jsonschema.validate(example["value"], {**sent["schema"], "components": told["components"]})


def test_every_route_is_documented_and_on_the_page(open_serving: Serving) -> None:
    routes = {route.path.replace(":path", "") for route in open_serving.ask.app.routes}
    assert routes - {"/may/cache", "/{path}"} == set(document()["paths"])
    assert all(f"/api/predict{path}" in page() for path in document()["paths"])


def test_the_documentation_promises_every_status_of_an_error() -> None:
    from axiom import errors

    told = document()["paths"]["/churn"]["post"]["responses"]
    raised = (
        errors.MisuseError, errors.BadInputError, errors.NotFoundError, errors.UnauthorizedError, errors.ForbiddenError,
        errors.TooManyError, errors.TooLargeError, errors.CorruptError, errors.UnavailableError,
    )  # fmt: skip
    assert {str(error.http_status) for error in raised} <= set(told)


def test_metrics_count_what_was_asked(open_serving: Serving) -> None:
    def count() -> float:
        text = open_serving.ask.get("/metrics").text
        pattern = r'^axiom_predict_requests_total\{model="",role="",route="churn",status="404"\} (\S+)$'
        found = re.search(pattern, text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    before = count()
    open_serving.ask.churn("nobody at all")
    assert count() == before + 1


def test_refusals_are_counted_by_reason(locked_serving: Serving, keys: Keys) -> None:
    locked_serving.ask.churn("C0000000")
    locked_serving.ask.churn("C0000000", key=keys.other_scope)
    locked_serving.ask.post("/churn", {"customer_ids": ["x"] * 1001}, key=keys.predict)
    text = locked_serving.ask.get("/metrics").text
    for reason in ("key", "scope", "size"):
        assert f'axiom_predict_rejected_total{{reason="{reason}"}}' in text


@pytest.mark.parametrize("url", ["/churn?customer_id=C0000000", "/churn?customer_id=nobody", "/health", "/nothing"])
def test_the_id_of_a_request_comes_back(open_serving: Serving, url: str) -> None:
    reply = open_serving.ask.get(url, headers={"X-Request-ID": "abc-123 / =ok"})
    assert reply.headers["x-request-id"] == "abc-123 / =ok"


def test_requests_without_an_id_get_one_each(open_serving: Serving) -> None:
    ids = {open_serving.ask.get("/health").headers["x-request-id"] for _ in range(5)}
    assert len(ids) == 5


@pytest.mark.parametrize(
    "sent", [b"a\r\nset-cookie: x=1", b"a\nb", b"a\x00b", b"\xff\xfe", "ö".encode(), b"x" * 129, b"", b"\x1b[31m"]
)
@pytest.mark.parametrize("path", ["/churn", "/nothing"])
def test_an_id_that_could_do_harm_does_not_come_back(
    open_serving: Serving, runner: asyncio.Runner, sent: bytes, path: str
) -> None:
    request = Inside("GET", path, b"customer_id=C0000000", ((b"x-request-id", sent),))
    outcome = runner.run(ask(open_serving.ask.app, request))
    ids = [value for name, value in outcome.headers if name == b"x-request-id"]
    assert len(ids) == 1
    assert re.fullmatch(rb"[0-9a-f]+-[0-9a-f]+", ids[0])


def test_a_request_that_is_cancelled_is_not_in_flight_for_ever(open_serving: Serving, runner: asyncio.Runner) -> None:
    async def cancelled() -> None:
        arrived = asyncio.Event()

        async def receive() -> Any:
            arrived.set()
            await asyncio.Event().wait()

        scope = {"type": "http", "method": "POST", "path": "/churn", "headers": [], "query_string": b""}
        task = asyncio.create_task(open_serving.ask.app(scope, receive, _never))
        await arrived.wait()
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    runner.run(cancelled())
    assert "axiom_predict_in_flight 1.0" in open_serving.ask.get("/metrics").text  # the reading itself


async def _never(message: Any) -> None:
    raise AssertionError("nobody is there to read a reply")


@pytest.mark.parametrize("length", [b"9" * 5000, b"-1", b"x", b"", b"1e3", "٣".encode()])
def test_a_length_that_is_none_does_not_end_the_request(
    open_serving: Serving, runner: asyncio.Runner, length: bytes
) -> None:
    request = Inside("POST", "/churn", b"", ((b"content-length", length),), b'{"customer_id": "C0000000"}')
    outcome: Outcome = runner.run(ask(open_serving.ask.app, request))
    assert outcome.status in (200, 413)
