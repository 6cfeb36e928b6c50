"""Run the applications of a configuration: start Ray with the ingress that is fast, deploy, wait for 200, stop."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import threading
import time
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from axiom.engine.on_ray import RayEngine
from axiom.errors import MisuseError, UnavailableError
from axiom.serve.config import load_serve_config
from axiom.serve.config_rules import APPLICATIONS, INGRESS
from axiom.serve.ingress import (
    end_abandoned_ingress,
    end_ingress,
    is_free,
    missing_ingress,
    prefer_fast_ingress,
    refuse_busy_ports,
    refuse_slow_ingress,
    some_free_port,
)
from axiom.settings import mask_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from axiom.serve.config import ServeConfig
    from axiom.settings import Settings

__all__ = ["deploy", "prefer_fast_ingress", "run_until_stopped", "serving", "state", "stop"]

START_SECONDS = 180.0
HEALTH = "/health"


def _silent(_line: str) -> None:
    pass


@contextmanager
def serving(
    settings: Settings,
    *,
    config: ServeConfig | None = None,
    host: str = "127.0.0.1",
    port: int | None = None,
    grpc_port: int | None = None,
    say: Callable[[str], None] = _silent,
    graceful: bool = False,
) -> Iterator[str]:
    """Run the applications of a configuration while the block runs; gives the base URL.

    Args:
        settings: of this process; the replicas get the same ones.
        config: default: the one that Axiom brings along.
        host: where to listen, where `config` is not given.
        port: likewise.
        grpc_port: likewise; default: the usual one, or a free one where somebody holds it.
        say: told what happens.
        graceful: at the end, let requests in flight finish and replicas write what they hold.

    Raises:
        MisuseError: the configuration or the environment is wrong.
        ConflictError: a port is in use.
        UnavailableError: Ray does not answer, or an application does not start; the message says why.
    """
    joins = bool(os.environ.get("RAY_ADDRESS"))
    started = time.perf_counter()
    refuse_slow_ingress()
    prefer_fast_ingress()
    if config is None:
        config = load_serve_config().changed(host=host, port=port, grpc_port=grpc_port)
        if grpc_port is None and config.grpc_port and not is_free(config.host, config.grpc_port):
            config = config.changed(grpc_port=some_free_port())  # nobody has asked for that one
    config = config.changed(settings=told(settings))
    if not joins:
        end_abandoned_ingress()
        refuse_busy_ports(config)
    RayEngine.start(settings)
    try:
        if joins:
            _say_what_is_missing(say)
        say(f"Ray is up after {time.perf_counter() - started:.1f} s")
        yield deploy(config, say=say, started=started)
    finally:
        stop(config, graceful=graceful, joined=joins)


def told(settings: Settings) -> dict[str, Any]:
    """Where this process keeps its data, as the `args` of an application carry it.

    A URL with a password stays out of what Ray keeps and shows; replicas read it from their environment.
    """
    places = {"home": str(settings.home), "lake_uri": settings.lake_uri}
    urls = {"database_url": settings.database_url, "redis_url": settings.redis_url}
    return {name: value for name, value in (places | urls).items() if value and mask_url(value) == value}


def deploy(config: ServeConfig, *, say: Callable[[str], None] = _silent, started: float | None = None) -> str:
    """Hand the configuration to the Ray that this process is connected to, and wait until every application answers.

    Returns:
        The base URL.

    Raises:
        UnavailableError: an application does not start, or does not answer in time.
    """
    from ray import serve
    from ray.serve.context import _get_global_client

    begun = time.perf_counter() if started is None else started
    logging.getLogger("ray.serve").setLevel(logging.ERROR)
    schema = config.schema()
    serve.start(
        proxy_location=schema.proxy_location,
        http_options=schema.http_options.model_dump(),
        grpc_options=schema.grpc_options.model_dump(),
        logging_config=schema.logging_config,
        tracing_config=schema.tracing_config,
        controller_options=schema.controller_options,
    )
    _get_global_client().deploy_apps(schema)
    url = base_url(config)
    for application in schema.applications:
        _await_running(application.name)
        if application.import_path in APPLICATIONS:
            found = _await_answer(f"{url}{(application.route_prefix or '').rstrip('/')}{HEALTH}")
            note = "" if found.get("status") in {None, "ok"} else f", but is {found['status']}: see {HEALTH}"
        else:
            note = ""
        say(f"{application.name} answers at {url}{application.route_prefix} after {_since(begun)}{note}")
    return url


def base_url(config: ServeConfig) -> str:
    """Where a client on this machine reaches the service."""
    host = "127.0.0.1" if config.host in {"", "0.0.0.0", "::"} else config.host  # noqa: S104  (all interfaces)
    return f"http://{f'[{host}]' if ':' in host else host}:{config.port}"


def _since(begun: float) -> str:
    return f"{time.perf_counter() - begun:.1f} s"


def _await_running(name: str) -> None:
    from ray import serve

    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        found = serve.status().applications.get(name)
        status = found.status.value if found else "NOT_STARTED"
        if status == "RUNNING":
            return
        if found and status in {"DEPLOY_FAILED", "UNHEALTHY"}:
            texts = [found.message, *(deployment.message for deployment in found.deployments.values())]
            raise UnavailableError(f"the application {name} does not start: {cause(texts)}")
        time.sleep(0.2)
    raise UnavailableError(f"the application {name} did not start within {START_SECONDS:.0f} s")


def cause(texts: Iterable[str]) -> str:
    """The error itself, from what Ray says of an application and its deployments: tracebacks, one within the other.

    Args:
        texts: messages, that of the application first.
    """
    lines = [line for text in texts for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if _ERROR.match(line)]
    ours = [line for line in errors if line.startswith("axiom.errors.")]
    plain = [line for line in errors if not line.startswith("ray.exceptions.RayTaskError(")]
    chosen = [*ours[:1], *plain[-1:], *errors[:1], *lines[:1], "no reason given"][0]
    return chosen.strip().removeprefix("axiom.errors.")


_ERROR = re.compile(r"[A-Za-z_][\w.]*(Error|Exception|Interrupt)\b")
"""The last line of a traceback; all others are indented, or say what follows."""


def _await_answer(url: str) -> dict[str, Any]:
    """Wait until the proxy lets a request through to a replica; what its health says."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        status, found = ask(url)
        if status == HTTPStatus.OK or found.get("status"):
            return found
        time.sleep(0.1)
    raise UnavailableError(f"{url} does not answer", hint="look at Ray's logs, session_latest/logs/serve")


