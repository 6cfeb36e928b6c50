"""Stage: ingest. Registers the source, reads it into the lake, records the batch."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from axiom.pipelines.tracking import tracked
from axiom.settings import mask_url
from axiom.sources.ingest import ingest
from axiom.sources.request import FileSource, IngestRequest, SqlSource

if TYPE_CHECKING:
    from axiom.db.batches import Batches
    from axiom.db.sources import Source
    from axiom.pipelines.workspace import Workspace
    from axiom.sources.request import IngestReport, Progress


def ingest_source(
    ws: Workspace, request: IngestRequest, *, source_name: str, on_progress: Progress | None = None
) -> IngestReport:
    """Read a source into the lake and keep its definition and the batch's accounting in the database.

    Args:
        ws: the workspace.
        request: what to read and how.
        source_name: the name the source is registered under.
        on_progress: told how far it is.

    Raises:
        BadInputError: the source cannot be read as asked; the lake is as it was.
        ConflictError: the same source is being ingested already.
    """
    request = replace(request, name=source_name)
    params = {"source": source_name, "entity": request.entity}
    with tracked(ws.db, "ingest", source_name, params) as attempt:
        report = ingest(ws.lake, request, on_progress=on_progress)
        attempt.result.update(batch_id=report.batch_id, accepted=report.accepted, already=report.already)
    with ws.db.transaction() as tx:
        tx.sources.register(source_name, **definition(request))
        if not report.already:
            _record(tx.batches, report)
    return report


def definition(request: IngestRequest) -> dict[str, Any]:
    """A request as the database keeps a source: credentials stay references."""
    config = asdict(request)
    source = config.pop("source")
    policies = {name: config.pop(name) for name in ("contract", "returns", "duplicates")}
    for gone in ("entity", "name", "full"):
        config.pop(gone)
    kind = "sql" if isinstance(request.source, SqlSource) else "file"
    credential = None
    if isinstance(request.source, SqlSource):
        if request.source.url.startswith(("env:", "file:")):
            credential = source.pop("url")
        else:
            source["url"] = mask_url(request.source.url)  # a password in clear is used once and never kept
    return {
        "kind": kind,
        "entity": request.entity,
        "config": {**config, "read": source},
        "policies": policies,
        "credential": credential,
    }


def request_of(source: Source) -> IngestRequest:
    """The request that a registered source stands for."""
    config = dict(source.config)
    read = dict(config.pop("read"))
    if source.kind == "sql":
        read.setdefault("url", source.credential or "")
        reader: FileSource | SqlSource = SqlSource(**read)
    else:
        reader = FileSource(**{**read, "paths": tuple(read["paths"])})
    return IngestRequest(entity=source.entity, source=reader, name=source.name, **config, **source.policies)


def _record(batches: Batches, report: IngestReport) -> None:
    batches.begin(report.batch_id, source=report.source, entity=report.entity)
    counts = {name: getattr(report, name) for name in ("rows_in", "accepted", "duplicates", "dropped", "refused")}
    known = {"batch_id", "source", "entity", *counts}
    detail = {name: value for name, value in report.to_dict().items() if name not in known}
    batches.finish(report.batch_id, **counts, detail=detail)
