"""The application: every route, behind one frame and one door."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import Depends, FastAPI
from fastapi.routing import APIRoute

from axiom import __version__
from axiom.serve.platform import problems
from axiom.serve.platform.admission import admitted
from axiom.serve.platform.document import document, operation_id
from axiom.serve.platform.frame import Frame
from axiom.serve.platform.pages import add_pages
from axiom.serve.platform.permits import PERMITS
from axiom.serve.platform.routes import (
    audit,
    auth,
    customers,
    dashboard,
    datasets,
    events,
    experiments,
    health,
    jobs,
    keys,
    models,
    monitoring,
    online,
    passed,
    pipelines,
    rollouts,
    runs,
    scores,
    sources,
    users,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fastapi import APIRouter

    from axiom.serve.platform.services import Services

ROUTERS: tuple[APIRouter, ...] = (
    auth.router,
    users.router,
    keys.router,
    audit.router,
    models.router,
    rollouts.router,
    scores.router,
    customers.router,
    datasets.router,
    sources.router,
    runs.router,
    jobs.router,
    pipelines.router,
    events.router,
    experiments.router,
    online.router,
    dashboard.router,
    monitoring.router,
    health.router,
    passed.router,
)


def create_app(services: Services) -> FastAPI:
    """The application.

    Args:
        services: what the routes work with; closed when the application stops.
    """

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        try:
            yield
        finally:
            services.close()

    app = FastAPI(
        title="Axiom",
        version=__version__,
        lifespan=lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=operation_id,
        dependencies=[Depends(admitted)],
    )
    app.state.services = services
    app.add_middleware(Frame)
    problems.register(app)
    for router in ROUTERS:
        _check_permits(router)
        app.include_router(router)
    app.openapi = lambda: document(app)  # type: ignore[method-assign]
    add_pages(app)
    return app


def _check_permits(router: APIRouter) -> None:
    """A route that nobody said who may use does not come in."""
    for route in router.routes:
        if isinstance(route, APIRoute):
            for method in route.methods:
                if f"{method} {route.path}" not in PERMITS:
                    raise LookupError(f"{method} {route.path} is not in axiom/serve/platform/permits.py")
