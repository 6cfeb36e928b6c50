"""Every error as a problem document (RFC 9457), whoever raised it."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import orjson
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from axiom.errors import AxiomError, MisuseError, NotFoundError, TooManyError
from axiom.telemetry import get_logger

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi import FastAPI
    from starlette.requests import Request

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER = 5
_log = get_logger(__name__)


def register(app: FastAPI) -> None:
    """Let the application answer errors with problem documents."""
    app.add_exception_handler(AxiomError, _axiom)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _framework)


def reply(error: AxiomError, request_id: str = "") -> Response:
    """The answer to a request that failed."""
    return _reply(error.http_status, error.problem_type, error.message, request_id, error.hint, headers=_headers(error))


def unexpected(error: Exception, request_id: str) -> Response:
    """The answer to a request that ran into a bug: the log knows more than the client is told."""
    _log.error("request_failed", request_id=request_id, error=repr(error)[:500], exc_info=True)
    return _reply(500, "internal", f"internal error; request id {request_id}", request_id)


def _headers(error: AxiomError) -> dict[str, str]:
    if isinstance(error, TooManyError):
        return {"retry-after": str(max(1, -int(-error.retry_after // 1)))}
    if error.http_status == HTTPStatus.SERVICE_UNAVAILABLE:
        return {"retry-after": str(RETRY_AFTER)}
    if error.http_status == HTTPStatus.UNAUTHORIZED:
        return {"www-authenticate": "Bearer"}
    return {}


async def _axiom(request: Request, error: Exception) -> Response:
    if not isinstance(error, AxiomError):  # pragma: no cover - registered for AxiomError alone
        raise error
    if error.http_status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.warning("request_not_served", problem=error.problem_type, error=str(error))
    return reply(error, request_id_of(request))


async def _invalid(request: Request, error: Exception) -> Response:
    """Values that do not fit: which ones, and why; never the values themselves, one may be a password."""
    if not isinstance(error, RequestValidationError):  # pragma: no cover - registered for it alone
        raise error
    found = error.errors()
    if any(one["type"] == "json_invalid" for one in found):
        return reply(MisuseError("the body is not JSON", hint="see /docs"), request_id_of(request))
    told = [{"field": _field(one["loc"]), "message": _message(one)} for one in found]
    detail = "; ".join(f"{one['field']}: {one['message']}" for one in told[:5])
    return _reply(422, "bad-input", detail, request_id_of(request), "see /docs", errors=told)


def _field(location: tuple[Any, ...]) -> str:
    """`body.read.paths`, `query.limit`, `path.version`, `header.if-match`."""
    return ".".join(str(part) for part in location) or "body"


def _message(one: Mapping[str, Any]) -> str:
    told = str(one["msg"]).removeprefix("Value error, ")
    return told[:1].lower() + told[1:]


async def _framework(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):  # pragma: no cover - registered for it alone
        raise error
    if error.status_code == HTTPStatus.NOT_FOUND:
        path = request.url.path[:200]
        return reply(NotFoundError(f"there is nothing at {path!r}", hint="see /docs"), request_id_of(request))
    status = HTTPStatus(error.status_code)
    kind = status.phrase.lower().replace(" ", "-")
    detail = f"{request.method} is not allowed here" if status == HTTPStatus.METHOD_NOT_ALLOWED else str(error.detail)
    return _reply(int(status), kind, detail, request_id_of(request), headers=dict(error.headers or {}))


def request_id_of(request: Request) -> str:
    """The id that the frame gave to a request."""
    return str(request.scope.get("axiom.request_id", ""))


def _reply(
    status: int,
    kind: str,
    detail: str,
    request_id: str,
    hint: str = "",
    *,
    errors: list[dict[str, str]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    body: dict[str, Any] = {
        "type": f"/problems/{kind}",
        "title": kind.replace("-", " "),
        "status": status,
        "detail": _sendable(detail),
    }
    body |= {"hint": _sendable(hint)} if hint else {}
    body |= {"request_id": request_id} if request_id else {}
    body |= {"errors": errors} if errors else {}
    return Response(orjson.dumps(body), status, dict(headers or {}), media_type=MEDIA_TYPE)


def _sendable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
