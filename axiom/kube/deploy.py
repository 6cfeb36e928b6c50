"""Apply, compare, roll back, delete: all documents of one installation as one thing."""

from __future__ import annotations

import copy
import difflib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from axiom.errors import BadInputError, ConflictError, UnavailableError
from axiom.kube.health import job_verdict
from axiom.kube.kinds import INSTANCE, KINDS, MANAGED_BY, MANAGER, kind_of, named
from axiom.kube.revisions import Revisions
from axiom.kube.survey import secret_problems, survey, survey_problems, without_unknown_monitors
from axiom.kube.validate import refuse_invalid
from axiom.kube.walk import mapping

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from axiom.kube.cluster import Cluster
    from axiom.kube.kinds import Document
    from axiom.kube.survey import Survey
    from axiom.kube.validate import ServeRules

_SERVERS = ("managedFields", "resourceVersion", "uid", "generation", "creationTimestamp", "selfLink")
_SCALING = ("replicas", "minReplicas", "maxReplicas", "scaleStrategy")
_GONE_SECONDS = 600.0


@dataclass(frozen=True)
class Change:
    """What happened, or would happen, to one object.

    Attributes:
        object: `Kind/name`.
        action: `created`, `changed`, `unchanged` or `deleted`.
        meaning: what it comes to, where that is not plain: a new cluster, an upgrade in place.
        lines: unified diff, where it was asked for.
    """

    object: str
    action: str
    meaning: str = ""
    lines: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class Applied:
    """What an `apply` did.

    Attributes:
        changes: in the order in which they were made.
        notes: what was left out, and why.
        revision: number that it is kept under; None where nothing was kept.
    """

    changes: tuple[Change, ...]
    notes: tuple[str, ...] = ()
    revision: int | None = None


@dataclass(frozen=True)
class Deployer:
    """One installation on one cluster.

    Attributes:
        cluster: where.
        instance: which.
        serve: what the serving room knows about configurations.
        sleep: waits.
        clock: seconds.
    """

    cluster: Cluster
    instance: str
    serve: ServeRules | None = None
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic

    @property
    def revisions(self) -> Revisions:
        """What was applied before."""
        return Revisions(self.cluster, self.instance)

    def prepared(self, documents: Sequence[Document]) -> tuple[list[Document], list[str], Survey]:
        """The documents that this cluster takes, what was left out, and what the cluster has.

        Raises:
            MisuseError: a document is invalid by the cluster's own definitions.
            BadInputError: the cluster lacks what they need.
        """
        found = survey(self.cluster)
        kept, notes = without_unknown_monitors(found, documents)
        problems = list(survey_problems(found, kept))
        if not problems:
            refuse_invalid(kept, schemas=found.schemas, serve=self.serve)
            problems = list(secret_problems(self.cluster, kept))
        if problems:
            raise BadInputError("; ".join(map(str, problems)), hint="nothing was applied")
        return kept, notes, found

    def apply(
        self,
        documents: Sequence[Document],
        *,
        dry_run: bool = False,
        force: bool = False,
        prune: bool = True,
        note: str = "",
    ) -> Applied:
        """Apply documents; all are tried on the server before the first is really applied.

        Args:
            documents: all of the installation, or jobs alone.
            dry_run: only say what would happen.
            force: take over fields that others own.
            prune: delete what the installation has and the documents do not name; jobs are left alone.
            note: kept with the revision.

        Raises:
            MisuseError: a document is invalid.
            BadInputError: the cluster refuses one, or lacks what they need.
            ConflictError: others own fields, or are deploying as well.
        """
        kept, notes, _ = self.prepared(documents)
        planned = [self._planned(document, force=force) for document in kept]
        # Jobs come and go beside the installation: they belong to no revision and delete nothing.
        whole = any(document["kind"] != "RayJob" for document in kept)
        gone = self._surplus(kept) if prune and whole else []
        if dry_run:
            return Applied((*planned, *(Change(named(one), "deleted") for one in gone)), tuple(notes))
        revision = self.revisions.record(kept, note=note).number if whole else None
        for document, plan in zip(kept, planned, strict=True):
            if plan.action != "unchanged":
                self.cluster.apply(document, force=force)
        for one in gone:
            self.cluster.delete(one["kind"], one["metadata"]["name"])
        return Applied((*planned, *(Change(named(one), "deleted") for one in gone)), tuple(notes), revision)

    def diff(self, documents: Sequence[Document], *, force: bool = True) -> Applied:
        """What an `apply` would change, line by line, as the server itself would merge it."""
        kept, notes, _ = self.prepared(documents)
        changes = [self._planned(document, force=force, lines=True) for document in kept]
        gone = self._surplus(kept) if any(document["kind"] != "RayJob" for document in kept) else []
        return Applied((*changes, *(Change(named(one), "deleted") for one in gone)), tuple(notes))

    def rollback(self, number: int | None = None, *, dry_run: bool = False, force: bool = False) -> Applied:
        """Apply an earlier revision again, as a new one.

        Raises:
            NotFoundError: there is none.
        """
        target = self.revisions.before(number)
        documents = self.revisions.documents(target.number)
        return self.apply(documents, dry_run=dry_run, force=force, note=f"rollback to {target.number}")

    def delete(self, *, jobs: bool = True, kinds: Sequence[str] = (), dry_run: bool = False) -> list[Change]:
        """Delete what belongs to the installation, and wait until the Ray clusters are gone.

        Args:
            jobs: RayJobs as well.
            kinds: only these; default: all.
            dry_run: only say what would be deleted.

        Raises:
            UnavailableError: something does not go; a finalizer holds it.
        """
        names = [name for name in KINDS if (not kinds or name in kinds) and (jobs or name != "RayJob")]
        found = self._ours(names)
        for one in found:
            self.cluster.delete(one["kind"], one["metadata"]["name"], dry_run=dry_run)
        if not dry_run:
            for one in found:
                self.until_gone(one["kind"], one["metadata"]["name"])
        return [Change(named(one), "deleted") for one in found]

    def restart_job(self, document: Document) -> None:
        """Take a RayJob away so that it can be applied again; does nothing where there is none.

        Raises:
            ConflictError: it has not ended.
        """
        name = document["metadata"]["name"]
        found = self.cluster.get("RayJob", name)
        if found is None:
            return
        if job_verdict(found).state == "waiting":
            raise ConflictError(f"RayJob/{name} has not ended", hint="`axiom kube wait --job` waits for it")
        self.cluster.delete("RayJob", name)
        self.until_gone("RayJob", name)

    def until_gone(self, kind: str, name: str) -> None:
        """Wait until an object is gone.

        Raises:
            UnavailableError: it does not go.
        """
        until = self.clock() + _GONE_SECONDS
        while (found := self.cluster.get(kind, name)) is not None:
            if self.clock() >= until:
                held = ", ".join(mapping(found, "metadata").get("finalizers", [])) or "nothing visible"
                raise UnavailableError(f"{kind}/{name} does not go: held by {held}", hint="does the operator run?")
            self.sleep(1.0)

    def _planned(self, document: Document, *, force: bool, lines: bool = False) -> Change:
        live = self.cluster.get(document["kind"], document["metadata"]["name"])
        then = self.cluster.apply(document, dry_run=True, force=force)
        before, after = (None if live is None else settled(live)), settled(then)
        action = "created" if before is None else "unchanged" if before == after else "changed"
        told = _unified(before, after, named(document)) if lines and action != "unchanged" else ()
        return Change(named(document), action, meaning(before, after), told)

    def _surplus(self, documents: Sequence[Document]) -> list[Document]:
        wanted = {named(document) for document in documents} | {f"ConfigMap/{self.revisions.name}"}
        return [one for one in self._ours([name for name in KINDS if name != "RayJob"]) if named(one) not in wanted]

    def _ours(self, kinds: Sequence[str]) -> list[Document]:
        """What the installation has of these kinds, last applied first; what others made of it is theirs to delete."""
        return [
            {**one, "kind": name}
            for name in sorted(kinds, key=lambda name: -KINDS[name].rank)
            for one in self.cluster.listed(name, {INSTANCE: self.instance, MANAGED_BY: MANAGER})
            if not mapping(one, "metadata").get("ownerReferences")
        ]


