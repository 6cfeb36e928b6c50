"""What Axiom asks of every pod: pinned images, resources, no privileges, no secrets in the open, a graceful end."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from axiom.kube.kinds import COMPONENT, INSTANCE
from axiom.kube.schema import Problem
from axiom.kube.walk import cluster_of, containers, labels, listed, mapping, templates
from axiom.settings import mask_url

if TYPE_CHECKING:
    from collections.abc import Iterator

    from axiom.kube.kinds import Document
    from axiom.kube.walk import Container, Template

_SECRET = re.compile(r"(PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|ACCESS_KEY|CREDENTIAL)", re.IGNORECASE)
_RAY_IN_TAG = re.compile(r"ray-?(\d+\.\d+\.\d+)")


def pod_problems(document: Document) -> Iterator[Problem]:
    """Everything about the pods of one document."""
    found = cluster_of(document)
    version = str(found[1].get("rayVersion")) if found else None
    for template in templates(document):
        yield from _pod(template)
    for container in containers(document):
        yield from _image(container, version)
        yield from _resources(container)
        yield from _rights(container)
        yield from _secrets(container)
    if document.get("kind") == "ConfigMap":
        for name, text in mapping(document, "data").items():
            yield from _open_secret(f"data.{name}", str(name), text)
    if found:
        password = mapping(found[1], "gcsFaultToleranceOptions", "redisPassword")
        if "value" in password:
            yield Problem(f"{found[0]}.gcsFaultToleranceOptions.redisPassword.value", "is a secret in the open", _BY)


_BY = "name a Secret: valueFrom.secretKeyRef"


def ray_of(image: str) -> str | None:
    """The version of Ray that the tag of an image tells."""
    found = _RAY_IN_TAG.search(_tag(image))
    return found[1] if found else None


def _tag(image: str) -> str:
    name = image.partition("@")[0].rpartition("/")[2]
    return name.partition(":")[2]


def _pod(template: Template) -> Iterator[Problem]:
    for label in (INSTANCE, COMPONENT):
        if label not in labels(template):
            yield Problem(
                f"{template.where}.metadata.labels",
                f"{label} is missing",
                "policies, budgets and monitors select by it",
            )
    spec = mapping(template.value, "spec")
    if not mapping(spec, "securityContext").get("runAsNonRoot"):
        yield Problem(f"{template.where}.spec.securityContext.runAsNonRoot", "is not true")
    if spec.get("enableServiceLinks") is not False:
        yield Problem(
            f"{template.where}.spec.enableServiceLinks", "is not false: Kubernetes would set AXIOM_* variables"
        )
    if template.role == "worker":
        yield from _end(template)


def _end(template: Template) -> Iterator[Problem]:
    first = next(iter(listed(template.value, "spec", "containers")), {})
    command = " ".join(map(str, mapping(first, "lifecycle", "preStop", "exec").get("command", [])))
    if "ray stop" not in command:
        yield Problem(
            f"{template.where}.spec.containers[{first.get('name')}].lifecycle.preStop",
            "does not run `ray stop`: tasks and requests in flight would be lost with the pod",
        )


def _image(container: Container, version: str | None) -> Iterator[Problem]:
    image = str(container.value.get("image", ""))
    tag = _tag(image)
    if not tag or tag == "latest":
        yield Problem(f"{container.where}.image", f"{image!r} has no tag that stays what it is", "pin a version")
    elif version is not None and container.value.get("name") in ("ray-head", "ray-worker"):
        found = ray_of(image)
        if found is None:
            yield Problem(f"{container.where}.image", f"{image} does not tell its Ray", f"tag it …-ray{version}")
        elif found != version:
            yield Problem(f"{container.where}.image", f"{image} has Ray {found}, but rayVersion is {version}")


def _resources(container: Container) -> Iterator[Problem]:
    for side in ("requests", "limits"):
        for name in ("cpu", "memory"):
            if name not in mapping(container.value, "resources", side):
                yield Problem(f"{container.where}.resources.{side}.{name}", "is not set")
    asked, most = (mapping(container.value, "resources", side).get("memory") for side in ("requests", "limits"))
    if asked != most:
        yield Problem(
            f"{container.where}.resources.limits.memory", f"is {most}, but {asked} is requested", "make them equal"
        )


def _rights(container: Container) -> Iterator[Problem]:
    context = mapping(container.value, "securityContext")
    if context.get("allowPrivilegeEscalation") is not False:
        yield Problem(f"{container.where}.securityContext.allowPrivilegeEscalation", "is not false")
    if context.get("privileged"):
        yield Problem(f"{container.where}.securityContext.privileged", "is true")


def _secrets(container: Container) -> Iterator[Problem]:
    for variable in listed(container.value, "env"):
        if "value" in variable:
            name = str(variable.get("name"))
            yield from _open_secret(f"{container.where}.env[{name}]", name, variable["value"])


def _open_secret(where: str, name: str, text: Any) -> Iterator[Problem]:
    if _SECRET.search(name) or mask_url(str(text)) != str(text):
        yield Problem(where, "is a secret in the open", _BY)
