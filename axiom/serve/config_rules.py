"""What Ray accepts and Axiom does not: combinations that were measured to fail, each with the reason."""

from __future__ import annotations

import importlib
import os
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, NamedTuple

from axiom.serve.config_keys import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic import BaseModel
    from ray.serve.schema import DeploymentSchema, ServeApplicationSchema, ServeDeploySchema


class Ours(NamedTuple):
    """One application that Axiom brings along.

    Attributes:
        deployments: their names, as `deployments` in the file must call them.
        args: import path of the model of its `args`.
        user_config: of the model of the `user_config` of its deployments; "" where they have none.
        hot: whether it is on the hot path, where the rules about throughput hold.
    """

    deployments: tuple[str, ...]
    args: str
    user_config: str = ""
    hot: bool = True


APPLICATIONS: Mapping[str, Ours] = {
    "axiom.serve.predict:application": Ours(
        ("Predict",), "axiom.serve.predict.options:PredictArgs", "axiom.serve.predict.options:PredictOptions"
    ),
    "axiom.serve.platform:application": Ours(("Platform",), "axiom.serve.platform.options:PlatformOptions"),
}
"""What `import_path` may name among the modules of Axiom."""

FAST_INGRESS: Mapping[str, str] = {
    "RAY_SERVE_ENABLE_HA_PROXY": "1",
    "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
    "RAY_SERVE_HAPROXY_NBTHREAD": "1",
    "RAY_SERVE_REPLICA_AUTOSCALING_METRIC_PUSH_INTERVAL_S": "2",
    # Ray runs its workers at 15: whatever else computes on the machine would come before requests.
    "RAY_worker_niceness": "0",
}
"""Read by Ray when its node starts. Ray's defaults reach a twentieth of this throughput on a small machine."""

INGRESS_SECONDS = "RAY_SERVE_HAPROXY_TIMEOUT_SERVER_S"

LASTING_INGRESS: Mapping[str, str] = {
    # A replica that dies takes the requests in it along; they only read, so another replica may answer them.
    "RAY_SERVE_HAPROXY_RETRY_ON": "conn-failure empty-response",
    # Ray's 5 s let a replica that hangs have new requests for up to 15 s.
    "RAY_SERVE_HAPROXY_HEALTH_CHECK_INTER": "2s",
    # The last bound where not even the controller is there to end a replica that hangs. Ray has none.
    INGRESS_SECONDS: "30",
    # What failed three health checks does not answer a request to stop either: waiting for it only holds its requests.
    "RAY_SERVE_FORCE_STOP_UNHEALTHY_REPLICAS": "1",
}
"""Likewise: what keeps requests from being lost with a replica that dies or hangs."""

INGRESS: Mapping[str, str] = {**FAST_INGRESS, **LASTING_INGRESS}
"""Everything that a node has to have in its environment before Ray starts on it."""

LEAST_ONGOING = 50
LEAST_DOWNSCALE_S = 60.0
MOST_UPSCALING_FACTOR = 2.0
MOST_PORT = 65_535


def model_at(path: str) -> type[BaseModel]:
    """The model behind an import path of `Ours`."""
    module, _, name = path.partition(":")
    found: type[BaseModel] = getattr(importlib.import_module(module), name)
    return found


def slow_ingress(environment: Mapping[str, str] = os.environ) -> list[Problem]:
    """Variables that choose the ingress that is twenty times slower."""
    return [
        Problem(
            name,
            f"is {environment[name]!r}: requests would go through the slow proxy",
            f"unset it, or set it to {want}",
        )
        for name, want in list(FAST_INGRESS.items())[:2]
        if name in environment and environment[name] != want
    ]


def known_bad(config: ServeDeploySchema) -> Iterator[Problem]:
    """Everything that is legal for Ray and known to end badly."""
    yield from _ingress(config)
    logging = config.logging_config
    if logging is None or logging.enable_access_log:
        yield Problem(
            "logging_config.enable_access_log",
            "is on: a log line for each request costs more than the prediction",
            "set it to false; the metrics count every request",
        )
    if config.target_capacity is not None:
        yield Problem("target_capacity", "is driven by the Kubernetes operator during an upgrade", "remove it")
    for application in config.applications:
        yield from _application(application)


