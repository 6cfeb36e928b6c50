"""Where the schemas of custom resources come from: a folder, a cluster, or the part that Axiom brings along."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from axiom.errors import MisuseError
from axiom.kube.kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from axiom.kube.schema import Schema


@dataclass(frozen=True)
class Schemas:
    """Schemas by kind.

    Attributes:
        by_kind: kind -> `openAPIV3Schema`.
        source: where they come from, for messages.
        whole: whether they are the definitions themselves, or the part that Axiom knows.
    """

    by_kind: Mapping[str, Schema]
    source: str
    whole: bool


def known_schemas() -> Schemas:
    """The part that Axiom brings along."""
    return Schemas(_known(), "what Axiom knows of KubeRay 1.7", whole=False)


@cache
def _known() -> dict[str, Schema]:
    text = (Path(__file__).parent / "schemas" / "known.yaml").read_text(encoding="utf-8")
    kinds: dict[str, Schema] = yaml.safe_load(text)["kinds"]
    return kinds


def schemas_in(folder: Path) -> Schemas:
    """The definitions in the YAML files of a folder.

    Raises:
        MisuseError: there are none in it, or a file is no YAML.
    """
    found = []
    for path in sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")]):
        try:
            # The C loader where there is one: the definitions have four megabytes.
            loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
            found += list(yaml.load_all(path.read_text(encoding="utf-8"), loader))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise MisuseError(f"{path} cannot be read: {' '.join(str(error).split())}") from None
    schemas = schemas_of([one for one in found if isinstance(one, dict)], str(folder))
    if not schemas.by_kind:
        raise MisuseError(f"{folder} holds no definition of KubeRay's kinds", hint="the chart has them under crds/")
    return schemas


def schemas_of(definitions: Iterable[Mapping[str, Any]], source: str) -> Schemas:
    """The schemas inside custom resource definitions, of the version that Axiom writes."""
    found: dict[str, Schema] = {}
    for one in definitions:
        if one.get("kind") != "CustomResourceDefinition":
            continue
        spec = one["spec"]
        kind = KINDS.get(spec["names"]["kind"])
        if kind is None or spec["group"] != kind.group:
            continue
        for version in spec["versions"]:
            if version["name"] == kind.api_version.rpartition("/")[2] and version.get("served"):
                found[kind.name] = version["schema"]["openAPIV3Schema"]
    return Schemas(found, source, whole=True)
