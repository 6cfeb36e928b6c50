"""The verb `kube`: manifests for KubeRay, and the installation that they make on a cluster."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from axiom.cli.console import JsonFlag, emit, settings, table
from axiom.errors import AxiomError, MisuseError, QualityError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from axiom.kube.deploy import Applied, Deployer
    from axiom.kube.kinds import Document
    from axiom.kube.templates import Scheduled
    from axiom.kube.validate import ServeRules

kube = typer.Typer(no_args_is_help=True, help="Kubernetes: render, compare, apply, watch, roll back and delete.")

Overlays = Annotated[
    list[str] | None, typer.Option("--overlay", help="small, production, incremental, or a .yaml file; repeatable.")
]
Values = Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="One of kube/values.yaml.")]
ServeFile = Annotated[Path | None, typer.Option("--config", help="serve_config.yaml to embed. Default: as `serve`.")]
Crds = Annotated[Path | None, typer.Option(help="Folder with KubeRay's definitions, to validate by these.")]
JobName = Annotated[str | None, typer.Option("--job", help="One of jobs/ as a RayJob, instead of the installation.")]
Arguments = Annotated[list[str] | None, typer.Argument(help="Of the job, after `--`.", show_default=False)]
Key = Annotated[str, typer.Option(help="With --job: the same job, arguments and key are the same RayJob.")]
Name = Annotated[str | None, typer.Option(help="Of the installation. Default: as in kube/values.yaml.")]
Namespace = Annotated[str | None, typer.Option("--namespace", "-n", help="Default: as in kube/values.yaml.")]
Context = Annotated[str | None, typer.Option(help="Of the kubeconfig. Default: its current one.")]
Kubeconfig = Annotated[Path | None, typer.Option(help="Default: KUBECONFIG, ~/.kube/config, or the pod's account.")]
Force = Annotated[bool, typer.Option("--force", help="Take over fields that others have set.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done; the server checks it.")]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until it is up, or cannot come up.")]
Timeout = Annotated[float, typer.Option(min=1, help="Seconds to wait.")]


def register(app: typer.Typer) -> None:
    """Add the verbs of this module."""
    app.add_typer(kube, name="kube")


@kube.command(epilog="Example: axiom kube render --overlay production --set image=registry/axiom:1.0-ray2.60.0")
def render(
    arguments: Arguments = None,
    overlay: Overlays = None,
    values: Values = None,
    config: ServeFile = None,
    crds: Crds = None,
    job: JobName = None,
    key: Key = "",
    name: Name = None,
    namespace: Namespace = None,
    json: JsonFlag = False,
) -> None:
    """Write the manifests to stdout, after everything that can be known to be wrong with them was looked for."""
    from axiom.kube.templates import to_yaml

    documents = _rendered(overlay, values, config, crds, job, arguments, key, name, namespace)
    emit({"documents": documents}, as_json=json, lines=to_yaml(documents).splitlines())


@kube.command(epilog="Example: axiom kube check rendered.yaml --crds kuberay-operator/crds")
def check(
    files: Annotated[list[Path], typer.Argument(help="Manifests, from `render` or by hand.")],
    crds: Crds = None,
    json: JsonFlag = False,
) -> None:
    """Validate manifests without a cluster: definitions, operator rules, built-in kinds, serve_config; exit code 1."""
    from axiom.kube.crds import schemas_in
    from axiom.kube.templates import parsed
    from axiom.kube.validate import validate

    documents: list[Any] = []
    for file in files:
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise MisuseError(f"{file} cannot be read: {error}") from None
        documents += [one for one in parsed(text, str(file)) if one is not None]
    if strange := [one for one in documents if not isinstance(one, dict)]:
        raise MisuseError(f"{strange[0]!r} is no Kubernetes object")
    found = validate(documents, schemas=schemas_in(crds) if crds else None, serve=_serve_rules())
    payload = {"documents": len(documents), "problems": [one._asdict() for one in found]}
    emit(payload, as_json=json, lines=[*map(str, found), f"{len(documents)} objects, {len(found)} problems"])
    if found:
        raise QualityError(f"{len(found)} problems in {len(documents)} objects")


@kube.command(epilog="Example: axiom kube diff --overlay production")
def diff(
    arguments: Arguments = None,
    overlay: Overlays = None,
    values: Values = None,
    config: ServeFile = None,
    job: JobName = None,
    key: Key = "",
    name: Name = None,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
    json: JsonFlag = False,
) -> None:
    """What `apply` would change on the cluster, line by line, and what that comes to."""
    documents = _rendered(overlay, values, config, None, job, arguments, key, name, namespace)
    found = _deployer(documents, context, kubeconfig).diff(documents)
    lines = [line for change in found.changes for line in change.lines]
    _emit_applied(found, json=json, before=lines)


@kube.command(epilog="Example: axiom kube apply --overlay production, or axiom kube apply --job train -- churn")
def apply(
    arguments: Arguments = None,
    overlay: Overlays = None,
    values: Values = None,
    config: ServeFile = None,
    job: JobName = None,
    key: Key = "",
    again: Annotated[bool, typer.Option("--again", help="With --job: run one that has ended once more.")] = False,
    name: Name = None,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
    force: Force = False,
    dry_run: DryRun = False,
    wait: Wait = True,
    undo: Annotated[bool, typer.Option("--undo", help="Roll back by itself where it does not come up.")] = False,
    timeout: Timeout = 1800.0,
    json: JsonFlag = False,
) -> None:
    """Make the cluster as the manifests say, and wait until it is up. Twice is once."""
    documents = _rendered(overlay, values, config, None, job, arguments, key, name, namespace)
    deployer = _deployer(documents, context, kubeconfig)
    if again and job and not dry_run:
        deployer.restart_job(documents[0])
    found = deployer.apply(documents, dry_run=dry_run, force=force)
    if wait and not dry_run:
        _await(deployer, documents, found, timeout, undo=undo)
    _emit_applied(found, json=json)


@kube.command(epilog="Example: axiom kube status")
def status(
    name: Name = None,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
    json: JsonFlag = False,
) -> None:
    """How the installation stands: versions, service, jobs, pipelines, pods, revisions."""
    from axiom.kube.report import status as look

    deployer = _installation(name, namespace, context, kubeconfig)
    found = look(deployer.cluster, deployer.instance)
    operator = found["cluster"]["operator"] or "not visible"
    where = f"{found['instance']} in {found['namespace']}"
    lines = [f"{where}, Kubernetes {found['cluster']['kubernetes']}, KubeRay {operator}"]
    for title in ("services", "jobs", "pipelines", "pods", "revisions"):
        lines += ["", title, *(f"  {line}" for line in table(found[title]))]
    if found["held_up"]:
        lines += ["", f"held up: {found['held_up']['reason']}"]
    emit(found, as_json=json, lines=lines)


@kube.command(epilog="Example: axiom kube wait --timeout 600")
def wait(
    job: Annotated[str | None, typer.Option("--job", help="Name of a RayJob. Default: the service.")] = None,
    name: Name = None,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
    timeout: Timeout = 1800.0,
    json: JsonFlag = False,
) -> None:
    """Wait until the service is up or a job has succeeded; exit code 1 with the reason where that cannot be."""
    deployer = _installation(name, namespace, context, kubeconfig)
    kind, object_name = ("RayJob", job) if job else ("RayService", deployer.instance)
    verdict = _wait(deployer, kind, object_name, timeout)
    emit(asdict(verdict), as_json=json, lines=[f"{kind}/{object_name}: {verdict.reason}"])


@kube.command(epilog="Example: axiom kube logs --job axiom-train-72e9828c")
def logs(
    job: Annotated[str | None, typer.Option("--job", help="Name of a RayJob.")] = None,
    component: Annotated[str, typer.Option(help="serve, job or pipeline.")] = "serve",
    tail: Annotated[int, typer.Option(min=1, help="Lines of each container.")] = 200,
    previous: Annotated[bool, typer.Option("--previous", help="Of the container that ran before.")] = False,
    name: Name = None,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
    json: JsonFlag = False,
) -> None:
    """What the pods wrote last."""
    from axiom.kube.report import logs as read

    deployer = _installation(name, namespace, context, kubeconfig)
    found = dict(read(deployer.cluster, deployer.instance, job=job, component=component, tail=tail, previous=previous))
    lines = [line for pod, text in found.items() for line in (f"==> {pod} <==", *text.splitlines())]
    emit(found, as_json=json, lines=lines)


@kube.command(epilog="Example: axiom kube rollback, or axiom kube rollback --to 3")
def rollback(
    to: Annotated[
        int | None, typer.Option("--to", min=1, help="Revision. Default: the last healthy one before.")
    ] = None,
    name: Name = None,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
    force: Force = False,
    dry_run: DryRun = False,
    wait: Wait = True,
    timeout: Timeout = 1800.0,
    json: JsonFlag = False,
) -> None:
    """Apply an earlier revision again, and wait until it is up; during an upgrade the old cluster stays."""
    deployer = _installation(name, namespace, context, kubeconfig)
    found = deployer.rollback(to, dry_run=dry_run, force=force)
    if wait and not dry_run and found.revision is not None:
        _await(deployer, deployer.revisions.documents(found.revision), found, timeout, undo=False)
    _emit_applied(found, json=json)


@kube.command(epilog="Example: axiom kube delete --dry-run")
def delete(
    keep_jobs: Annotated[bool, typer.Option("--keep-jobs", help="Leave RayJobs as they are.")] = False,
    kind: Annotated[list[str] | None, typer.Option("--kind", help="Only these kinds; repeatable.")] = None,
    name: Name = None,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
    dry_run: DryRun = False,
    json: JsonFlag = False,
) -> None:
    """Delete the installation and wait until it is gone. Secrets, database and lake stay."""
    deployer = _installation(name, namespace, context, kubeconfig)
    found = deployer.delete(jobs=not keep_jobs, kinds=tuple(kind or ()), dry_run=dry_run)
    verb = "would delete" if dry_run else "deleted"
    lines = [f"{verb} {one.object}" for one in found] or ["nothing to delete"]
    emit({"deleted": [one.object for one in found], "dry_run": dry_run}, as_json=json, lines=lines)


def _rendered(
    overlays: Sequence[str] | None,
    values: Sequence[str] | None,
    config: Path | None,
    crds: Path | None,
    job: str | None,
    arguments: Sequence[str] | None,
    key: str,
    name: str | None,
    namespace: str | None,
) -> list[Document]:
    from axiom.kube.crds import schemas_in
    from axiom.kube.templates import JobOrder, Order
    from axiom.kube.templates import render as make
    from axiom.kube.validate import refuse_invalid
    from axiom.serve.config import load_serve_config

    if (arguments or key) and not job:
        raise MisuseError("arguments and --key belong to a job", hint="--job NAME -- ARGUMENTS")
    told = dict(map(_pair, values or ()))
    told |= {key: value for key, value in (("name", name), ("namespace", namespace)) if value}
    jobs = [JobOrder(job, tuple(arguments) if arguments else None, key)] if job else []
    order = Order(load_serve_config(config).raw, tuple(overlays or ()), told, () if job else _scheduled(), tuple(jobs))
    documents = make(order)
    refuse_invalid(documents, schemas=schemas_in(crds) if crds else None, serve=_serve_rules())
    return documents


def _pair(text: str) -> tuple[str, Any]:
    import yaml

    name, sign, value = text.partition("=")
    if not sign or not name:
        raise MisuseError(f"--set {text!r}", hint="write it like --set workers=3")
    try:
        return name, yaml.safe_load(value)
    except yaml.YAMLError:
        return name, value


def _scheduled() -> list[Scheduled]:
    from axiom.jobs.pipelines.library import load_pipeline, pipeline_names
    from axiom.kube.templates import Scheduled

    loaded = settings()
    found = [load_pipeline(loaded, name) for name in pipeline_names(loaded)]
    return [Scheduled(one.name, one.schedule.cron, one.schedule.timezone) for one in found if one.schedule]


def _serve_rules() -> ServeRules:
    from axiom.kube.validate import ServeRules
    from axiom.serve.config import problems_of
    from axiom.serve.config_rules import INGRESS

    return ServeRules(problems_of, INGRESS)


def _installation(name: str | None, namespace: str | None, context: str | None, kubeconfig: Path | None) -> Deployer:
    from axiom.kube.cluster import Cluster
    from axiom.kube.deploy import Deployer
    from axiom.kube.templates import read_yaml, templates_folder

    settings()
    usual = read_yaml(templates_folder() / "values.yaml")
    cluster = Cluster.connect(namespace or usual["namespace"], kubeconfig=kubeconfig, context=context)
    return Deployer(cluster, name or usual["name"], _serve_rules())


def _deployer(documents: Sequence[Document], context: str | None, kubeconfig: Path | None) -> Deployer:
    from axiom.kube.kinds import INSTANCE

    metadata = documents[0]["metadata"]
    return _installation(metadata["labels"][INSTANCE], metadata["namespace"], context, kubeconfig)


def _await(deployer: Deployer, documents: Sequence[Document], applied: Applied, timeout: float, *, undo: bool) -> None:
    for document in documents:
        if document["kind"] not in ("RayService", "RayJob"):
            continue
        try:
            _wait(deployer, document["kind"], document["metadata"]["name"], timeout)
        except AxiomError as error:
            if not (undo and document["kind"] == "RayService"):
                raise
            back = _undone(deployer, error)
            _wait(deployer, "RayService", document["metadata"]["name"], timeout)
            raise QualityError(f"{error.message}; rolled back, as revision {back.revision}", hint=error.hint) from error
    if applied.revision is not None:
        deployer.revisions.mark_healthy(applied.revision)


def _undone(deployer: Deployer, error: AxiomError) -> Applied:
    from axiom.errors import NotFoundError

    try:
        back = deployer.rollback()
    except NotFoundError:
        raise error from None  # the first revision: there is nothing to go back to
    _say(f"{error.message}; rolling back")
    return back


def _wait(deployer: Deployer, kind: str, name: str, timeout: float) -> Any:
    from axiom.kube.waiting import Waiter

    waiter = Waiter(timeout=timeout, say=_say)
    return waiter.wait(deployer.cluster, kind, name, instance=deployer.instance)


def _emit_applied(found: Applied, *, json: bool, before: Sequence[str] = ()) -> None:
    told = [
        f"{change.object}: {change.action}" + (f" ({change.meaning})" if change.meaning else "")
        for change in found.changes
    ]
    revision = [f"revision {found.revision}"] if found.revision is not None else []
    payload = {"changed": any(change.action != "unchanged" for change in found.changes), **asdict(found)}
    emit(payload, as_json=json, lines=[*before, *told, *(f"left out {note}" for note in found.notes), *revision])


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
