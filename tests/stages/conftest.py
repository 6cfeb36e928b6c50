"""One small company that went through every stage, built once a session; copy it before you change it."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from axiom.pipelines.ingest import ingest_source
from axiom.pipelines.score import score
from axiom.pipelines.train import TrainRequest, train_churn, train_clv
from axiom.pipelines.workspace import Workspace, create, opened
from axiom.settings import Settings
from axiom.sources.request import FileSource, IngestRequest
from axiom.sources.synthetic import SyntheticCompany, generate
from axiom.training.clv.options import ClvOptions
from axiom.training.options import ChurnOptions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TRAINED_ON_DATA_UNTIL = datetime(2023, 10, 1, tzinfo=UTC)
TIMES = {"transactions": "txn_ts", "events": "event_ts"}
QUOTED = 'O\'Neil "Bob"; --'


@pytest.fixture(scope="session")
def quoted_customer() -> str:
    """A customer of the company whose id holds quotes."""
    return QUOTED


@pytest.fixture(scope="session")
def shop() -> SyntheticCompany:
    """300 customers over 330 days from 2023-01-01, who browse less before they leave."""
    company = generate(
        "shop",
        seed=11,
        customers=300,
        days=330,
        acquisition_days=120,
        r=1.0,
        alpha=5.0,
        a=1.0,
        b=3.0,
        events_per_week=1.0,
        decline_days=20.0,
    )
    tables = {name: _renamed(table) for name, table in company.tables.items()}
    return SyntheticCompany(company.name, tables, company.truth, company.parameters)


@pytest.fixture(scope="session")
def trained_company(tmp_path_factory: pytest.TempPathFactory, shop: SyntheticCompany) -> Iterator[Workspace]:
    """A workspace with data up to 2023-10-01, churn@1 (logistic), churn@2 (LightGBM), clv@1 (BG/NBD), horizon 30 days,
    and everybody scored by churn@2 and clv@1. Shared by all tests: nobody may change it, see `own_company`.
    """
    settings = _settings(tmp_path_factory.mktemp("company"))
    create(settings)
    with opened(settings) as ws:
        ingest_between(ws, shop, None, TRAINED_ON_DATA_UNTIL)
        for model in ("logistic", "lightgbm"):
            train_churn(ws, TrainRequest(30), options=ChurnOptions(models=(model,), draws=200))
        train_clv(ws, TrainRequest(30), options=ClvOptions(candidates=("bg_nbd",)))
        score(ws)
        yield ws


@pytest.fixture(scope="session")
def grown_company(
    tmp_path_factory: pytest.TempPathFactory, shop: SyntheticCompany, trained_company: Workspace
) -> Iterator[Workspace]:
    """`trained_company` eight weeks later: the rest of the data came in. Nobody may change it."""
    with _copied(trained_company, tmp_path_factory.mktemp("grown")) as ws:
        ingest_between(ws, shop, TRAINED_ON_DATA_UNTIL, None)
        yield ws


@pytest.fixture
def own_company(trained_company: Workspace, tmp_path: Path) -> Iterator[Workspace]:
    """A copy of `trained_company` that a test may change."""
    with _copied(trained_company, tmp_path / "own") as ws:
        yield ws


@pytest.fixture
def own_grown_company(grown_company: Workspace, tmp_path: Path) -> Iterator[Workspace]:
    """A copy of `grown_company` that a test may change."""
    with _copied(grown_company, tmp_path / "grown") as ws:
        yield ws


def ingest_between(ws: Workspace, company: SyntheticCompany, start: datetime | None, stop: datetime | None) -> None:
    for entity, column in TIMES.items():
        rows = company.tables[entity]
        if start is not None:
            rows = rows.filter(pc.greater_equal(rows[column], start))
        if stop is not None:
            rows = rows.filter(pc.less(rows[column], stop))
        path = ws.settings.home / f"{entity}-{'later' if start else 'first'}.parquet"
        pq.write_table(rows, path)
        ingest_source(ws, IngestRequest(entity, FileSource((str(path),))), source_name=f"shop.{entity}")


def _settings(home: Path) -> Settings:
    return Settings(home=home, engine="inline", buckets=2)


def _renamed(table: pa.Table) -> pa.Table:
    place = table.schema.get_field_index("customer_id")
    ids = table["customer_id"].cast(pa.string())
    return table.set_column(place, "customer_id", pc.if_else(pc.equal(ids, "C0000001"), QUOTED, ids))


@contextmanager
def _copied(ws: Workspace, home: Path) -> Iterator[Workspace]:
    shutil.copytree(ws.settings.home, home, dirs_exist_ok=True)
    with opened(_settings(home)) as copy:
        yield copy
