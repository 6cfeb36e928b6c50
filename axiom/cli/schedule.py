"""The schedule daemon: axiom schedule."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Annotated, Any

import typer

from axiom.cli.console import JsonFlag, emit, settings
from axiom.cli.jobs import Backend, service

if TYPE_CHECKING:
    from axiom.jobs.pipelines.definition import Pipeline


def register(app: typer.Typer) -> None:
    """Add the verb of this module."""
    app.command(epilog="Example: axiom schedule --every 5")(schedule)


def schedule(
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks at the clock.")] = 5.0,
    show: Annotated[bool, typer.Option("--show", help="Only say when each pipeline runs next.")] = False,
    backend: Backend = None,
    json: JsonFlag = False,
) -> None:
    """Run pipelines by their schedules until interrupted, and take up runs that were left. Several may run at once."""
    if show:
        rows = _next_ticks()
        lines = [f"{row['next']}  {row['pipeline']}  ({row['cron']} {row['timezone']})" for row in rows]
        emit({"schedules": rows}, as_json=json, lines=lines or ["nothing is scheduled"])
        return
    from axiom.db.database import utc_now
    from axiom.jobs.pipelines.scheduler import Scheduler

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with service(backend) as jobs:
        Scheduler(jobs, utc_now).run(stop, every=every)
    emit({"stopped": True}, as_json=json, lines=["stopped; open runs are taken up by the next `axiom schedule`"])


def _next_ticks() -> list[dict[str, Any]]:
    from axiom.db.database import utc_now
    from axiom.jobs.pipelines.cron import next_tick
    from axiom.jobs.pipelines.library import load_pipeline, pipeline_names

    loaded = settings()
    found: list[Pipeline] = [load_pipeline(loaded, name) for name in pipeline_names(loaded)]
    rows = [
        {
            "pipeline": one.name,
            "cron": one.schedule.cron,
            "timezone": one.schedule.timezone,
            "missed": one.schedule.missed,
            "next": next_tick(one.schedule.cron, one.schedule.timezone, utc_now()).isoformat(),
        }
        for one in found
        if one.schedule is not None
    ]
    return sorted(rows, key=lambda row: row["next"])
