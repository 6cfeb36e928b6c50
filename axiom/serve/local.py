"""Serve on one machine: start Ray with the ingress that is fast, run the applications, stop them again."""

from __future__ import annotations

import logging
import os
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from axiom.engine.on_ray import RayEngine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from axiom.settings import Settings

APPLICATION = "predict"
# Read by Ray when its node starts. The defaults of Ray Serve reach a twentieth of this throughput on a small machine.
FAST_INGRESS = {
    "RAY_SERVE_ENABLE_HA_PROXY": "1",
    "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
    "RAY_SERVE_HAPROXY_NBTHREAD": "1",
}


def prefer_fast_ingress() -> None:
    """Choose the HAProxy ingress and throughput mode for a Ray that this process is going to start."""
    for name, value in FAST_INGRESS.items():
        os.environ.setdefault(name, value)


@contextmanager
def serving(settings: Settings, *, host: str = "127.0.0.1", port: int = 8000) -> Iterator[str]:
    """Run the `predict` application while the block runs; gives the base URL.

    Raises:
        NotFoundError: nothing was scored yet.
        UnavailableError: Ray does not answer.
    """
    prefer_fast_ingress()
    RayEngine.start(settings)
    from ray import serve

    from axiom.serve.predict.deployment import application, newest

    newest(settings)  # said here, where a person reads it, rather than in a replica's log
    overrides = {"home": str(settings.home), "lake_uri": settings.lake_uri, "database_url": settings.database_url}
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    serve.start(http_options={"host": host, "port": port}, logging_config={"log_level": "WARNING"})
    try:
        deployed = application({name: value for name, value in overrides.items() if value})
        serve.run(deployed, name=APPLICATION, route_prefix="/api/predict")
        yield f"http://{host}:{port}"
    finally:
        _stop()


def _stop() -> None:
    """Take the application away; a Ray that this process started goes with it."""
    import ray
    from ray import serve

    if os.environ.get("RAY_ADDRESS"):
        serve.delete(APPLICATION)
    else:
        ray.shutdown()  # at once; a graceful end of Serve waits half a minute for nobody


def run_until_interrupted(settings: Settings, *, host: str, port: int) -> None:
    """Serve until Ctrl-C."""
    with serving(settings, host=host, port=port) as url:
        sys.stderr.write(f"serving on {url}/api/predict/churn and /clv; Ctrl-C stops\n")
        while True:
            time.sleep(3600)
