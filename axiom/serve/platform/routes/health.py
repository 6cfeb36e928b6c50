"""Liveness, readiness and the health of every component."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal

import orjson
from fastapi import APIRouter
from starlette.responses import Response

from axiom.errors import AxiomError
from axiom.serve.asked_inside import Inside
from axiom.serve.platform.admission import With
from axiom.serve.platform.wire import Shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from axiom.serve.platform.services import Services

router = APIRouter(tags=["health"])
State = Literal["ok", "degraded", "unavailable"]


class Component(Shown):
    """One thing that this service needs."""

    status: State
    problem: str | None = None


class Health(Shown):
    """The worst of the components that everything needs decides: the others only degrade."""

    status: State
    components: dict[str, Component]


class Alive(Shown):
    """The process answers."""

    status: Literal["ok"] = "ok"


@router.get("/api/health/live")
async def live() -> Alive:
    """Whether the process answers."""
    return Alive()


@router.get("/api/health/ready", responses={503: {"model": Health}})
async def ready(known: With, response: Response) -> Health:
    """Whether requests can be served; 503 where not."""
    return await health(known, response)


@router.get("/api/health", responses={503: {"model": Health}})
async def health(known: With, response: Response) -> Health:
    """Every component: database, lake, keys, log-ins, predictions, limits."""
    local, predict = await asyncio.gather(asyncio.to_thread(_here, known), _predict(known))
    components = {**local, "predict": predict}
    needed = (components["database"].status, components["lake"].status)
    bad = any(one.status != "ok" for one in components.values())
    status: State = "unavailable" if "unavailable" in needed else "degraded" if bad else "ok"
    if status == "unavailable":
        response.status_code = 503
    return Health(status=status, components=components)


def _here(known: Services) -> dict[str, Component]:
    return {
        "database": _tried(lambda: known.db.schema() is not None),
        "lake": _tried(lambda: known.workspace.lake.storage.exists("_lake.json")),
        "keys": _unless(known.keys.degraded),
        "limits": _unless(known.limiter.degraded),
        "logins": _unless(None if known.settings.secret_key else "AXIOM_SECRET_KEY is not set: nobody can log in"),
    }


def _tried(work: Callable[[], object]) -> Component:
    try:
        work()
    except AxiomError as error:
        return Component(status="unavailable", problem=error.message)
    return Component(status="ok")


def _unless(problem: str | None) -> Component:
    return Component(status="degraded" if problem else "ok", problem=problem)


async def _predict(known: Services) -> Component:
    try:
        outcome = await asyncio.wait_for(known.ask(Inside("GET", "/health")), timeout=3.0)
        told = orjson.loads(outcome.body)
    except (AxiomError, TimeoutError, orjson.JSONDecodeError) as error:
        return Component(status="unavailable", problem=str(error) or "it does not answer in time")
    status = str(told.get("status"))
    if status == "ok":
        return Component(status="ok")
    return Component(status="degraded" if outcome.status == 200 else "unavailable", problem=f"it says {status}")
