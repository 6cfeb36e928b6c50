from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from axiom.lake import Lake, Storage
from axiom.sources import FileSource, IngestReport, IngestRequest, SqlSource, ingest

if TYPE_CHECKING:
    from collections.abc import Sequence

ARRIVED = datetime(2024, 6, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Shop:
    """A lake and a folder for input files, with short ways to say what a test is about."""

    lake: Lake
    folder: Path

    def write(self, name: str, text: str | bytes) -> str:
        """Write an input file; returns its path."""
        path = self.folder / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)

    def csv(self, rows: Sequence[str], header: str = "customer_id,txn_ts,amount", name: str = "orders.csv") -> str:
        """Write a CSV file."""
        return self.write(name, "\n".join([header, *rows]) + "\n")

    def request(self, *paths: str, entity: str = "transactions", **options: Any) -> IngestRequest:
        """A request for files; options of the file source may be among `options`."""
        of_files = {
            name: options.pop(name) for name in ("encoding", "delimiter", "header", "format") if name in options
        }
        return IngestRequest(entity, FileSource(paths, **of_files), **options)

    def ingest(self, *paths: str, arrived: datetime = ARRIVED, **options: Any) -> IngestReport:
        """Ingest files; the accounting has to add up, always."""
        return self.run(self.request(*paths, **options), arrived=arrived)

    def sql(self, url: str, *, arrived: datetime = ARRIVED, query: str = "", **options: Any) -> IngestReport:
        """Ingest the table `orders`, or a query."""
        source = SqlSource(url, query=query) if query else SqlSource(url, table="orders")
        return self.run(IngestRequest("transactions", source, **options), arrived=arrived)

    def run(self, request: IngestRequest, arrived: datetime = ARRIVED) -> IngestReport:
        """Ingest, and check that no row is lost."""
        report = ingest(self.lake, request, arrived=arrived)
        assert report.rows_in == report.accepted + report.duplicates + report.dropped + report.refused
        assert sum(report.refused_by.values()) == report.refused
        assert sum(report.dropped_by.values()) == report.dropped
        return report

    def rows(self, *columns: str, entity: str = "transactions") -> list[tuple[Any, ...]]:
        """All rows of silver, sorted; times as ISO text of UTC."""
        snapshot = self.lake.snapshot(entity)
        names = list(columns) or sorted(snapshot.columns)
        found = []
        for bucket in range(self.lake.buckets):
            table = snapshot.read(bucket, names)
            found += list(zip(*(_plain(table[name].to_pylist()) for name in names), strict=True))
        return sorted(found, key=repr)

    def refused(self, entity: str = "transactions") -> list[tuple[int, str, dict[str, Any]]]:
        """Row number, reason and original values of everything in quarantine."""
        found = []
        for manifest in self.lake.datasets(f"quarantine/{entity}"):
            table = self.lake.dataset(manifest.kind, manifest.id).read()
            for row in table.to_pylist():
                found.append((row["row"], row["reason"], json.loads(row["original"])))
        return sorted(found, key=repr)

    def picture(self) -> dict[str, bytes]:
        """Every byte of the lake."""
        root = Path(self.lake.storage.location)
        return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def _plain(values: list[Any]) -> list[Any]:
    return [value.isoformat() if isinstance(value, datetime) else value for value in values]


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """An empty lake of two buckets in USD, and a folder for input."""
    folder = tmp_path / "input"
    folder.mkdir()
    return Shop(Lake.create(Storage(str(tmp_path / "lake")), buckets=2, currency="USD"), folder)


@pytest.fixture
def sqlite_orders(tmp_path: Path) -> tuple[sqlite3.Connection, str]:
    """A SQLite database with an empty table of orders, and its URL."""
    path = tmp_path / "shop.db"
    connection = sqlite3.connect(path)
    connection.execute(
        "create table orders (order_id integer primary key, customer_id text, order_date datetime, amount numeric, "
        "updated_at datetime)"
    )
    connection.commit()
    return connection, f"sqlite:///{path}"