def _ingress(config: ServeDeploySchema) -> Iterator[Problem]:
    if config.proxy_location.value == "Disabled":
        yield Problem("proxy_location", "is Disabled: nobody could reach the service", "set HeadOnly or EveryNode")
    ports = {"http_options.port": config.http_options.port, "grpc_options.port": config.grpc_options.port}
    for where, port in ports.items():
        if not 1 <= port <= MOST_PORT:
            yield Problem(where, f"{port} is no port", f"choose one from 1 to {MOST_PORT}")
    if len(set(ports.values())) == 1:
        yield Problem("grpc_options.port", f"{config.grpc_options.port} is the port of HTTP as well")
    for path in config.grpc_options.grpc_servicer_functions:
        if told := cannot_import(path):
            yield Problem("grpc_options.grpc_servicer_functions", told, "Ray would leave gRPC out in silence")
    yield from _timeout(config.http_options.request_timeout_s, "http_options.request_timeout_s")
    if config.grpc_options.grpc_servicer_functions:
        yield from _timeout(config.grpc_options.request_timeout_s, "grpc_options.request_timeout_s")
    variables = (config.controller_options.runtime_env or {}).get("env_vars", {}) if config.controller_options else {}
    for problem in slow_ingress(variables):
        yield problem._replace(where=f"controller_options.runtime_env.env_vars.{problem.where}")


def _timeout(seconds: float | None, where: str) -> Iterator[Problem]:
    if seconds is None:
        yield Problem(where, "is not set: a request that hangs would wait for ever", "set it to a few seconds")
        return
    told = os.environ.get(INGRESS_SECONDS, LASTING_INGRESS[INGRESS_SECONDS])
    if told.isdigit() and seconds >= int(told):
        yield Problem(
            where,
            f"{seconds:g} s are not below the {told} s after which the ingress gives a replica up",
            f"lower it, or raise {INGRESS_SECONDS} here and where the nodes start",
        )


def cannot_import(path: str) -> str:
    """Why `module:name` or `module.name` cannot be imported; "" if it can."""
    module, _, name = path.replace(":", ".").rpartition(".")
    try:
        getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        return f"{path} cannot be imported: {error}"
    return ""


def _application(application: ServeApplicationSchema) -> Iterator[Problem]:
    where = f"applications[{application.name}]"
    prefix = application.route_prefix
    if prefix is not None and (not prefix.startswith("/") or (prefix.endswith("/") and prefix != "/")):
        yield Problem(f"{where}.route_prefix", f"{prefix!r} must begin with / and not end with it", "for example /api")
    if slow := [name for name in ("pip", "conda", "uv") if name in application.runtime_env]:
        yield Problem(
            f"{where}.runtime_env.{slow[0]}", "installs packages while a replica starts", "bake them into the image"
        )
    if application.logging_config is not None and application.logging_config.enable_access_log:
        yield Problem(f"{where}.logging_config.enable_access_log", "is on for this application", "set it to false")
    ours = APPLICATIONS.get(application.import_path)
    if ours is None:
        if application.import_path.startswith("axiom."):
            close = get_close_matches(application.import_path, APPLICATIONS, n=1)
            hint = f"did you mean {close[0]}?" if close else f"there is {', '.join(APPLICATIONS)}"
            yield Problem(f"{where}.import_path", f"{application.import_path} is no application of Axiom", hint)
        return
    deployments = {deployment.name: deployment for deployment in application.deployments}
    for name in deployments:
        if name not in ours.deployments:
            close = get_close_matches(name, ours.deployments, n=1, cutoff=0.4)
            hint = f"did you mean {close[0]}?" if close else f"it has {', '.join(ours.deployments)}"
            yield Problem(f"{where}.deployments[{name}]", "the application has no such deployment", hint)
    for name in ours.deployments if ours.hot else ():
        if name not in deployments:
            yield Problem(f"{where}.deployments", f"{name} is missing", "Ray's defaults let 5 requests through at once")
            continue
        if ours.user_config and deployments[name].model_dump(exclude_unset=True).get("user_config") is None:
            yield Problem(
                f"{where}.deployments[{name}].user_config",
                "is missing: replicas would go on with what they were told last",
                "set it to {} for the defaults",
            )
        yield from _deployment(deployments[name], f"{where}.deployments[{name}]")


