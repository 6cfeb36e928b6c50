"""When a service is up, a job done, a pod beyond help: verdicts on what the API server shows. Pure functions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from axiom.kube.walk import listed, mapping

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from axiom.kube.kinds import Document

_HOPELESS_REASONS = ("ValidationFailed", "InitializingTimeout")
_HOPELESS_PODS = ("ErrImageNeverPull", "InvalidImageName", "CreateContainerConfigError", "CreateContainerError")
_IMAGE_PULL = ("ErrImagePull", "ImagePullBackOff")
_RESTARTS = 3
"""A container that ended so often while something was waited for will not come up by itself."""
_PULL_FAILURES = ("not found", "manifest unknown", "unauthorized", "denied", "does not exist")


@dataclass(frozen=True)
class Verdict:
    """How something stands.

    Attributes:
        state: `ready` (or done), `waiting`, or `failed`: nothing will come of it by itself.
        reason: what a person needs to know.
        hint: the way out, where there is one.
    """

    state: Literal["ready", "waiting", "failed"]
    reason: str
    hint: str = ""


def condition(document: Document, kind: str) -> Mapping[str, Any]:
    """A condition of a status; {} where it is not there yet."""
    found = [one for one in listed(document, "status", "conditions") if one.get("type") == kind]
    return found[0] if found else {}


def service_verdict(service: Document) -> Verdict:
    """Whether a RayService runs what its specification says.

    Ready is: the operator has seen this generation, Ready is True, no upgrade or rollback is under way, endpoints are
    there, and every application runs with healthy deployments.
    """
    status, generation = mapping(service, "status"), mapping(service, "metadata").get("generation", 0)
    ready = condition(service, "Ready")
    if status.get("observedGeneration", 0) < generation:
        return Verdict("waiting", f"the operator has not seen generation {generation} yet")
    hopeless = _hopeless(service)
    if hopeless is not None:
        return hopeless
    if condition(service, "RollbackInProgress").get("status") == "True":
        return Verdict("waiting", "goes back to the cluster before: the new one is given up")
    if condition(service, "UpgradeInProgress").get("status") == "True":
        return Verdict("waiting", f"moves to a new cluster{_share(status)}")
    if ready.get("status") != "True":
        return Verdict("waiting", f"{ready.get('reason', 'Initializing')}: {ready.get('message') or 'starts'}")
    if not status.get("numServeEndpoints"):
        return Verdict("waiting", "no replica takes requests yet")
    slow = _unfinished_applications(mapping(status, "activeServiceStatus"))
    if slow:
        return Verdict("waiting", slow)
    return Verdict("ready", f"{status['numServeEndpoints']} endpoints, all applications run")


def _hopeless(service: Document) -> Verdict | None:
    for name in ("Suspending", "Suspended"):
        if condition(service, name).get("status") == "True":
            return Verdict("failed", f"the service is {name.lower()}", "set spec.suspend to false")
    for kind in ("Ready", "UpgradeInProgress", "RollbackInProgress"):
        one = condition(service, kind)
        if one.get("reason") in _HOPELESS_REASONS:
            return Verdict("failed", f"{one['reason']}: {one.get('message') or 'no message'}", _way_out(one["reason"]))
    for part in ("pendingServiceStatus", "activeServiceStatus"):
        if failed := _failed_applications(mapping(service, "status", part)):
            return Verdict("failed", failed, "`axiom kube logs` shows what the replicas wrote")
    return None


def job_verdict(job: Document) -> Verdict:
    """Whether a RayJob has succeeded. `Complete` alone does not say so: the Ray job inside may have failed."""
    status = mapping(job, "status")
    deployment, inside = str(status.get("jobDeploymentStatus", "")), str(status.get("jobStatus", ""))
    message = " ".join(str(status.get("message", "")).split())[:500]
    if deployment in ("Failed", "ValidationFailed"):
        told = ": ".join(part for part in (str(status.get("reason", "")), message) if part)
        return Verdict("failed", f"{deployment}: {told or 'no reason given'}", _job_hint(str(status.get("reason"))))
    if deployment == "Complete":
        if inside == "SUCCEEDED":
            return Verdict("ready", "succeeded")
        return Verdict("failed", f"{inside or 'no job status'}: {message or 'no reason given'}", _job_hint("AppFailed"))
    if deployment in ("Suspending", "Suspended"):
        return Verdict("waiting", f"{deployment.lower()}: a queue has not let it in yet")
    tries = f", {status['failed']} attempts failed" if status.get("failed") else ""
    return Verdict("waiting", f"{deployment or 'not seen by the operator yet'} {inside}".strip() + tries)


def pods_verdict(pods: Iterable[Document]) -> Verdict:
    """Whether some pod will not come up by itself; `waiting` with what holds it up, else `ready`."""
    held = ""
    for pod in pods:
        if mapping(pod, "metadata").get("deletionTimestamp"):
            continue
        name = mapping(pod, "metadata").get("name")
        for one in _containers(pod):
            waiting, last = mapping(one, "state", "waiting"), mapping(one, "lastState", "terminated")
            reason, message = str(waiting.get("reason", "")), " ".join(str(waiting.get("message", "")).split())
            where = f"pod {name}, container {one.get('name')}"
            if reason in _HOPELESS_PODS:
                return Verdict("failed", f"{where}: {reason}: {message}", "a Secret, ConfigMap or image is not there")
            if reason in _IMAGE_PULL:
                if any(sign in message.lower() for sign in _PULL_FAILURES):
                    return Verdict("failed", f"{where}: {reason}: {message}", "check image and imagePullSecrets")
                held = held or f"{where}: {reason}: {message}"
            if int(one.get("restartCount", 0)) >= _RESTARTS and (reason == "CrashLoopBackOff" or last):
                ended = f"{last.get('reason', 'Error')} (exit code {last.get('exitCode', '?')})"
                hint = "give it more memory" if last.get("reason") == "OOMKilled" else "`axiom kube logs --previous`"
                return Verdict("failed", f"{where} ended {one['restartCount']} times: {ended}", hint)
        held = held or _unscheduled(pod)
    return Verdict("waiting", held) if held else Verdict("ready", "")


def _containers(pod: Document) -> list[Mapping[str, Any]]:
    return [*listed(pod, "status", "initContainerStatuses"), *listed(pod, "status", "containerStatuses")]


def _unscheduled(pod: Document) -> str:
    one = condition(pod, "PodScheduled")
    if one.get("status") != "False":
        return ""
    return f"pod {mapping(pod, 'metadata').get('name')} has no node: {' '.join(str(one.get('message', '')).split())}"


def _failed_applications(part: Mapping[str, Any]) -> str:
    for name, one in mapping(part, "applicationStatuses").items():
        if isinstance(one, dict) and one.get("status") == "DEPLOY_FAILED":
            told = " ".join(str(one.get("message", "")).split())[:500]
            return f"application {name} does not start: {told or 'no message'}"
    return ""


def _unfinished_applications(part: Mapping[str, Any]) -> str:
    applications = mapping(part, "applicationStatuses")
    if not applications:
        return "the operator has not heard from the applications yet"
    for name, one in applications.items():
        if mapping(one).get("status") != "RUNNING":
            return f"application {name} is {mapping(one).get('status')}"
        deployments = mapping(one, "serveDeploymentStatuses")
        for deployment, state in deployments.items():
            if mapping(state).get("status") != "HEALTHY":
                return f"deployment {name}/{deployment} is {mapping(state).get('status')}"
    return ""


def _share(status: Mapping[str, Any]) -> str:
    share = mapping(status, "pendingServiceStatus").get("trafficRoutedPercent")
    return "" if share is None else f", which has {share} % of the traffic"


def _way_out(reason: str) -> str:
    if reason == "InitializingTimeout":
        return "KubeRay does not try again: `axiom kube delete --kind RayService`, then apply"
    return "the operator refuses the specification; `axiom kube rollback` puts back the one before"


def _job_hint(reason: str) -> str:
    return {
        "DeadlineExceeded": "it took longer than job_deadline",
        "PreRunningDeadlineExceeded": "its pods did not start in time: image, quota or nodes",
        "AppFailed": "`axiom kube logs --job NAME` shows what it wrote",
        "JobStatusCheckTimeoutExceeded": "its head was lost; the same command again starts another attempt",
    }.get(reason, "")
