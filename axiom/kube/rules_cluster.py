"""What KubeRay 1.7 refuses about a Ray cluster although its schema allows it; from the operator's own validation."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from axiom.kube.schema import Problem
from axiom.kube.walk import listed, mapping

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

GATED: Mapping[str, str] = {
    "networkPolicy": "RayClusterNetworkPolicy",
    "tlsOptions": "RayClusterMTLS",
    "historyServerOptions": "RayClusterHistoryServer",
}
"""Fields of a Ray cluster that are refused while a feature gate of the operator is off, as it is by default."""
_REDIS_VARIABLES = ("RAY_REDIS_ADDRESS", "REDIS_PASSWORD")
_REDIS_ANNOTATIONS = ("ray.io/ft-enabled", "ray.io/external-storage-namespace")
_MANAGERS = ("ray.io/kuberay-operator", "kueue.x-k8s.io/multikueue")


def cluster_problems(cluster: Mapping[str, Any], where: str, annotations: Mapping[str, Any]) -> Iterator[Problem]:
    """Everything about a cluster that the operator refuses, or that its probes need.

    Args:
        cluster: `rayClusterConfig` or `rayClusterSpec`.
        where: its path.
        annotations: of the document around it.
    """
    version = ray_version(cluster.get("rayVersion"))
    if version is None:
        yield Problem(
            f"{where}.rayVersion", "is not set: probes would fall back to the slow ones", "like 2.60.0, as in the image"
        )
    yield from managed_by(cluster, where)
    yield from _head(cluster, where)
    yield from _groups(cluster, where, version)
    yield from _fault_tolerance(cluster, where, annotations)
    yield from _authentication(cluster, where, version)
    yield from _autoscaler(cluster, where)


def ray_version(text: Any) -> tuple[int, ...] | None:
    """`2.60.0` as numbers; None where it is no version."""
    found = re.fullmatch(r"(\d+)\.(\d+)\.(\d+)\S*", text) if isinstance(text, str) else None
    return tuple(int(part) for part in found.groups()) if found else None


def managed_by(spec: Mapping[str, Any], where: str) -> Iterator[Problem]:
    """CEL rule of `managedBy`."""
    if "managedBy" in spec and spec["managedBy"] not in _MANAGERS:
        yield Problem(f"{where}.managedBy", f"is {spec['managedBy']!r}", f"one of {', '.join(_MANAGERS)}")


def groups(cluster: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Head and worker groups with their paths inside the cluster."""
    workers = [(f"workerGroupSpecs[{one.get('groupName')}]", one) for one in listed(cluster, "workerGroupSpecs")]
    return [("headGroupSpec", mapping(cluster, "headGroupSpec")), *workers]


def _head(cluster: Mapping[str, Any], where: str) -> Iterator[Problem]:
    head = mapping(cluster, "headGroupSpec")
    if "num-cpus" in mapping(head, "rayStartParams") and head.get("resources"):
        yield Problem(f"{where}.headGroupSpec", "has rayStartParams.num-cpus and resources", "keep one of them")


def _groups(cluster: Mapping[str, Any], where: str, version: tuple[int, ...] | None) -> Iterator[Problem]:
    names = [group.get("groupName") for group in listed(cluster, "workerGroupSpecs")]
    if twice := sorted({str(name) for name in names if names.count(name) > 1}):
        yield Problem(f"{where}.workerGroupSpecs", f"two groups are called {twice[0]}", "names are unique")
    for path, group in groups(cluster):
        here = f"{where}.{path}"
        if "labels" in mapping(group, "rayStartParams"):
            yield Problem(f"{here}.rayStartParams.labels", "is refused", "use labels of the group")
        if not listed(group, "template", "spec", "containers"):
            yield Problem(f"{here}.template.spec.containers", "is empty", "the first container is Ray's")
    for path, group in groups(cluster)[1:]:
        here = f"{where}.{path}"
        least, most = group.get("minReplicas", 0), group.get("maxReplicas", 2**31 - 1)
        if not 0 <= least <= most:
            yield Problem(f"{here}.minReplicas", f"is {least}, and maxReplicas {most}", "0 <= min <= max")
        elif not least <= group.get("replicas", least) <= most:
            yield Problem(f"{here}.replicas", f"{group['replicas']} is not between {least} and {most}")
        if group.get("priority") and version is not None and version < (2, 56):
            yield Problem(f"{here}.priority", "needs Ray 2.56 or later")


def _fault_tolerance(cluster: Mapping[str, Any], where: str, annotations: Mapping[str, Any]) -> Iterator[Problem]:
    options = cluster.get("gcsFaultToleranceOptions")
    if not isinstance(options, dict):
        return
    here = f"{where}.gcsFaultToleranceOptions"
    if options.get("backend", "redis") != "redis":
        yield Problem(f"{here}.backend", f"{options['backend']} needs a gate that is off", "use redis")
    elif not options.get("redisAddress"):
        yield Problem(f"{here}.redisAddress", "is missing")
    if "externalStorageNamespace" in options:
        yield Problem(
            f"{here}.externalStorageNamespace", "two clusters would share it during an upgrade", "leave it to KubeRay"
        )
    for name in _REDIS_ANNOTATIONS:
        if name in annotations:
            yield Problem(f"metadata.annotations.{name}", "is refused together with gcsFaultToleranceOptions")
    for path, group in groups(cluster):
        if "redis-password" in mapping(group, "rayStartParams"):
            yield Problem(f"{where}.{path}.rayStartParams.redis-password", "is refused", f"use {here}.redisPassword")
        for variable in _variables(group):
            if variable in _REDIS_VARIABLES:
                yield Problem(f"{where}.{path}", f"{variable} is refused together with gcsFaultToleranceOptions")


def _authentication(cluster: Mapping[str, Any], where: str, version: tuple[int, ...] | None) -> Iterator[Problem]:
    options = mapping(cluster, "authOptions")
    if options.get("enableK8sTokenAuth"):
        yield Problem(f"{where}.authOptions.enableK8sTokenAuth", "is refused for services and jobs", "mode: token")
    if options.get("mode") == "token" and version is not None and version < (2, 52):
        yield Problem(f"{where}.authOptions.mode", "token needs Ray 2.52 or later")
    if options.get("secretName") and options.get("mode") != "token":
        yield Problem(f"{where}.authOptions.secretName", "has no effect", "set mode: token")


def _autoscaler(cluster: Mapping[str, Any], where: str) -> Iterator[Problem]:
    if not cluster.get("enableInTreeAutoscaling"):
        for path, group in groups(cluster)[1:]:
            if group.get("idleTimeoutSeconds") is not None:
                yield Problem(f"{where}.{path}.idleTimeoutSeconds", "has no effect", "enableInTreeAutoscaling: true")
        return
    second = mapping(cluster, "autoscalerOptions").get("version", "v2") == "v2"
    for path, group in groups(cluster):
        if "RAY_enable_autoscaler_v2" in _variables(group):
            yield Problem(f"{where}.{path}", "RAY_enable_autoscaler_v2 is refused", "use autoscalerOptions.version")
        if second and mapping(group, "template", "spec").get("restartPolicy", "Never") != "Never":
            yield Problem(f"{where}.{path}.template.spec.restartPolicy", "autoscaler v2 wants Never", "leave it out")


def _variables(group: Mapping[str, Any]) -> set[str]:
    pods = listed(group, "template", "spec", "containers")
    return {str(one.get("name")) for pod in pods for one in listed(pod, "env")}
