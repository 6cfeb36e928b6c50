"""What `predict` answers: explanations, and predictions under their older names."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import orjson
from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from axiom.serve.asked_inside import Inside
from axiom.serve.platform.admission import With
from axiom.serve.platform.wire import CustomerId, Given

if TYPE_CHECKING:
    from axiom.serve.asked_inside import Outcome

router = APIRouter(tags=["older names"])
PASSED = frozenset((b"authorization", b"x-api-key", b"content-type", b"traceparent", b"tracestate"))


class UserIds(Given):
    """Customers by their older name."""

    user_ids: list[str] = Field(min_length=1, max_length=1000)


@router.get("/api/explain/{customer_id:path}", tags=["explain"], response_model=dict[str, Any])
async def explain(customer_id: CustomerId, request: Request, known: With) -> Response:
    """Why a customer's probability of churn is what it is: exact contributions, reasons, actions."""
    return _reply(await known.ask(_passed(request, f"/explain/{customer_id}")))


@router.get("/explain/{customer_id:path}", response_model=dict[str, Any])
async def older_explain(customer_id: CustomerId, request: Request, known: With) -> Response:
    """As GET /api/explain/{customer_id}."""
    return _reply(await known.ask(_passed(request, f"/explain/{customer_id}")))


@router.post("/predict/batch", response_model=dict[str, Any])
async def batch(body: UserIds, request: Request, known: With) -> Response:
    """As POST /api/predict/churn with `customer_ids`."""
    asked = orjson.dumps({"customer_ids": body.user_ids})
    return _reply(await known.ask(_passed(request, "/churn", method="POST", body=asked)))


@router.get("/predict/{user_id:path}", response_model=dict[str, Any])
async def one(user_id: CustomerId, request: Request, known: With) -> Response:
    """Both predictions of a customer in one object."""
    asked = orjson.dumps({"customer_id": user_id})
    churn, clv = await asyncio.gather(
        *(known.ask(_passed(request, f"/{kind}", method="POST", body=asked)) for kind in ("churn", "clv"))
    )
    bad = next((outcome for outcome in (churn, clv) if outcome.status != 200), None)
    if bad is not None:
        return _reply(bad)
    both = {"user_id": user_id, "churn": orjson.loads(churn.body), "clv": orjson.loads(clv.body)}
    return Response(orjson.dumps(both), media_type="application/json")


@router.get("/health", response_model=dict[str, Any], tags=["health"], responses={503: {"model": dict[str, Any]}})
async def health(request: Request, known: With) -> Response:
    """The health of a replica of `predict`; that of the platform is at /api/health."""
    return _reply(await known.ask(_passed(request, "/health")))


def _passed(request: Request, path: str, *, method: str | None = None, body: bytes = b"") -> Inside:
    headers = [(name, value) for name, value in request.headers.raw if name in PASSED]
    headers.append((b"x-request-id", str(request.scope.get("axiom.request_id", "")).encode()))
    query = request.url.query.encode() if not body else b""
    return Inside(method or request.method, path, query, tuple(headers), body)


def _reply(outcome: Outcome) -> Response:
    kept = {name.decode(): value.decode() for name, value in outcome.headers if name != b"content-length"}
    return Response(outcome.body, outcome.status, kept)
