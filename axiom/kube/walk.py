"""Ways through documents: where Ray clusters, pod templates and containers stand in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from axiom.kube.kinds import Document


class Template(NamedTuple):
    """A pod template: its path, its values, and `head`, `worker`, `submitter` or `pod`."""

    where: str
    value: Mapping[str, Any]
    role: str


class Container(NamedTuple):
    """A container of a pod template."""

    where: str
    value: Mapping[str, Any]
    template: Template


_CLUSTERS = {
    "RayService": ("spec", "rayClusterConfig"),
    "RayJob": ("spec", "rayClusterSpec"),
    "RayCronJob": ("spec", "jobTemplate", "rayClusterSpec"),
}


def mapping(value: Any, *path: str) -> Mapping[str, Any]:
    """The mapping at the end of a path of keys; {} where there is none."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def listed(value: Any, *path: str) -> list[Mapping[str, Any]]:
    """The mappings in the list at the end of a path of keys; [] where there is none."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def cluster_of(document: Document) -> tuple[str, Mapping[str, Any]] | None:
    """Path and values of the Ray cluster that a document describes; None where it describes none."""
    path = _CLUSTERS.get(str(document.get("kind")))
    found = mapping(document, *path) if path else {}
    return (".".join(path), found) if path and found else None


def templates(document: Document) -> Iterator[Template]:
    """Every pod template in a document."""
    found = cluster_of(document)
    if found is not None:
        where, cluster = found
        yield Template(f"{where}.headGroupSpec.template", mapping(cluster, "headGroupSpec", "template"), "head")
        for group in listed(cluster, "workerGroupSpecs"):
            path = f"{where}.workerGroupSpecs[{group.get('groupName')}].template"
            yield Template(path, mapping(group, "template"), "worker")
    submitter = mapping(document, "spec", "submitterPodTemplate")
    if submitter:
        yield Template("spec.submitterPodTemplate", submitter, "submitter")
    if document.get("kind") == "CronJob":
        pod = mapping(document, "spec", "jobTemplate", "spec", "template")
        yield Template("spec.jobTemplate.spec.template", pod, "pod")


def containers(document: Document) -> Iterator[Container]:
    """Every container in the pod templates of a document, those that run before others included."""
    for template in templates(document):
        for key in ("initContainers", "containers"):
            for one in listed(template.value, "spec", key):
                yield Container(f"{template.where}.spec.{key}[{one.get('name')}]", one, template)


def labels(template: Template) -> Mapping[str, Any]:
    """Labels of the pods of a template."""
    return mapping(template.value, "metadata", "labels")


def matches(selector: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    """Whether labels fit a `matchLabels`."""
    return all(found.get(key) == value for key, value in selector.items())
