"""The documents that the files in `kube/` make: base, overlays, values, one RayJob a job, one CronJob a pipeline."""

from __future__ import annotations

import hashlib
import json
import shlex
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from axiom.errors import MisuseError, NotFoundError
from axiom.kube.folding import folded, substituted
from axiom.kube.kinds import INSTANCE, MANAGED_BY, MANAGER, kind_of, named

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from axiom.kube.kinds import Document

_STEP = {"job": "step", "job_name": "step", "entrypoint": "axiom"}
_OVERLAY = ("values", "patches", "remove")


@dataclass(frozen=True)
class Scheduled:
    """A pipeline that runs by itself.

    Attributes:
        name: of the pipeline.
        cron: five fields.
        timezone: IANA name.
    """

    name: str
    cron: str
    timezone: str


@dataclass(frozen=True)
class JobOrder:
    """One of `jobs/` to run as a RayJob.

    Attributes:
        job: file name without `.py`.
        arguments: None: those of kube/jobs.yaml.
        key: the same job with the same arguments and key is the same RayJob.
    """

    job: str
    arguments: tuple[str, ...] | None = None
    key: str = ""


@dataclass(frozen=True)
class Order:
    """What to render.

    Attributes:
        serve: `serve_config.yaml` as a mapping.
        overlays: names of files in kube/overlays, or paths of the user's own; later ones win.
        values: win over all overlays.
        pipelines: a CronJob each.
        jobs: where given, only these RayJobs are rendered, and nothing else.
    """

    serve: Mapping[str, Any]
    overlays: Sequence[str] = ()
    values: Mapping[str, Any] = field(default_factory=dict)
    pipelines: Sequence[Scheduled] = ()
    jobs: Sequence[JobOrder] = ()


def templates_folder() -> Path:
    """Where the templates are: beside the code in a wheel, at the root of a checkout."""
    packaged = Path(__file__).parent / "manifests"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "kube"


def render(order: Order, folder: Path | None = None) -> list[Document]:
    """The documents of an order, in the order in which they are applied. Nothing is validated yet.

    Args:
        order: what to render.
        folder: of the templates; default: those of Axiom.

    Raises:
        NotFoundError: there is no such overlay or job.
        MisuseError: a file is no YAML, a value is unknown, or a patch fits nothing.
    """
    templates = Templates(folder or templates_folder())
    overlays = [templates.overlay(name) for name in order.overlays]
    values = templates.values(overlays, order)
    step = _finished([templates.job({**values, **_STEP})], overlays, values, partial=True)
    values["job_template"] = yaml.safe_dump(step[0], sort_keys=False) if step else ""
    documents = templates.job_documents(order.jobs, values) if order.jobs else templates.base(order, values)
    return _finished(documents, overlays, values, partial=bool(order.jobs))


def _finished(
    documents: list[Document], overlays: Sequence[Mapping[str, Any]], values: Mapping[str, Any], *, partial: bool
) -> list[Document]:
    for overlay in overlays:
        documents = _patched(documents, overlay, values, partial=partial)
    owned = [_owned(document, values) for document in documents]
    return sorted(owned, key=lambda document: kind_of(document).rank)


@dataclass(frozen=True)
class Templates:
    """The files of one folder."""

    folder: Path

    def overlay(self, name: str) -> dict[str, Any]:
        """An overlay by its name or path.

        Raises:
            NotFoundError: there is none.
            MisuseError: it is malformed.
        """
        path = Path(name) if name.endswith((".yaml", ".yml")) else self.folder / "overlays" / f"{name}.yaml"
        if not path.is_file():
            known = ", ".join(sorted(found.stem for found in (self.folder / "overlays").glob("*.yaml")))
            raise NotFoundError(f"there is no overlay {name!r}", hint=f"there are {known}; or give a .yaml file")
        found = read_yaml(path)
        if unknown := sorted(set(found) - set(_OVERLAY)):
            raise MisuseError(f"{path}: {unknown[0]!r} is unknown", hint=f"an overlay has {', '.join(_OVERLAY)}")
        return found

    def values(self, overlays: Sequence[Mapping[str, Any]], order: Order) -> dict[str, Any]:
        """The values that hold, `ray_version` and `serve_config` included.

        Raises:
            MisuseError: one of the order's is unknown.
        """
        values = read_yaml(self.folder / "values.yaml")
        values["ray_version"] = metadata.version("ray")
        for overlay in overlays:
            values = folded(values, overlay.get("values") or {})
        if unknown := sorted(set(order.values) - set(values)):
            raise MisuseError(f"{unknown[0]!r} is no value", hint=f"there are {', '.join(sorted(values))}")
        values = folded(values, dict(order.values))
        serve = folded(dict(order.serve), values["serve"])
        return {**values, "serve_config": yaml.safe_dump(serve, sort_keys=False)}

    def base(self, order: Order, values: Mapping[str, Any]) -> list[Document]:
        """Everything but jobs."""
        raw = [document for path in sorted((self.folder / "base").glob("*.yaml")) for document in _documents(path)]
        documents = [self._filled(document, values) for document in raw]
        template = read_yaml(self.folder / "pipeline.yaml")
        for one in order.pipelines:
            own = {"pipeline": one.name, "cron": one.cron, "timezone": one.timezone}
            documents.append(self._filled(template, {**values, **own}))
        return documents

    def job_documents(self, jobs: Sequence[JobOrder], values: Mapping[str, Any]) -> list[Document]:
        """A RayJob each.

        Raises:
            NotFoundError: there is no such job.
            MisuseError: it needs arguments and has none.
        """
        known = read_yaml(self.folder / "jobs.yaml")
        return [self.job({**values, **_job_values(order, known, values)}) for order in jobs]

    def known_jobs(self) -> list[str]:
        """Names of the jobs that can be ordered."""
        return sorted(read_yaml(self.folder / "jobs.yaml"))

    def job(self, values: Mapping[str, Any]) -> Document:
        """One RayJob; `values` name it and say what it runs."""
        return self._filled(read_yaml(self.folder / "job.yaml"), values)

    def _filled(self, document: Any, values: Mapping[str, Any]) -> Document:
        filled: Document = substituted(self._used(document), values)
        return filled

    def _used(self, value: Any) -> Any:
        """The same with the fragments that `$use` names laid under the mappings that name them."""
        if isinstance(value, list):
            return [self._used(inner) for inner in value]
        if not isinstance(value, dict):
            return value
        own = {key: self._used(inner) for key, inner in value.items() if key != "$use"}
        under: dict[str, Any] = {}
        for name in value.get("$use", ()):
            under = folded(under, read_yaml(self.folder / "fragments" / f"{name}.yaml"))
        return folded(under, own) if under else own


