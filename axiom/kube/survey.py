"""What a cluster has: version of Kubernetes, KubeRay's definitions, its operator and feature gates, what secrets hold.

Whoever deploys need not be allowed to see all of it: what cannot be seen is said so, and not held against the cluster.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from axiom.errors import ForbiddenError
from axiom.kube.crds import Schemas, schemas_of
from axiom.kube.kinds import KINDS
from axiom.kube.rules_cluster import GATED
from axiom.kube.rules_ray import INCREMENTAL
from axiom.kube.schema import Problem
from axiom.kube.walk import cluster_of, containers, listed, mapping

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from axiom.kube.cluster import Cluster
    from axiom.kube.kinds import Document

LEAST_OPERATOR = (1, 7)
"""The oldest KubeRay that has every field of our manifests."""
DEFAULT_GATES: Mapping[str, bool] = {
    "RayClusterStatusConditions": True,
    "RayJobDeletionPolicy": True,
    "RayMultiHostIndexing": True,
    "RayServiceIncrementalUpgrade": True,
    "RayCronJob": False,
    "RayClusterNetworkPolicy": False,
    "RayClusterMTLS": False,
    "RayClusterHistoryServer": False,
    "GCSFaultToleranceEmbeddedStorage": False,
    "SidecarSubmitterRestart": False,
    "KubernetesWAS": False,
}
"""Feature gates of KubeRay 1.7."""
_OPERATOR = "app.kubernetes.io/name=kuberay-operator"
_GATEWAY = "/apis/gateway.networking.k8s.io/v1"
_NEWEST_FIELD = ("spec", "properties", "preRunningDeadlineSeconds")
"""A field of RayJob that came with 1.7: definitions without it are older."""


@dataclass(frozen=True)
class Survey:
    """What was found.

    Attributes:
        kubernetes: version of the API server.
        kinds: kinds of ours that the cluster knows, among those that are not in every cluster.
        operator: version of the running operator; None where it cannot be seen.
        operator_ready: whether it runs; None where it cannot be seen.
        gates: feature gates as they are set; the defaults where the operator cannot be seen.
        schemas: definitions that could be read.
        gateway: whether the Gateway API is there.
    """

    kubernetes: str
    kinds: frozenset[str]
    operator: str | None
    operator_ready: bool | None
    gates: Mapping[str, bool]
    schemas: Schemas
    gateway: bool

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "kubernetes": self.kubernetes,
            "kinds": sorted(self.kinds),
            "operator": self.operator,
            "operator_ready": self.operator_ready,
            "gates_on": sorted(name for name, on in self.gates.items() if on),
            "definitions_read": sorted(self.schemas.by_kind),
            "gateway_api": self.gateway,
        }


def survey(cluster: Cluster) -> Survey:
    """Look at a cluster.

    Raises:
        UnavailableError: it does not answer.
        UnauthorizedError: it does not know who asks.
    """
    version = cluster.read("/version") or {}
    known = frozenset(kind for path in sorted(_groups()) for kind in _kinds_at(cluster, path))
    definitions = [
        found
        for kind in KINDS.values()
        if kind.crd and kind.name in known
        if (found := cluster.read(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{kind.crd}"))
    ]
    schemas = schemas_of(definitions, "the cluster's own definitions")
    found = cluster.read("/apis/apps/v1/deployments", {"labelSelector": _OPERATOR})
    operators = listed(found, "items") if found is not None else []
    return Survey(
        kubernetes=str(version.get("gitVersion", "unknown")),
        kinds=known,
        operator=_version(operators),
        operator_ready=None if found is None else any(mapping(one, "status").get("readyReplicas") for one in operators),
        gates={**DEFAULT_GATES, **_gates(operators)},
        schemas=schemas,
        gateway=cluster.read(_GATEWAY) is not None,
    )


def survey_problems(found: Survey, documents: Sequence[Document]) -> Iterator[Problem]:
    """Why these documents would come to nothing on that cluster."""
    missing = sorted(
        {document["kind"] for document in documents} & {"RayService", "RayJob", "RayCronJob"} - found.kinds
    )
    if missing:
        yield Problem("KubeRay", f"the cluster does not know {', '.join(missing)}", "install its chart, docs/deploy.md")
        return
    if found.operator_ready is False:
        yield Problem("KubeRay", "its definitions are there, but no operator runs", "install its chart, docs/deploy.md")
    version = _numbers(found.operator)
    if version is not None and version < LEAST_OPERATOR:
        yield Problem("KubeRay", f"operator {found.operator} is too old", "1.7 or later; definitions first")
    if found.schemas.by_kind.get("RayJob") and not _newest(found.schemas.by_kind["RayJob"]):
        # An operator that is newer than its definitions has been seen to delete all workers.
        yield Problem("KubeRay", "its definitions are older than 1.7", "apply those of the chart; Helm leaves old ones")
    for gate, used in sorted(gates_used(documents).items()):
        if not found.gates.get(gate, False):
            yield Problem(used, f"needs the feature gate {gate}, which is off", f"--feature-gates={gate}=true")
    if not found.gateway and any(_incremental(document) for document in documents):
        yield Problem("upgradeStrategy", f"{INCREMENTAL} needs the Gateway API", "install it, or leave the overlay out")


def gates_used(documents: Sequence[Document]) -> dict[str, str]:
    """Feature gates that documents need -> what needs them."""
    used: dict[str, str] = {}
    for document in documents:
        cluster = cluster_of(document)
        for name, gate in GATED.items() if cluster else ():
            if cluster and name in cluster[1]:
                used[gate] = f"{cluster[0]}.{name}"
        if document["kind"] == "RayCronJob":
            used["RayCronJob"] = "RayCronJob"
        if mapping(document, "spec", "deletionStrategy"):
            used["RayJobDeletionPolicy"] = "spec.deletionStrategy"
        if _incremental(document):
            used["RayServiceIncrementalUpgrade"] = "spec.upgradeStrategy"
    return used


def without_unknown_monitors(found: Survey, documents: Sequence[Document]) -> tuple[list[Document], list[str]]:
    """The documents without monitors that the cluster has no kind for, and what was left out."""
    gone = [one for one in documents if KINDS[one["kind"]].group == "monitoring.coreos.com"]
    gone = [one for one in gone if one["kind"] not in found.kinds]
    kept = [one for one in documents if one not in gone]
    return kept, [f"{one['kind']}/{one['metadata']['name']}: the cluster has no Prometheus operator" for one in gone]


def secret_problems(cluster: Cluster, documents: Sequence[Document]) -> Iterator[Problem]:
    """Secrets that documents name and the namespace lacks; nothing where secrets may not be seen."""
    for name, keys in sorted(secrets_named(documents).items()):
        try:
            found = cluster.get("Secret", name)
        except ForbiddenError:
            continue
        if found is None:
            yield Problem(f"Secret/{name}", f"is not in {cluster.namespace}", "docs/deploy.md has the command")
        elif lacking := sorted(keys - set(mapping(found, "data"))):
            yield Problem(f"Secret/{name}", f"has no key {lacking[0]}")


def secrets_named(documents: Sequence[Document]) -> dict[str, set[str]]:
    """Secrets that documents name -> keys that they need; a whole secret as environment needs none."""
    found: dict[str, set[str]] = {}
    for document in documents:
        for container in containers(document):
            for source in listed(container.value, "envFrom"):
                if "secretRef" in source and not source["secretRef"].get("optional"):
                    found.setdefault(source["secretRef"]["name"], set())
            for variable in listed(container.value, "env"):
                _named(mapping(variable, "valueFrom", "secretKeyRef"), found)
        cluster = cluster_of(document)
        if cluster is not None:
            for who in ("redisPassword", "redisUsername"):
                _named(mapping(cluster[1], "gcsFaultToleranceOptions", who, "valueFrom", "secretKeyRef"), found)
            token = mapping(cluster[1], "authOptions").get("secretName")
            if token:
                found.setdefault(token, set()).add("auth_token")
    return found


def _named(reference: Mapping[str, Any], found: dict[str, set[str]]) -> None:
    if reference.get("name") and not reference.get("optional"):
        found.setdefault(reference["name"], set()).add(reference["key"])


def _groups() -> set[str]:
    return {f"/apis/{kind.api_version}" for kind in KINDS.values() if kind.crd}


def _kinds_at(cluster: Cluster, path: str) -> set[str]:
    found = cluster.read(path) or {}
    return {str(one.get("kind")) for one in listed(found, "resources")}


def _version(operators: Sequence[Mapping[str, Any]]) -> str | None:
    for one in operators:
        for container in listed(one, "spec", "template", "spec", "containers"):
            tag = re.search(r":v?(\d+\.\d+\.\d+\S*)", str(container.get("image", "")))
            if tag:
                return tag[1].partition("@")[0]
    return None


def _numbers(version: str | None) -> tuple[int, ...] | None:
    found = re.match(r"(\d+)\.(\d+)", version or "")
    return (int(found[1]), int(found[2])) if found else None


def _gates(operators: Sequence[Mapping[str, Any]]) -> dict[str, bool]:
    found: dict[str, bool] = {}
    for one in operators:
        for container in listed(one, "spec", "template", "spec", "containers"):
            words = [*container.get("command", []), *container.get("args", [])]
            told = " ".join(map(str, words))
            for text in re.findall(r"--feature-gates[= ](\S+)", told):
                pairs = (pair.partition("=") for pair in text.strip("\"'").split(","))
                found |= {name: value.lower() == "true" for name, _, value in pairs if name}
    return found


def _newest(schema: Mapping[str, Any]) -> bool:
    *path, last = _NEWEST_FIELD
    return last in mapping(schema, "properties", *path)


def _incremental(document: Document) -> bool:
    return mapping(document, "spec", "upgradeStrategy").get("type") == INCREMENTAL