def _deployment(deployment: DeploymentSchema, where: str) -> Iterator[Problem]:
    told = deployment.model_dump(exclude_unset=True)
    ongoing = told.get("max_ongoing_requests")
    if ongoing is None or ongoing < LEAST_ONGOING:
        yield Problem(
            f"{where}.max_ongoing_requests",
            f"is {ongoing or 'not set'}: at Ray's default of 5 a replica answered 15 requests/s",
            "set it to 200",
        )
    queued = told.get("max_queued_requests")
    if queued is None or queued < 0:
        yield Problem(
            f"{where}.max_queued_requests",
            "is without bound: overload would become a queue of seconds",
            "set it to 200 or so",
        )
    pressure = told.get("backpressure_config") or {}
    if pressure.get("status_code") != 429 or not pressure.get("retry_after_s"):
        yield Problem(
            f"{where}.backpressure_config",
            "overload must answer 429 with Retry-After; Ray's default is a bare 503",
            "set {status_code: 429, retry_after_s: 1}",
        )
    if (told.get("logging_config") or {}).get("enable_access_log"):
        yield Problem(f"{where}.logging_config.enable_access_log", "is on for this deployment", "set it to false")
    if told.get("num_replicas") == "auto":
        yield Problem(f"{where}.num_replicas", "auto is Ray's policy, which never scales in throughput mode", _POLICY)
    scaling = told.get("autoscaling_config")
    if scaling is not None:
        yield from _autoscaling(scaling, f"{where}.autoscaling_config")


_POLICY = "use autoscaling_config with policy: {policy_function: axiom.serve.predict.autoscaling:policy}"


def _autoscaling(told: Mapping[str, Any], where: str) -> Iterator[Problem]:
    """Rules of one `autoscaling_config`; `told` holds only what the file says."""
    from ray.serve.config import AutoscalingConfig

    for name, field in AutoscalingConfig.model_fields.items():
        if name in told and (field.description or "").startswith("[DEPRECATED]"):
            yield Problem(f"{where}.{name}", "is deprecated", field.description.removeprefix("[DEPRECATED] "))
    if told.get("target_ongoing_requests") is not None:
        yield Problem(
            f"{where}.target_ongoing_requests",
            "never scales in throughput mode: a handler that does not wait always looks idle",
            _POLICY,
        )
    elif not (told.get("policy") or {}).get("policy_function"):
        yield Problem(f"{where}.policy", "is Ray's own, which never scales in throughput mode", _POLICY)
    least = told.get("min_replicas", 1)
    if least == 0:
        yield Problem(
            f"{where}.min_replicas", "is 0: the first request would wait for a replica to start", "set 1 or more"
        )
    factor = told.get("upscaling_factor")
    if factor is not None and factor > MOST_UPSCALING_FACTOR:
        yield Problem(
            f"{where}.upscaling_factor",
            f"{factor} makes the number of replicas jump",
            f"at most {MOST_UPSCALING_FACTOR}",
        )
    window = _number(told, "look_back_period_s")
    up, down = _number(told, "upscale_delay_s"), _number(told, "downscale_delay_s")
    if window <= _number(told, "metrics_interval_s"):
        yield Problem(f"{where}.look_back_period_s", f"{window:g} s is a single measurement of Ray's", "set it to 15")
    if up < window:
        yield Problem(
            f"{where}.upscale_delay_s",
            f"{up:g} s is shorter than look_back_period_s ({window:g} s): the average still shows the load from before "
            "the last change, and the number of replicas overshoots",
            "wait at least as long as the window",
        )
    if down < max(window, LEAST_DOWNSCALE_S):
        yield Problem(
            f"{where}.downscale_delay_s",
            f"{down:g} s is too short: the number of replicas would flap",
            f"at least {max(window, LEAST_DOWNSCALE_S):g}, better 300",
        )


def _number(told: Mapping[str, Any], name: str) -> float:
    from ray.serve.config import AutoscalingConfig

    return float(told.get(name, AutoscalingConfig.model_fields[name].default))