def _job_values(order: JobOrder, known: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    if order.job not in known:
        raise NotFoundError(f"there is no job {order.job!r}", hint=f"there are {', '.join(sorted(known))}")
    arguments = known[order.job] if order.arguments is None else list(order.arguments)
    if arguments is None:
        raise MisuseError(f"job {order.job} needs arguments", hint=f"--job {order.job} -- ARGUMENTS")
    command = shlex.join(["python", f"{values['code']}/jobs/{order.job}.py", *map(str, arguments)])
    told = json.dumps([command, order.key, values["image"]]).encode()
    digest = hashlib.blake2b(told, digest_size=4).hexdigest()
    return {"job": order.job, "job_name": f"{values['name']}-{order.job}-{digest}", "entrypoint": command}


def _patched(
    documents: list[Document], overlay: Mapping[str, Any], values: Mapping[str, Any], *, partial: bool
) -> list[Document]:
    for patch in substituted(overlay.get("patches") or [], values):
        fits = [_fits(document, patch) for document in documents]
        # An overlay is written for everything; jobs alone need not meet each of its patches.
        if not any(fits) and not partial:
            raise MisuseError(f"a patch of {patch.get('kind')} {patch.get('name', '')} fits no document")
        documents = [
            folded(document, patch.get("merge") or {}) if fit else document
            for document, fit in zip(documents, fits, strict=True)
        ]
    gone = substituted(overlay.get("remove") or [], values)
    return [document for document in documents if not any(_fits(document, one) for one in gone)]


def _fits(document: Document, target: Mapping[str, Any]) -> bool:
    return document["kind"] == target.get("kind") and target.get("name") in (None, document["metadata"]["name"])


def _owned(document: Document, values: Mapping[str, Any]) -> Document:
    labels = {MANAGED_BY: MANAGER, "app.kubernetes.io/name": "axiom", INSTANCE: values["name"]}
    owned: Document = folded(document, {"metadata": {"namespace": values["namespace"], "labels": labels}})
    return owned


def _documents(path: Path) -> list[Document]:
    return [document for document in _loaded(path, many=True) if document is not None]


def read_yaml(path: Path) -> dict[str, Any]:
    """One YAML document that is a mapping.

    Raises:
        NotFoundError: there is no such file.
        MisuseError: it is no YAML, or no mapping.
    """
    found = _loaded(path, many=False)
    if not isinstance(found, dict):
        raise MisuseError(f"{path} is no mapping")
    return found


def _loaded(path: Path, *, many: bool) -> Any:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise NotFoundError(f"{path} cannot be read: {error}") from None
    return parsed(text, str(path), many=many)


def parsed(text: str, source: str, *, many: bool = True) -> Any:
    """YAML as plain values.

    Raises:
        MisuseError: it is none.
    """
    try:
        return list(yaml.safe_load_all(text)) if many else yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise MisuseError(f"{source} is no YAML: {' '.join(str(error).split())}") from None


def to_yaml(documents: Sequence[Document]) -> str:
    """Documents as one YAML stream."""
    return "".join(f"---\n# {named(one)}\n{yaml.dump(one, Dumper=_Dumper, sort_keys=False)}" for one in documents)


class _Dumper(yaml.SafeDumper):
    """Long texts as blocks, and nothing by reference: people read this."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        """See yaml."""
        return True


_Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None),
)
