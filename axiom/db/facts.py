"""What the database can say in numbers, for whoever watches an installation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from axiom.db.job_tables import jobs, pipeline_runs
from axiom.db.tables import ingest_batches, models, runs

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from axiom.db.transaction import Transaction

OUTCOMES = ("accepted", "duplicates", "dropped", "refused")


@dataclass(frozen=True)
class Facts:
    """Numbers at one moment.

    Attributes:
        jobs: (kind, status) -> how many.
        queued_since: when the job that has waited longest was queued; None where none waits.
        silent_since: the oldest last sign of life among running jobs; None where none runs.
        stages: stage -> when it last ended well; None where it never did.
        failed_stages: stages whose newest run failed.
        pipelines: pipeline -> whether its newest run failed or was blocked.
        models: (name, stage) -> versions.
        ingested: (entity, outcome) -> rows over all batches.
    """

    jobs: Mapping[tuple[str, str], int]
    queued_since: datetime | None
    silent_since: datetime | None
    stages: Mapping[str, datetime | None]
    failed_stages: frozenset[str]
    pipelines: Mapping[str, bool]
    models: Mapping[tuple[str, str], int]
    ingested: Mapping[tuple[str, str], int]


def read_facts(tx: Transaction) -> Facts:
    """Ask the database; a handful of aggregates, none of them over scores or events."""
    ask = tx.connection.execute
    by_job = ask(sa.select(jobs.c.kind, jobs.c.status, sa.func.count()).group_by(jobs.c.kind, jobs.c.status))
    by_stage = ask(sa.select(models.c.name, models.c.stage, sa.func.count()).group_by(models.c.name, models.c.stage))
    success = sa.func.max(
        sa.case((runs.c.status == "succeeded", runs.c.finished_at), else_=None), type_=runs.c.finished_at.type
    )
    ended_well = ask(sa.select(runs.c.stage, success).group_by(runs.c.stage))
    sums = [sa.func.sum(ingest_batches.c[name]) for name in OUTCOMES]
    ingested = ask(sa.select(ingest_batches.c.entity, *sums).group_by(ingest_batches.c.entity))
    return Facts(
        jobs={(kind, status): count for kind, status, count in by_job},
        queued_since=ask(sa.select(sa.func.min(jobs.c.queued_at)).where(jobs.c.status == "queued")).scalar(),
        silent_since=ask(sa.select(sa.func.min(jobs.c.heartbeat_at)).where(jobs.c.status == "running")).scalar(),
        stages={stage: at for stage, at in ended_well},  # noqa: C416  (a result has `keys`, and dict() falls for it)
        failed_stages=frozenset(
            stage for stage, status in ask(_newest(runs, runs.c.stage, runs.c.started_at)) if status == "failed"
        ),
        pipelines={
            name: status in ("failed", "blocked")
            for name, status in ask(_newest(pipeline_runs, pipeline_runs.c.pipeline, pipeline_runs.c.logical_time))
        },
        models={(name, stage): count for name, stage, count in by_stage},
        ingested={
            (entity, outcome): int(rows or 0)
            for entity, *counts in ingested
            for outcome, rows in zip(OUTCOMES, counts, strict=True)
        },
    )


def _newest(table: sa.Table, name: sa.ColumnElement[Any], at: sa.ColumnElement[Any]) -> sa.Select[Any]:
    """Name and status of the newest row of each name."""
    place = sa.func.row_number().over(partition_by=name, order_by=at.desc()).label("place")
    ranked = sa.select(name.label("name"), table.c.status, place).subquery()
    return sa.select(ranked.c.name, ranked.c.status).where(ranked.c.place == 1)
