"""Data sources: registered, tried, looked at, changed, forgotten; what they brought."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from axiom.errors import AxiomError, BadInputError, ConflictError
from axiom.serve.platform.admission import Who, With
from axiom.serve.platform.conditions import IfMatch, IfMatchOrAny, etag
from axiom.serve.platform.once import Creating
from axiom.serve.platform.source_rules import check_reach
from axiom.serve.platform.wire import Given, Id, JsonObject, Listed, Paged, Shown, SourceName, asked, equal, listed

if TYPE_CHECKING:
    from axiom.db import Transaction
    from axiom.db.batches import Batch as BatchRow
    from axiom.db.sources import Source as Row
    from axiom.sources.ingest import IngestPlan
    from axiom.sources.request import IngestRequest

router = APIRouter(tags=["sources"])
Entity = Literal["transactions", "events", "customers"]
Kind = Literal["file", "sql"]
NamePattern = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$"
Text = Annotated[str, Field(max_length=2000)]


class Files(Given):
    """Files that together hold one table."""

    paths: list[Annotated[str, Field(min_length=1, max_length=1000)]] = Field(min_length=1, max_length=100)
    format: Literal["auto", "csv", "parquet"] = "auto"
    encoding: str = Field("utf-8", max_length=40)
    delimiter: str = Field("", max_length=10)
    header: bool | None = None


class Sql(Given):
    """A table or a query of a database."""

    url: str = Field(max_length=1000, description="With `${SOURCE_…}` or `env:SOURCE_…` for secrets.")
    table: str = Field("", max_length=256)
    query: str = Field("", max_length=20_000)


class SourceDefinition(Given):
    """Where to read, what the columns mean, what to do with odd rows. One of `files` and `sql`."""

    entity: Entity
    files: Files | None = None
    sql: Sql | None = None
    mapping: dict[str, Text] = Field({}, max_length=200, description="Silver column -> source column or expression.")
    where: Text = ""
    contract: Literal["evolve", "freeze", "discard_rows", "discard_columns"] = "evolve"
    returns: Literal["net", "drop", "refuse"] = "net"
    duplicates: Literal["auto", "keep", "drop"] = "auto"
    timezone: str = Field("UTC", max_length=64, pattern=r"^[A-Za-z0-9_+/-]+$")
    time_format: str = Field("", max_length=64)
    watermark: str = Field("", max_length=256)


class NewSource(SourceDefinition):
    """A source to be registered."""

    name: str = Field(pattern=NamePattern)


class Source(Shown):
    """A registered source. Credentials are references, never what they stand for."""

    name: str
    kind: Kind
    entity: str
    config: JsonObject
    policies: JsonObject
    credential: str | None
    created_at: datetime
    updated_at: datetime


class Batch(Shown):
    """One ingest. Once it succeeded, rows_in = accepted + duplicates + dropped + refused."""

    batch_id: str
    source: str
    entity: str
    rows_in: int
    accepted: int
    duplicates: int
    dropped: int
    refused: int
    status: Literal["running", "succeeded", "failed"]
    started_at: datetime
    finished_at: datetime | None
    detail: JsonObject


class SourceColumn(Shown):
    """A column of a source, as it looks."""

    name: str
    type: str
    nullable: bool
    key: bool = Field(description="Whether it looks like the key of a row.")
    pii: str = Field(description="What personal fact it seems to hold; empty when none.")
    sample: list[str] = Field(description="Masked where it seems personal.")


class MappedColumn(Shown):
    """Where a silver column comes from."""

    target: str
    expression: str
    reason: str


class Preview(Shown):
    """What an ingest would do."""

    source: str
    columns: list[SourceColumn]
    mapping: list[MappedColumn]
    notes: list[str]


class Connectivity(Shown):
    """Whether a source can be read."""

    reachable: bool
    columns: int
    problem: str | None
    hint: str | None


class Drift(Shown):
    """How the columns of a source changed, batch by batch, newest first; batches without a change are left out."""

    items: list[dict[str, Any]]


Sort = Literal["name", "-name", "updated_at", "-updated_at", "created_at", "-created_at"]


@router.get("/api/sources")
def list_sources(
    known: With,
    part: Paged,
    entity: Annotated[Entity | None, Query()] = None,
    kind: Annotated[Kind | None, Query()] = None,
    sort: Annotated[Sort, Query()] = "name",
) -> Listed[Source]:
    """Registered sources."""
    with known.db.reading() as tx:
        found = tx.pages.sources(asked(part, sort, equal("entity", entity), equal("kind", kind)))
    return Listed[Source].model_validate(listed(found))


@router.post("/api/sources", status_code=201, response_model=Source)
def create(body: NewSource, who: Who, known: With, once: Creating) -> Response:
    """Register a source. Nothing is read yet; preview it first."""
    request = _request(body, body.name)
    check_reach(request, known.settings)

    def make(tx: Transaction) -> Source:
        if any(source.name == body.name for source in tx.sources.list()):
            raise ConflictError(f"there is a source {body.name!r} already", hint="change it with PUT")
        return _write(tx, request, who.actor, "source.create")

    return once.create(known.db, make, headers=lambda body: {"location": f"/api/sources/{body['name']}"})


@router.post("/api/sources/preview")
def preview(body: NewSource, known: With) -> Preview:
    """Columns and mapping of a source before it is registered. Changes nothing."""
    from axiom.sources.ingest import plan_ingest

    request = _request(body, body.name)
    check_reach(request, known.settings)
    return _preview(plan_ingest(known.workspace.lake, request))


@router.get("/api/sources/{name}")
def show(name: SourceName, known: With, response: Response) -> Source:
    """One source."""
    with known.db.reading() as tx:
        source = Source.model_validate(tx.sources.get(name))
    response.headers["etag"] = etag(source)
    return source


@router.put("/api/sources/{name}")
def replace(
    name: SourceName, body: SourceDefinition, who: Who, known: With, seen: IfMatch, response: Response
) -> Source:
    """Another definition for a source."""
    request = _request(body, name)
    check_reach(request, known.settings)
    with known.db.transaction() as tx:
        seen.check(etag(Source.model_validate(tx.sources.locked(name))), f"source {name!r}")
        source = _write(tx, request, who.actor, "source.change")
    response.headers["etag"] = etag(source)
    return source


@router.delete("/api/sources/{name}", status_code=204, response_class=Response)
def delete(name: SourceName, who: Who, known: With, seen: IfMatchOrAny) -> None:
    """Forget a source. Rows that it brought stay in the lake."""
    with known.db.transaction() as tx:
        seen.check(etag(Source.model_validate(tx.sources.locked(name))), f"source {name!r}")
        tx.sources.delete(name)
        tx.audit.record(who.actor, "source.delete", f"source:{name}")


@router.post("/api/sources/{name}/test")
def test(name: SourceName, known: With) -> Connectivity:
    """Whether the source can be opened now; if not, why."""
    from axiom.sources.introspect import describe
    from axiom.sources.opening import open_source

    request = _registered(name, known)
    try:
        with open_source(request, known.workspace.lake.storage.s3) as incoming:
            return Connectivity(reachable=True, columns=len(describe(incoming)), problem=None, hint=None)
    except AxiomError as error:
        return Connectivity(reachable=False, columns=0, problem=error.message, hint=error.hint or None)


@router.get("/api/sources/{name}/columns")
def columns(name: SourceName, known: With) -> list[SourceColumn]:
    """The columns of a source: types, keys, personal facts, a few values."""
    from axiom.sources.introspect import describe
    from axiom.sources.opening import open_source

    with open_source(_registered(name, known), known.workspace.lake.storage.s3) as incoming:
        return [SourceColumn.model_validate(column) for column in describe(incoming)]


@router.get("/api/sources/{name}/mapping")
def mapping(name: SourceName, known: With) -> Preview:
    """What the next ingest of a source would read as what."""
    from axiom.sources.ingest import plan_ingest

    return _preview(plan_ingest(known.workspace.lake, _registered(name, known)))


@router.get("/api/sources/{name}/drift")
def drift(name: SourceName, known: With) -> Drift:
    """Recorded changes of the columns."""
    with known.db.reading() as tx:
        tx.sources.get(name)
        batches = tx.batches.list(source=name, limit=500)
    return Drift(items=[found for batch in batches if (found := _drift_of(batch)) is not None])


@router.get("/api/batches", tags=["batches"])
def list_batches(
    known: With,
    part: Paged,
    source: Annotated[str | None, Query(max_length=256)] = None,
    entity: Annotated[Entity | None, Query()] = None,
    status: Annotated[Literal["running", "succeeded", "failed"] | None, Query()] = None,
    sort: Annotated[Literal["started_at", "-started_at", "rows_in", "-rows_in"], Query()] = "-started_at",
) -> Listed[Batch]:
    """Ingest batches, newest first; `source` and `limit=1` give the last ingest of a source."""
    wanted = asked(part, sort, equal("source", source), equal("entity", entity), equal("status", status))
    with known.db.reading() as tx:
        found = tx.pages.batches(wanted)
    return Listed[Batch].model_validate(listed(found))


def _request(body: SourceDefinition, name: str) -> IngestRequest:
    from axiom.sources.request import FileSource, IngestRequest, SqlSource

    if (body.files is None) == (body.sql is None):
        raise BadInputError("a source is either files or sql", hint="give one of the two")
    facts = body.model_dump(exclude={"files", "sql", "name"})
    if body.sql is not None:
        return IngestRequest(source=SqlSource(**body.sql.model_dump()), name=name, **facts)
    given = body.files.model_dump() if body.files else {}
    return IngestRequest(source=FileSource(**{**given, "paths": tuple(given["paths"])}), name=name, **facts)


def _registered(name: str, known: With) -> IngestRequest:
    from axiom.pipelines.ingest import request_of

    with known.db.reading() as tx:
        return request_of(tx.sources.get(name))


def _write(tx: Transaction, request: IngestRequest, actor: str, action: str) -> Source:
    from axiom.pipelines.ingest import definition

    row: Row = tx.sources.register(request.name, **definition(request))
    tx.audit.record(actor, action, f"source:{request.name}", {"kind": row.kind, "entity": row.entity})
    return Source.model_validate(row)


def _preview(plan: IngestPlan) -> Preview:
    return Preview.model_validate(plan)


def _drift_of(batch: BatchRow) -> dict[str, Any] | None:
    found = batch.detail.get("drift") or {}
    if not any(found.get(name) for name in ("added", "removed", "changed")):
        return None
    return {"batch_id": batch.batch_id, "at": batch.started_at.isoformat(), **found}


@router.get("/api/batches/{batch_id}", tags=["batches"])
def show_batch(batch_id: Id, known: With) -> Batch:
    """One ingest batch."""
    with known.db.reading() as tx:
        return Batch.model_validate(tx.batches.get(batch_id))
