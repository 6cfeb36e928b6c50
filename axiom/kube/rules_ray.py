"""What KubeRay 1.7 refuses about services and jobs: the CEL rules of its definitions and its own validation."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from zoneinfo import available_timezones

from axiom.kube.rules_cluster import cluster_problems, managed_by
from axiom.kube.schema import Problem
from axiom.kube.walk import cluster_of, listed, mapping

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from axiom.kube.kinds import Document

INCREMENTAL = "NewClusterWithIncrementalUpgrade"
_STRATEGIES = ("NewCluster", INCREMENTAL, "None")
_MODES = ("K8sJobMode", "HTTPMode", "SidecarMode", "InteractiveMode")
_LONGEST = {"RayService": 47, "RayJob": 47, "RayCronJob": 36, "CronJob": 52}
_LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_DNS = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_DURATION = re.compile(r"\d+|(\d+h)?(\d+m)?(\d+s)?")
_ORDER = ("DeleteWorkers", "DeleteCluster", "DeleteSelf")


def ray_problems(document: Document) -> Iterator[Problem]:
    """Everything that the operator refuses about one document, names of built-in kinds included."""
    yield from _name(document)
    kind, spec = document.get("kind"), mapping(document, "spec")
    annotations = mapping(document, "metadata", "annotations")
    if found := cluster_of(document):
        where, cluster = found
        yield from cluster_problems(cluster, where, annotations)
    if kind == "RayService":
        yield from _service(spec, annotations)
    elif kind == "RayJob":
        yield from _job(spec, "spec")
    elif kind == "RayCronJob":
        if spec.get("timeZone") is not None and spec["timeZone"] not in available_timezones():
            yield Problem("spec.timeZone", f"{spec['timeZone']!r} is no time zone")
        yield from _job(mapping(spec, "jobTemplate"), "spec.jobTemplate")


def _name(document: Document) -> Iterator[Problem]:
    name = mapping(document, "metadata").get("name")
    if not isinstance(name, str) or not name:
        yield Problem("metadata.name", "is missing")
        return
    kind = str(document.get("kind"))
    longest = _LONGEST.get(kind, 63)
    if len(name) > longest:
        yield Problem("metadata.name", f"{name} has {len(name)} characters", f"a {kind} may have {longest}")
    # KubeRay makes services of the name; a service's name begins with a letter (DNS-1035).
    pattern = _LABEL if kind.startswith("Ray") or kind == "Service" else _DNS
    if not pattern.fullmatch(name):
        yield Problem("metadata.name", f"{name!r} is no name", "small letters, digits and '-'; a letter first")


def _service(spec: Mapping[str, Any], annotations: Mapping[str, Any]) -> Iterator[Problem]:
    yield from managed_by(spec, "spec")
    for old in ("serviceUnhealthySecondThreshold", "deploymentUnhealthySecondThreshold"):
        if old in spec:
            yield Problem(f"spec.{old}", "is deprecated and has no effect", "annotation ray.io/initializing-timeout")
    if not str(spec.get("serveConfigV2") or "").strip():
        yield Problem("spec.serveConfigV2", "is empty: nothing would be served")
    if not spec.get("rayClusterConfig"):
        yield Problem("spec.rayClusterConfig", "is missing")
    timeout = annotations.get("ray.io/initializing-timeout")
    if timeout is not None and not (timeout and _DURATION.fullmatch(str(timeout))):
        yield Problem("metadata.annotations.ray.io/initializing-timeout", f"{timeout!r} is no time", "like 30m or 1800")
    strategy = mapping(spec, "upgradeStrategy")
    kind, options = strategy.get("type", "NewCluster"), strategy.get("clusterUpgradeOptions")
    if kind not in _STRATEGIES:
        yield Problem("spec.upgradeStrategy.type", f"is {kind!r}", f"one of {', '.join(_STRATEGIES)}")
    if kind != INCREMENTAL:
        if options:
            yield Problem("spec.upgradeStrategy.clusterUpgradeOptions", "has no effect", f"type: {INCREMENTAL}")
        return
    if not mapping(spec, "rayClusterConfig").get("enableInTreeAutoscaling"):
        yield Problem("spec.rayClusterConfig.enableInTreeAutoscaling", f"{INCREMENTAL} needs it", "set it to true")
    yield from _steps(options if isinstance(options, dict) else {})


def _steps(options: Mapping[str, Any]) -> Iterator[Problem]:
    where = "spec.upgradeStrategy.clusterUpgradeOptions"
    step, surge = options.get("stepSizePercent"), options.get("maxSurgePercent", 100)
    if not isinstance(step, int) or not isinstance(surge, int) or not 0 < step <= surge <= 100:
        yield Problem(f"{where}.stepSizePercent", f"is {step}, and maxSurgePercent {surge}", "0 < step <= surge <= 100")
    interval = options.get("intervalSeconds")
    if not isinstance(interval, int) or interval <= 0:
        yield Problem(f"{where}.intervalSeconds", f"is {interval}", "more than 0")
    if not options.get("gatewayClassName"):
        yield Problem(f"{where}.gatewayClassName", "is missing")


def _job(spec: Mapping[str, Any], where: str) -> Iterator[Problem]:
    yield from managed_by(spec, where)
    mode = spec.get("submissionMode", "K8sJobMode")
    if mode not in _MODES:
        yield Problem(f"{where}.submissionMode", f"is {mode!r}", f"one of {', '.join(_MODES)}")
    if not str(spec.get("entrypoint") or "").strip() and mode != "InteractiveMode":
        yield Problem(f"{where}.entrypoint", "is empty")
    selected = bool(spec.get("clusterSelector"))
    if selected == bool(spec.get("rayClusterSpec")):
        yield Problem(f"{where}.rayClusterSpec", "exactly one of rayClusterSpec and clusterSelector is needed")
    if spec.get("backoffLimit") and (selected or mode == "InteractiveMode"):
        yield Problem(f"{where}.backoffLimit", "needs a cluster that KubeRay makes for each attempt", "set it to 0")
    for name in ("activeDeadlineSeconds", "preRunningDeadlineSeconds"):
        if spec.get(name) is not None and spec[name] <= 0:
            yield Problem(f"{where}.{name}", f"is {spec[name]}", "more than 0")
    if (spec.get("backoffLimit") or 0) < 0:
        yield Problem(f"{where}.backoffLimit", f"is {spec['backoffLimit']}", "0 or more")
    if mode == "SidecarMode":
        yield from _sidecar(spec, where)
    yield from _clean_up(spec, where)


def _sidecar(spec: Mapping[str, Any], where: str) -> Iterator[Problem]:
    for name in ("submitterPodTemplate", "submitterConfig", "clusterSelector"):
        if spec.get(name):
            yield Problem(f"{where}.{name}", "is refused in SidecarMode")
    head = mapping(spec, "rayClusterSpec", "headGroupSpec", "template", "spec")
    if head.get("restartPolicy", "Never") != "Never":
        yield Problem(
            f"{where}.rayClusterSpec.headGroupSpec.template.spec.restartPolicy",
            "SidecarMode wants Never",
            "a head that restarts would submit the job again",
        )


def _clean_up(spec: Mapping[str, Any], where: str) -> Iterator[Problem]:
    goes = bool(spec.get("shutdownAfterJobFinishes"))
    strategy = spec.get("deletionStrategy")
    if spec.get("suspend") and not goes:
        yield Problem(f"{where}.suspend", "needs shutdownAfterJobFinishes: true")
    if spec.get("ttlSecondsAfterFinished") and not goes:
        yield Problem(f"{where}.ttlSecondsAfterFinished", "has no effect", "shutdownAfterJobFinishes: true")
    if (spec.get("ttlSecondsAfterFinished") or 0) < 0:
        yield Problem(f"{where}.ttlSecondsAfterFinished", f"is {spec['ttlSecondsAfterFinished']}", "0 or more")
    if not isinstance(strategy, dict):
        return
    here = f"{where}.deletionStrategy"
    old = [name for name in ("onSuccess", "onFailure") if name in strategy]
    rules = listed(strategy, "deletionRules")
    if old and rules:
        yield Problem(here, "has deletionRules and the older onSuccess/onFailure", "keep deletionRules")
    if len(old) != 2 and not rules:
        yield Problem(here, "needs deletionRules, or both onSuccess and onFailure")
    if goes:
        yield Problem(here, "and shutdownAfterJobFinishes exclude each other", "keep one of them")
    yield from _rules(rules, spec, here)


def _rules(rules: list[Mapping[str, Any]], spec: Mapping[str, Any], where: str) -> Iterator[Problem]:
    by_condition: dict[tuple[Any, Any], dict[str, int]] = {}
    for position, rule in enumerate(rules):
        condition, policy = mapping(rule, "condition"), str(rule.get("policy"))
        told = [name for name in ("jobStatus", "jobDeploymentStatus") if condition.get(name)]
        here = f"{where}.deletionRules[{position}]"
        if len(told) != 1:
            yield Problem(f"{here}.condition", "needs exactly one of jobStatus and jobDeploymentStatus")
        group = by_condition.setdefault((condition.get("jobStatus"), condition.get("jobDeploymentStatus")), {})
        if policy in group:
            yield Problem(here, f"{policy} stands twice for the same condition")
        group[policy] = int(condition.get("ttlSeconds") or 0)
        if policy == "DeleteWorkers" and mapping(spec, "rayClusterSpec").get("enableInTreeAutoscaling"):
            yield Problem(here, "DeleteWorkers is refused together with autoscaling")
    for group in by_condition.values():
        present = [(policy, group[policy]) for policy in _ORDER if policy in group]
        for (first, earlier), (then, later) in pairwise(present):
            if later < earlier:
                yield Problem(where, f"{then} after {later} s comes before {first} after {earlier} s")
