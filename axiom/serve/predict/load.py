"""How late a replica's event loop runs: the queue that a handler which never awaits cannot see."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from statistics import median
from typing import Self

EVERY_SECONDS = 0.05
TOO_LATE_SECONDS = 0.25
"""Later than this, new requests are turned away: an answer that comes too late helps nobody and delays the next."""
WINDOW = 5
"""Most of so many ticks have to be late: one stall (a neighbour starts, memory is freed) is over when it is seen."""


class LoopLag:
    """Measures how late the event loop runs its timers.

    Under lasting overload every tick is late, so three of them, about a second, are enough to turn requests away; three
    that are on time, 0.15 s, let them in again.

    Attributes:
        seconds: median lateness of the last `WINDOW` ticks.
    """

    def __init__(self, *, too_late: float = TOO_LATE_SECONDS) -> None:
        self.seconds = 0.0
        self._too_late = too_late
        self._late = deque([0.0] * WINDOW, maxlen=WINDOW)
        self._task: asyncio.Task[None] | None = None

    @property
    def overloaded(self) -> bool:
        """Whether requests that come now would wait too long."""
        return self.seconds > self._too_late

    def note(self, late: float) -> None:
        """Take one measurement in.

        Args:
            late: seconds between when a tick was due and when it ran; a clock that jumped back counts as on time.
        """
        self._late.append(max(late, 0.0))
        self.seconds = median(self._late)

    def start(self) -> Self:
        """Measure on the running loop until `close`."""
        self._task = asyncio.get_running_loop().create_task(self._run())
        return self

    def close(self) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        while True:
            due = time.monotonic() + EVERY_SECONDS
            await asyncio.sleep(EVERY_SECONDS)
            self.note(time.monotonic() - due)
