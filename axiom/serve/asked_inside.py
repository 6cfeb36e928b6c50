"""A request that one application passes to another inside the cluster, and its outcome."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from starlette.types import ASGIApp


@dataclass(frozen=True)
class Inside:
    """What to ask.

    Attributes:
        method: of HTTP.
        path: inside the application, decoded, for example `/churn`.
        query: as it stands after the question mark.
        headers: names in lower case, with their values.
        body: as it was sent.
    """

    method: str
    path: str
    query: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""


@dataclass(frozen=True)
class Outcome:
    """What came of it."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


async def ask(app: ASGIApp, request: Inside) -> Outcome:
    """Let an ASGI application answer a request without a socket between."""
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "path": request.path,
        "raw_path": request.path.encode(),
        "query_string": request.query,
        "root_path": "",
        "headers": list(request.headers),
    }
    status = 500
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body = bytearray()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": request.body, "more_body": False}

    async def send(message: Any) -> None:
        nonlocal status, headers
        if message["type"] == "http.response.start":
            status, headers = message["status"], tuple(message["headers"])
        else:
            body.extend(message.get("body", b""))

    await app(scope, receive, send)
    return Outcome(status, headers, bytes(body))
