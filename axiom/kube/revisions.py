"""What was applied before, kept in a ConfigMap of the namespace: manifests name secrets and hold none.

Kubernetes keeps no history of custom resources. A revision is all documents of one `apply`, packed.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from axiom.errors import ConflictError, CorruptError, NotFoundError
from axiom.kube.kinds import INSTANCE, MANAGED_BY, MANAGER
from axiom.kube.walk import mapping

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from axiom.kube.cluster import Cluster
    from axiom.kube.kinds import Document

KEPT = 10
"""Revisions; the last healthy one stays whatever its age."""


@dataclass(frozen=True)
class Revision:
    """One `apply`.

    Attributes:
        number: counts up from 1.
        digest: of the documents.
        at: when, UTC, ISO 8601.
        healthy: whether it came up.
        note: why, such as `rollback to 3`.
    """

    number: int
    digest: str
    at: str
    healthy: bool = False
    note: str = ""


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Revisions:
    """The revisions of one installation.

    Attributes:
        cluster: where they are kept.
        instance: of the installation.
        clock: what time it is.
    """

    cluster: Cluster
    instance: str
    clock: Callable[[], datetime] = _now

    @property
    def name(self) -> str:
        """Name of the ConfigMap."""
        return f"{self.instance}-revisions"

    def all(self) -> list[Revision]:
        """Every revision, oldest first."""
        return [Revision(**one) for one in self._index(self.cluster.get("ConfigMap", self.name))]

    def documents(self, number: int) -> list[Document]:
        """What a revision applied.

        Raises:
            NotFoundError: there is no such revision.
            CorruptError: it was changed by somebody.
        """
        found = self.cluster.get("ConfigMap", self.name)
        packed = mapping(found, "binaryData").get(_key(number))
        if packed is None:
            known = ", ".join(str(one["number"]) for one in self._index(found))
            raise NotFoundError(f"there is no revision {number}", hint=f"there are {known or 'none'}")
        try:
            documents: list[Document] = json.loads(gzip.decompress(base64.b64decode(packed)))
        except (ValueError, OSError, EOFError) as error:
            raise CorruptError(f"revision {number} in ConfigMap/{self.name} cannot be read: {error}") from None
        return documents

    def record(self, documents: Sequence[Document], *, note: str = "") -> Revision:
        """Keep what is about to be applied; the same documents as the latest revision are that revision.

        Raises:
            ConflictError: somebody else recorded one meanwhile.
        """
        found = self.cluster.get("ConfigMap", self.name)
        index = self._index(found)
        text = json.dumps(documents, sort_keys=True).encode()
        digest = hashlib.blake2b(text, digest_size=8).hexdigest()
        if index and index[-1]["digest"] == digest:
            return Revision(**index[-1])
        number = index[-1]["number"] + 1 if index else 1
        made = Revision(number, digest, self.clock().isoformat(timespec="seconds"), note=note)
        packed = base64.b64encode(gzip.compress(text, mtime=0)).decode()
        data = {**mapping(found, "binaryData"), _key(number): packed}
        self._write(found, [*index, asdict(made)], data)
        return made

    def mark_healthy(self, number: int) -> None:
        """Say that a revision came up."""
        found = self.cluster.get("ConfigMap", self.name)
        index = [asdict(replace(Revision(**one), healthy=one["healthy"] or one["number"] == number))
                 for one in self._index(found)]  # fmt: skip
        if index != self._index(found):
            self._write(found, index, dict(mapping(found, "binaryData")))

    def before(self, number: int | None = None) -> Revision:
        """Where a rollback goes: the given revision, else the latest healthy one that is not the present one.

        Raises:
            NotFoundError: there is none.
        """
        known = self.all()
        if number is not None:
            chosen = [one for one in known if one.number == number]
        else:
            chosen = [one for one in known[:-1] if one.digest != known[-1].digest]
            chosen = [one for one in chosen if one.healthy] or chosen
        if not chosen:
            told = ", ".join(str(one.number) for one in known) or "none"
            raise NotFoundError(
                f"there is no revision {number if number is not None else 'to go back to'}", hint=f"there are {told}"
            )
        return chosen[-1]

    def _index(self, found: Document | None) -> list[dict[str, Any]]:
        text = mapping(found, "data").get("index", "[]")
        try:
            index: list[dict[str, Any]] = json.loads(text)
        except ValueError as error:
            raise CorruptError(f"the index in ConfigMap/{self.name} cannot be read: {error}") from None
        return index

    def _write(self, found: Document | None, index: list[dict[str, Any]], packed: dict[str, Any]) -> None:
        healthy = [one["number"] for one in index if one["healthy"]][-1:]
        kept = [one for one in index if one in index[-KEPT:] or one["number"] in healthy]
        keys = {_key(one["number"]) for one in kept}
        metadata: dict[str, Any] = {
            "name": self.name,
            "namespace": self.cluster.namespace,
            "labels": {INSTANCE: self.instance, MANAGED_BY: MANAGER},
        }
        if found is not None:
            # Whoever wrote in between makes this a conflict, and not a lost revision.
            metadata["resourceVersion"] = found["metadata"]["resourceVersion"]
        document = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": metadata,
            "data": {"index": json.dumps(kept)},
            "binaryData": {key: value for key, value in packed.items() if key in keys},
        }
        try:
            self.cluster.apply(document)
        except ConflictError as error:
            raise ConflictError(
                f"somebody else is deploying {self.instance}: {error.message}", hint="look first: axiom kube status"
            ) from None


def _key(number: int) -> str:
    return f"{number:06d}"