def settled(document: Document) -> Document:
    """A document without what the server alone writes."""
    kept = {key: copy.deepcopy(value) for key, value in document.items() if key != "status"}
    metadata = kept.get("metadata", {})
    kept["metadata"] = {key: value for key, value in metadata.items() if key not in _SERVERS}
    return kept


def meaning(before: Document | None, after: Document) -> str:
    """What a change of a RayService comes to; "" for everything else, and where nothing changes."""
    if kind_of(after).name != "RayService":
        return ""
    if before is None:
        return "a new cluster"
    was, will = mapping(before, "spec"), mapping(after, "spec")
    if _unscaled(was.get("rayClusterConfig")) != _unscaled(will.get("rayClusterConfig")):
        strategy = mapping(will, "upgradeStrategy").get("type", "NewCluster")
        if strategy == "None":
            return "nothing yet: upgradeStrategy None waits for the next cluster"
        return "a second cluster starts and takes over" + (" step by step" if strategy != "NewCluster" else "")
    if was.get("serveConfigV2") != will.get("serveConfigV2"):
        return "the running cluster takes the new configuration"
    return "" if was == will else "the running cluster is scaled or labelled"


def _unscaled(config: Any) -> Any:
    if not isinstance(config, dict):
        return config
    groups = [
        {key: value for key, value in group.items() if key not in _SCALING}
        for group in config.get("workerGroupSpecs", [])
    ]
    return {**config, "workerGroupSpecs": groups}


def _unified(before: Document | None, after: Document, name: str) -> tuple[str, ...]:
    old, new = (yaml.safe_dump(one, sort_keys=True).splitlines() if one is not None else [] for one in (before, after))
    return tuple(difflib.unified_diff(old, new, f"{name} (cluster)", f"{name} (then)", lineterm="", n=2))
