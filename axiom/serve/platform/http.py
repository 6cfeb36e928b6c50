"""Routes of the platform: explanations, the older-style names, the online store, health, documentation."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from axiom.errors import AxiomError, MisuseError, NotFoundError
from axiom.serve.asked_inside import Inside, Outcome
from axiom.serve.predict.asked import MAX_BODY, many_customers
from axiom.serve.predict.http import problem

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request

    from axiom.settings import Settings

    Ask = Callable[[Inside], Awaitable[Outcome]]

PASSED = frozenset((b"authorization", b"x-api-key", b"x-request-id", b"content-length", b"content-type"))


def create_app(settings: Settings, ask: Ask) -> Starlette:
    """The application.

    Args:
        settings: of the workspace, for what it does itself.
        ask: lets a replica of `predict` answer.
    """

    async def explain(request: Request) -> Response:
        return _reply(await ask(_passed(request, f"/explain/{request.path_params['customer_id']}", method="GET")))

    async def one(request: Request) -> Response:
        """Both predictions of a customer in one object."""
        customer = request.path_params["user_id"]
        body = orjson.dumps({"customer_id": customer})
        churn, clv = await asyncio.gather(
            *(ask(_passed(request, f"/{kind}", method="POST", body=body)) for kind in ("churn", "clv"))
        )
        bad = next((outcome for outcome in (churn, clv) if outcome.status != 200), None)
        if bad is not None:
            return _reply(bad)
        both = {"user_id": customer, "churn": orjson.loads(churn.body), "clv": orjson.loads(clv.body)}
        return _json(both, {"x-request-id": dict(churn.headers)[b"x-request-id"].decode()})

    async def batch(request: Request) -> Response:
        """`{"user_ids": […]}` as `{"customer_ids": […]}`."""
        asked = _body(await _limited(request))
        if set(asked) != {"user_ids"}:
            raise MisuseError("the body must hold user_ids and nothing else", hint='send {"user_ids": ["C000001"]}')
        body = orjson.dumps({"customer_ids": many_customers(asked["user_ids"]).customers})
        return _reply(await ask(_passed(request, "/churn", method="POST", body=body)))

    async def sync(request: Request) -> Response:
        await _allowed(request, ask)
        from axiom.pipelines.online import publish_features

        return _json(await asyncio.to_thread(_in_workspace, settings, publish_features))

    async def clear(request: Request) -> Response:
        await _allowed(request, ask)
        from axiom.pipelines.online import clear_online

        return _json(await asyncio.to_thread(_in_workspace, settings, clear_online))

    async def health(request: Request) -> Response:
        return _reply(await ask(_passed(request, "/health", method="GET")))

    async def docs(_request: Request) -> Response:
        return RedirectResponse("/api/predict/docs")

    routes = [
        Route("/api/explain/{customer_id:path}", explain),
        Route("/predict/batch", batch, methods=["POST"]),
        Route("/predict/{user_id:path}", one),
        Route("/explain/{customer_id:path}", explain),
        Route("/cache/sync", sync, methods=["POST"]),
        Route("/cache/clear", clear, methods=["POST"]),
        Route("/health", health),
        Route("/docs", docs),
    ]
    app = Starlette(routes=routes, exception_handlers={AxiomError: _problem, HTTPException: _unrouted, Exception: _bug})
    app.router.redirect_slashes = False  # a path is right, or it is a problem
    return app


def _passed(request: Request, path: str, *, method: str, body: bytes = b"") -> Inside:
    headers = tuple(
        (name, value) for name, value in request.headers.raw if name in PASSED and name != b"content-length"
    )
    return Inside(method, path, request.url.query.encode() if not body else b"", headers, body)


async def _limited(request: Request) -> bytes:
    """The body, as long as it is within the limit."""
    from axiom.errors import TooLargeError

    read = bytearray()
    async for chunk in request.stream():
        read += chunk
        if len(read) > MAX_BODY:
            raise TooLargeError(f"the body is larger than {MAX_BODY:,} bytes")
    return bytes(read)


def _body(raw: bytes) -> dict[str, Any]:
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise MisuseError(f"the body is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise MisuseError("the body must be a JSON object")
    return body


async def _allowed(request: Request, ask: Ask) -> None:
    """Let `predict`, which holds the keys, say whether the caller may change the cache."""
    outcome = await ask(_passed(request, "/may/cache", method="GET"))
    if outcome.status != 200:
        raise _RefusedError(outcome)


class _RefusedError(AxiomError):
    """The refusal of another application, passed on as it is."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__("refused")
        self.outcome = outcome


def _in_workspace(settings: Settings, work: Callable[[Any], Any]) -> Any:
    from dataclasses import asdict, is_dataclass

    from axiom.pipelines.workspace import opened

    with opened(settings) as ws:
        done = work(ws)
    return asdict(done) if is_dataclass(done) and not isinstance(done, type) else done


def _reply(outcome: Outcome) -> Response:
    kept = {name.decode(): value.decode() for name, value in outcome.headers if name != b"content-length"}
    return Response(outcome.body, outcome.status, kept)


def _json(body: Any, headers: Mapping[str, str] | None = None) -> Response:
    return Response(orjson.dumps(body, default=str), headers=headers, media_type="application/json")


async def _problem(_request: Request, error: Exception) -> Response:
    if isinstance(error, _RefusedError):
        return _reply(error.outcome)
    if not isinstance(error, AxiomError):  # pragma: no cover - registered for AxiomError alone
        raise error
    reply = problem(error)
    headers = {name.decode(): value.decode() for name, value in reply.headers}
    return Response(reply.body, reply.status, headers, media_type=reply.media_type.decode())


async def _unrouted(request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException) and error.status_code != HTTPStatus.NOT_FOUND:
        return _told(HTTPStatus(error.status_code), error.detail, error.headers)
    return await _problem(request, NotFoundError(f"there is nothing at {request.url.path[:200]}", hint="see /docs"))


async def _bug(_request: Request, _error: Exception) -> Response:
    """The reply to a bug; the server logs it."""
    return _told(HTTPStatus.INTERNAL_SERVER_ERROR, "internal error")


def _told(status: HTTPStatus, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    title = status.phrase.lower()
    body = {"type": f"/problems/{title.replace(' ', '-')}", "title": title, "status": int(status), "detail": detail}
    return Response(orjson.dumps(body), int(status), headers, media_type="application/problem+json")
