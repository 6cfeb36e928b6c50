"""Parts of long lists: filtered, sorted, with the total."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

import sqlalchemy as sa

from axiom.db.access_tables import api_keys, audit, users
from axiom.db.alerts import Alert
from axiom.db.audit import Entry
from axiom.db.batches import Batch
from axiom.db.experiment_tables import experiments
from axiom.db.experiments import Experiment, experiment_of
from axiom.db.job_tables import jobs, pipeline_runs
from axiom.db.jobs import Job
from axiom.db.keys import ApiKey
from axiom.db.models import Model, ModelEvent
from axiom.db.monitoring_tables import alerts
from axiom.db.pipeline_runs import PipelineRun
from axiom.db.runs import Run
from axiom.db.scores import Score, ScoreSet
from axiom.db.sources import Source
from axiom.db.tables import ingest_batches, model_events, models, runs, score_sets, scores, sources
from axiom.db.users import User

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection

T = TypeVar("T")
Test = Literal["=", ">=", "<", "<=", "starts", "is null"]


@dataclass(frozen=True)
class Condition:
    """A row counts when `column` passes `test` against `value`; "is null" takes a Boolean."""

    column: str
    test: Test
    value: Any


@dataclass(frozen=True)
class Part:
    """Which part of a list.

    Attributes:
        limit: rows at most, > 0.
        offset: rows to skip, >= 0.
        sort: a column, with `-` before it for descending; "" for the list's own order.
        where: conditions, all of which hold.
    """

    limit: int = 50
    offset: int = 0
    sort: str = ""
    where: tuple[Condition, ...] = ()


@dataclass(frozen=True)
class Page(Generic[T]):
    """Some rows, and how many there are in all."""

    items: Sequence[T]
    total: int
    part: Part = field(default_factory=Part)


@dataclass(frozen=True)
class Pages:
    """Lists of everything that is kept in SQL."""

    connection: Connection

    def users(self, part: Part) -> Page[User]:
        """Users, by name."""
        return self._page(users, User, part, "name")

    def keys(self, part: Part) -> Page[ApiKey]:
        """API keys, newest first."""
        return self._page(api_keys, lambda **row: ApiKey(**{**row, "scopes": tuple(row["scopes"])}), part)

    def audit(self, part: Part) -> Page[Entry]:
        """The audit trail, newest first."""
        return self._page(audit, Entry, part, "-id")

    def models(self, part: Part) -> Page[Model]:
        """Model versions, by name and newest first."""
        return self._page(models, Model, part, "name", "-version")

    def model_events(self, part: Part) -> Page[ModelEvent]:
        """What happened to model versions, newest first."""
        return self._page(model_events, ModelEvent, part, "-id")

    def scores(self, part: Part) -> Page[Score]:
        """Current scores, most money at risk first."""
        return self._page(scores, Score, part, "-expected_loss")

    def score_sets(self, part: Part) -> Page[ScoreSet]:
        """Published score sets, newest first."""
        return self._page(score_sets, ScoreSet, part, "-published_at")

    def sources(self, part: Part) -> Page[Source]:
        """Sources, by name."""
        return self._page(sources, Source, part, "name")

    def batches(self, part: Part) -> Page[Batch]:
        """Ingest batches, newest first."""
        return self._page(ingest_batches, Batch, part, "-started_at")

    def runs(self, part: Part) -> Page[Run]:
        """Runs of stages, latest start first."""
        return self._page(runs, Run, part, "-started_at")

    def jobs(self, part: Part) -> Page[Job]:
        """Jobs, newest first."""
        return self._page(jobs, Job, part)

    def pipeline_runs(self, part: Part) -> Page[PipelineRun]:
        """Runs of pipelines, latest logical time first."""
        return self._page(pipeline_runs, PipelineRun, part, "-logical_time")

    def alerts(self, part: Part) -> Page[Alert]:
        """Alerts, newest first."""
        return self._page(alerts, Alert, part, "-opened_at")

    def experiments(self, part: Part) -> Page[Experiment]:
        """Experiments, newest first."""
        return self._page(experiments, experiment_of, part)

    def _page(self, table: sa.Table, make: Callable[..., T], part: Part, *order: str) -> Page[T]:
        holds = [_holds(table, condition) for condition in part.where]
        keys = [column.name for column in table.primary_key]
        order = (part.sort,) if part.sort else order or ("-created_at",)
        by = [_by(table, name) for name in (*order, *keys)]
        chosen = sa.select(table).where(*holds).order_by(*by).limit(part.limit).offset(part.offset)
        found = [make(**row) for row in self.connection.execute(chosen).mappings()]
        counted = sa.select(sa.func.count()).select_from(table).where(*holds)
        return Page(found, self.connection.execute(counted).scalar_one(), part)


def _by(table: sa.Table, name: str) -> Any:
    column = table.c[name.removeprefix("-")]
    ordered = column.desc() if name.startswith("-") else column.asc()
    return ordered.nulls_last() if column.nullable else ordered


def _holds(table: sa.Table, condition: Condition) -> sa.ColumnElement[bool]:
    column: sa.Column[Any] = table.c[condition.column]
    value = condition.value
    if condition.test == "is null":
        return column.is_(None) if value else column.is_not(None)
    if condition.test == "starts":
        # Not LIKE: SQLite's does not tell upper from lower case, and % and _ stand for themselves here.
        starts: sa.ColumnElement[bool] = sa.func.substr(column, 1, len(value)) == value
        return starts
    tests: dict[str, sa.ColumnElement[bool]] = {
        "=": column == value,
        ">=": column >= value,
        "<": column < value,
        "<=": column <= value,
    }
    return tests[condition.test]
