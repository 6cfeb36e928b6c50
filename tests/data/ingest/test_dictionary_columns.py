"""Parquet whose text columns are dictionary-encoded, as many writers leave them, is read like any other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from axiom.lake import Lake, Storage
from axiom.sources.ingest import ingest
from axiom.sources.request import FileSource, IngestRequest

if TYPE_CHECKING:
    from pathlib import Path


def test_dictionary_encoded_text_is_looked_at_and_ingested(tmp_path: Path) -> None:
    ids = [f"c{n:03d}" for n in range(60)]
    times = pa.array([1_700_000_000_000_000 + n for n in range(60)]).cast(pa.timestamp("us", "UTC"))
    kinds = pa.array(["login", "view"] * 30).dictionary_encode()
    table = pa.table({"customer_id": pa.array(ids).dictionary_encode(), "event_ts": times, "event_type": kinds})
    pq.write_table(table, tmp_path / "events.parquet")
    lake = Lake.create(Storage(str(tmp_path / "lake")), buckets=2, currency="USD")
    report = ingest(lake, IngestRequest("events", FileSource((str(tmp_path / "events.parquet"),))))
    assert (report.accepted, report.refused) == (60, 0)
