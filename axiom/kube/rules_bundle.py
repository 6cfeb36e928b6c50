"""What must hold between documents: selectors select, budgets let go, the configuration fits its cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zoneinfo import available_timezones

from axiom.kube.kinds import named
from axiom.kube.schema import Problem
from axiom.kube.walk import cluster_of, containers, labels, listed, mapping, matches, templates

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from axiom.kube.kinds import Document

_GENERATED = ("ray.io/cluster", "ray.io/originated-from-cr-name", "ray.io/originated-from-crd")
_BY_KUBERAY = ("ray.io/serve", "ray.io/node-type", "ray.io/group")
_MILLI = 1000


def bundle_problems(documents: Sequence[Document]) -> Iterator[Problem]:
    """Everything that is wrong between documents; paths begin with `Kind/name`."""
    yield from _twice(documents)
    yield from _images(documents)
    for document in documents:
        here = named(document)
        for problem in _one(document, documents):
            yield problem._replace(where=f"{here}: {problem.where}")


def serving_problems(service: Document, config: Mapping[str, Any], environment: Mapping[str, str]) -> Iterator[Problem]:
    """Whether a RayService offers what the configuration it embeds needs.

    Args:
        service: the document.
        config: its `serveConfigV2` as a mapping.
        environment: variables that every Ray container has to have.
    """
    host = mapping(config, "http_options").get("host", "0.0.0.0")  # noqa: S104  (Ray's default)
    if host in ("127.0.0.1", "localhost", "::1"):
        yield Problem(
            "spec.serveConfigV2: http_options.host", f"{host} is reachable inside its pod only", "all interfaces"
        )
    if config.get("proxy_location", "EveryNode") != "EveryNode":
        yield Problem(
            "spec.serveConfigV2: proxy_location", f"{config['proxy_location']}: no worker would be ready", "EveryNode"
        )
    ports = {"serve": mapping(config, "http_options").get("port", 8000)}
    if mapping(config, "grpc_options").get("grpc_servicer_functions"):
        ports["grpc"] = mapping(config, "grpc_options").get("port", 9000)
    for container in containers(service):
        found = {one.get("name"): one.get("containerPort") for one in listed(container.value, "ports")}
        variables = {one.get("name"): one.get("value") for one in listed(container.value, "env")}
        wanted = ports if container.template.role == "worker" else {}
        for name, port in wanted.items():
            if found.get(name) != port:
                yield Problem(f"{container.where}.ports", f"{name} is {found.get(name)}, not {port}")
        for name, value in environment.items():
            if container.value.get("name") in ("ray-head", "ray-worker") and variables.get(name) != value:
                told = f"{name} is not {value}: the ingress would be slow or lose requests"
                yield Problem(f"{container.where}.env", told)
    yield from _grace(service, config)
    yield from _room(service, config)


def _twice(documents: Sequence[Document]) -> Iterator[Problem]:
    names = [named(document) for document in documents]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield Problem(name, "stands twice")


def _images(documents: Sequence[Document]) -> Iterator[Problem]:
    found = {
        str(container.value.get("image")): named(document)
        for document in documents
        for container in containers(document)
        if container.value.get("name") in ("ray-head", "ray-worker", "runner")
    }
    if len(found) > 1:
        told = ", ".join(f"{image} ({name})" for image, name in sorted(found.items()))
        yield Problem("image", f"service, jobs and runner have different ones: {told}")


def _one(document: Document, documents: Sequence[Document]) -> Iterator[Problem]:
    kind, spec = document.get("kind"), mapping(document, "spec")
    if kind == "PodDisruptionBudget":
        selector = mapping(spec, "selector", "matchLabels")
        yield from _selects(selector, "spec.selector", documents)
        yield from _budget(spec, selector, documents)
    elif kind == "NetworkPolicy":
        yield from _selects(mapping(spec, "podSelector", "matchLabels"), "spec.podSelector", documents)
        ports = [port.get("port") for rule in listed(spec, "egress") for port in listed(rule, "ports")]
        if "Egress" in spec.get("policyTypes", []) and 53 not in ports:
            yield Problem("spec.egress", "port 53 is closed: no name could be looked up")
    elif kind == "Service":
        yield from _selects(mapping(spec, "selector"), "spec.selector", documents)
    elif kind == "PodMonitor":
        yield from _selects(mapping(spec, "selector", "matchLabels"), "spec.selector", documents)
    elif kind == "CronJob":
        yield from _schedule(spec)
    for template in templates(document):
        for one in listed(template.value, "spec", "topologySpreadConstraints"):
            if not matches(mapping(one, "labelSelector", "matchLabels"), labels(template)):
                yield Problem(f"{template.where}.spec.topologySpreadConstraints", "select other pods than these")


def _selects(selector: Mapping[str, Any], where: str, documents: Sequence[Document]) -> Iterator[Problem]:
    if generated := [label for label in _GENERATED if label in selector]:
        yield Problem(where, f"{generated[0]} changes with every upgrade, or is not on pods", "select by axiom.io/…")
        return
    own = {key: value for key, value in selector.items() if key not in _BY_KUBERAY}
    pods = [labels(template) for document in documents for template in templates(document)]
    if pods and not (own and any(matches(own, found) for found in pods)):
        yield Problem(where, f"{dict(selector)} selects no pod of these manifests")


def _budget(spec: Mapping[str, Any], selector: Mapping[str, Any], documents: Sequence[Document]) -> Iterator[Problem]:
    least = spec.get("minAvailable")
    if isinstance(least, bool) or not isinstance(least, int):
        yield Problem("spec.minAvailable", f"is {least!r}", "a whole number: KubeRay's kinds have no scale subresource")
        return
    pods = sum(
        int(group.get("minReplicas", 0))
        for document in documents
        if (found := cluster_of(document))
        for group in listed(found[1], "workerGroupSpecs")
        if matches(selector, mapping(group, "template", "metadata", "labels"))
    )
    if pods and least >= pods:
        yield Problem(
            "spec.minAvailable", f"{least} of {pods} pods: no node could ever be drained", f"at most {pods - 1}"
        )


def _schedule(spec: Mapping[str, Any]) -> Iterator[Problem]:
    from cronsim import CronSim, CronSimError

    zone = spec.get("timeZone")
    if zone not in available_timezones():
        yield Problem("spec.timeZone", f"{zone!r} is no time zone", "an IANA name such as Europe/Berlin")
    if spec.get("concurrencyPolicy") != "Forbid":
        yield Problem(
            "spec.concurrencyPolicy", f"is {spec.get('concurrencyPolicy', 'Allow')}: runs would overlap", "Forbid"
        )
    late = spec.get("startingDeadlineSeconds")
    if late is None or late < 10:
        yield Problem("spec.startingDeadlineSeconds", f"is {late}", "10 or more: the controller looks every 10 s")
    try:
        from datetime import UTC, datetime

        CronSim(str(spec.get("schedule")), datetime(2024, 1, 1, tzinfo=UTC))
    except CronSimError as error:
        yield Problem("spec.schedule", f"{spec.get('schedule')!r} is no cron expression: {error}")


def _grace(service: Document, config: Mapping[str, Any]) -> Iterator[Problem]:
    longest = max((float(one.get("graceful_shutdown_timeout_s", 20)) for one in _deployments(config)), default=0.0)
    for template in templates(service):
        grace = mapping(template.value, "spec").get("terminationGracePeriodSeconds", 30)
        if template.role == "worker" and grace <= longest:
            yield Problem(
                f"{template.where}.spec.terminationGracePeriodSeconds",
                f"{grace} s is not more than graceful_shutdown_timeout_s ({longest:g} s)",
                "requests in flight would be cut off",
            )


def _room(service: Document, config: Mapping[str, Any]) -> Iterator[Problem]:
    """Whether the least replicas fit the least workers, and the most the most."""
    found = cluster_of(service)
    groups = listed(found[1], "workerGroupSpecs") if found else []
    for bound, replicas_of in (("minReplicas", _least), ("maxReplicas", _most)):
        pods = sum(int(group.get(bound, 0)) for group in groups)
        cores = sum(int(group.get(bound, 0)) * _cpu(group) for group in groups)
        needed = 0.0
        for one in _deployments(config):
            replicas = replicas_of(one)
            needed += replicas * float(mapping(one, "ray_actor_options").get("num_cpus", 1))
            a_node = one.get("max_replicas_per_node")
            if a_node and replicas > pods * a_node:
                yield Problem(
                    f"spec.serveConfigV2: {one.get('name')}",
                    f"{replicas} replicas, at most {a_node} a node, do not fit {pods} workers ({bound})",
                )
        if needed > cores:
            yield Problem(
                "spec.serveConfigV2", f"replicas reserve {needed:g} cores, but {bound} workers have {cores:g}"
            )


def _deployments(config: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [one for application in listed(config, "applications") for one in listed(application, "deployments")]


def _least(deployment: Mapping[str, Any]) -> int:
    scaling = mapping(deployment, "autoscaling_config")
    return int(scaling.get("min_replicas", 1) if scaling else deployment.get("num_replicas", 1))


def _most(deployment: Mapping[str, Any]) -> int:
    scaling = mapping(deployment, "autoscaling_config")
    return int(scaling.get("max_replicas", 1) if scaling else deployment.get("num_replicas", 1))


def _cpu(group: Mapping[str, Any]) -> float:
    first = next(iter(listed(group, "template", "spec", "containers")), {})
    text = str(mapping(first, "resources", "limits").get("cpu", 0))
    try:
        return float(text[:-1]) / _MILLI if text.endswith("m") else float(text)
    except ValueError:
        return 0.0
