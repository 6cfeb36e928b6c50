"""Experiments: a draft that may change, running, stopped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import sqlalchemy as sa

from axiom.db.experiment_tables import experiments
from axiom.errors import ConflictError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from axiom.db.audit import Audit

Metric = Literal["conversion", "revenue"]
Status = Literal["draft", "running", "stopped"]


@dataclass(frozen=True)
class Variant:
    """One side of an experiment; it gets its weight over the sum of all weights as share of the customers."""

    name: str
    weight: float


@dataclass(frozen=True)
class Experiment:
    """One experiment.

    Attributes:
        name: names it.
        hypothesis: what is expected to happen, and why.
        metric: whether outcomes are counted (`conversion`) or their values added up (`revenue`).
        variants: its sides; the first one is what the others are compared with.
        salt: what customer ids are hashed with.
        status: `draft`, `running`, `stopped`.
        revision: 1, 2, …; counts the changes.
        created_at: UTC.
        created_by: who.
        updated_at: UTC.
        started_at: UTC; None while it is a draft.
        stopped_at: UTC; None before.
    """

    name: str
    hypothesis: str
    metric: Metric
    variants: tuple[Variant, ...]
    salt: str
    status: Status
    revision: int
    created_at: datetime
    created_by: str
    updated_at: datetime
    started_at: datetime | None
    stopped_at: datetime | None


@dataclass(frozen=True)
class Experiments:
    """Repository of experiments. Every write leaves an entry in the audit trail."""

    connection: Connection
    clock: Callable[[], datetime]
    audit: Audit

    def add(
        self, name: str, *, hypothesis: str, metric: Metric, variants: Sequence[Variant], salt: str, actor: str
    ) -> Experiment:
        """Store a new draft.

        Raises:
            ConflictError: The name is taken.
        """
        if self._find(name) is not None:
            raise ConflictError(f"there is an experiment {name!r} already", hint="use another name")
        now = self.clock()
        made = Experiment(
            name, hypothesis, metric, tuple(variants), salt, "draft", 1, now, actor, now, None, None
        )  # fmt: skip
        self.connection.execute(sa.insert(experiments).values({**vars(made), "variants": _plain(variants)}))
        self.audit.record(actor, "experiment.create", f"experiment:{name}", {"metric": metric})
        return self.get(name)

    def get(self, name: str) -> Experiment:
        """The experiment of that name.

        Raises:
            NotFoundError: No such experiment.
        """
        found = self._find(name)
        if found is None:
            raise NotFoundError(f"there is no experiment {name!r}", hint="GET /api/experiments lists them")
        return found

    def locked(self, name: str) -> Experiment:
        """The experiment of that name, which nobody else changes until the transaction ends.

        Raises:
            NotFoundError: No such experiment.
        """
        query = sa.select(experiments.c.name).where(experiments.c.name == name)
        self.connection.execute(query.with_for_update(key_share=True))
        return self.get(name)

    def change(
        self,
        name: str,
        *,
        actor: str,
        hypothesis: str | None = None,
        metric: Metric | None = None,
        variants: Sequence[Variant] | None = None,
    ) -> Experiment:
        """Change some of a draft.

        Raises:
            NotFoundError: No such experiment.
            ConflictError: It has started: another share or metric would make what was observed useless.
        """
        self._must_be(name, "draft", "only a draft can be changed; make another experiment")
        given = {"hypothesis": hypothesis, "metric": metric, "variants": variants and _plain(variants)}
        changes = {field: value for field, value in given.items() if value is not None}
        return self._write(name, "experiment.change", actor, changes, {"changed": sorted(changes)})

    def start(self, name: str, *, actor: str) -> Experiment:
        """Let a draft run.

        Raises:
            NotFoundError: No such experiment.
            ConflictError: It is no draft.
        """
        self._must_be(name, "draft", "an experiment is started once")
        return self._write(name, "experiment.start", actor, {"status": "running", "started_at": self.clock()})

    def stop(self, name: str, *, actor: str, reason: str) -> Experiment:
        """End an experiment for good.

        Raises:
            NotFoundError: No such experiment.
            ConflictError: It does not run.
        """
        self._must_be(name, "running", "only a running experiment can be stopped")
        changes = {"status": "stopped", "stopped_at": self.clock()}
        return self._write(name, "experiment.stop", actor, changes, {"reason": reason})

    def delete(self, name: str, *, actor: str) -> None:
        """Forget a draft.

        Raises:
            NotFoundError: No such experiment.
            ConflictError: It has started: what was observed is kept.
        """
        self._must_be(name, "draft", "what was observed is kept; stop it")
        self.connection.execute(sa.delete(experiments).where(experiments.c.name == name))
        self.audit.record(actor, "experiment.delete", f"experiment:{name}")

    def _must_be(self, name: str, status: Status, hint: str) -> None:
        found = self.locked(name)
        if found.status != status:
            raise ConflictError(f"experiment {name!r} is {_TOLD[found.status]}", hint=hint)

    def _write(
        self, name: str, action: str, actor: str, changes: Mapping[str, Any], detail: Mapping[str, Any] | None = None
    ) -> Experiment:
        stamp = {"revision": experiments.c.revision + 1, "updated_at": self.clock()}
        self.connection.execute(sa.update(experiments).where(experiments.c.name == name).values({**changes, **stamp}))
        self.audit.record(actor, action, f"experiment:{name}", detail)
        return self.get(name)

    def _find(self, name: str) -> Experiment | None:
        row = self.connection.execute(sa.select(experiments).where(experiments.c.name == name)).mappings().one_or_none()
        return None if row is None else experiment_of(**row)


_TOLD: Mapping[Status, str] = {"draft": "a draft", "running": "running", "stopped": "stopped"}


def experiment_of(**row: Any) -> Experiment:
    """An experiment from a row of the table."""
    return Experiment(**{**row, "variants": tuple(Variant(**one) for one in row["variants"])})


def _plain(variants: Sequence[Variant]) -> list[dict[str, Any]]:
    return [{"name": one.name, "weight": one.weight} for one in variants]
