"""Waiting until what was applied is up, or cannot come up."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from axiom.errors import NotFoundError, QualityError, UnavailableError
from axiom.kube.health import Verdict, job_verdict, pods_verdict, service_verdict
from axiom.kube.kinds import INSTANCE
from axiom.kube.walk import mapping

if TYPE_CHECKING:
    from collections.abc import Callable

    from axiom.kube.cluster import Cluster

_MEANT = {"RayService": service_verdict, "RayJob": job_verdict}


def _silent(_line: str) -> None:
    pass


@dataclass(frozen=True)
class Waiter:
    """How to wait.

    Attributes:
        timeout: seconds until it is given up.
        every: seconds between two looks.
        say: told whenever the reason changes.
        clock: seconds.
        sleep: waits.
    """

    timeout: float = 1800.0
    every: float = 2.0
    say: Callable[[str], None] = _silent
    clock: Callable[[], float] = field(default=time.monotonic)
    sleep: Callable[[float], None] = time.sleep

    def wait(self, cluster: Cluster, kind: str, name: str, *, instance: str) -> Verdict:
        """Wait for a RayService to be up, or a RayJob to succeed.

        Args:
            cluster: where it is.
            kind: `RayService` or `RayJob`.
            name: of the object.
            instance: of the installation, by whose label its pods are found.

        Raises:
            QualityError: it has failed, and says why.
            NotFoundError: it is gone.
            UnavailableError: it was not up in time; says what it waited for last.
        """
        until = self.clock() + self.timeout
        told = ""
        while True:
            verdict = look(cluster, kind, name, instance=instance)
            if verdict.state == "ready":
                return verdict
            if verdict.state == "failed":
                raise QualityError(f"{kind}/{name}: {verdict.reason}", hint=verdict.hint)
            if verdict.reason != told:
                told = verdict.reason
                self.say(f"{kind}/{name}: {told}")
            if self.clock() >= until:
                raise UnavailableError(
                    f"{kind}/{name} is not ready after {self.timeout:g} s: {told}",
                    hint="`axiom kube status` shows its pods; `axiom kube wait` waits on",
                )
            self.sleep(self.every)


def look(cluster: Cluster, kind: str, name: str, *, instance: str) -> Verdict:
    """How an object stands, its pods considered where it is not up yet.

    Raises:
        NotFoundError: there is none.
    """
    found = cluster.get(kind, name)
    if found is None:
        raise NotFoundError(f"there is no {kind} {name} in {cluster.namespace}", hint="`axiom kube apply` makes it")
    if mapping(found, "metadata").get("deletionTimestamp"):
        return Verdict("failed", "is being deleted")
    verdict = _MEANT[kind](found)
    if verdict.state != "waiting":
        return verdict
    pods = pods_verdict(cluster.pods({INSTANCE: instance, **_own_pods(kind, found)}))
    if pods.state == "failed":
        return pods
    return Verdict("waiting", f"{verdict.reason}; {pods.reason}") if pods.reason else verdict


def _own_pods(kind: str, found: dict[str, object]) -> dict[str, str]:
    """Labels of the pods that belong to it: those of its newest cluster, which is the one that is waited for."""
    status = mapping(found, "status")
    if kind == "RayJob":
        cluster = status.get("rayClusterName")
    else:
        parts = (
            mapping(status, part).get("rayClusterName") for part in ("pendingServiceStatus", "activeServiceStatus")
        )
        cluster = next((name for name in parts if name), None)
    component = {"axiom.io/component": "job" if kind == "RayJob" else "serve"}
    return {**component, "ray.io/cluster": str(cluster)} if cluster else component
