"""The verb `serve`: run the service, check its configuration, ask after it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from axiom.cli.console import JsonFlag, emit, settings
from axiom.errors import MisuseError, UnavailableError

if TYPE_CHECKING:
    from axiom.serve.config import ServeConfig

service = typer.Typer(
    invoke_without_command=True,
    help="Answer predictions over HTTP and gRPC until interrupted; check the configuration; ask after the service.",
    epilog="Example: axiom serve --port 8000, then curl 'localhost:8000/api/predict/churn?customer_id=C1'",
)

Config = Annotated[
    Path | None, typer.Option("--config", help="Default: ./serve_config.yaml, else the one that Axiom brings along.")
]
File = Annotated[
    Path | None, typer.Argument(help="Default: ./serve_config.yaml, else the one that Axiom brings along.")
]


def register(app: typer.Typer) -> None:
    """Add the verbs of this module."""
    app.add_typer(service, name="serve")


@service.callback()
def serve(
    ctx: typer.Context,
    config: Config = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Port of HTTP.")] = None,
    grpc_port: Annotated[int | None, typer.Option(min=1, max=65535, help="Port of gRPC.")] = None,
    replicas: Annotated[int | None, typer.Option(min=1, help="A fixed number of replicas.")] = None,
    min_replicas: Annotated[int | None, typer.Option(min=1, help="At least so many replicas.")] = None,
    max_replicas: Annotated[int | None, typer.Option(min=1, help="At most so many replicas.")] = None,
) -> None:
    """Answer predictions over HTTP and gRPC until interrupted; check the configuration; ask after the service."""
    if ctx.invoked_subcommand is not None:
        return
    from axiom.serve.ingress import prefer_fast_ingress
    from axiom.serve.local import run_until_stopped

    loaded = settings()
    prefer_fast_ingress()  # before Ray is imported, which reading the configuration does
    changed = _load(config).changed(
        host=host,
        port=port,
        grpc_port=grpc_port,
        replicas=replicas,
        min_replicas=min_replicas,
        max_replicas=max_replicas,
    )
    run_until_stopped(loaded, changed, say=_say)


@service.command(epilog="Example: axiom serve check serve_config.yaml")
def check(file: File = None, json: JsonFlag = False) -> None:
    """Refuse typos, wrong values and what is known to end badly in a configuration, without starting anything."""
    config = _load(file)
    payload: dict[str, Any] = {
        "file": config.source,
        "applications": dict(config.applications),
        "host": config.host,
        "port": config.port,
        "grpc_port": config.grpc_port,
    }
    routes = ", ".join(f"{name} at {prefix}" for name, prefix in config.applications.items())
    emit(payload, as_json=json, lines=[f"{config.source}: nothing wrong", f"  {routes} on {config.host}:{config.port}"])


@service.command(epilog="Example: axiom serve status")
def status(config: Config = None, json: JsonFlag = False) -> None:
    """Whether the service of a configuration answers on this machine; exit code 1 where it does not."""
    from axiom.serve.local import state

    found = state(_load(config))
    lines = [
        f"{found['url']}: the ingress {'answers' if found['ingress'] else 'does not answer'}",
        *(
            f"  {name}: {one['health'].get('status', 'no answer')} (HTTP {one['http']})"
            for name, one in found["applications"].items()
        ),
    ]
    emit(found, as_json=json, lines=lines)
    if not found["ingress"] or any(one["http"] != 200 for one in found["applications"].values()):
        raise UnavailableError(f"the service at {found['url']} is not up", hint="start it with `axiom serve`")


@service.command(epilog="Example: RAY_ADDRESS=head:6379 axiom serve deploy serve_config.yaml")
def deploy(file: File = None, json: JsonFlag = False) -> None:
    """Hand a configuration to the Ray at RAY_ADDRESS and wait until it runs; what has not changed goes on running."""
    from axiom.engine.on_ray import RayEngine
    from axiom.serve.local import deploy as run

    config = _load(file)
    _need_address()
    RayEngine.start(settings())
    url = run(config, say=_say)
    emit({"url": url, "applications": dict(config.applications)}, as_json=json, lines=[f"deployed {config.source}"])


@service.command(epilog="Example: RAY_ADDRESS=head:6379 axiom serve stop")
def stop(config: Config = None, json: JsonFlag = False) -> None:
    """Take the applications of a configuration away from the Ray at RAY_ADDRESS; requests in flight finish."""
    from axiom.engine.on_ray import RayEngine
    from axiom.serve.local import stop as take_away

    loaded = _load(config)
    _need_address()
    RayEngine.start(settings())
    take_away(loaded)
    names = list(loaded.applications)
    emit({"stopped": names}, as_json=json, lines=[f"stopped {', '.join(names)}"])


def _load(file: Path | None) -> ServeConfig:
    from axiom.serve.config import load_serve_config

    return load_serve_config(file)


def _need_address() -> None:
    if not os.environ.get("RAY_ADDRESS"):
        raise MisuseError(
            "RAY_ADDRESS is not set", hint="it names the cluster; a service on this machine is `axiom serve` and Ctrl-C"
        )


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
