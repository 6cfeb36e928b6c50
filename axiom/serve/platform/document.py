"""The OpenAPI 3.1 document of the whole service: the platform's routes as FastAPI knows them, and those of predict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi.openapi.utils import get_openapi

from axiom import __version__
from axiom.access.permissions import PERMISSIONS
from axiom.serve.platform.frame import MAX_BODY
from axiom.serve.platform.permits import ANYBODY, PASSED_ON, PERMITS, SIGNED_IN
from axiom.serve.predict import openapi as predict

if TYPE_CHECKING:
    from fastapi import FastAPI
    from fastapi.routing import APIRoute

PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
_ALWAYS = {
    "400": "The request is wrong: not JSON, a NUL character, an unknown word.",
    "413": f"More than {MAX_BODY:,} bytes.",
    "429": "Too many requests; Retry-After says how long to wait.",
    "500": "Stored data are damaged, or a bug; the process goes on.",
    "503": "A service that this needs does not answer; Retry-After says when to try again.",
}
_GUARDED = {
    "401": "No credential, or one that is no good.",
    "403": "The caller may not do this.",
}
_BY_NEED = {
    "404": "There is no such thing.",
    "409": "The state does not allow it.",
    "422": "A value does not fit; `errors` names each field.",
}
_CONDITIONAL = {"412": "It was changed meanwhile: If-Match does not hold."}
_UNCONDITIONAL = {"428": "If-Match is missing."}
PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "RFC 9457. `hint` names the way out.",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "hint": {"type": "string"},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
                "required": ["field", "message"],
            },
        },
    },
    "required": ["type", "title", "status", "detail"],
}
_ABOUT = """Everything that is managed, and online scoring.

Send an access token (`POST /api/auth/login`) or an API key as `Authorization: Bearer`. Errors are problem documents
(RFC 9457), lists are paged, times are ISO 8601 in UTC, creates take an `Idempotency-Key`, changes an `If-Match`.
"""


def operation_id(route: APIRoute) -> str:
    """`users.list`, `keys.create`: the module, and what it does."""
    module = route.endpoint.__module__.rpartition(".")[2]
    return f"{module}.{route.name.removesuffix(f'_{module}')}"


def document(app: FastAPI) -> dict[str, Any]:
    """The document, made once an application."""
    if app.openapi_schema is None:
        found = get_openapi(
            title="Axiom", version=__version__, openapi_version="3.1.0", description=_ABOUT, routes=app.routes
        )
        schemas = found["components"]["schemas"]
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        schemas["Problem"] = PROBLEM_SCHEMA
        found["components"]["securitySchemes"] = predict.document()["components"]["securitySchemes"]
        for path, methods in found["paths"].items():
            for method, operation in methods.items():
                _complete(operation, PERMITS[f"{method.upper()} {_route(path)}"])
        _merge_predict(found)
        app.openapi_schema = found
    return app.openapi_schema


def _route(path: str) -> str:
    """The line of the table: the document says `{file}` where the route says `{file:path}`."""
    return next(line.partition(" ")[2] for line in PERMITS if line.partition(" ")[2].replace(":path}", "}") == path)


def _complete(operation: dict[str, Any], needed: str) -> None:
    """What every operation has in common, and what it needs."""
    told: dict[str, str] = dict(_ALWAYS)
    if needed == ANYBODY:
        operation["security"] = []
    else:
        operation["security"] = [{"bearer": []}, {"key": []}]
        told |= _GUARDED
    if needed in PERMISSIONS:
        operation["x-permission"] = needed
        operation["description"] = f"{operation.get('description', '')}\n\nNeeds `{needed}`.".strip()
    elif needed == SIGNED_IN:
        operation["description"] = f"{operation.get('description', '')}\n\nNeeds any good credential.".strip()
    if "login" in operation["operationId"] or "refresh" in operation["operationId"]:
        told["401"] = "Wrong name, password or token."
    told |= _BY_NEED
    if needed == PASSED_ON:
        told |= predict.PROBLEMS
    if any(one["name"] == "If-Match" for one in operation.get("parameters", [])):
        told |= _CONDITIONAL | _UNCONDITIONAL
    for code, text in told.items():
        content = operation["responses"].get(code, {}).get("content", {}) if code != "422" else {}
        operation["responses"][code] = {"description": text, "content": {**content, **PROBLEM}}


def _merge_predict(found: dict[str, Any]) -> None:
    """The routes of `predict`, with its schemas under names of their own."""
    theirs = predict.document()
    names = {name: name if name not in found["components"]["schemas"] else f"Predict{name}" for name in predict.SCHEMAS}
    names |= {"Request": "PredictRequest", "Problem": "Problem"}
    for name, schema in theirs["components"]["schemas"].items():
        if name != "Problem":
            found["components"]["schemas"][names[name]] = _renamed(schema, names)
    for path, methods in theirs["paths"].items():
        for method, operation in methods.items():
            told = _renamed(operation, names)
            stem = path.strip("/").partition("/")[0].partition(".")[0]
            told["operationId"] = f"predict.{stem}" + ("_post" if method == "post" else "")
            told["tags"] = ["predict"]
            told.setdefault("security", [{"bearer": []}, {"key": []}])
            found["paths"].setdefault(f"{predict.PREFIX}{path}", {})[method] = told


def _renamed(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _reference(item, names) if key == "$ref" else _renamed(item, names) for key, item in value.items()}
    return [_renamed(item, names) for item in value] if isinstance(value, list) else value


def _reference(text: str, names: dict[str, str]) -> str:
    stem, _, name = text.rpartition("/")
    return f"{stem}/{names.get(name, name)}"
