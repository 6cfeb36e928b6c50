"""A lake whose future is known, versions with real files, and an inference log written by hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from axiom.db import Database
from axiom.lake import Lake
from axiom.lake.storage import Storage
from axiom.pipelines.ingest import ingest_source
from axiom.pipelines.train import TrainRequest, train_churn
from axiom.pipelines.workspace import Workspace, create, opened
from axiom.registry.cards import Environment, FeatureSet, Metric, ModelCard, TrainingWindow
from axiom.registry.registry import Registry
from axiom.scoring.inference import inference_schema
from axiom.settings import Settings
from axiom.sources.request import FileSource, IngestRequest
from axiom.sources.synthetic import generate
from axiom.training.options import ChurnOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

START = datetime(2023, 1, 1, tzinfo=UTC)
AS_OF = datetime(2023, 2, 1, tzinfo=UTC)
CUSTOMERS = 1200
HORIZON = 30
DAY = timedelta(days=1)


class Clock:
    """A clock that moves only when it is told to."""

    def __init__(self) -> None:
        self.now = AS_OF

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **span: float) -> None:
        self.now += timedelta(**span)


class MemoryBlobs:
    """Blobs that live in a dictionary."""

    def __init__(self) -> None:
        self.stored: dict[str, bytes] = {}

    def read(self, path: str) -> bytes:
        return self.stored[path]

    def write(self, path: str, data: bytes) -> None:
        self.stored[path] = data

    def exists(self, path: str) -> bool:
        return path in self.stored


def make_card(**changes: Any) -> ModelCard:
    learnt = datetime(2022, 6, 1, tzinfo=UTC)
    fields: dict[str, Any] = {
        "name": "churn",
        "kind": "churn",
        "model_type": "logistic",
        "feature_set": FeatureSet("default", "3fa9"),
        "training_window": TrainingWindow(HORIZON, (learnt,)),
        "data_hash": "d1",
        "rows": {"train": 1000},
        "metrics": {"roc_auc": Metric(0.81, 0.79, 0.83)},
        "calibration": {"method": "none"},
        "baselines": {"base_rate": {"roc_auc": Metric(0.5)}},
        "environment": Environment("3.11.9", {"numpy": "2"}),
        "created_at": datetime(2022, 12, 1, 12, tzinfo=UTC),
        "code_version": "0.1.0",
    }
    return ModelCard(**fields | changes)


@pytest.fixture
def card() -> Callable[..., ModelCard]:
    return make_card


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def registry(tables_url: str, clock: Clock) -> Iterator[Registry]:
    """Four churn versions, the first of which is champion; on SQLite and on PostgreSQL."""
    with Database(tables_url, clock=clock) as database:
        database.migrate()
        made = Registry(database, MemoryBlobs())
        for _ in range(4):
            made.register(make_card(), {"model.json": b"{}"})
        made.promote("churn", 1, "champion", actor="ann", reason="first")
        yield made


@pytest.fixture(scope="session")
def model_files(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, bytes]:
    """The files of a small churn model that was really trained."""
    home = tmp_path_factory.mktemp("trained")
    settings = Settings(home=home, engine="inline", buckets=2)
    create(settings)
    company = generate("shop", seed=11, customers=200, days=300, acquisition_days=100)
    with opened(settings) as ws:
        _ingest(ws, home / "transactions.parquet", company.tables["transactions"])
        train_churn(ws, TrainRequest(HORIZON), options=ChurnOptions(models=("logistic",), draws=200))
        return ws.registry.load_files(ws.registry.get("churn"))


@pytest.fixture(scope="session")
def known_future(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of a lake of 1,200 customers who all bought on 2023-01-05. Odd ones buy again on 2023-02-20, and the
    data end on 2023-04-01: at 2023-02-01, 30 days ahead, even ones churn and odd ones stay. Nobody may change it.
    """
    home = tmp_path_factory.mktemp("future")
    settings = Settings(home=home, engine="inline", buckets=2)
    create(settings)
    odd = [f"c{number:04d}" for number in range(1, CUSTOMERS, 2)]
    ids = [f"c{number:04d}" for number in range(CUSTOMERS)] + odd + ["last"]
    times = [START + 4 * DAY] * CUSTOMERS + [START + 50 * DAY] * len(odd) + [datetime(2023, 4, 1, tzinfo=UTC)]
    table = pa.table(
        {
            "customer_id": ids,
            "txn_ts": pa.array(times, pa.timestamp("us", "UTC")),
            "amount": np.full(len(ids), 10.0),
            "transaction_id": [f"t{number}" for number in range(len(ids))],
        }
    )
    with opened(settings) as ws:
        _ingest(ws, home / "transactions.parquet", table)
    return settings


@dataclass
class World:
    """A workspace with churn@1 as champion and churn@2 and churn@3 as candidates, its clock, and its log."""

    ws: Workspace
    clock: Clock
    rows: list[dict[str, Any]] = field(default_factory=list)

    def log(self, **row: Any) -> None:
        defaults: dict[str, Any] = dict.fromkeys(inference_schema().names)
        defaults |= {"at": self.clock.now, "as_of": AS_OF, "kind": "churn", "source": "id", "role": "champion"}
        defaults |= {"request_id": f"r{len(self.rows)}", "model": "churn@1"}
        self.rows.append(defaults | row)

    def read(self, since: datetime, until: datetime) -> pa.Table:
        inside = [row for row in self.rows if since <= row["at"] < until]
        return pa.Table.from_pylist(inside, schema=inference_schema())

    def answer(self, said: Callable[[str, str], float], customers: Sequence[str] | None = None) -> None:
        """Every customer asks once, a second apart, and is answered by whoever the roll-out says."""
        found = self.ws.registry.rollout("churn")
        assert found.champion is not None
        for customer in customers or [f"c{number:04d}" for number in range(CUSTOMERS)]:
            self.clock.advance(seconds=1)
            role = found.role_of(customer)
            model = found.canary.ref if role == "canary" and found.canary else found.champion.ref
            request = f"q{len(self.rows)}"
            self.log(customer_id=customer, role=role, model=model, value=said(model, customer), request_id=request)
            for shadow in found.shadows:
                value = said(shadow.ref, customer)
                self.log(customer_id=customer, role="shadow", model=shadow.ref, value=value, request_id=request)


@pytest.fixture
def world(
    known_future: Settings, model_files: Mapping[str, bytes], tables_url: str, clock: Clock, tmp_path: Path
) -> Iterator[World]:
    """On SQLite and on PostgreSQL. Models are stored apart, so that the shared lake stays as it is."""
    lake = Lake.open(Storage(known_future.lake_location))
    with Database(tables_url, clock=clock) as database:
        database.migrate()
        registry = Registry(database, Storage(str(tmp_path / "blobs")))
        for _ in range(3):
            registry.register(make_card(), model_files)
        registry.promote("churn", 1, "champion", actor="ann", reason="first")
        clock.advance(minutes=1)
        yield World(Workspace(known_future, lake, database, registry), clock)


def _ingest(ws: Workspace, path: Path, table: pa.Table) -> None:
    pq.write_table(table, path)
    ingest_source(ws, IngestRequest("transactions", FileSource((str(path),))), source_name="shop.transactions")
