"""The registry: which model versions exist, where each stands, and how to load one safely."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from axiom.db.models import STAGES, Kind, Model, ModelEvent, Stage
from axiom.errors import CorruptError, MisuseError, NotFoundError
from axiom.registry.artefacts import digest, pack, unpack
from axiom.registry.cards import ModelCard
from axiom.registry.rollout import RollOut
from axiom.registry.trials import Trial

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from axiom.db import Database, Transaction

# The name becomes part of a path, and of `name@version`.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


class Blobs(Protocol):
    """Where artefacts lie: bytes under a relative path."""

    def read(self, path: str) -> bytes:
        """The bytes at `path`."""

    def write(self, path: str, data: bytes) -> None:
        """Store `data` at `path`, whole or not at all."""

    def exists(self, path: str) -> bool:
        """Whether something is stored at `path`."""


class Recorder(Protocol):
    """Somebody else who keeps a record of registered models, such as an experiment tracker."""

    def check(self) -> None:
        """Refuse, before any work, what would keep it from recording."""

    def record(self, version: ModelVersion, files: Mapping[str, bytes]) -> None:
        """Note a new version; never raises, because the version is registered already."""


@dataclass(frozen=True)
class ModelVersion:
    """One registered version of a model; see `axiom.db.models.Model` for the fields."""

    name: str
    version: int
    kind: Kind
    stage: Stage
    card: ModelCard
    artefact_path: str
    artefact_sha256: str
    created_at: datetime

    @property
    def ref(self) -> str:
        """`name@version`, as it stands in every score."""
        return f"{self.name}@{self.version}"


@dataclass(frozen=True)
class Registry:
    """Model versions in the database, their files in the lake; `recorder` is told of every new one."""

    db: Database
    blobs: Blobs
    recorder: Recorder | None = None

    def register(
        self, card: ModelCard, files: Mapping[str, bytes], *, actor: str = "axiom", reason: str = "trained"
    ) -> ModelVersion:
        """Store a new version as candidate.

        The files are written first, under their checksum: a crash in between leaves no version without files.

        Raises:
            MisuseError: The name is malformed, or a file is not plain data (see `artefacts.pack`).
            ConflictError: Earlier versions of this name are of another kind.
        """
        if not _NAME.fullmatch(card.name):
            raise MisuseError(f"{card.name!r} cannot name a model", hint="use letters, digits, '_', '.' and '-'")
        blob = pack(files)
        sha256 = digest(blob)
        path = f"models/{card.name}/{sha256}.zip"
        if not self.blobs.exists(path):
            self.blobs.write(path, blob)
        with self.db.transaction() as tx:
            version = version_of(
                tx.models.add(
                    card.name,
                    kind=card.kind,
                    card=json.loads(card.to_json()),
                    artefact_path=path,
                    artefact_sha256=sha256,
                    actor=actor,
                    reason=reason,
                )
            )
        if self.recorder is not None:
            self.recorder.record(version, files)
        return version

    def check_recorder(self) -> None:
        """Refuse what would keep a model from being recorded, before it is trained; see `Recorder.check`."""
        if self.recorder is not None:
            self.recorder.check()

    def get(self, name: str, which: int | str = "latest") -> ModelVersion:
        """One version: by number, by stage (the newest one in it), or `latest`.

        Raises:
            NotFoundError: There is no such version.
            MisuseError: `which` is neither a number nor a stage nor `latest`.
        """
        text = str(which)
        if text != "latest" and text not in STAGES and not text.isdecimal():
            raise MisuseError(
                f"{text!r} names no version of {name!r}", hint=f"use a number, latest, {', '.join(STAGES)}"
            )
        with self.db.reading() as tx:
            if text.isdecimal():
                return version_of(tx.models.get(name, int(text)))
            versions = tx.models.list(name)
        found = [model for model in versions if text in ("latest", model.stage)]
        if not found:
            known = ", ".join(f"{model.version} ({model.stage})" for model in versions) or "none"
            raise NotFoundError(f"model {name!r} has no {text} version", hint=f"versions: {known}")
        return version_of(found[0])

    def load_files(self, model: ModelVersion) -> dict[str, bytes]:
        """Files of a version, checked against the registered checksum.

        Raises:
            CorruptError: They are gone or were altered.
        """
        if not self.blobs.exists(model.artefact_path):
            raise CorruptError(
                f"the files of {model.ref} are gone from {model.artefact_path}", hint="register the model again"
            )
        try:
            return unpack(self.blobs.read(model.artefact_path), model.artefact_sha256)
        except CorruptError as error:
            raise CorruptError(f"{model.ref}: {error.message}", hint=error.hint) from error

    def list(self, name: str | None = None) -> Sequence[ModelVersion]:
        """Versions by name, newest first."""
        with self.db.reading() as tx:
            return [version_of(model) for model in tx.models.list(name)]

    def promote(self, name: str, version: int, stage: Stage, *, actor: str, reason: str) -> ModelVersion:
        """Put a version into `stage`; a new champion sends the old one to the archive.

        Raises:
            NotFoundError: No such version.
            ConflictError: It is in that stage already.
            MisuseError: Unknown stage, or empty actor or reason.
        """
        with self.db.transaction() as tx:
            return version_of(tx.models.move(name, version, stage, actor=actor, reason=reason))

    def rollback(self, name: str, *, actor: str, reason: str) -> ModelVersion:
        """Bring back the champion before the present one; repeat to go further back.

        Raises:
            ConflictError: There is no champion, or none before it.
            MisuseError: Empty actor or reason.
        """
        with self.db.transaction() as tx:
            return version_of(tx.models.rollback(name, actor=actor, reason=reason))

    def rollout(self, name: str) -> RollOut:
        """Who answers which customers at this moment, all read from one snapshot.

        Raises:
            NotFoundError: There is no model of this name.
        """
        with self.db.reading() as tx:
            return read_rollout(tx, name)

    def revision(self, names: Sequence[str]) -> str:
        """A text that differs whenever a stage, share, salt, rule or version of these names does; one cheap statement.

        Names that do not exist are left out, so that it changes when they appear.
        """
        with self.db.reading() as tx:
            return tx.rollouts.revision(names)

    def history(self, name: str) -> Sequence[ModelEvent]:
        """Who moved which version when and why, oldest first."""
        with self.db.reading() as tx:
            return tx.models.events(name)


def read_rollout(tx: Transaction, name: str) -> RollOut:
    """See `Registry.rollout`; inside a transaction that may then act on what it read."""
    on_stage = [model for model in tx.models.list(name) if model.stage in ("champion", "canary", "shadow")]
    revision = tx.rollouts.revision([name])
    if not revision:
        raise NotFoundError(f"there is no model {name!r}", hint="`axiom models list` shows them")
    versions = [version_of(model) for model in on_stage]
    row = tx.rollouts.get(name)
    trials = {} if row is None else {int(key): Trial.from_dict(trial) for key, trial in row.trials.items()}
    canary = next((version for version in versions if version.stage == "canary"), None)
    return RollOut(
        name=name,
        champion=next((version for version in versions if version.stage == "champion"), None),
        canary=canary,
        canary_share=row.canary_share if row is not None and canary is not None else 0.0,
        salt="" if row is None else row.salt,
        shadows=tuple(version for version in versions if version.stage == "shadow"),
        revision=revision,
        trials=trials,
    )


def version_of(model: Model) -> ModelVersion:
    """A row of the database with its card read."""
    return ModelVersion(
        name=model.name,
        version=model.version,
        kind=model.kind,
        stage=model.stage,
        card=ModelCard.from_json(json.dumps(model.card)),
        artefact_path=model.artefact_path,
        artefact_sha256=model.artefact_sha256,
        created_at=model.created_at,
    )
