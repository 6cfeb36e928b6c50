"""Verbs that bring data in: ingest, sources."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from axiom.cli.console import JsonFlag, emit, table, workspace
from axiom.errors import MisuseError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from axiom.sources.ingest import IngestPlan
    from axiom.sources.request import IngestReport, IngestRequest, Progress

sources = typer.Typer(no_args_is_help=True, help="Registered sources: list, show, remove.")


def register(app: typer.Typer) -> None:
    """Add the verbs of this module."""
    app.command(
        epilog="Example: axiom ingest orders.csv --entity transactions --map customer_id=Client --map amount=qty*price"
    )(ingest)
    app.add_typer(sources, name="sources")


def ingest(
    paths: Annotated[
        list[str] | None, typer.Argument(help="Files, folders, globs or s3:// URIs (CSV, Parquet).", show_default=False)
    ] = None,
    entity: Annotated[str, typer.Option(help="transactions, events or customers.")] = "",
    mapping: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="COLUMN=EXPRESSION",
            help="Silver column = source column or SQL expression. Repeatable; the rest is guessed and shown.",
        ),
    ] = None,
    where: Annotated[str, typer.Option(help="Only rows for which this SQL expression is true.")] = "",
    sql: Annotated[
        str, typer.Option("--sql", metavar="URL", help="Read a database: a SQLAlchemy URL, env:NAME or file:PATH.")
    ] = "",
    table_name: Annotated[str, typer.Option("--table", help="Table to read, with --sql.")] = "",
    query: Annotated[str, typer.Option(help="SELECT to read, with --sql, instead of --table.")] = "",
    watermark: Annotated[str, typer.Option(help="With --sql: column that only grows; read what is new.")] = "",
    full: Annotated[bool, typer.Option("--full", help="Read everything although there is a watermark.")] = False,
    source: Annotated[str, typer.Option(help="Name of the source; alone: ingest a registered source again.")] = "",
    returns: Annotated[str, typer.Option(help="Negative amounts: net, drop or refuse.")] = "net",
    duplicates: Annotated[str, typer.Option(help="Equal rows in one batch: auto, keep or drop.")] = "auto",
    contract: Annotated[
        str, typer.Option(help="Changed columns: evolve, freeze, discard_rows or discard_columns.")
    ] = "evolve",
    timezone: Annotated[str, typer.Option(help="Zone of times that carry none.")] = "UTC",
    time_format: Annotated[str, typer.Option(help="strptime format, or epoch_s, epoch_ms, epoch_us.")] = "",
    encoding: Annotated[str, typer.Option(help="Of text files.")] = "utf-8",
    delimiter: Annotated[str, typer.Option(help="Of text files; default: found out.")] = "",
    preview: Annotated[bool, typer.Option("--preview", help="Show columns and mapping, change nothing.")] = False,
    json: JsonFlag = False,
) -> None:
    """Read files or a database table into the lake. The same rows twice add nothing; a crash changes nothing."""
    from dataclasses import replace

    from axiom.pipelines.ingest import ingest_source, request_of
    from axiom.sources.ingest import plan_ingest
    from axiom.sources.request import FileSource, IngestRequest, SqlSource

    with workspace() as ws:
        if source and not paths and not sql:
            with ws.db.reading() as tx:
                request = replace(request_of(tx.sources.get(source)), full=full)
        else:
            if bool(paths) == bool(sql):
                raise MisuseError("name files or --sql, not both" if sql else "nothing to ingest: name a file or --sql")
            if not entity:
                raise MisuseError("--entity is missing", hint="transactions, events or customers")
            reader = (
                SqlSource(sql, table=table_name, query=query)
                if sql
                else FileSource(tuple(paths or ()), encoding=encoding, delimiter=delimiter)
            )
            request = IngestRequest(
                entity,
                reader,
                mapping=_mapping(mapping or []),
                where=where,
                contract=contract,  # type: ignore[arg-type]  # the request checks its words itself
                returns=returns,  # type: ignore[arg-type]
                duplicates=duplicates,  # type: ignore[arg-type]
                timezone=timezone,
                time_format=time_format,
                watermark=watermark,
                full=full,
            )
        plan = plan_ingest(ws.lake, request)
        if preview:
            emit(plan, as_json=json, lines=_plan_lines(plan))
            return
        if not json:
            emit(None, as_json=False, lines=_mapping_lines(plan))
        with _progress() as on_progress:
            report = ingest_source(ws, request, source_name=source or _source_name(request), on_progress=on_progress)
    emit(report, as_json=json, lines=_report_lines(report))


def _mapping(pairs: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in pairs:
        target, equals, expression = pair.partition("=")
        if not equals or not target.strip():
            raise MisuseError(f"--map {pair!r} is not COLUMN=EXPRESSION", hint='like --map "amount=Quantity*UnitPrice"')
        if target.strip() in found:
            raise MisuseError(f"--map {target.strip()} is given twice")
        found[target.strip()] = expression.strip()
    return found


def _source_name(request: IngestRequest) -> str:
    """The table's or the first file's name, made safe, with the entity: one file may hold two entities."""
    from axiom.sources.request import SqlSource

    raw = (
        request.source.table or "query" if isinstance(request.source, SqlSource) else Path(request.source.paths[0]).name
    )
    stem = raw.split(".")[0] if not isinstance(request.source, SqlSource) else raw
    safe = "".join(c if c.isascii() and (c.isalnum() or c in "_-") else "-" for c in stem).strip("-_") or "source"
    return f"{safe}.{request.entity}"


def _mapping_lines(plan: IngestPlan) -> list[str]:
    rows = [{"column": m.target, "from": m.expression, "why": m.reason} for m in plan.mapping]
    return [*table(rows), *(f"note: {note}" for note in plan.notes), ""]


def _plan_lines(plan: IngestPlan) -> list[str]:
    rows: list[dict[str, Any]] = [
        {
            "source column": column.name,
            "type": column.type,
            "nullable": column.nullable,
            "key?": column.key,
            "personal?": column.pii or None,
            "sample": ", ".join(column.sample[:3]),
        }
        for column in plan.columns
    ]
    return [*table(rows), "", *_mapping_lines(plan)]


def _report_lines(report: IngestReport) -> list[str]:
    if report.already:
        return [f"batch {report.batch_id} of {report.source} is in the lake already; nothing to do"]
    counts = " + ".join(
        f"{getattr(report, name):,} {name}" for name in ("accepted", "duplicates", "dropped", "refused")
    )
    lines = [f"{report.entity}: {report.rows_in:,} rows in = {counts}   ({report.seconds:.1f} s)"]
    lines += [f"  dropped {rows:,}: {why}" for why, rows in report.dropped_by.items()]
    lines += [f"  refused {rows:,}: {why}" for why, rows in report.refused_by.items()]
    if report.accepted:
        lines.append(
            f"  {report.customers:,} customers, {report.min_time} to {report.max_time}, batch {report.batch_id}"
        )
    if report.refused:
        lines.append('  refused rows: axiom sql "select * from quarantine"')
    if report.drift:
        lines.append(f"  columns changed: {report.drift}")
    return [*lines, *(f"  note: {note}" for note in report.notes)]


@contextmanager
def _progress() -> Iterator[Progress]:
    """Ingest tells phases; the bar shows the current one."""
    from contextlib import ExitStack

    from axiom.telemetry import progress

    with ExitStack() as stack:
        state: dict[str, Any] = {"phase": "", "bar": None, "done": 0}

        def on_progress(phase: str, done: int, total: int) -> None:
            if phase != state["phase"]:
                stack.pop_all().close()
                state.update(phase=phase, done=0)
                state["bar"] = stack.enter_context(progress(f"ingest: {phase}", total=total or None))
            state["bar"].advance(done - state["done"])
            state["done"] = done

        yield on_progress


@sources.command("list", epilog="Example: axiom sources list --json")
def list_sources(json: JsonFlag = False) -> None:
    """Every registered source."""
    with workspace() as ws, ws.db.reading() as tx:
        found = tx.sources.list()
    rows = [
        {"name": s.name, "kind": s.kind, "entity": s.entity, "updated": f"{s.updated_at:%Y-%m-%d %H:%M}"} for s in found
    ]
    emit({"sources": found}, as_json=json, lines=table(rows))


@sources.command("show", epilog="Example: axiom sources show orders.transactions")
def show_source(name: str, json: JsonFlag = False) -> None:
    """One source and its last batches."""
    with workspace() as ws, ws.db.reading() as tx:
        source, batches = tx.sources.get(name), tx.batches.list(source=name, limit=10)
    rows = [
        {
            "batch": b.batch_id,
            "finished": f"{b.finished_at:%Y-%m-%d %H:%M}" if b.finished_at else None,
            "rows in": b.rows_in,
            "accepted": b.accepted,
            "duplicates": b.duplicates,
            "dropped": b.dropped,
            "refused": b.refused,
        }
        for b in batches
    ]
    facts = [f"{source.name}: {source.kind} -> {source.entity}"]
    facts += [f"  {key}: {value}" for key, value in {**source.config, **source.policies}.items() if value]
    emit({"source": source, "batches": batches}, as_json=json, lines=[*facts, "", *table(rows)])


@sources.command("remove", epilog="Example: axiom sources remove orders.transactions")
def remove_source(name: str, json: JsonFlag = False) -> None:
    """Forget a source. Rows that it brought stay in the lake."""
    with workspace() as ws, ws.db.transaction() as tx:
        tx.sources.delete(name)
    emit({"removed": name}, as_json=json, lines=[f"removed {name}; its rows stay in the lake"])
