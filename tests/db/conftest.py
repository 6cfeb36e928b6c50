from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from axiom.db import Database

if TYPE_CHECKING:
    from collections.abc import Iterator


class Clock:
    """A clock that moves only when it is told to."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **span: float) -> None:
        self.now += timedelta(**span)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def clocked(tables_url: str, clock: Clock) -> Iterator[Database]:
    with Database(tables_url, clock=clock) as database:
        database.migrate()
        yield database
