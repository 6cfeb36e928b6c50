"""The HTTP contract of online scoring: every request comes in and goes out through one door."""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qsl

import orjson
from starlette.applications import Starlette
from starlette.routing import Route
from structlog.contextvars import bind_contextvars

from axiom.errors import (
    AxiomError,
    BadInputError,
    ForbiddenError,
    NotFoundError,
    TooLargeError,
    TooManyError,
    UnauthorizedError,
)
from axiom.serve.predict.asked import MAX_BODY, checked_id, one_customer, parse_body
from axiom.serve.predict.openapi import document, page
from axiom.telemetry import get_logger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from typing import TypeAlias

    from starlette.types import Lifespan, Receive, Scope, Send

    from axiom.access.keyring import Caller
    from axiom.serve.predict.asked import Asked
    from axiom.serve.predict.lines import Kind
    from axiom.serve.predict.service import Service

    Handler: TypeAlias = Callable[["Call"], Awaitable["Reply"]]

JSON = b"application/json"
PROBLEM = b"application/problem+json"
MAX_REQUEST_ID = 128
ANY_METHOD = "*"
_DIGITS = 19  # of a length: so many are more than any limit, and Python refuses to read thousands
REFUSALS: dict[type[AxiomError], str] = {UnauthorizedError: "key", ForbiddenError: "scope", TooLargeError: "size"}
_log = get_logger(__name__)


class Reply(NamedTuple):
    """What goes back."""

    body: bytes
    status: int = 200
    media_type: bytes = JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Call:
    """One request: what the client sent, who sent it, when it came."""

    __slots__ = ("caller", "key", "length", "receive", "request_id", "scope", "started")

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.scope, self.receive = scope, receive
        self.started = time.perf_counter()
        self.key: str | None = None
        self.length = 0
        self.request_id = ""
        self.caller: Caller | None = None
        for name, value in scope["headers"]:
            if name == b"x-api-key":
                self.key = value.decode("latin-1")
            elif name == b"authorization" and self.key is None and value[:7].lower() == b"bearer ":
                self.key = value[7:].decode("latin-1").strip()
            elif name == b"content-length":
                self.length = int(value[:_DIGITS]) if value.isdigit() else 0
            elif name == b"x-request-id":
                self.request_id = clean_id(value.decode("latin-1"))

    async def body(self) -> bytes:
        """The whole body.

        Raises:
            TooLargeError: it is larger than the limit, whatever its header says.
        """
        size = self.length
        chunks: list[bytes] = []
        read = 0
        while size <= MAX_BODY and read <= MAX_BODY:
            message = await self.receive()
            chunk = message.get("body", b"")
            read += len(chunk)
            chunks.append(chunk)
            if not message.get("more_body", False):
                break
        if size > MAX_BODY or read > MAX_BODY:
            raise TooLargeError(
                f"the body is larger than {MAX_BODY:,} bytes", hint="split it, or score the base with `axiom score`"
            )
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def query(self) -> dict[str, str]:
        """The query parameters; one that is given twice is refused.

        Raises:
            BadInputError: a parameter comes twice.
        """
        pairs = parse_qsl(self.scope["query_string"].decode("latin-1"), keep_blank_values=True)
        found = dict(pairs)
        if len(found) != len(pairs):
            raise BadInputError("a query parameter is given twice")
        return found


def clean_id(text: str) -> str:
    """The id of a request as the client gave it; "" where it is too long, or no harmless ASCII."""
    return text if len(text) <= MAX_REQUEST_ID and text.isascii() and text.isprintable() else ""


