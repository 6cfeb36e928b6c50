"""The HTTP contract of online scoring, as a plain Starlette application."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from axiom.errors import AxiomError, BadInputError, MisuseError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    import pyarrow as pa
    from starlette.requests import Request

    from axiom.scoring.scorer import Scorer
    from axiom.serve.predict.rows import FeatureRows

MAX_CUSTOMERS = 1000
MAX_BODY = 1 << 20
ANSWERS = {
    "churn": ("customer_id", "as_of", "churn_model", "p_churn", "p_alive"),
    "clv": (
        *("customer_id", "as_of", "clv_model", "expected_purchases"),
        *("clv_mean", "clv_p05", "clv_p50", "clv_p95", "expected_loss"),
    ),
}


def create_app(scorer: Scorer, rows: FeatureRows) -> Starlette:
    """The application over one scorer and the feature rows it answers from.

    Routes: `GET|POST /churn`, `GET|POST /clv` (by `customer_id`, or `customer_ids` up to 1,000), `GET /health`.
    """

    def answer(kind: str) -> Callable[[Request], Awaitable[Response]]:
        async def route(request: Request) -> Response:
            customers, single = await _customers(request)
            scores = scorer.score(rows.take(customers), as_of=rows.as_of, scored_at=datetime.now(UTC))
            found = _rows(scores, ANSWERS[kind])
            return _json(found[0] if single else {"predictions": found})

        return route

    async def health(_request: Request) -> Response:
        models = {"churn": scorer.churn_version or None, "clv": scorer.clv_version or None}
        return _json({"status": "ok", "customers": len(rows.position), "as_of": rows.as_of.isoformat(), **models})

    routes = [
        *(Route(f"/{kind}", answer(kind), methods=["GET", "POST"]) for kind in ANSWERS),
        Route("/health", health, methods=["GET"]),
    ]
    return Starlette(routes=routes, exception_handlers={AxiomError: _problem})


async def _customers(request: Request) -> tuple[list[str], bool]:
    """The customer ids a request asks for, and whether it asked for one alone."""
    if request.method == "GET":
        return [_one(request.query_params.get("customer_id"))], True
    body = await _body(request)
    if "customer_ids" not in body:
        return [_one(body.get("customer_id"))], True
    many = body["customer_ids"]
    if not isinstance(many, list) or not many or not all(isinstance(customer, str) for customer in many):
        raise BadInputError("customer_ids must be a list of at least one text")
    if len(many) > MAX_CUSTOMERS:
        raise BadInputError(
            f"{len(many)} customer_ids, at most {MAX_CUSTOMERS} in one request", hint="split them, or use `axiom score`"
        )
    return many, False


async def _body(request: Request) -> dict[str, Any]:
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > MAX_BODY:
            raise BadInputError(f"the body is larger than {MAX_BODY} bytes")
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise MisuseError(f"the body is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise MisuseError("the body must be a JSON object")
    return body


def _one(customer: object) -> str:
    if not isinstance(customer, str) or not customer:
        raise BadInputError("customer_id is missing or not text", hint='send {"customer_id": "C000001"}')
    return customer


def _rows(scores: pa.Table, columns: Sequence[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = scores.select(list(columns)).to_pylist()
    return found


def _json(body: object, status: int = 200, media_type: str = "application/json") -> Response:
    return Response(orjson.dumps(body), status_code=status, media_type=media_type)


async def _problem(_request: Request, error: Exception) -> Response:
    """An error as a problem document (RFC 9457)."""
    if not isinstance(error, AxiomError):  # pragma: no cover - registered for AxiomError alone
        raise error
    body = {
        "type": f"/problems/{error.problem_type}",
        "title": error.problem_type.replace("-", " "),
        "status": error.http_status,
        "detail": str(error),
    }
    return _json(body, error.http_status, "application/problem+json")
