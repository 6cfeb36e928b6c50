"""How busy a replica is: the share of its core it uses, and how late its event loop runs."""

from __future__ import annotations

import asyncio
import time
from typing import Self

EVERY_SECONDS = 0.05
TOO_LATE_SECONDS = 0.25
"""Later than this, new requests are turned away: an answer that comes too late helps nobody and delays the next."""


class LoopLag:
    """Measures how late the event loop runs its timers: the queue that a handler which never awaits cannot see."""

    def __init__(self, *, too_late: float = TOO_LATE_SECONDS) -> None:
        self.seconds = 0.0
        self._too_late = too_late
        self._due = 0.0
        self._task: asyncio.Task[None] | None = None

    @property
    def overloaded(self) -> bool:
        """Whether requests that come now would wait too long."""
        return self.seconds > self._too_late

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
            self.seconds = max(time.monotonic() - due, 0.0)
