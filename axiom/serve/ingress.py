"""The way in: which proxy Ray Serve starts, on which ports, and whether they are free."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import tempfile
from contextlib import closing, suppress
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from axiom.errors import ConflictError, MisuseError
from axiom.serve.config_rules import FAST_INGRESS, INGRESS, slow_ingress

if TYPE_CHECKING:
    from collections.abc import Mapping

    from axiom.serve.config import ServeConfig

# HAProxy publishes statistics and metrics of its own; another Ray on this machine may hold the usual ports.
_ASIDE = {"RAY_SERVE_HAPROXY_STATS_PORT": 8404, "RAY_SERVE_HAPROXY_METRICS_PORT": 9101}
# Ray keeps these in one fixed folder, where two clusters of one machine overwrite each other's.
_FILES = {
    "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": "haproxy.cfg",
    "RAY_SERVE_HAPROXY_SOCKET_PATH": "admin.sock",
    "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": "metrics.sock",
    "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": "",
    "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": "server-state",
}


_PREFIX = "axiom-haproxy-"


def prefer_fast_ingress() -> None:
    """Choose the HAProxy ingress, throughput mode and retries for a Ray that this process is going to start.

    What the environment says already stays.
    """
    for name, value in INGRESS.items():
        os.environ.setdefault(name, value)
    # A replica that leaves waits so long for outer load balancers to notice; here HAProxy is told at once, and retries.
    os.environ.setdefault("RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S", "3")
    for name, port in _ASIDE.items():
        os.environ.setdefault(name, str(port if is_free("", port) else some_free_port()))
    for name, file in _FILES.items():
        os.environ.setdefault(name, str(_folder() / file))


def end_ingress() -> None:
    """End the proxy that this process had started, and delete its files.

    Ray ends the actor that minds the proxy; a proxy that was reloaded meanwhile (another replica came) outlives it, and
    would hold the port.
    """
    _end(_folder())


def end_abandoned_ingress() -> None:
    """The same for processes that were killed before they could."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        number = folder.name.removeprefix(_PREFIX)
        if number.isdigit() and not Path("/proc", number).exists() and Path("/proc/self").exists():
            _end(folder)


def _end(folder: Path) -> None:
    named = f"{folder}/".encode()
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended meanwhile, or belongs to somebody else
            command = process.read_bytes()
            if named in command and b"haproxy" in command.partition(b"\0")[0]:
                os.kill(int(process.parent.name), signal.SIGTERM)
    shutil.rmtree(folder, ignore_errors=True)


def _folder() -> Path:
    return Path(tempfile.gettempdir()) / f"{_PREFIX}{os.getpid()}"  # short: it holds Unix sockets


def refuse_slow_ingress(environment: Mapping[str, str] = os.environ) -> None:
    """Refuse to start with variables that choose the slow proxy.

    Raises:
        MisuseError: names the variable.
    """
    for problem in slow_ingress(environment):
        raise MisuseError(f"{problem.where} {problem.what}", hint=problem.hint)


def missing_ingress(found: Mapping[str, str | None]) -> list[str]:
    """What a Ray that was started with these variables does worse than it could, and what to start it with.

    Args:
        found: variable -> its value on a node, None where it is not set.
    """
    missing = {name: value for name, value in INGRESS.items() if found.get(name) != value}
    lines = []
    if missing.keys() & FAST_INGRESS.keys():
        lines.append("this Ray was started without the fast ingress and serves a twentieth of what it could")
    if missing.keys() - FAST_INGRESS.keys():
        lines.append("this Ray was started without retries: requests in a replica that dies or hangs may fail")
    if missing:
        lines.append(f"start its nodes with {' '.join(f'{name}={quote(value)}' for name, value in missing.items())}")
    return lines


def refuse_busy_ports(config: ServeConfig) -> None:
    """Refuse ports that somebody listens on, before anything is started.

    Raises:
        ConflictError: names the port.
    """
    for kind, port in (("HTTP", config.port), ("gRPC", config.grpc_port)):
        if port is not None and not is_free(config.host, port):
            raise ConflictError(
                f"port {port} for {kind} is in use",
                hint=f"stop what listens there, or choose another with --{'port' if kind == 'HTTP' else 'grpc-port'}",
            )


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen on `port`; HAProxy takes it on all interfaces, so `host` alone is not enough."""
    return all(_can_bind(address, port) for address in {"", host})


def _can_bind(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with closing(socket.socket(family)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def some_free_port() -> int:
    """A port that nobody listens on now."""
    with closing(socket.socket()) as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])
