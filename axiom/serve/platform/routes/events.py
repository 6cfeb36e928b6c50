"""Live updates as Server-Sent Events, resumable by Last-Event-ID."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Header, Query
from starlette.responses import Response, StreamingResponse

from axiom.serve.platform.admission import With
from axiom.serve.platform.throughput import Meter
from axiom.serve.platform.wire import Shown

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from axiom.db.events import Event as Row
    from axiom.db.events import Topic
    from axiom.serve.platform.services import Services

router = APIRouter(tags=["events"])
LONGEST = 300
"""Seconds of one stream. Clients come back by themselves, and have to show a good credential again."""
EVERY = 0.5
QUIET = 15.0
"""Seconds of silence after which a comment keeps the connection open."""
_BATCH = 500

After = Annotated[int | None, Query(ge=0, le=2**62, description="Events after this id; 0: all that are kept.")]
LastEventId = Annotated[str | None, Header(alias="Last-Event-ID", pattern=r"^[0-9]{1,18}$")]
Subject = Annotated[str | None, Query(max_length=256, description="Id of one job, pipeline run or alert.")]
Follow = Annotated[bool, Query(description="False: what there is now, then the end.")]
Seconds = Annotated[int, Query(ge=1, le=LONGEST, description="How long the stream lasts at most.")]
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A stream of events: `id`, `event` (what happened), `data` (JSON: at, topic, subject, facts).",
        "content": {"text/event-stream": {}},  # a schema would be read as that of each event
    }
}


class Event(Shown):
    """What stands in `data`."""

    id: int
    at: datetime
    topic: str
    subject: str
    name: str
    data: dict[str, Any]


class Place:
    """Which events of a stream are wanted: the query and headers of a request."""

    def __init__(
        self,
        subject: Subject = None,
        after: After = None,
        last_event_id: LastEventId = None,
        follow: Follow = True,  # noqa: FBT002
        seconds: Seconds = LONGEST,
    ) -> None:
        self.subject, self.seconds = subject, seconds if follow else 0
        # What a client that lost the connection sends counts more than the URL it knows.
        self._after = after if last_event_id is None else int(last_event_id)

    def begin(self, known: Services) -> int:
        """The event after which the stream begins."""
        if self._after is not None:
            return self._after
        with known.db.reading() as tx:
            return tx.events.last_id()


At = Annotated[Place, Depends()]


@router.get("/api/events/jobs", response_class=StreamingResponse, responses=_STREAM)
def of_jobs(known: With, place: At) -> Response:
    """What happens to jobs. Without an id to go on after, only what comes from now on."""
    return _streamed(known, "job", place)


@router.get("/api/events/pipelines", response_class=StreamingResponse, responses=_STREAM)
def of_pipelines(known: With, place: At) -> Response:
    """What happens to pipeline runs. Without an id to go on after, only what comes from now on."""
    return _streamed(known, "pipeline", place)


@router.get("/api/events/alerts", response_class=StreamingResponse, responses=_STREAM)
def of_alerts(known: With, place: At) -> Response:
    """What happens to alerts. Without an id to go on after, only what comes from now on."""
    return _streamed(known, "alert", place)


@router.get("/api/events/throughput", response_class=StreamingResponse, responses=_STREAM)
async def of_throughput(
    known: With,
    every: Annotated[float, Query(ge=0.5, le=60, description="Seconds between two looks.")] = 2.0,
    follow: Follow = True,  # noqa: FBT002
    seconds: Seconds = LONGEST,
) -> Response:
    """What online scoring is asked a second, over all replicas. Nothing is kept: only what comes is sent."""
    body = _looks(Meter(known.ask), every, seconds if follow else 0)
    return StreamingResponse(body, media_type="text/event-stream", headers={"x-accel-buffering": "no"})


async def _looks(meter: Meter, every: float, seconds: float) -> AsyncIterator[bytes]:
    until = time.monotonic() + seconds
    yield b"retry: 2000\n\n"
    while True:
        data, now = vars(await meter.look()), datetime.now(UTC)
        number = int(now.timestamp() * 1000)
        yield _told(Event(id=number, at=now, topic="throughput", subject="predict", name="throughput", data=data))
        if time.monotonic() + every > until:
            return
        await asyncio.sleep(every)


def _streamed(known: Services, topic: Topic, place: Place) -> Response:
    headers = {"x-accel-buffering": "no"}
    body = _lines(known, topic, place.subject, place.begin(known), place.seconds)
    return StreamingResponse(body, media_type="text/event-stream", headers=headers)


async def _lines(
    known: Services, topic: Topic, subject: str | None, after: int, seconds: float
) -> AsyncIterator[bytes]:
    until = time.monotonic() + seconds
    told = time.monotonic()
    yield b"retry: 2000\n\n"
    while True:
        found = await asyncio.to_thread(_read, known, topic, subject, after)
        for event in found:
            after = event.id
            yield _line(event)
        now = time.monotonic()
        if found:
            told = now
            if len(found) == _BATCH:
                continue
        if now >= until:
            return
        if now - told >= QUIET:
            told = now
            yield b": still here\n\n"
        await asyncio.sleep(EVERY)


def _read(known: Services, topic: Topic, subject: str | None, after: int) -> list[Row]:
    with known.db.reading() as tx:
        return list(tx.events.events_after(after, _BATCH, topic=topic, subject=subject))


def _line(event: Row) -> bytes:
    return _told(Event.model_validate(event))


def _told(event: Event) -> bytes:
    data = orjson.dumps(event.model_dump(mode="json"))
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (event.id, event.name.encode(), data)
