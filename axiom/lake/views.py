"""Read-only DuckDB over the lake: silver, quarantine, the newest gold and scores, and the log of predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from axiom.contracts import ENTITIES
from axiom.errors import MisuseError

if TYPE_CHECKING:
    import pyarrow as pa

    from axiom.lake.lake import Lake

NEWEST = ("features", "labels", "scores")
LOG = "inference"


def connect(lake: Lake, *, threads: int | None = None) -> Any:
    """Open an in-memory DuckDB with one view per table of the lake.

    Views: `transactions`, `events`, `customers` (silver), `quarantine` (refused rows with their reason), `features`,
    `labels`, `scores` (the newest committed dataset of each), `inference` (the log of online predictions). A view
    exists only where there is data.

    The connection can read nothing else: once the views stand, the file system and the network are closed to it.
    """
    import duckdb

    connection = duckdb.connect(config={"threads": threads} if threads else {})
    connection.execute("SET TimeZone = 'UTC'")
    for name, files in _files(lake).items():
        connection.register(name, _source(lake, files))
    connection.execute("SET enable_external_access = false; SET lock_configuration = true")
    return connection


def query(lake: Lake, sql: str) -> pa.Table:
    """Run one SELECT over the views of `connect`.

    Raises:
        MisuseError: the statement is not valid, names an unknown table, or is not a single SELECT.
    """
    import duckdb

    with connect(lake) as connection:
        try:
            statements = connection.extract_statements(sql)
            if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
                raise MisuseError(
                    "only one SELECT statement is allowed: the lake changes through ingest, build and score alone"
                )
            return connection.sql(sql).to_arrow_table()
        except duckdb.Error as error:
            tables = [
                name for (name,) in connection.execute("select table_name from information_schema.tables").fetchall()
            ]
            raise MisuseError(
                str(error).splitlines()[0], hint=f"tables here: {', '.join(sorted(tables)) or 'none yet, ingest first'}"
            ) from error


def _files(lake: Lake) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for entity in ENTITIES:
        found[entity] = [file.path for commit in lake.snapshot(entity).commits for file in commit.files]
    found["quarantine"] = [
        file.path
        for entity in ENTITIES
        for manifest in lake.datasets(f"quarantine/{entity}")
        for file in manifest.files
    ]
    for kind in NEWEST:
        versions = lake.datasets(kind)
        found[kind] = [file.path for file in versions[-1].files] if versions else []
    found[LOG] = lake.storage.files(LOG, ".parquet")
    return {name: paths for name, paths in found.items() if paths}


def _source(lake: Lake, paths: list[str]) -> Any:
    """An Arrow dataset: DuckDB pushes projections and filters into it, on any file system."""
    import pyarrow as pa
    import pyarrow.dataset as pads

    full = [lake.storage.full(path) for path in paths]
    fragments = pads.dataset(full, format="parquet", filesystem=lake.storage.filesystem)
    schemas = [lake.storage.parquet(path).schema_arrow.remove_metadata() for path in paths]
    return fragments.replace_schema(pa.unify_schemas(schemas, promote_options="permissive"))
