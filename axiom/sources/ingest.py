"""Ingest: rows of a source become bronze, silver and quarantine, all of them or none.

Everything that can be wrong with the input is found while the source is read into local files. Only then is the lake
written to: silver's files, which nobody sees yet, bronze, quarantine, and last the one commit that makes the batch
visible. A retry after a crash writes the same names again.
"""

from __future__ import annotations

import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from axiom.sources.contract import check_contract, last_batch
from axiom.sources.expressions import Sql
from axiom.sources.introspect import describe
from axiom.sources.mapping import settle
from axiom.sources.opening import last_watermark, open_source, source_name
from axiom.sources.publishing import batch_id, notes_of, publish, report_again
from axiom.sources.reading import Reading, read_source
from axiom.sources.sql import watermark_value

if TYPE_CHECKING:
    from collections.abc import Iterator

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
        MisuseError: the mapping or the filter is malformed.
        NotFoundError: a file or table does not exist.
        BadInputError: the source cannot be read, or the mapping is incomplete, ambiguous or names unknown columns.
        UnavailableError: the database or object store does not answer.
    """
    name, history = source_name(request), lake.silver(request.entity).history()
    with open_source(request, lake.storage.s3) as incoming:
        mapping = settle(request, incoming, Sql(request.timezone), lake.snapshot(request.entity).columns)
        contract = check_contract(request.contract, incoming, last_batch(history, name))
        return IngestPlan(name, describe(incoming), mapping.columns, notes_of(request, mapping, contract.drift))


def ingest(
    lake: Lake,
    request: IngestRequest,
    *,
    on_progress: Progress | None = None,
    arrived: datetime | None = None,
) -> IngestReport:
    """Read a source into the lake. The same batch twice adds nothing; a crash leaves the lake as it was.

    Args:
        lake: where to.
        request: what from, and how.
        on_progress: told how far it is.
        arrived: arrival time; default: now.

    Raises:
        MisuseError: the mapping or the filter is malformed.
        NotFoundError: a file or table does not exist.
        BadInputError: the source cannot be read, the mapping does not fit it, or no row is usable.
        ConflictError: another ingest of the same entity committed meanwhile.
        UnavailableError: the database or object store does not answer.
    """
    started = time.monotonic()
    with _reading(lake, request, arrived or datetime.now(UTC), on_progress or _quiet) as reading:
        report = _known_batch(reading) or _new_batch(reading)
    return replace(report, seconds=time.monotonic() - started)


def _quiet(phase: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


@contextmanager
def _reading(lake: Lake, request: IngestRequest, arrived: datetime, on_progress: Progress) -> Iterator[Reading]:
    """Everything that is settled before the first row is read."""
    name, silver = source_name(request), lake.silver(request.entity)
    history, before = silver.history(), silver.snapshot()
    seen = last_watermark(history, name, request.watermark) if request.watermark and not request.full else ""
    since = watermark_value(seen) if seen else None
    with tempfile.TemporaryDirectory(prefix="axiom-ingest-") as folder:
        workdir = Path(folder)
        with open_source(request, lake.storage.s3, since=since, workdir=workdir) as incoming:
            sql = Sql(request.timezone)
            mapping = settle(request, incoming, sql, before.columns)
            contract = check_contract(request.contract, incoming, last_batch(history, name))
            with Reading(
                request=request,
                source=name,
                incoming=incoming,
                mapping=mapping,
                contract=contract,
                before=before,
                lake=lake,
                arrived=arrived,
                workdir=workdir,
                sql=sql,
                on_progress=on_progress,
                content=incoming.fingerprint(),
            ) as reading:
                yield reading


def _known_batch(reading: Reading) -> IngestReport | None:
    """The report of a batch that is in the lake already; None for a new one, and where the content is not known yet."""
    batch = batch_id(reading) if reading.content else ""
    if batch not in reading.before.batch_ids:
        return None
    commit = reading.lake.silver(reading.request.entity).batch(batch)
    return None if commit is None else report_again(commit, reading)


def _new_batch(reading: Reading) -> IngestReport:
    known = bool(reading.content)
    read_source(reading)
    # What SQL returned has a name only now.
    again = None if known else _known_batch(reading)
    if again is not None:
        return again
    reading.check_usable()
    return publish(reading)
