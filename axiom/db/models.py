"""Model versions, their stages, and who moved them when and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

import sqlalchemy as sa

from axiom.db.rollouts import forget_trial
from axiom.db.statements import insert
from axiom.db.tables import model_events, model_names, models
from axiom.errors import ConflictError, MisuseError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from axiom.db.audit import Audit

Kind = Literal["churn", "clv"]
Stage = Literal["candidate", "shadow", "canary", "champion", "archived"]
Action = Literal["register", "promote", "displace", "rollback", "rollout"]
STAGES: tuple[Stage, ...] = get_args(Stage)
_TOLD = 500  # characters of a reason in the audit trail


@dataclass(frozen=True)
class Model:
    """One model version.

    Attributes:
        name: of the model line, e.g. `churn`.
        version: 1, 2, ...; never used twice.
        kind: `churn` or `clv`; the same for every version of a name.
        stage: where it stands; one champion a name at most.
        card: the model card as JSON.
        artefact_path: where its files lie in the lake.
        artefact_sha256: checksum of that blob, hexadecimal.
        created_at: UTC.
    """

    name: str
    version: int
    kind: Kind
    stage: Stage
    card: Mapping[str, Any]
    artefact_path: str
    artefact_sha256: str
    created_at: datetime


@dataclass(frozen=True)
class ModelEvent:
    """One line of the audit trail: `actor` moved `name` version `version` at `at` (UTC), because of `reason`."""

    id: int
    name: str
    version: int
    at: datetime
    actor: str
    action: Action
    from_stage: Stage | None
    to_stage: Stage
    reason: str


@dataclass(frozen=True)
class Models:
    """Repository of model versions and their history. Every change leaves an entry in the audit trail too."""

    connection: Connection
    clock: Callable[[], datetime]
    audit: Audit

    def add(
        self,
        name: str,
        *,
        kind: Kind,
        card: Mapping[str, Any],
        artefact_path: str,
        artefact_sha256: str,
        actor: str,
        reason: str,
    ) -> Model:
        """Store a new version as candidate. Concurrent callers get different version numbers.

        Raises:
            ConflictError: Earlier versions of this name are of another kind.
            MisuseError: Actor or reason is empty.
        """
        version = self._next_version(name, kind)
        self.connection.execute(
            sa.insert(models).values(
                name=name,
                version=version,
                kind=kind,
                stage="candidate",
                card=dict(card),
                artefact_path=artefact_path,
                artefact_sha256=artefact_sha256,
                created_at=self.clock(),
            )
        )
        self._record(name, version, "register", None, "candidate", actor, reason)
        return self.get(name, version)

    def get(self, name: str, version: int) -> Model:
        """One version.

        Raises:
            NotFoundError: No such version.
        """
        found = self._select(models.c.name == name, models.c.version == version)
        if not found:
            raise NotFoundError(f"there is no model {name}@{version}", hint="`axiom models list` shows them")
        return found[0]

    def list(self, name: str | None = None, *, stage: Stage | None = None) -> Sequence[Model]:
        """Versions by name, newest first."""
        conditions = [] if name is None else [models.c.name == name]
        if stage is not None:
            conditions.append(models.c.stage == stage)
        return self._select(*conditions)

    def move(self, name: str, version: int, stage: Stage, *, actor: str, reason: str) -> Model:
        """Put a version into `stage`. A new champion sends the old one to the archive.

        A version that leaves the canary or shadow stage leaves its share and its trial behind.

        Raises:
            NotFoundError: No such version.
            ConflictError: It is in that stage already, or another version is canary.
            MisuseError: Unknown stage, or empty actor or reason.
        """
        if stage not in STAGES:
            raise MisuseError(f"unknown stage {stage!r}", hint=f"use one of {', '.join(STAGES)}")
        self.lock(name)
        return self._move(self.get(name, version), stage, "promote", actor, reason)

    def note(self, name: str, version: int, *, actor: str, reason: str) -> None:
        """Record in the audit trail that the roll-out of a version changed, though not its stage.

        Raises:
            NotFoundError: No such version.
            MisuseError: Empty actor or reason.
        """
        self.lock(name)
        stage = self.get(name, version).stage
        self._record(name, version, "rollout", stage, stage, actor, reason)

    def rollback(self, name: str, *, actor: str, reason: str) -> Model:
        """Undo the last promotion to champion: the champion before it returns. Repeat to go further back.

        Raises:
            ConflictError: There is no champion, or none before it.
            MisuseError: Empty actor or reason.
        """
        self.lock(name)
        champions = self._champions(name)
        if not self.list(name, stage="champion"):
            raise ConflictError(f"model {name!r} has no champion to roll back from", hint="promote a version instead")
        if len(champions) < 2:
            raise ConflictError(f"model {name!r} had no champion before", hint="promote a version instead")
        return self._move(self.get(name, champions[-2]), "champion", "rollback", actor, reason)

    def events(self, name: str) -> Sequence[ModelEvent]:
        """The audit trail of a name, oldest first."""
        query = sa.select(model_events).where(model_events.c.name == name).order_by(model_events.c.id)
        return [ModelEvent(**cast("dict[str, Any]", row)) for row in self.connection.execute(query).mappings()]

    def _next_version(self, name: str, kind: Kind) -> int:
        version, known_kind = self.connection.execute(
            insert(self.connection, model_names)
            .values(name=name, kind=kind, last_version=1)
            .on_conflict_do_update(
                index_elements=[model_names.c.name], set_={"last_version": model_names.c.last_version + 1}
            )
            .returning(model_names.c.last_version, model_names.c.kind)
        ).one()
        if known_kind != kind:
            raise ConflictError(f"model {name!r} is of kind {known_kind}, not {kind}", hint="use another name")
        return int(version)

    def lock(self, name: str) -> None:
        """Let nobody else change this name until the transaction ends; SQLite has one writer anyway."""
        self.connection.execute(sa.select(model_names).where(model_names.c.name == name).with_for_update())

    def _champions(self, name: str) -> Sequence[int]:
        """Champions as a stack: a promotion pushes one, a rollback takes the last one off."""
        stack: list[int] = []
        for event in self.events(name):
            if event.to_stage == "champion" and event.action == "promote":
                stack.append(event.version)
            elif event.action == "rollback":
                stack.pop()
        return stack

    def _move(self, model: Model, stage: Stage, action: Action, actor: str, reason: str) -> Model:
        if model.stage == stage:
            raise ConflictError(f"model {model.name}@{model.version} is {stage} already")
        if stage == "champion":
            for old in self.list(model.name, stage="champion"):
                self._set_stage(old, "archived", "displace", actor, reason)
        if stage == "canary":
            for other in self.list(model.name, stage="canary"):
                raise ConflictError(
                    f"{other.name}@{other.version} is canary already",
                    hint=f"stop it first: axiom rollout stop {other.name}",
                )
        self._set_stage(model, stage, action, actor, reason)
        return self.get(model.name, model.version)

    def _set_stage(self, model: Model, stage: Stage, action: Action, actor: str, reason: str) -> None:
        same = (models.c.name == model.name, models.c.version == model.version)
        self.connection.execute(sa.update(models).where(*same).values(stage=stage))
        forget_trial(self.connection, model.name, model.version, was_canary=model.stage == "canary")
        self._record(model.name, model.version, action, model.stage, stage, actor, reason)

    def _record(  # one argument a column
        self, name: str, version: int, action: Action, old: Stage | None, new: Stage, actor: str, reason: str
    ) -> None:
        if not actor.strip() or not reason.strip():
            raise MisuseError(f"moving model {name}@{version} needs an actor and a reason")
        self.connection.execute(
            sa.insert(model_events).values(
                name=name,
                version=version,
                at=self.clock(),
                actor=actor,
                action=action,
                from_stage=old,
                to_stage=new,
                reason=reason,
            )
        )
        # Roll-outs judged by evidence give all of it as their reason; the history keeps it whole.
        told = {"from": old, "to": new, "reason": reason[:_TOLD]}
        self.audit.record(actor, f"model.{action}", f"model:{name}@{version}", told)

    def _select(self, *conditions: sa.ColumnElement[bool]) -> Sequence[Model]:
        query = sa.select(models).where(*conditions).order_by(models.c.name, models.c.version.desc())
        return [Model(**cast("dict[str, Any]", row)) for row in self.connection.execute(query).mappings()]
