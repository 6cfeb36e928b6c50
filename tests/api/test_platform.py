"""The platform application over a real `predict` application: aliases, the online store, problems."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx
import pytest

from axiom.access.keys import issue
from axiom.errors import UnavailableError
from axiom.pipelines.workspace import opened
from axiom.serve.asked_inside import Inside, Outcome, ask
from axiom.serve.platform.http import create_app
from axiom.serve.platform.services import Services
from axiom.serve.platform.throughput import Meter, Throughput

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from axiom.settings import Settings
    from tests.api.conftest import Asker, Keys, Serving, Tokens

    Serve = Callable[..., AbstractContextManager[Serving]]


@pytest.fixture(scope="session")
def platform_over(runner: asyncio.Runner) -> Iterator[Callable[..., Asker]]:
    """A client of a platform that lets the predict application of `serving` answer."""
    with ExitStack() as opened_here:

        def made(settings: Settings, serving: Serving) -> Asker:
            async def inside(request: Inside) -> Outcome:
                return await ask(serving.ask.app, request)

            services = Services(settings, inside)
            opened_here.callback(services.close)
            return type(serving.ask)(create_app(services), runner)

        yield made


@pytest.fixture(scope="module")
def platform(platform_over: Callable[..., Asker], open_serving: Serving) -> Asker:
    """A platform that everybody may ask."""
    return platform_over(open_serving.replica._ws.settings, open_serving)


@pytest.fixture
def locked(platform_over: Callable[..., Asker], locked_settings: Settings, locked_serving: Serving) -> Asker:
    """A platform that wants keys."""
    return platform_over(locked_settings, locked_serving)


def test_the_older_names_say_what_the_new_ones_say(
    platform: Asker, open_serving: Serving, customers: list[str], quoted_customer: str
) -> None:
    for name in (*customers[:10], quoted_customer):
        churn, clv = open_serving.ask.churn(name).json(), open_serving.ask.clv(name).json()
        url = quote(name, safe="")
        open_serving.ask.churn(name)
        assert platform.get(f"/predict/{url}").json() == {
            "user_id": name, "churn": churn | {"cached": True}, "clv": clv,
        }  # fmt: skip
        why = open_serving.ask.get(f"/explain/{url}").json()
        assert platform.get(f"/explain/{url}").json() == why
        assert platform.get(f"/api/explain/{url}").json() == why
    asked = [*customers[:10], "nobody"]
    expected = open_serving.ask.post("/churn", {"customer_ids": asked}).json()
    assert platform.post("/predict/batch", {"user_ids": asked}).json() == expected
    assert platform.get("/health").json()["models"] == open_serving.ask.health()["models"]


def test_throughput_is_what_the_replicas_count(
    open_serving: Serving, customers: list[str], runner: asyncio.Runner
) -> None:
    async def inside(request: Inside) -> Outcome:
        return await ask(open_serving.ask.app, request)

    now = [0.0]
    meter = Meter(inside, monotonic=lambda: now[0])
    assert runner.run(meter.look()).replicas == 1
    for name in customers[:6]:
        assert open_serving.ask.churn(name).status_code == 200
    assert open_serving.ask.post("/clv", {"customer_ids": customers[:10]}).status_code == 200
    assert open_serving.ask.get("/health").status_code == 200
    now[0] = 2.0
    assert runner.run(meter.look()) == Throughput(1, 3.5, 8.0, 0.0)


def test_the_id_of_a_request_goes_through(platform: Asker) -> None:
    for url in ("/predict/C0000000", "/explain/C0000000", "/explain/nobody", "/health"):
        assert platform.get(url, headers={"x-request-id": "mine"}).headers["x-request-id"] == "mine"


@pytest.mark.parametrize(
    ("method", "url", "body", "status"),
    [
        ("GET", "/predict/nobody", None, 404),
        ("GET", "/explain/nobody", None, 404),
        ("GET", "/predict/", None, 422),
        ("GET", "/predict/" + "x" * 1025, None, 422),
        ("GET", "/explain/", None, 422),
        ("POST", "/predict/batch", b"{", 400),
        ("POST", "/predict/batch", b"[]", 422),
        ("POST", "/predict/batch", b"{}", 422),
        ("POST", "/predict/batch", b'{"customer_ids": ["C0000000"]}', 422),
        ("POST", "/predict/batch", b'{"user_ids": ["C0000000"], "x": 1}', 422),
        ("POST", "/predict/batch", b'{"user_ids": "C0000000"}', 422),
        ("POST", "/predict/batch", b'{"user_ids": []}', 422),
        ("POST", "/predict/batch", b'{"user_ids": [1]}', 422),
        ("POST", "/predict/batch", b'{"user_ids": [NaN]}', 422),
        ("POST", "/predict/batch", b'{"user_ids": %s}' % (b"[" * 900 + b"]" * 900), 422),
        ("POST", "/predict/batch", b'{"user_ids": [' + b'"C",' * 2000 + b'"C"]}', 422),
        ("POST", "/predict/batch", b" " * 10_000_000, 413),
        ("POST", "/predict/C0000000", b"", 405),
        ("DELETE", "/explain/C0000000", None, 405),
        ("GET", "/cache/sync", None, 405),
        ("GET", "/cache/clear", None, 405),
        ("PUT", "/health", None, 405),
        ("GET", "/nothing", None, 404),
        ("GET", "/health/", None, 404),
        ("POST", "/predict/batch/", b"", 405),
        ("GET", "/", None, 404),
    ],
)
def test_what_is_wrong_is_a_problem_like_every_other(
    platform: Asker, method: str, url: str, body: bytes | None, status: int
) -> None:
    reply = platform(method, url, content=body, headers={"content-type": "application/json"})
    assert reply.status_code == status
    assert reply.headers["content-type"] == "application/problem+json"
    told = reply.json()
    assert told["status"] == status
    assert told["detail"]
    assert (status == 405) == ("allow" in reply.headers)


def test_keys_are_checked_by_the_application_that_holds_them(locked: Asker, keys: Keys) -> None:
    routes: list[tuple[str, str, Any]] = [
        ("GET", "/predict/C0000000", None),
        ("GET", "/explain/C0000000", None),
        ("GET", "/api/explain/C0000000", None),
        ("POST", "/predict/batch", {"user_ids": ["C0000000"]}),
        ("POST", "/cache/sync", None),
        ("POST", "/cache/clear", None),
    ]
    for method, url, body in routes:
        for key, status in ((None, 401), (keys.expired, 401), (keys.revoked, 401), (keys.other_scope, 403)):
            reply = locked(method, url, json=body, key=key)
            assert (reply.status_code, reply.json()["status"]) == (status, status), url
            assert ("www-authenticate" in reply.headers) == (status == 401)
    for method, url, body in routes[:4]:
        assert locked(method, url, json=body, key=keys.everything).status_code == 200
    for _, url, _ in routes[4:]:
        assert locked("POST", url, key=keys.predict).status_code == 403
    assert locked.get("/health").status_code == 200


def test_an_access_token_is_good_under_the_older_names_too(locked: Asker, tokens: Tokens) -> None:
    for method, url, body in (
        ("GET", "/predict/C0000000", None),
        ("GET", "/explain/C0000000", None),
        ("GET", "/api/explain/C0000000", None),
        ("POST", "/predict/batch", {"user_ids": ["C0000000"]}),
    ):
        assert locked(method, url, json=body, key=tokens.good).status_code == 200
        for bad in (tokens.expired, tokens.forged, tokens.unsigned, tokens.logged_out, tokens.disabled):
            assert locked(method, url, json=body, key=bad).status_code == 401
    assert locked("POST", "/cache/clear", key=tokens.good).status_code == 403


def test_a_key_with_the_scope_clears_and_fills_the_online_store(
    serve: Serve, copy_of: Callable[..., Settings], platform_over: Callable[..., Asker]
) -> None:
    settings = copy_of(auth="required")
    with opened(settings) as ws, ws.db.transaction() as tx:
        key = issue(tx, "ops", scopes=("cache", "predict"), actor="ann").text
    with serve(settings) as serving:
        client = platform_over(settings, serving)
        assert client.get("/predict/C0000000", key=key).status_code == 200
        cleared = client("POST", "/cache/clear", key=key)
        assert (cleared.status_code, cleared.json()["customers"]) == (200, 300)
        serving.replica.refresh()
        assert client.get("/predict/C0000000", key=key).status_code == 503
        filled = client("POST", "/cache/sync", key=key)
        assert (filled.status_code, filled.json()["customers"], filled.json()["already"]) == (200, 300, False)
        serving.replica.refresh()
        assert client.get("/predict/C0000000", key=key).status_code == 200
        assert client("POST", "/cache/sync", key=key).json()["already"] is True


@pytest.fixture
def alone(own: Settings, runner: asyncio.Runner) -> Iterator[Callable[..., httpx.Response]]:
    """Asks a platform whose predict application does what `inside` does."""
    with ExitStack() as opened_here:

        def made(inside: Any, url: str) -> httpx.Response:
            services = Services(own, inside)
            opened_here.callback(services.close)
            app = create_app(services)

            async def asked() -> httpx.Response:
                transport = httpx.ASGITransport(app, raise_app_exceptions=False)
                async with httpx.AsyncClient(transport=transport, base_url="http://axiom") as client:
                    return await client.get(url)

            return runner.run(asked())

        yield made


def test_without_a_predict_application_the_reply_is_503(alone: Callable[..., httpx.Response]) -> None:
    async def away(request: Inside) -> Outcome:
        raise UnavailableError("the application 'predict' does not answer", hint="see `serve status`")

    for url in ("/predict/C0000000", "/explain/C0000000", "/health"):
        reply = alone(away, url)
        assert (reply.status_code, reply.headers["retry-after"]) == (503, "5")
        assert "serve status" in reply.json()["hint"]


def test_a_bug_is_500_as_a_problem_document(alone: Callable[..., httpx.Response]) -> None:
    async def bug(request: Inside) -> Outcome:
        raise ZeroDivisionError("hunter2")

    reply = alone(bug, "/health")
    assert reply.status_code == 500
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json()["status"] == 500
    assert "hunter2" not in reply.text
