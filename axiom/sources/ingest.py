"""Ingest: rows of a source become bronze, silver and quarantine, all of them or none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from axiom.lake import Lake
    from axiom.sources.request import IngestReport, IngestRequest, MappedColumn, Progress, SourceColumn


@dataclass(frozen=True)
class IngestPlan:
    """What an ingest would do: shown to people before it is done.

    Attributes:
        source: name of the source.
        columns: of the source.
        mapping: which silver column comes from what, and why.
        notes: things a person should know.
    """

    source: str
    columns: tuple[SourceColumn, ...]
    mapping: tuple[MappedColumn, ...]
    notes: tuple[str, ...] = ()


def plan_ingest(lake: Lake, request: IngestRequest) -> IngestPlan:
    """Open the source, look at its columns and settle the mapping. Changes nothing.

    Raises:
        BadInputError: the source cannot be read, or the mapping is incomplete, ambiguous or names unknown columns.
        UnavailableError: the database or object store does not answer.
    """
    raise NotImplementedError


def ingest(lake: Lake, request: IngestRequest, *, on_progress: Progress | None = None) -> IngestReport:
    """Read a source into the lake. The same batch twice adds nothing; a crash leaves the lake as it was.

    Raises:
        BadInputError: the source cannot be read, the mapping does not fit it, or no row is usable.
        ConflictError: another ingest of the same entity committed meanwhile.
        UnavailableError: the database or object store does not answer.
    """
    raise NotImplementedError
