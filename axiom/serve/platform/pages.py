"""The document for people: Swagger UI at /docs, ReDoc at /redoc. Nothing is fetched from elsewhere."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from axiom.serve.platform.document import document

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request

DOCUMENT = "/api/openapi.json"
ASSETS = "/docs/assets"
# Both pages style their elements from scripts; scripts themselves come from here only, and none stands in a page.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' "
    "data:; connect-src 'self'; worker-src 'self' blob:; child-src blob:; frame-ancestors 'none'; base-uri 'none'"
)
_HEAD = '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
_SWAGGER = f"""{_HEAD}<title>Axiom API</title><link rel="stylesheet" href="{ASSETS}/swagger-ui.css"><body>
<p style="font-family:sans-serif;margin:1rem">The same with all schemas: <a href="/redoc">/redoc</a>. Online scoring
with examples: <a href="/api/predict/docs">/api/predict/docs</a>. The document: <a href="{DOCUMENT}">{DOCUMENT}</a>.</p>
<div id="swagger-ui"></div><script src="{ASSETS}/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script></body></html>"""
_START = f"""SwaggerUIBundle({{url: "{DOCUMENT}", dom_id: "#swagger-ui", deepLinking: true, validatorUrl: null,
docExpansion: "none", presets: [SwaggerUIBundle.presets.apis], layout: "BaseLayout"}});"""
_REDOC = f"""{_HEAD}<title>Axiom API</title><body style="margin:0"><redoc spec-url="{DOCUMENT}"></redoc>
<script src="{ASSETS}/redoc.standalone.js"></script></body></html>"""


def add_pages(app: FastAPI) -> None:
    """Serve the document, as JSON and as two pages."""

    async def openapi(_request: Request) -> Response:
        return JSONResponse(document(app))

    async def swagger(_request: Request) -> Response:
        return _page(_SWAGGER)

    async def redoc(_request: Request) -> Response:
        return _page(_REDOC)

    async def start(_request: Request) -> Response:
        return Response(_START, media_type="text/javascript")

    app.router.routes.extend(
        [
            Route(DOCUMENT, openapi),
            Route("/docs", swagger),
            Route("/redoc", redoc),
            Route("/docs/start.js", start),
            Mount(ASSETS, StaticFiles(directory=_assets())),
        ]
    )


def _page(text: str) -> Response:
    return HTMLResponse(text, headers={"content-security-policy": _POLICY})


def _assets() -> Path:
    # The package brings the files of Swagger UI and ReDoc; its code is not needed.
    found = find_spec("fastapi_offline")
    if found is None or found.origin is None:  # pragma: no cover - it is a dependency
        raise ModuleNotFoundError("fastapi_offline")
    return Path(found.origin).parent / "static"
