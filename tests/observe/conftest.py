"""A collector of traces, and a replica that is asked over ASGI."""

from __future__ import annotations

import asyncio
import gzip
import shutil
import threading
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Ray Serve defines its schemas in a way that newer pydantic warns about
    from axiom.serve.predict.http import create_app
    from axiom.serve.predict.options import PredictOptions
    from axiom.serve.predict.replica import Replica
    from axiom.serve.predict.service import Service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from axiom.pipelines.workspace import Workspace
    from axiom.settings import Settings

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@dataclass
class Collector:
    """What an OpenTelemetry collector was sent."""

    url: str
    bodies: list[bytes] = field(default_factory=list)

    def spans(self) -> list[Any]:
        """Every span so far."""
        requests = [ExportTraceServiceRequest.FromString(body) for body in self.bodies]
        return [
            span
            for request in requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


@pytest.fixture
def collector() -> Iterator[Collector]:
    """An OTLP/HTTP collector that remembers."""
    found = Collector("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            found.bodies.append(gzip.decompress(body) if self.headers.get("content-encoding") == "gzip" else body)
            assert self.path == "/v1/traces"
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    found.url = f"http://127.0.0.1:{server.server_port}"
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def own(trained_company: Workspace, tmp_path: Path) -> Settings:
    """Settings of a company that the test may change; everybody may ask."""
    home = tmp_path / "served"
    shutil.copytree(trained_company.settings.home, home)
    return trained_company.settings.model_copy(update={"home": home, "auth": "off"})


@pytest.fixture
def asking() -> Callable[[Settings], AbstractContextManager[Callable[..., httpx.Response]]]:
    """`with asking(settings) as ask: ask("GET", "/churn?customer_id=…")` runs a replica of these settings."""

    @contextmanager
    def run(settings: Settings) -> Iterator[Callable[..., httpx.Response]]:
        replica = Replica(settings, PredictOptions(log_flush_seconds=3600.0))
        try:
            app = create_app(Service(replica))
            with asyncio.Runner() as runner:
                client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://axiom")

                def ask(method: str, url: str, **more: Any) -> httpx.Response:
                    return runner.run(client.request(method, url, **more))

                yield ask
                runner.run(client.aclose())
        finally:
            replica.close()

    return run
