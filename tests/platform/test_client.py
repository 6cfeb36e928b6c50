from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from axiom.client import Client as Axiom
from axiom.errors import (
    ConflictError,
    ForbiddenError,
    NotFoundError,
    StaleError,
    TooManyError,
    UnauthorizedError,
    UnavailableError,
)
from axiom.serve.platform.client_text import current_document, not_wrapped, operations_text, types_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.platform.conftest import Client

PASSWORD = "correct horse battery"
FOLDER = Path(__file__).parents[2] / "axiom" / "client"


class OverAsgi(httpx.BaseTransport):
    """Lets a synchronous client ask an application on the loop of the tests."""

    def __init__(self, inside: Client) -> None:
        self._inside = inside
        self.sent: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.sent.append(request)
        content = request.read()
        headers = dict(request.headers)
        reply = self._inside(request.method, str(request.url), headers=headers, content=content)
        kept = {name: value for name, value in reply.headers.items() if name != "content-length"}
        return httpx.Response(reply.status_code, headers=kept, content=reply.content)


@pytest.fixture
def over() -> Callable[[Client], tuple[Axiom, OverAsgi]]:
    def made(inside: Client) -> tuple[Axiom, OverAsgi]:
        transport = OverAsgi(inside.using(None))
        http = httpx.Client(transport=transport, base_url="http://axiom")
        return Axiom(http=http, sleep=lambda _seconds: None), transport

    return made


@pytest.fixture
def axiom(local: Client, over: Any) -> Iterator[Axiom]:
    client, _ = over(local)
    with client:
        yield client.login("the-administrator", PASSWORD)


def test_the_generated_half_is_what_the_document_says() -> None:
    document = current_document()
    hint = "run python -m axiom.serve.platform.client_text"
    assert (FOLDER / "types.py").read_text() == types_text(document), hint
    assert (FOLDER / "operations.py").read_text() == operations_text(document), hint


def test_every_operation_of_the_document_is_a_method(axiom: Axiom) -> None:
    document = current_document()
    ids = {operation["operationId"] for methods in document["paths"].values() for operation in methods.values()}
    for name in ids - not_wrapped(document):
        group, _, method = name.partition(".")
        assert callable(getattr(getattr(axiom, group), method)), name
    assert not_wrapped(document) == {f"events.of_{name}" for name in ("jobs", "pipelines", "alerts", "throughput")}


def test_users_are_managed_with_what_was_seen(axiom: Axiom) -> None:
    made = axiom.users.create({"name": "ann", "role": "analyst", "password": "staple battery horse"})
    assert made["name"] == "ann"
    axiom.users.show("ann")
    seen = axiom.etag
    assert axiom.users.change("ann", {"role": "ml-engineer"}, if_match=seen)["revision"] == 2
    with pytest.raises(StaleError, match="changed meanwhile"):
        axiom.users.change("ann", {"role": "analyst"}, if_match=seen)
    axiom.users.delete("ann")
    with pytest.raises(NotFoundError, match="there is no user"):
        axiom.users.show("ann")
    with pytest.raises(ConflictError, match="only administrator"):
        axiom.users.delete("the-administrator")


def test_who_may_not_is_told_by_the_class_of_the_error(local: Client, over: Any) -> None:
    client, _ = over(local)
    with pytest.raises(UnauthorizedError):
        client.users.list()
    client.login("the-analyst", PASSWORD)
    with pytest.raises(ForbiddenError, match="analyst may"):
        client.users.list()
    client.logout()
    with pytest.raises(UnauthorizedError):
        client.scores.list()


def test_a_session_is_renewed_when_its_access_token_runs_out(local: Client, over: Any) -> None:
    client, transport = over(local)
    client.login("the-analyst", PASSWORD)
    client._transport.hold("stale", client._transport.refresh_token)
    assert client.auth.me()["actor"] == "the-analyst"
    assert [request.url.path for request in transport.sent][-3:] == [
        "/api/auth/me",
        "/api/auth/refresh",
        "/api/auth/me",
    ]


def test_a_list_is_read_to_its_end_page_by_page(company: Client, over: Any) -> None:
    client, transport = over(company)
    client.login("the-administrator", PASSWORD)
    rows = list(client.every(client.scores.list, sort="customer_id"))
    assert len({row["customer_id"] for row in rows}) == 300
    assert [request.url.params.get("offset") for request in transport.sent[1:]] == ["0", "200"]
    assert client.models.artefact("churn", 1).startswith(b"PK")
    assert client.customers.show(rows[0]["customer_id"])["score"] == rows[0]


def test_events_are_followed(axiom: Axiom) -> None:
    job = axiom.jobs.score({})
    axiom.jobs.show(job["job_id"])
    live = axiom.follow("jobs", after=0, subject=job["job_id"])
    # The stream of the tests comes whole; one second of it is enough.
    axiom._stream = lambda path, query: Axiom._stream(axiom, path, {**query, "seconds": "1"})  # type: ignore[method-assign]
    assert [next(live).name, next(live).name] == ["queued", "failed"]


def answering(*replies: httpx.Response | httpx.TransportError) -> tuple[Axiom, list[httpx.Request], list[float]]:
    sent: list[httpx.Request] = []
    waited: list[float] = []
    left = list(replies)

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        reply = left.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply

    http = httpx.Client(transport=httpx.MockTransport(answer), base_url="http://axiom")
    return Axiom(http=http, key="axk_x", sleep=waited.append), sent, waited


def away(status: int) -> httpx.Response:
    body = {"type": "/problems/unavailable" if status == 503 else "/problems/too-many", "detail": "later"}
    return httpx.Response(status, headers={"retry-after": "3"}, json=body)


def test_what_is_turned_away_for_now_is_asked_again_where_that_is_harmless() -> None:
    client, sent, waited = answering(away(503), httpx.ConnectError("refused"), httpx.Response(200, json={"items": []}))
    assert client.users.list() == {"items": []}
    assert (len(sent), waited) == (3, [3.0, 1.0])
    client, sent, waited = answering(away(429), httpx.Response(201, json={"name": "ann"}))
    client.users.create({"name": "ann", "role": "analyst", "password": "x"})
    assert sent[0].headers["idempotency-key"] == sent[1].headers["idempotency-key"]
    client, sent, _ = answering(away(503))
    with pytest.raises(UnavailableError, match="later"):
        client.rollouts.roll_back("churn", {"reason": "r"})
    assert len(sent) == 1
    client, sent, _ = answering(*(away(429) for _ in range(3)))
    with pytest.raises(TooManyError) as refused:
        client.users.list()
    assert (refused.value.retry_after, len(sent)) == (3.0, 3)


def test_an_answer_that_is_no_problem_document_is_an_error_all_the_same() -> None:
    client, _, _ = answering(httpx.Response(502, text="<html>bad gateway</html>"))
    with pytest.raises(Exception, match="the service answers 502"):
        client.rollouts.show("churn")
