"""Every stage leaves a record: what was asked, how far it is, what came of it. Two processes never do the same work."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from axiom.errors import AxiomError, ConflictError
from axiom.telemetry import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from axiom.db import Database
    from axiom.db.runs import Run

HEARTBEAT_SECONDS = 15.0
_log = get_logger(__name__)


@dataclass
class Attempt:
    """A running attempt. Put what came of it into `result`; `advance` moves its progress."""

    run: Run
    total: int = 1
    done: int = 0
    result: dict[str, Any] = field(default_factory=dict)

    @property
    def progress(self) -> float:
        """Share done, 0 to 1."""
        return min(self.done / max(self.total, 1), 1.0)

    def advance(self) -> None:
        """One more of `total` pieces is done."""
        self.done += 1


@contextmanager
def tracked(db: Database, stage: str, key: str, params: dict[str, Any], *, total: int = 1) -> Iterator[Attempt]:
    """Record a run of a stage around the block; an exception marks it as failed.

    Args:
        db: where runs are kept.
        stage: `build`, `score`, …
        key: what is being made, for example the id of a dataset. The same key never runs twice at once. A key whose
            run succeeded runs again under the next name: the caller looked, and what it made is gone.
        params: what was asked, as JSON values.
        total: how many pieces `Attempt.advance` will count.

    Raises:
        ConflictError: the same work is running already, or this attempt was cancelled meanwhile.
    """
    attempt = Attempt(_begin(db, stage, key, params), total=total)
    stop = threading.Event()
    beat = threading.Thread(target=_heartbeat, args=(db, attempt, stop), daemon=True, name=f"heartbeat-{stage}")
    beat.start()
    try:
        yield attempt
    except BaseException as error:
        _end(stop, beat)
        with db.transaction() as tx:
            tx.runs.fail(attempt.run, f"{type(error).__name__}: {error}"[:2000])
        raise
    _end(stop, beat)
    with db.transaction() as tx:
        tx.runs.finish(attempt.run, attempt.result)


def _begin(db: Database, stage: str, key: str, params: dict[str, Any]) -> Run:
    number = 1
    while True:
        with db.transaction() as tx:
            run = tx.runs.begin(stage, key if number == 1 else f"{key}/{number}", params)
        if run.status != "succeeded":
            return run
        number += 1


def _heartbeat(db: Database, attempt: Attempt, stop: threading.Event) -> None:
    while not stop.wait(HEARTBEAT_SECONDS):
        try:
            with db.transaction() as tx:
                tx.runs.heartbeat(attempt.run, attempt.progress)
        except ConflictError:
            return  # cancelled or taken over: the end of the block reports it
        except AxiomError as error:
            _log.warning("heartbeat_failed", run=attempt.run.run_id, error=str(error))


def _end(stop: threading.Event, beat: threading.Thread) -> None:
    stop.set()
    beat.join()
