"""The schedule daemon: decides about ticks, and keeps runners on every open run, its own and those that others left.

A tick is decided about in one transaction that locks the schedule's row and opens the run, so that any number of
schedulers start it once between them. What a scheduler that died had opened is taken up by the next one.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from axiom.errors import AxiomError, ConflictError
from axiom.jobs.pipelines.cron import last_tick, next_tick, ticks_between
from axiom.jobs.pipelines.library import load_pipeline, pipeline_names
from axiom.jobs.pipelines.runner import Runner, new_owner
from axiom.jobs.pipelines.runs import open_run
from axiom.telemetry import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from axiom.db.pipeline_runs import PipelineRun
    from axiom.jobs.pipelines.definition import Pipeline, Schedule
    from axiom.jobs.service import JobService

AT_ONCE = 1000
"""Ticks that are made up for in one round; the rest follows in the next ones."""
_log = get_logger(__name__)


def due(schedule: Schedule, after: datetime, now: datetime) -> tuple[list[datetime], datetime]:
    """Which ticks are to be run now, earliest first, and up to when everything is decided about then.

    Args:
        schedule: when the pipeline runs.
        after: up to when it was decided before, UTC.
        now: UTC.
    """
    on_time_from = max(after, now - timedelta(seconds=schedule.grace) - timedelta(microseconds=1))
    at = (schedule.cron, schedule.timezone)
    if schedule.missed == "all":
        found = ticks_between(*at, after, now, limit=AT_ONCE)
        return found, found[-1] if len(found) == AT_ONCE else now
    found = ticks_between(*at, on_time_from, now, limit=AT_ONCE)
    if schedule.missed == "latest":
        latest = last_tick(*at, after, now)
        found = [latest] if latest is not None else []
    return found, now


@dataclass
class Scheduler:
    """Rounds of deciding and running.

    Attributes:
        service: where jobs go.
        clock: what time it is, UTC.
        pipelines: gives all pipelines; default: the library.
        start: begins to work on a run; default: a thread that runs it to its end.
    """

    service: JobService
    clock: Callable[[], datetime]
    pipelines: Callable[[], Sequence[Pipeline]] | None = None
    start: Callable[[PipelineRun], None] | None = None
    _owner: str = field(default_factory=new_owner)
    _busy: dict[str, threading.Thread] = field(default_factory=dict)

    def round(self) -> list[PipelineRun]:
        """Decide about every tick up to now, give up jobs whose driver is gone, and put runners on what is open.

        Gives the runs that were newly opened. One pipeline that cannot be read does not keep the others waiting.

        Raises:
            UnavailableError: the database does not answer.
        """
        opened = [run for pipeline in self._pipelines() for run in self.decide(pipeline)]
        self.service.reap()
        with self.service.db.reading() as tx:
            waiting = tx.pipeline_runs.abandoned()
        for run in waiting:  # earliest logical time first, and one of a pipeline at a time
            if self.start is not None:
                self.start(run)
            elif not self._works_on(run.pipeline):
                self._start_thread(run)
        return opened

    def decide(self, pipeline: Pipeline) -> list[PipelineRun]:
        """Open the runs that are due; of several schedulers one does."""
        schedule = pipeline.schedule
        if schedule is None:
            return []
        now = self.clock()
        with self.service.db.transaction() as tx:
            after = tx.schedules.last_tick(pipeline.name, first=now, by=self._owner)
            if now <= after:
                return []
            ticks, decided = due(schedule, after, now)
            opened = [open_run(tx, pipeline, tick, cause="schedule") for tick in ticks]
            # Without a tick nothing is written, so that idle rounds cost no write to the schedule's row.
            if ticks or next_tick(schedule.cron, schedule.timezone, after) <= now:
                tx.schedules.decide(pipeline.name, decided, by=self._owner)
        found = [run for run, is_new in opened if is_new]
        for run in found:
            _log.info("tick", run=run.run_id, pipeline=pipeline.name)
        return found

    def run(self, stop: threading.Event, *, every: float = 5.0) -> None:
        """Rounds until `stop` is set. Runs that are open then are taken up by whoever comes next.

        Args:
            stop: ends it.
            every: seconds between two rounds.
        """
        while not stop.is_set():
            try:
                self.round()
            except AxiomError as error:
                _log.warning("schedule_round_failed", error=str(error))
            stop.wait(every)

    def _pipelines(self) -> list[Pipeline]:
        if self.pipelines is not None:
            return list(self.pipelines())
        found = []
        for name in pipeline_names(self.service.settings):
            try:
                found.append(load_pipeline(self.service.settings, name))
            except AxiomError as error:
                _log.error("pipeline_unreadable", pipeline=name, error=str(error))
        return found

    def _works_on(self, pipeline: str) -> bool:
        thread = self._busy.get(pipeline)
        return thread is not None and thread.is_alive()

    def _start_thread(self, run: PipelineRun) -> None:
        thread = threading.Thread(target=self._work, args=(run.run_id,), daemon=True, name=f"runner-{run.run_id}")
        self._busy[run.pipeline] = thread
        thread.start()

    def _work(self, run_id: str) -> None:
        try:
            Runner(self.service).run(run_id, wait=False)
        except ConflictError:
            return  # somebody else was quicker
        except AxiomError as error:
            _log.error("run_failed", run=run_id, error=str(error))
