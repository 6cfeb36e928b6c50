"""Built-in kinds and pod templates against the models of the Kubernetes client: fields, types, what is required."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any

from axiom.kube.schema import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_MODELS: Mapping[str, str] = {
    "ServiceAccount": "V1ServiceAccount",
    "Role": "V1Role",
    "RoleBinding": "V1RoleBinding",
    "NetworkPolicy": "V1NetworkPolicy",
    "ConfigMap": "V1ConfigMap",
    "Service": "V1Service",
    "PodDisruptionBudget": "V1PodDisruptionBudget",
    "CronJob": "V1CronJob",
}
_ONE_OF: Mapping[str, tuple[str, ...]] = {
    "imagePullPolicy": ("Always", "IfNotPresent", "Never"),
    "restartPolicy": ("Always", "OnFailure", "Never"),
    "concurrencyPolicy": ("Allow", "Forbid", "Replace"),
    "whenUnsatisfiable": ("DoNotSchedule", "ScheduleAnyway"),
    "protocol": ("TCP", "UDP", "SCTP"),
    "unhealthyPodEvictionPolicy": ("AlwaysAllow", "IfHealthyBudget"),
    "dnsPolicy": ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"),
}
_KEYS: Mapping[str, str] = {"containers": "name", "initContainers": "name", "env": "name", "volumes": "name",
                            "volumeMounts": "mountPath"}  # fmt: skip
_QUANTITY = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?")
_TEXTS: Mapping[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "bool": (bool,), "float": (int, float)}
_RESOURCES = ("requests", "limits")


def builtin_problems(document: Mapping[str, Any]) -> Iterator[Problem]:
    """What Kubernetes would not take of a document of a built-in kind; nothing where it is none."""
    model = _MODELS.get(str(document.get("kind")))
    if model is not None:
        yield from problems_by_model(document, model, "")


def template_problems(template: Any, where: str) -> Iterator[Problem]:
    """What Kubernetes would not take of a pod template inside a custom resource."""
    yield from problems_by_model(template, "V1PodTemplateSpec", where)


def metadata_problems(document: Mapping[str, Any]) -> Iterator[Problem]:
    """What Kubernetes would not take of the metadata of any document."""
    yield from problems_by_model(document.get("metadata"), "V1ObjectMeta", "metadata")


def problems_by_model(value: Any, kind: str, where: str) -> Iterator[Problem]:
    """Everything about a value that does not fit a model of the client, unknown fields included.

    Args:
        value: plain values.
        kind: name of the model, or `List[…]`, `Dict[str, …]`, `str` and the like, as the client writes types.
        where: path of the value, for messages.
    """
    if inner := re.fullmatch(r"List\[(.*)\]", kind, re.IGNORECASE):
        if not isinstance(value, list):
            yield Problem(where, f"is {value!r}, not a list")
            return
        yield from _list(value, inner[1], where)
    elif inner := re.fullmatch(r"Dict\[str, (.*)\]", kind, re.IGNORECASE):
        if not isinstance(value, dict):
            yield Problem(where, f"is {value!r}, not a mapping")
            return
        for key, one in value.items():
            yield from problems_by_model(one, inner[1], f"{where}.{key}")
            if where.rpartition(".")[2] in _RESOURCES and isinstance(one, str) and not _QUANTITY.fullmatch(one):
                yield Problem(f"{where}.{key}", f"{one!r} is no quantity", "like 500m or 4Gi")
    elif kind in _TEXTS:
        yield from _scalar(value, kind, where)
    elif kind == "object":
        if isinstance(value, bool) or not isinstance(value, int | str):
            yield Problem(where, f"is {value!r}, neither a whole number nor a text")
    elif kind.startswith("V"):
        yield from _model(value, kind, where)


def _model(value: Any, kind: str, where: str) -> Iterator[Problem]:
    from kubernetes import client

    model = getattr(client, kind)
    if not isinstance(value, dict):
        yield Problem(where or kind, f"is {value!r}, not a mapping")
        return
    fields = {json: python for python, json in model.attribute_map.items()}
    for python, json in model.attribute_map.items():
        field = getattr(model, "model_fields", {}).get(python)
        if field is not None and field.is_required() and value.get(json) is None:
            yield Problem(f"{where}.{json}" if where else json, "is missing")
    for name, one in value.items():
        path = f"{where}.{name}" if where else str(name)
        if name not in fields:
            close = difflib.get_close_matches(str(name), list(fields), n=1)
            yield Problem(path, "there is no such field", f"did you mean {close[0]}?" if close else "")
            continue
        if one is None:
            yield Problem(path, "is null")
            continue
        yield from problems_by_model(one, model.openapi_types[fields[name]], path)
        if name in _ONE_OF and isinstance(one, str) and one not in _ONE_OF[name]:
            yield Problem(path, f"is {one!r}", f"one of {', '.join(_ONE_OF[name])}")


def _list(value: list[Any], kind: str, where: str) -> Iterator[Problem]:
    key = _KEYS.get(where.rpartition(".")[2])
    seen = set()
    for position, one in enumerate(value):
        named = one.get("name", position) if isinstance(one, dict) else position
        yield from problems_by_model(one, kind, f"{where}[{named}]")
        identity = one.get(key) if key and isinstance(one, dict) else None
        if identity is not None and identity in seen:
            yield Problem(f"{where}[{named}]", "stands twice")
        seen.add(identity)


def _scalar(value: Any, kind: str, where: str) -> Iterator[Problem]:
    right = isinstance(value, _TEXTS[kind]) and (kind == "bool" or not isinstance(value, bool))
    if not right:
        hint = "put it in quotes" if kind == "str" and isinstance(value, int | float) else ""
        wanted = {"str": "text", "int": "whole number", "bool": "true or false", "float": "number"}[kind]
        yield Problem(where, f"is {value!r}, not {wanted}", hint)
