"""A database with a clock that is told the time, and a company that was scored twice, eight weeks apart."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from axiom.db import Database
from axiom.monitoring.judging import Reading, judge
from axiom.monitoring.thresholds import thresholds_in_force
from axiom.pipelines.score import score
from axiom.pipelines.workspace import opened
from axiom.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from axiom.db import Transaction
    from axiom.monitoring.judging import Judged
    from axiom.pipelines.workspace import Workspace

AT = datetime(2026, 1, 1, 5, tzinfo=UTC)


class Clock:
    """A clock that moves only when it is told to."""

    def __init__(self) -> None:
        self.now = AT

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **span: float) -> datetime:
        self.now += timedelta(**span)
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def clocked(tables_url: str, clock: Clock) -> Iterator[Database]:
    with Database(tables_url, clock=clock) as database:
        database.migrate()
        yield database


@pytest.fixture
def held() -> Callable[..., list[Judged]]:
    """`held(tx, Reading(...), ...)` holds readings against the thresholds in force; other measures are left aside."""

    def against(tx: Transaction, *readings: Reading) -> list[Judged]:
        return judge(readings, thresholds_in_force(tx))[: len(readings)]

    return against


@pytest.fixture(scope="session")
def watched_settings(grown_company: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """`grown_company` with champions churn@2 and clv@1, scored again at the end of its data. Nobody may change it."""
    home = tmp_path_factory.mktemp("watched")
    shutil.copytree(grown_company.settings.home, home, dirs_exist_ok=True)
    settings = Settings(home=home, engine="inline", buckets=2)
    with opened(settings) as ws:
        for name, version in (("churn", 2), ("clv", 1)):
            ws.registry.promote(name, version, "champion", actor="test", reason="best")
        score(ws)
    return settings


@pytest.fixture
def watched(watched_settings: Settings, tmp_path: Any) -> Iterator[Workspace]:
    """A copy of it that a test may change."""
    shutil.copytree(watched_settings.home, tmp_path / "watched", dirs_exist_ok=True)
    with opened(Settings(home=tmp_path / "watched", engine="inline", buckets=2)) as ws:
        yield ws
