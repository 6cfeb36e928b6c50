"""Verbs that set a workspace up and look into it: init, sql, runs, settings."""

from __future__ import annotations

import csv
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from axiom.cli.console import JsonFlag, emit, plain, settings, table, workspace
from axiom.errors import MisuseError

if TYPE_CHECKING:
    import pyarrow as pa


def register(app: typer.Typer) -> None:
    """Add the verbs of this module."""
    app.command(epilog="Example: AXIOM_HOME=~/churn axiom init")(init)
    app.command(epilog='Example: axiom sql "select * from scores order by expected_loss desc limit 10"')(sql)
    app.command(epilog="Example: axiom runs --stage score")(runs)
    app.command("settings", epilog="Example: axiom settings --json")(show_settings)


def init(json: JsonFlag = False) -> None:
    """Create the lake and the database in AXIOM_HOME. Safe to run again."""
    from axiom.pipelines.workspace import create

    loaded = settings()
    create(loaded)
    payload = {
        "home": str(loaded.home),
        "lake": loaded.lake_location,
        "buckets": loaded.buckets,
        "currency": loaded.currency,
    }
    lines = [f"ready: lake {loaded.lake_location}, {loaded.buckets} buckets, {loaded.currency}"]
    emit(payload, as_json=json, lines=[*lines, "next:  axiom ingest FILE --entity transactions"])


def sql(
    query: Annotated[str, typer.Argument(help="One SELECT in DuckDB's SQL.")],
    format: Annotated[str, typer.Option("--format", help="table, csv or json.")] = "table",  # noqa: A002
    limit: Annotated[int, typer.Option(min=1, help="Show at most so many rows of a table.")] = 1000,
    json: JsonFlag = False,
) -> None:
    """Query the lake, read-only.

    Tables: transactions, events, customers, quarantine, and the newest features, labels and scores.
    """
    from axiom.lake.views import query as run

    if format not in ("table", "csv", "json"):
        raise MisuseError(f"--format {format!r} is unknown", hint="table, csv or json")
    with workspace() as ws:
        found = run(ws.lake, query)
    if format == "csv":
        _csv(found)
        return
    rows: list[dict[str, Any]] = plain(found.slice(0, limit).to_pylist())
    payload = {"columns": found.column_names, "rows": rows, "row_count": found.num_rows}
    lines = table(rows, found.column_names)
    if found.num_rows > limit:
        lines.append(f"({found.num_rows:,} rows, the first {limit:,} shown; --limit shows more, --format csv all)")
    emit(payload, as_json=json or format == "json", lines=lines)


def _csv(found: pa.Table) -> None:
    writer = csv.writer(sys.stdout)
    writer.writerow(found.column_names)
    for batch in found.to_batches(max_chunksize=10_000):
        writer.writerows(zip(*(plain(column.to_pylist()) for column in batch.columns), strict=True))


def runs(
    stage: Annotated[str | None, typer.Option(help="Only this stage: ingest, build, train, score, backtest.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, newest first.")] = 20,
    json: JsonFlag = False,
) -> None:
    """What ran, when, and what came of it."""
    with workspace() as ws, ws.db.reading() as tx:
        found = tx.runs.list(stage=stage, limit=limit)
    rows = [
        {
            "started": f"{run.started_at:%Y-%m-%d %H:%M:%S}",
            "stage": run.stage,
            "status": run.status,
            "progress": f"{run.progress:.0%}",
            "key": run.key,
            "error": run.error or "",
        }
        for run in found
    ]
    emit({"runs": found}, as_json=json, lines=table(rows))


def show_settings(json: JsonFlag = False) -> None:
    """Every AXIOM_* variable with its default and meaning."""
    from axiom.settings import Settings

    rows = [{"variable": doc.env, "default": doc.default, "meaning": doc.description} for doc in Settings.describe()]
    emit({"settings": rows}, as_json=json, lines=table(rows))