class Door:
    """One route as an ASGI application: overload, key, limit, work, reply, and one line in the metrics.

    Args:
        service: does the work.
        name: of the route in metrics and problems.
        handlers: method, or `ANY_METHOD`, -> what answers it.
        scope: what a key must be good for; None lets everybody in, under overload too.
        tell_id: whether replies carry `x-request-id`; not where a server around the application adds it.
    """

    def __init__(
        self, service: Service, name: str, handlers: dict[str, Handler], scope: str | None, *, tell_id: bool = True
    ) -> None:
        self._service, self._name, self._handlers, self._scope = service, name, handlers, scope
        self._tell_id = tell_id
        self._allow = b", ".join(sorted(method.encode() for method in handlers))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; whatever goes wrong becomes a problem document."""
        call = Call(scope, receive)
        service = self._service
        metrics = service.metrics
        metrics.begin()
        if not call.request_id:
            call.request_id = service.next_id()
        bind_contextvars(request_id=call.request_id)  # the request has a task, and so a context, of its own
        with service.tracing.request(self._name, scope["headers"]) as span:
            head = scope["method"] == "HEAD"  # load balancers ask like this whether somebody is there
            reply = await self._reply(call, "GET" if head else scope["method"])
            span.note("http.response.status_code", reply.status)
            span.note("axiom.request_id", call.request_id)
        metrics.request(self._name, reply.status, time.perf_counter() - call.started)
        await _send(send, reply, call.request_id if self._tell_id else "", with_body=not head)

    async def _reply(self, call: Call, method: str) -> Reply:
        metrics = self._service.metrics
        try:
            handler = self._handlers.get(method) or self._handlers.get(ANY_METHOD)
            if handler is None:
                return _problem_of(HTTPStatus.METHOD_NOT_ALLOWED, headers=((b"allow", self._allow),))
            if self._scope is not None:
                call.caller = await self._service.admit(call.key, self._scope)
            return await handler(call)
        except AxiomError as error:
            if (reason := REFUSALS.get(type(error))) is not None:
                metrics.rejected(reason)
            return problem(error)
        except Exception as error:  # noqa: BLE001  (the one place where a bug becomes a 500 and the process goes on)
            _log.error("request_failed", route=self._name, error=repr(error), exc_info=True)
            return _problem_of(HTTPStatus.INTERNAL_SERVER_ERROR, f"internal error; request id {call.request_id}")
        finally:
            metrics.end()  # also where the client went away and the request was cancelled


async def _send(send: Send, reply: Reply, request_id: str, *, with_body: bool) -> None:
    headers = [
        (b"content-type", reply.media_type),
        (b"content-length", str(len(reply.body)).encode()),
        *reply.headers,
    ]
    if request_id:
        headers.append((b"x-request-id", request_id.encode("latin-1")))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body if with_body else b""})


def problem(error: AxiomError) -> Reply:
    """An error as a problem document (RFC 9457)."""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    if isinstance(error, TooManyError):
        headers = ((b"retry-after", str(max(1, -int(-error.retry_after // 1))).encode()),)
    elif error.http_status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers = ((b"retry-after", b"5"),)
    elif error.http_status == HTTPStatus.UNAUTHORIZED:
        headers = ((b"www-authenticate", b"Bearer"),)
    body = {
        "type": f"/problems/{error.problem_type}",
        "title": error.problem_type.replace("-", " "),
        "status": error.http_status,
        "detail": error.message,
        **({"hint": error.hint} if error.hint else {}),
    }
    return Reply(orjson.dumps(body), error.http_status, PROBLEM, headers)


def _problem_of(status: HTTPStatus, detail: str = "", headers: tuple[tuple[bytes, bytes], ...] = ()) -> Reply:
    title = status.phrase.lower()
    body = {
        "type": f"/problems/{title.replace(' ', '-')}",
        "title": title,
        "status": int(status),
        "detail": detail or status.description,
    }
    return Reply(orjson.dumps(body), int(status), PROBLEM, headers)


def create_app(service: Service, lifespan: Lifespan[Starlette] | None = None, *, tell_id: bool = True) -> Starlette:
    """The application over one service; `openapi.document()` describes its routes.

    Args:
        service: does the work.
        lifespan: what starts and ends with it.
        tell_id: see `Door`.
    """
    answers = _Answers(service)

    def route(path: str, name: str, handlers: dict[str, Handler], scope: str | None = None) -> Route:
        return Route(path, Door(service, name, handlers, scope, tell_id=tell_id))

    routes: Sequence[Route] = (
        route("/churn", "churn", answers.predict("churn"), "predict"),
        route("/clv", "clv", answers.predict("clv"), "predict"),
        route("/explain/{customer_id:path}", "explain", {"GET": answers.explain}, "explain"),
        route("/history/{customer_id:path}", "history", {"GET": answers.history}, "predict"),
        route("/may/cache", "may", {"GET": answers.may}, "cache"),
        route("/health", "health", {"GET": answers.health}),
        route("/metrics", "metrics", {"GET": answers.metrics}),
        route("/openapi.json", "openapi", {"GET": answers.openapi}),
        route("/docs", "docs", {"GET": answers.docs}),
        route("/{path:path}", "unknown", {ANY_METHOD: answers.nothing}),
    )
    return Starlette(routes=routes, lifespan=lifespan)


class _Answers:
    """What the routes do."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def predict(self, kind: Kind) -> dict[str, Handler]:
        async def post(call: Call) -> Reply:
            return Reply(orjson.dumps(await self._service.predict(kind, parse_body(await call.body()), call)))

        async def get(call: Call) -> Reply:
            return Reply(orjson.dumps(await self._service.predict(kind, _from_query(call), call)))

        return {"POST": post, "GET": get}

    async def explain(self, call: Call) -> Reply:
        return Reply(orjson.dumps(await self._service.explain(_customer(call), call)))

    async def history(self, call: Call) -> Reply:
        return Reply(orjson.dumps(await self._service.history(_customer(call), call.query())))

    async def may(self, _call: Call) -> Reply:
        """Says only that the key was good enough."""
        return Reply(b'{"allowed":true}')

    async def health(self, _call: Call) -> Reply:
        found = self._service.health()
        status = HTTPStatus.SERVICE_UNAVAILABLE if found["status"] == "unavailable" else HTTPStatus.OK
        return Reply(orjson.dumps(found), int(status))

    async def metrics(self, _call: Call) -> Reply:
        return Reply(self._service.metrics.render(), media_type=b"text/plain; version=0.0.4; charset=utf-8")

    async def openapi(self, _call: Call) -> Reply:
        return Reply(orjson.dumps(document()))

    async def docs(self, _call: Call) -> Reply:
        return Reply(page().encode(), media_type=b"text/html; charset=utf-8")

    async def nothing(self, call: Call) -> Reply:
        """Paths that do not exist."""
        raise NotFoundError(f"there is nothing at {call.scope['path'][:200]!r}", hint="see /api/predict/docs")


def _customer(call: Call) -> str:
    return checked_id(call.scope["path_params"]["customer_id"])


def _from_query(call: Call) -> Asked:
    query = call.query()
    unknown = [name for name in query if name != "customer_id"]
    if unknown:
        raise BadInputError(
            f"unknown query parameter {unknown[0][:100]!r}", hint="GET takes customer_id alone; POST takes the rest"
        )
    return one_customer(query.get("customer_id"))
