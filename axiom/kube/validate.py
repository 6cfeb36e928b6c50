"""The validator: everything that can be known to be wrong with manifests before a cluster sees them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from axiom.errors import MisuseError
from axiom.kube.builtin import builtin_problems, metadata_problems, template_problems
from axiom.kube.crds import known_schemas
from axiom.kube.kinds import kind_of, named
from axiom.kube.rules_bundle import bundle_problems, serving_problems
from axiom.kube.rules_pods import pod_problems
from axiom.kube.rules_ray import ray_problems
from axiom.kube.schema import Problem, problems, with_defaults
from axiom.kube.walk import mapping, templates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from axiom.kube.crds import Schemas
    from axiom.kube.kinds import Document

JOB_TEMPLATE = "rayjob.yaml"
"""Key of the ConfigMap that holds what a step of a pipeline becomes."""


def _nothing(_config: Any) -> Iterable[object]:
    return ()


@dataclass(frozen=True)
class ServeRules:
    """What the serving room knows about a configuration; given in, because this room does not know that one.

    Attributes:
        check: what is wrong with a configuration.
        environment: variables that every Ray container has to have.
    """

    check: Callable[[Any], Iterable[object]] = _nothing
    environment: Mapping[str, str] = field(default_factory=dict)


def validate(
    documents: Sequence[Document], *, schemas: Schemas | None = None, serve: ServeRules | None = None
) -> list[Problem]:
    """Everything that is wrong; empty where nothing is. Paths begin with `Kind/name`.

    The strict checks of shape come first; rules that would trip over a wrong shape run only where it is right.

    Args:
        documents: plain values, in any order.
        schemas: of the custom resources; default: the part that Axiom brings along.
        serve: see `ServeRules`.
    """
    known = schemas or known_schemas()
    found: list[Problem] = []
    whole = []
    for document in documents:
        shape = list(_shape(document, known))
        found += [one._replace(where=f"{named(document)}: {one.where}") for one in shape]
        if not shape:
            whole.append(_defaulted(document, known))
    for document in whole:
        rules = list(_rules(document, known, serve or ServeRules()))
        found += [one._replace(where=f"{named(document)}: {one.where}") for one in rules]
    if len(whole) == len(documents):
        found += bundle_problems(whole)
    return found


def refuse_invalid(
    documents: Sequence[Document], *, schemas: Schemas | None = None, serve: ServeRules | None = None
) -> None:
    """As `validate`, as an error.

    Raises:
        MisuseError: names every problem.
    """
    if found := validate(documents, schemas=schemas, serve=serve):
        raise MisuseError("; ".join(map(str, found)), hint=f"{len(found)} in all; nothing was applied")


def _shape(document: Document, schemas: Schemas) -> Iterator[Problem]:
    try:
        kind = kind_of(document)
    except MisuseError as error:
        yield Problem("kind", error.message, error.hint)
        return
    yield from metadata_problems(document)
    yield from builtin_problems(document)
    schema = schemas.by_kind.get(kind.name) or known_schemas().by_kind.get(kind.name)
    if schema is not None:
        yield from problems(with_defaults(document, schema), schema)
    if kind.group == "ray.io":
        for template in templates(document):
            yield from template_problems(template.value, template.where)


def _defaulted(document: Document, schemas: Schemas) -> Document:
    schema = schemas.by_kind.get(document["kind"])
    found: Document = with_defaults(document, schema) if schema else document
    return found


def _rules(document: Document, schemas: Schemas, serve: ServeRules) -> Iterator[Problem]:
    yield from ray_problems(document)
    yield from pod_problems(document)
    if document["kind"] == "RayService":
        yield from _serving(document, serve)
    if document["kind"] == "ConfigMap" and JOB_TEMPLATE in mapping(document, "data"):
        nested = _parsed(document["data"][JOB_TEMPLATE])
        if not isinstance(nested, dict):
            yield Problem(f"data.{JOB_TEMPLATE}", "is no RayJob")
            return
        for problem in validate([nested], schemas=schemas):
            yield problem._replace(where=f"data.{JOB_TEMPLATE}: {problem.where}")


def _serving(document: Document, serve: ServeRules) -> Iterator[Problem]:
    config = _parsed(mapping(document, "spec").get("serveConfigV2", ""))
    if not isinstance(config, dict):
        yield Problem("spec.serveConfigV2", "is no YAML mapping")
        return
    told = [Problem("spec.serveConfigV2", str(problem)) for problem in serve.check(config)]
    yield from told
    if not told:
        yield from serving_problems(document, config, serve.environment)


def _parsed(text: Any) -> Any:
    try:
        return yaml.safe_load(str(text))
    except yaml.YAMLError:
        return None
