"""Numbers of a workspace: jobs, stages, models, scores, data. Read from database and lake, not counted."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from axiom.db import Database
from axiom.db.facts import read_facts
from axiom.db.job_tables import JOB_STATES
from axiom.db.models import STAGES
from axiom.db.monitoring_tables import SEVERITIES
from axiom.errors import AxiomError
from axiom.lake import Lake, storage_of
from axiom.observe.catalogue import Sample
from axiom.registry.registry import version_of
from axiom.telemetry import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from axiom.db.transaction import Transaction
    from axiom.settings import Settings

_log = get_logger(__name__)


class WorkspaceGauges:
    """Reads the numbers each time somebody asks. What cannot be read shows as a component that is not up.

    Args:
        settings: where database and lake are.
        clock: gives the present, UTC.
    """

    def __init__(self, settings: Settings, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._settings, self._clock = settings, clock

    def samples(self) -> Iterator[Sample]:
        """Every number that can be read now."""
        found = []
        for component, read in (("database", self._of_database), ("lake", self._of_lake)):
            try:
                found += list(read())
                up = 1.0
            except AxiomError as error:
                _log.warning("component_away", component=component, error=str(error))
                up = 0.0
            yield _gauge("axiom_workspace_up", up, component=component)
        yield from found
        yield _gauge("axiom_workspace_read_timestamp_seconds", self._clock().timestamp())

    def _of_database(self) -> Iterator[Sample]:
        with Database.open(self._settings) as db, db.reading() as tx:
            yield from self._of_work(tx)
            yield from self._of_models(tx)

    def _of_work(self, tx: Transaction) -> Iterator[Sample]:
        facts = read_facts(tx)
        kinds = {kind for kind, _ in facts.jobs}
        # Zeros are said too: Ray shows the last value of a series that nobody mentions any more.
        for kind, status in itertools.product(sorted(kinds), JOB_STATES):
            yield _gauge("axiom_jobs", facts.jobs.get((kind, status), 0), kind=kind, status=status)
        yield _gauge("axiom_jobs_queued_seconds", self._since(facts.queued_since))
        yield _gauge("axiom_jobs_silent_seconds", self._since(facts.silent_since))
        for stage, at in facts.stages.items():
            if at is not None:
                yield _gauge("axiom_stage_success_timestamp_seconds", at.timestamp(), stage=stage)
            yield _gauge("axiom_stage_failed", stage in facts.failed_stages, stage=stage)
        for pipeline, failed in facts.pipelines.items():
            yield _gauge("axiom_pipeline_failed", failed, pipeline=pipeline)
        for (entity, outcome), rows in facts.ingested.items():
            yield _gauge("axiom_ingest_rows", rows, entity=entity, outcome=outcome)
        for name, stage in itertools.product(sorted({name for name, _ in facts.models}), STAGES):
            yield _gauge("axiom_models", facts.models.get((name, stage), 0), model=name, stage=stage)

    def _of_models(self, tx: Transaction) -> Iterator[Sample]:
        for model in tx.models.list(stage="champion"):
            champion = version_of(model)
            created = champion.created_at.timestamp()
            yield _gauge("axiom_model_champion_created_timestamp_seconds", created, model=champion.name)
            for metric, found in champion.card.metrics.items():
                if found.value is not None:
                    yield _gauge("axiom_model_quality", found.value, model=champion.name, metric=metric)
        alerts = tx.alerts.counts()
        for severity in SEVERITIES:
            yield _gauge("axiom_alerts", alerts.get(severity, 0), severity=severity)
        for newest in tx.scores.sets(limit=1):
            yield _gauge("axiom_scores_customers", newest.rows)
            yield _gauge("axiom_scores_published_timestamp_seconds", newest.published_at.timestamp())

    def _of_lake(self) -> Iterator[Sample]:
        for entity, snapshot in Lake.open(storage_of(self._settings)).snapshots().items():
            yield _gauge("axiom_data_rows", snapshot.rows, entity=entity)
            if snapshot.max_ts is not None:
                yield _gauge("axiom_data_newest_timestamp_seconds", snapshot.max_ts / 1e6, entity=entity)

    def _since(self, at: datetime | None) -> float:
        return 0.0 if at is None else max(0.0, (self._clock() - at).total_seconds())


def _gauge(name: str, value: float, **labels: str) -> Sample:
    return Sample(name, tuple(labels.items()), float(value), cumulative=False)
