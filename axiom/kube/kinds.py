"""The kinds of Kubernetes objects that Axiom makes, and how one of them is called."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from axiom.errors import MisuseError

if TYPE_CHECKING:
    from collections.abc import Mapping

    Document = dict[str, Any]
    """One Kubernetes object as plain values."""

MANAGER = "axiom"
"""Field manager of every server-side apply, and value of the label `MANAGED_BY`."""
MANAGED_BY = "app.kubernetes.io/managed-by"
"""Label of every object that we apply."""
INSTANCE = "axiom.io/instance"
"""Label of everything that belongs to one installation, pods included."""
COMPONENT = "axiom.io/component"
"""Label of pods: `serve`, `job` or `pipeline`."""


@dataclass(frozen=True)
class Kind:
    """One kind.

    Attributes:
        api_version: group and version.
        name: as in `kind:`.
        plural: as in paths.
        rank: place in the order in which objects are applied; they are deleted the other way round.
    """

    api_version: str
    name: str
    plural: str
    rank: int

    @property
    def group(self) -> str:
        """API group; "" for the core."""
        return self.api_version.rpartition("/")[0]

    @property
    def crd(self) -> str:
        """Name of the custom resource definition; "" for what every cluster has."""
        return f"{self.plural}.{self.group}" if self.group in ("ray.io", "monitoring.coreos.com") else ""


KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("v1", "ServiceAccount", "serviceaccounts", 0),
        Kind("rbac.authorization.k8s.io/v1", "Role", "roles", 0),
        Kind("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings", 1),
        Kind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies", 1),
        Kind("v1", "ConfigMap", "configmaps", 1),
        Kind("v1", "Service", "services", 2),
        Kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets", 2),
        Kind("ray.io/v1", "RayService", "rayservices", 3),
        Kind("ray.io/v1", "RayJob", "rayjobs", 4),
        Kind("ray.io/v1", "RayCronJob", "raycronjobs", 4),
        Kind("batch/v1", "CronJob", "cronjobs", 4),
        Kind("monitoring.coreos.com/v1", "PodMonitor", "podmonitors", 5),
        Kind("monitoring.coreos.com/v1", "ServiceMonitor", "servicemonitors", 5),
    )
}
"""Everything a document may be. Secrets are not among them: manifests name them, people make them."""


def kind_of(document: Mapping[str, Any]) -> Kind:
    """The kind of a document.

    Raises:
        MisuseError: it has none, one that Axiom does not make, or another API version of it.
    """
    name, version = document.get("kind"), document.get("apiVersion")
    kind = KINDS.get(str(name))
    if kind is None:
        raise MisuseError(f"kind {name!r} is not made here", hint=f"one of {', '.join(KINDS)}")
    if version != kind.api_version:
        raise MisuseError(f"{name}: apiVersion {version!r}", hint=f"write {kind.api_version}")
    return kind


def named(document: Mapping[str, Any]) -> str:
    """`Kind/name` of a document, for messages."""
    metadata = document.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return f"{document.get('kind')}/{name}"
