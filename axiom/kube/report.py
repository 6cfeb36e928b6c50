"""How an installation stands, as one answer: service, pods, jobs, pipelines, revisions; and what pods wrote."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from axiom.errors import NotFoundError
from axiom.kube.health import job_verdict, pods_verdict, service_verdict
from axiom.kube.kinds import COMPONENT, INSTANCE
from axiom.kube.revisions import Revisions
from axiom.kube.survey import survey
from axiom.kube.walk import listed, mapping

if TYPE_CHECKING:
    from collections.abc import Iterator

    from axiom.kube.cluster import Cluster
    from axiom.kube.kinds import Document

_SUBMITTER = "ray-job-submitter"


def status(cluster: Cluster, instance: str) -> dict[str, Any]:
    """Everything that belongs to an installation, as plain values.

    Raises:
        UnavailableError: the cluster does not answer.
    """
    ours = {INSTANCE: instance}
    pods = cluster.pods(ours)
    held = pods_verdict(pods)
    return {
        "instance": instance,
        "namespace": cluster.namespace,
        "cluster": survey(cluster).to_dict(),
        "services": [_service(one) for one in cluster.listed("RayService", ours)],
        "jobs": [_job(one) for one in cluster.listed("RayJob", ours)],
        "pipelines": [_cron(one) for one in cluster.listed("CronJob", ours)],
        "pods": [_pod(one) for one in pods],
        "held_up": {"state": held.state, "reason": held.reason, "hint": held.hint} if held.reason else None,
        "revisions": [asdict(one) for one in Revisions(cluster, instance).all()],
    }


def logs(
    cluster: Cluster,
    instance: str,
    *,
    job: str | None = None,
    component: str = "serve",
    tail: int = 200,
    previous: bool = False,
) -> Iterator[tuple[str, str]]:
    """`pod/container` and what it wrote last, pod by pod.

    Args:
        cluster: where.
        instance: of the installation.
        job: name of a RayJob; default: the pods of `component`.
        component: `serve`, `job` or `pipeline`.
        tail: lines of each container.
        previous: of the container that ran before.

    Raises:
        NotFoundError: there is no such job, or there are no pods.
    """
    labels = {INSTANCE: instance, COMPONENT: component}
    if job is not None:
        found = cluster.get("RayJob", job)
        if found is None:
            raise NotFoundError(f"there is no RayJob {job} in {cluster.namespace}", hint="`axiom kube status` lists")
        labels = {"ray.io/cluster": str(mapping(found, "status").get("rayClusterName", ""))}
    pods = cluster.pods(labels)
    if not pods:
        raise NotFoundError(f"no pods with {labels}", hint="they may be gone already, or not there yet")
    for pod in pods:
        name = str(mapping(pod, "metadata").get("name"))
        for container in _talking(pod):
            try:
                yield f"{name}/{container}", cluster.log(name, container, tail=tail, previous=previous)
            except NotFoundError:
                continue  # it has not begun, or its pod went meanwhile


def _talking(pod: Document) -> list[str]:
    """The containers worth reading: what a job's driver wrote, else those of ours."""
    names = [str(one.get("name")) for one in listed(pod, "spec", "containers")]
    return [_SUBMITTER] if _SUBMITTER in names else [name for name in names if name != "autoscaler"] or names


def _service(found: Document) -> dict[str, Any]:
    verdict, status_ = service_verdict(found), mapping(found, "status")
    active, pending = mapping(status_, "activeServiceStatus"), mapping(status_, "pendingServiceStatus")
    return {
        "name": mapping(found, "metadata").get("name"),
        "state": verdict.state,
        "reason": verdict.reason,
        "endpoints": status_.get("numServeEndpoints", 0),
        "cluster": active.get("rayClusterName"),
        "next_cluster": pending.get("rayClusterName"),
        "applications": {
            name: mapping(one).get("status") for name, one in mapping(active, "applicationStatuses").items()
        },
    }


def _job(found: Document) -> dict[str, Any]:
    verdict = job_verdict(found)
    return {
        "name": mapping(found, "metadata").get("name"),
        "job": mapping(found, "metadata", "labels").get("axiom.io/job"),
        "state": {"ready": "done"}.get(verdict.state, verdict.state),
        "reason": verdict.reason,
        "started": mapping(found, "status").get("startTime"),
        "ended": mapping(found, "status").get("endTime"),
    }


def _cron(found: Document) -> dict[str, Any]:
    spec = mapping(found, "spec")
    return {
        "name": mapping(found, "metadata").get("name"),
        "schedule": spec.get("schedule"),
        "timezone": spec.get("timeZone"),
        "suspended": bool(spec.get("suspend")),
        "last_started": mapping(found, "status").get("lastScheduleTime"),
        "last_succeeded": mapping(found, "status").get("lastSuccessfulTime"),
        "running": len(listed(found, "status", "active")),
    }


def _pod(found: Document) -> dict[str, Any]:
    metadata, states = mapping(found, "metadata"), listed(found, "status", "containerStatuses")
    return {
        "name": metadata.get("name"),
        "component": mapping(metadata, "labels").get(COMPONENT),
        "role": mapping(metadata, "labels").get("axiom.io/role"),
        "node": mapping(found, "spec").get("nodeName"),
        "phase": mapping(found, "status").get("phase"),
        "ready": bool(states) and all(one.get("ready") for one in states),
        "restarts": sum(int(one.get("restartCount", 0)) for one in states),
    }
