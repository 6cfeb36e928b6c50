"""The second half of an ingest: buckets become silver, and the batch becomes visible by one write."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from axiom.contracts import ENTITIES
from axiom.errors import ConflictError
from axiom.lake import FileEntry, Manifest, plain_text
from axiom.sources.cleaning import ROW, originals_json
from axiom.sources.contract import schema_facts
from axiom.sources.duplicates import Deduplicator
from axiom.sources.request import Drift, FileSource, IngestReport, MappedColumn
from axiom.sources.sql import watermark_text

if TYPE_CHECKING:
    import pyarrow as pa

    from axiom.sources.mapping import SettledMapping
    from axiom.sources.reading import Reading
    from axiom.sources.request import IngestRequest

_THREADS = 2
_CONFLICT = "another version of this row is known since the same time, and differs"
_COUNTS = ("rows_in", "accepted", "duplicates", "dropped", "refused", "repeated", "customers")


@dataclass(frozen=True)
class _Written:
    """What became of one bucket."""

    file: FileEntry | None
    schema: dict[str, str]
    duplicates: int
    repeated: int
    customers: int
    corrected: int
    conflicts: pa.Table


def batch_id(reading: Reading) -> str:
    """Names a batch by its content, mapping and policies; the name of the source does not count."""
    request = reading.request
    body: dict[str, Any] = {
        "content": reading.content,
        "entity": request.entity,
        "mapping": {column.target: column.expression for column in reading.mapping.columns},
        **{name: getattr(request, name) for name in _POLICIES},
    }
    if isinstance(request.source, FileSource) and reading.incoming.is_text:
        body["text"] = [request.source.encoding, request.source.delimiter, request.source.header]
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:16]


_POLICIES = ("where", "contract", "returns", "duplicates", "timezone", "time_format")


def notes_of(request: IngestRequest, mapping: SettledMapping, drift: Drift) -> tuple[str, ...]:
    """What a person should know before the rows are read."""
    notes = []
    if request.entity == "transactions" and not mapping.has("amount"):
        notes.append("no amount: purchases count, but have no value")
    if request.entity == "customers" and not mapping.has("valid_from"):
        since = "since the sign-up" if mapping.has("signup_ts") else "since 1900-01-01"
        notes.append(f"no valid_from: attributes hold {since}, as if they had never been otherwise")
    if drift:
        notes.append(f"the source changed: {drift}")
    return tuple(notes)


def report_again(commit: Manifest, reading: Reading) -> IngestReport:
    """The report for a batch that is in the lake already: nothing was added, every good row is a duplicate."""
    facts = commit.properties
    report = IngestReport(
        batch_id=commit.id,
        entity=reading.request.entity,
        source=reading.source,
        committed=False,
        already=True,
        **facts["counts"],
        dropped_by=facts["dropped_by"],
        refused_by=facts["refused_by"],
        watermark=(facts.get("watermark") or {}).get("value", "").partition(":")[2],
        mapping=tuple(MappedColumn(**column) for column in facts["mapping"]),
        notes=("this batch is in the lake already: nothing was added",),
    )
    return replace(report, accepted=0, customers=0, duplicates=report.duplicates + report.accepted)


def publish(reading: Reading) -> IngestReport:
    """Write what is new into the lake: silver's files, bronze, quarantine, and the commit.

    Raises:
        ConflictError: another batch was committed since this one began.
    """
    batch = batch_id(reading)
    written = _write_buckets(reading, batch)
    _set_conflicts_aside(reading, written)
    report = _report(reading, batch, written)
    _check_not_overtaken(reading)
    _publish_beside(reading, report)
    if report.accepted:
        _check_not_overtaken(reading)
        reading.lake.silver(reading.request.entity).commit(_manifest(reading, report, written))
    return report


def _check_not_overtaken(reading: Reading) -> None:
    """What is a duplicate was decided against the batches of the beginning."""
    if set(reading.lake.snapshot(reading.request.entity).batch_ids) != set(reading.before.batch_ids):
        raise ConflictError(
            f"another batch of {reading.request.entity} was committed meanwhile",
            hint="nothing was added; run the same ingest again",
        )


def _write_buckets(reading: Reading, batch: str) -> list[_Written]:
    entity = ENTITIES[reading.request.entity]
    keyed = reading.key == entity.key_column and bool(reading.key)
    drop = reading.request.duplicates == "drop" or (reading.request.duplicates == "auto" and keyed)
    deduplicator = Deduplicator(
        reading.source, reading.before, entity.time_column, reading.key, drop, reading.arrived_micros
    )
    buckets = [bucket for bucket in range(reading.lake.buckets) if reading.spill.size(bucket)]
    results: list[_Written] = []
    # Two buckets at once keep two cores busy, and memory at two buckets.
    with ThreadPoolExecutor(_THREADS) as pool:
        for done in pool.map(lambda bucket: _write_bucket(reading, deduplicator, batch, bucket), buckets):
            results.append(done)
            reading.on_progress("write", len(results), len(buckets))
    return results


def _write_bucket(reading: Reading, deduplicator: Deduplicator, batch: str, bucket: int) -> _Written:
    new = deduplicator.settle(reading.spill.bucket(bucket), bucket)
    corrected = 0
    file, schema = None, {}
    if new.accepted.num_rows:
        table = plain_text(new.accepted)
        silver = reading.lake.silver(reading.request.entity)
        path = silver.part(batch, bucket)
        size, digest = reading.lake.storage.write_parquet(path, table)
        low, high = _bounds(table[deduplicator.time])
        file = FileEntry(path, table.num_rows, size, digest, bucket, low, high)
        schema = {column.name: str(column.type) for column in table.schema}
        if "known_at" in schema and not reading.mapping.has("known_at"):
            corrected = table.num_rows - table["known_at"].null_count
    return _Written(file, schema, new.duplicates, new.repeated, new.customers, corrected, new.conflicts)


def _set_conflicts_aside(reading: Reading, written: list[_Written]) -> None:
    for bucket in written:
        rows = bucket.conflicts
        if rows.num_rows:
            places = reading.numbers.locate(rows[ROW].to_pylist())
            originals = originals_json(plain_text(rows.drop_columns([ROW])), reading.sql)
            reading.quarantine.add(places, [_CONFLICT] * rows.num_rows, originals)


def _report(reading: Reading, batch: str, written: list[_Written]) -> IngestReport:
    files = [bucket.file for bucket in written if bucket.file is not None]
    accepted = sum(file.rows for file in files)
    corrected = sum(bucket.corrected for bucket in written)
    notes = notes_of(reading.request, reading.mapping, reading.contract.drift)
    if corrected:
        notes += (f"{corrected} rows correct earlier ones; they count as known since this ingest",)
    if reading.quarantine.reasons[_CONFLICT] and reading.key == ENTITIES[reading.request.entity].key_column:
        notes += (
            f"rows share a {reading.key} and differ: if it does not name one row, leave it out: --map {reading.key}=",
        )
    if not accepted:
        notes += ("nothing new",)
    return IngestReport(
        batch_id=batch,
        entity=reading.request.entity,
        source=reading.source,
        committed=accepted > 0,
        already=False,
        rows_in=reading.rows_in,
        accepted=accepted,
        duplicates=sum(bucket.duplicates for bucket in written),
        dropped=reading.dropped.total(),
        refused=reading.quarantine.rows,
        dropped_by={why: rows for why, rows in reading.dropped.items() if rows},
        refused_by=dict(reading.quarantine.reasons.most_common()),
        repeated=sum(bucket.repeated for bucket in written),
        customers=sum(bucket.customers for bucket in written),
        min_time=_iso(min((file.min_time for file in files if file.min_time is not None), default=None)),
        max_time=_iso(max((file.max_time for file in files if file.max_time is not None), default=None)),
        watermark="" if reading.newest is None else str(reading.newest),
        mapping=reading.mapping.columns,
        drift=reading.contract.drift,
        notes=notes,
    )


def _publish_beside(reading: Reading, report: IngestReport) -> None:
    """Bronze and quarantine. Rows that an incremental read saw before were set aside before, too."""
    if not report.accepted and (not report.refused or reading.nothing_since):
        return
    entity, lake = reading.request.entity, reading.lake
    facts = {"source": reading.source, "arrived_at": reading.arrived.isoformat()}
    reading.bronze.commit(lake.writer(f"bronze/{entity}", report.batch_id, properties=facts))
    if report.refused:
        writer = lake.writer(
            f"quarantine/{entity}", report.batch_id, properties={**facts, "reasons": report.refused_by}
        )
        if report.accepted or writer.committed() is None:
            reading.quarantine.commit(writer, reading.source)


def _manifest(reading: Reading, report: IngestReport, written: list[_Written]) -> Manifest:
    request = reading.request
    schema: dict[str, str] = {}
    for bucket in written:
        schema |= bucket.schema
    properties = {
        "source": reading.source,
        "origin": request.source.label,
        "arrived_at": reading.arrived.isoformat(),
        "counts": {name: getattr(report, name) for name in _COUNTS},
        "dropped_by": report.dropped_by,
        "refused_by": report.refused_by,
        "min_time": report.min_time,
        "max_time": report.max_time,
        "mapping": [asdict(column) for column in report.mapping],
        "policies": {name: getattr(request, name) for name in _POLICIES},
        "drift": asdict(report.drift),
        "source_schema": _kept_schema(reading),
        "watermark": None if reading.newest is None else _watermark(reading),
    }
    return Manifest(
        kind=f"silver/{request.entity}",
        id=report.batch_id,
        schema=schema,
        files=tuple(bucket.file for bucket in written if bucket.file is not None),
        inputs=(f"bronze/{request.entity}/{report.batch_id}",),
        properties=properties,
    )


def _watermark(reading: Reading) -> dict[str, str]:
    return {"column": reading.request.watermark, "value": watermark_text(reading.newest)}


def _kept_schema(reading: Reading) -> dict[str, str]:
    """The columns that the next batch is compared with: what a contract discards stays news."""
    facts = schema_facts(reading.incoming)
    before = {name: old for name, old, _ in reading.contract.drift.changed if name in reading.contract.retyped}
    gone = {*reading.contract.left_out, *reading.contract.new}
    return {name: before.get(name, kind) for name, kind in facts.items() if name not in gone}


def _bounds(times: pa.ChunkedArray) -> tuple[int, int]:
    import pyarrow.compute as pc

    extremes = pc.min_max(times.cast("int64")).as_py()
    return extremes["min"], extremes["max"]


def _iso(micros: int | None) -> str:
    if micros is None:
        return ""
    seconds, rest = divmod(micros, 1_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest).isoformat()
