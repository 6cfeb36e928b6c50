"""What surrounds every request: an id, limits, headers that keep browsers safe, one line in the log."""

from __future__ import annotations

import itertools
import secrets
import time
from typing import TYPE_CHECKING

import structlog
from starlette.datastructures import MutableHeaders

from axiom.errors import AxiomError, BadInputError, MisuseError, TooLargeError
from axiom.serve.platform.problems import reply, unexpected
from axiom.telemetry import get_logger

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY = 1 << 20
"""Bytes of one request's body."""
MAX_TARGET = 8192
"""Bytes of path and query."""
MAX_REQUEST_ID = 128
_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
}
_log = get_logger("axiom.access")


class Frame:
    """ASGI middleware around the whole application.

    Args:
        app: what is surrounded.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._prefix = secrets.token_hex(6)
        self._numbers = itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; whatever goes wrong becomes a problem document."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        request_id = _given_id(scope) or f"{self._prefix}-{next(self._numbers):x}"
        scope["axiom.request_id"] = request_id
        status = 0

        async def framed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["x-request-id"] = request_id
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, _again(await _whole_body(scope, receive), receive), framed)
            except AxiomError as error:
                await reply(error, request_id)(scope, receive, framed)
            except Exception as error:  # noqa: BLE001  (the one place where a bug becomes a 500 and the process goes on)
                answer = unexpected(error, request_id)
                if status == 0:
                    await answer(scope, receive, framed)
            finally:
                _tell(scope, status, time.perf_counter() - started)


def _given_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and len(value) <= MAX_REQUEST_ID:
            text: str = value.decode("latin-1")
            return text if text.isascii() and text.isprintable() else ""
    return ""


async def _whole_body(scope: Scope, receive: Receive) -> bytes:
    """The body, and a look at what no database can store.

    Raises:
        TooLargeError: body, path or query are larger than the limit.
        MisuseError: path or query hold a NUL character.
        BadInputError: the body does.
    """
    if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > MAX_TARGET:
        raise TooLargeError(f"path and query are longer than {MAX_TARGET:,} bytes")
    if "\0" in scope["path"] or b"%00" in scope["query_string"] or b"\0" in scope["query_string"]:
        raise MisuseError("path or query hold a NUL character")
    too_large = TooLargeError(f"the body is larger than {MAX_BODY:,} bytes")
    for name, value in scope["headers"]:
        if name == b"content-length" and (len(value) > 18 or (value.isdigit() and int(value) > MAX_BODY)):
            raise too_large
    read = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        read += message.get("body", b"")
        more = message.get("more_body", False)
        if len(read) > MAX_BODY:
            raise too_large
    if b"\0" in read or b"\\u0000" in read:
        raise BadInputError("the body holds a NUL character")
    return bytes(read)


def _again(body: bytes, receive: Receive) -> Receive:
    """The body once more, then whatever comes: a client that goes away."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def _tell(scope: Scope, status: int, seconds: float) -> None:
    """One line: the template of the route, never path or query, which name customers and may hold secrets."""
    route = getattr(scope.get("route"), "path", None)
    _log.info(
        "request",
        method=scope["method"],
        route=route or "-",
        status=status,
        ms=round(seconds * 1000, 1),
        who=scope.get("axiom.who", "-"),
    )
