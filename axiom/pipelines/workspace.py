"""The one wiring place: lake, database and registry from the settings."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from axiom.db import Database
from axiom.lake import Lake, storage_of
from axiom.registry.mlflow_log import recorder_of
from axiom.registry.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from axiom.settings import Settings


@dataclass(frozen=True)
class Workspace:
    """Everything a stage needs. Opened once a command, closed at its end."""

    settings: Settings
    lake: Lake
    db: Database
    registry: Registry


def create(settings: Settings) -> None:
    """Create the lake and the database tables, or check that they fit where they exist."""
    if settings.database_url is None:
        settings.home.mkdir(parents=True, exist_ok=True)
    Lake.create(storage_of(settings), buckets=settings.buckets, currency=settings.currency)
    database = Database(settings.database_location)
    try:
        database.migrate()
    finally:
        database.close()


@contextmanager
def opened(settings: Settings) -> Iterator[Workspace]:
    """Open what `create` made.

    Raises:
        NotFoundError: there is no lake at this place.
        UnavailableError: the database or the object store does not answer.
    """
    lake = Lake.open(storage_of(settings))
    database = Database.open(settings)
    try:
        yield Workspace(settings, lake, database, Registry(database, lake.storage, recorder_of(settings)))
    finally:
        database.close()