def ask(url: str, timeout: float = 5.0) -> tuple[int, dict[str, Any]]:
    """Status and JSON object of a GET; status 0 where nobody answers, {} where the body is no JSON object."""
    try:
        with urlopen(url, timeout=timeout) as reply:  # noqa: S310  (our own service)
            status, body = reply.status, reply.read()
    except HTTPError as error:
        status, body = error.code, error.read()
        error.close()
    except (URLError, OSError):
        return 0, {}
    try:
        found = json.loads(body)
    except ValueError:
        return status, {}
    return status, found if isinstance(found, dict) else {}


def state(config: ServeConfig) -> dict[str, Any]:
    """What answers at the addresses of a configuration: the ingress, and the health of each application of ours."""
    url = base_url(config)
    alive, _ = ask(f"{url}/-/healthz")
    applications = {}
    for one in config.schema().applications:
        if one.import_path in APPLICATIONS:
            status, health = ask(f"{url}{(one.route_prefix or '').rstrip('/')}{HEALTH}")
            applications[one.name] = {"http": status, "health": health}
    return {"url": url, "ingress": alive == HTTPStatus.OK, "applications": applications}


def stop(config: ServeConfig, *, graceful: bool = True, joined: bool = True) -> None:
    """Take the applications away; a Ray that this process started goes with them.

    Args:
        config: whose applications.
        graceful: let requests in flight finish and replicas write what they hold.
        joined: whether the Ray is somebody else's.
    """
    import ray
    from ray.serve.context import _get_global_client
    from ray.serve.exceptions import RayServeException

    try:
        if joined or graceful:
            _get_global_client().delete_apps(list(config.applications))
    except (RayServeException, ray.exceptions.RayError, ConnectionError):
        logging.getLogger(__name__).debug("nothing left to take away", exc_info=True)
    finally:
        if not joined:
            ray.shutdown()
            end_ingress()


def _say_what_is_missing(say: Callable[[str], None]) -> None:
    """Tell it loudly where the Ray that was joined was started without the variables of the ingress."""
    import ray

    for line in missing_ingress(ray.get(ray.remote(num_cpus=0)(_chosen_ingress).remote())):
        say(f"WARNING: {line}")


def _chosen_ingress() -> dict[str, str | None]:
    return {name: os.environ.get(name) for name in INGRESS}


def run_until_stopped(settings: Settings, config: ServeConfig, *, say: Callable[[str], None]) -> None:
    """Serve until Ctrl-C or SIGTERM, then stop gracefully.

    Raises:
        MisuseError: not in the main thread, where signals arrive.
    """
    if threading.current_thread() is not threading.main_thread():
        raise MisuseError("signals arrive in the main thread; use serving() elsewhere")
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with serving(settings, config=config, say=say, graceful=True):
            signal.signal(signal.SIGTERM, _interrupt)  # Ray has taken it over meanwhile
            say("Ctrl-C stops")
            while True:
                time.sleep(3600)
    except KeyboardInterrupt:
        say("stopped")


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt
