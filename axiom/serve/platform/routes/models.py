"""Models: names, versions, cards, lineage, artefacts."""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import Field
from starlette.responses import Response, StreamingResponse

from axiom.errors import CorruptError, NotFoundError
from axiom.serve.platform.admission import With
from axiom.serve.platform.conditions import etag
from axiom.serve.platform.wire import (
    JsonObject,
    Listed,
    ModelName,
    Paged,
    Shown,
    Version,
    asked,
    cut,
    equal,
    listed,
)

if TYPE_CHECKING:
    from axiom.db.models import Model as Row
    from axiom.lake import Storage
    from axiom.registry.registry import ModelVersion as Registered

router = APIRouter(tags=["models"])
Stage = Literal["candidate", "shadow", "canary", "champion", "archived"]
FilePath = Annotated[str, Path(min_length=1, max_length=256)]


class ModelLine(Shown):
    """A model name with its versions."""

    name: str
    kind: Literal["churn", "clv"]
    versions: int
    latest: int
    champion: int | None
    canary: int | None
    shadows: list[int]


class VersionInBrief(Shown):
    """A version in a list."""

    name: str
    version: int
    kind: Literal["churn", "clv"]
    stage: Stage
    model_type: str
    metrics: dict[str, float | None] = Field(description="On the holdout or the backtest.")
    created_at: datetime


class ModelVersion(Shown):
    """A version with everything that is needed to defend its numbers."""

    name: str
    version: int
    kind: Literal["churn", "clv"]
    stage: Stage
    artefact_sha256: str
    created_at: datetime
    metrics: JsonObject = Field(description="Each with its confidence interval.")
    calibration: JsonObject
    card: JsonObject = Field(description="The whole model card.")


class ArtefactFile(Shown):
    """One file of an artefact."""

    name: str
    size: int
    sha256: str


class ArtefactFiles(Shown):
    """The files of an artefact."""

    items: list[ArtefactFile]


class Lineage(Shown):
    """What was made from what."""

    root: str
    batches: list[str]
    nodes: list[dict[str, Any]]
    edges: list[dict[str, str]]


@router.get("/api/models")
def list_models(known: With, part: Paged) -> Listed[ModelLine]:
    """Model names, with their champion and what is on trial."""
    with known.db.reading() as tx:
        rows = tx.models.list()
    by_name: dict[str, list[Row]] = {}
    for row in rows:
        by_name.setdefault(row.name, []).append(row)
    return Listed[ModelLine].model_validate(cut([_line(name, found) for name, found in by_name.items()], part))


@router.get("/api/models/{name}")
def list_versions(
    name: ModelName,
    known: With,
    part: Paged,
    stage: Annotated[Stage | None, Query()] = None,
    sort: Annotated[Literal["version", "-version", "created_at", "-created_at"], Query()] = "-version",
) -> Listed[VersionInBrief]:
    """Versions of a name, newest first."""
    with known.db.reading() as tx:
        found = tx.pages.models(asked(part, sort, equal("name", name), equal("stage", stage)))
        if not found.total and not tx.models.list(name):
            raise NotFoundError(f"there is no model {name!r}", hint="GET /api/models shows them")
    return Listed[VersionInBrief].model_validate(listed(found, _brief))


@router.get("/api/models/{name}/versions/{version}")
def show(name: ModelName, version: Version, known: With, response: Response) -> ModelVersion:
    """One version: card, metrics, calibration."""
    found = shown(known.workspace.registry.get(name, version))
    response.headers["etag"] = etag(found)
    return found


@router.get("/api/models/{name}/versions/{version}/lineage")
def lineage(name: ModelName, version: Version, known: With) -> Lineage:
    """What a version was trained on, and which score sets it made."""
    from axiom.pipelines.lineage import lineage_of_model

    return Lineage.model_validate(lineage_of_model(known.workspace, name, version).to_dict())


@router.get(
    "/api/models/{name}/versions/{version}/artefact",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}}}},
)
def artefact(name: ModelName, version: Version, known: With) -> Response:
    """The artefact as a zip of plain files. `Repr-Digest` (RFC 9530) and `ETag` carry its SHA-256."""
    ws = known.workspace
    chosen = ws.registry.get(name, version)
    size = _verified(ws.lake.storage, chosen)
    return StreamingResponse(
        ws.lake.storage.blocks(chosen.artefact_path),
        media_type="application/zip",
        headers={
            "content-length": str(size),
            "content-disposition": f'attachment; filename="{chosen.name}-{chosen.version}.zip"',
            "etag": f'"{chosen.artefact_sha256}"',
            "repr-digest": _digest_header(chosen.artefact_sha256),
        },
    )


@router.get("/api/models/{name}/versions/{version}/files")
def files(name: ModelName, version: Version, known: With) -> ArtefactFiles:
    """The files of the artefact."""
    registry = known.workspace.registry
    found = registry.load_files(registry.get(name, version))
    items = [
        ArtefactFile(name=file, size=len(content), sha256=hashlib.sha256(content).hexdigest())
        for file, content in sorted(found.items())
    ]
    return ArtefactFiles(items=items)


@router.get(
    "/api/models/{name}/versions/{version}/files/{file:path}",
    response_class=Response,
    responses={200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}},
)
def file(name: ModelName, version: Version, file: FilePath, known: With) -> Response:
    """One file of the artefact, by the name that the list of files gives."""
    registry = known.workspace.registry
    chosen = registry.get(name, version)
    # Looked up among the names of the artefact: no path is ever made of what was asked for.
    content = registry.load_files(chosen).get(file)
    if content is None:
        raise NotFoundError(f"{chosen.ref} has no file {file[:200]!r}", hint="its files are listed one level up")
    headers = {"repr-digest": _digest_header(hashlib.sha256(content).hexdigest()), "content-disposition": "attachment"}
    return Response(content, media_type="application/octet-stream", headers=headers)


def shown(version: Registered) -> ModelVersion:
    """A version as it is shown."""
    import json

    card: dict[str, Any] = json.loads(version.card.to_json())
    return ModelVersion(
        name=version.name,
        version=version.version,
        kind=version.kind,
        stage=version.stage,
        artefact_sha256=version.artefact_sha256,
        created_at=version.created_at,
        metrics=card["metrics"],
        calibration=card["calibration"],
        card=card,
    )


def _line(name: str, versions: list[Row]) -> ModelLine:
    def on(stage: Stage) -> list[int]:
        return [row.version for row in versions if row.stage == stage]

    return ModelLine(
        name=name,
        kind=versions[0].kind,
        versions=len(versions),
        latest=max(row.version for row in versions),
        champion=next(iter(on("champion")), None),
        canary=next(iter(on("canary")), None),
        shadows=on("shadow"),
    )


def _brief(row: Row) -> VersionInBrief:
    measured = row.card.get("metrics", {})
    return VersionInBrief(
        name=row.name,
        version=row.version,
        kind=row.kind,
        stage=row.stage,
        model_type=str(row.card.get("model_type", "")),
        metrics={name: metric.get("value") for name, metric in measured.items()},
        created_at=row.created_at,
    )


def _verified(storage: Storage, version: Registered) -> int:
    """Size of an artefact whose checksum is right; only then is its first byte sent."""
    digest, size = hashlib.sha256(), 0
    try:
        for block in storage.blocks(version.artefact_path):
            digest.update(block)
            size += len(block)
    except NotFoundError:
        raise CorruptError(f"the files of {version.ref} are gone", hint="restore them, or register it again") from None
    if digest.hexdigest() != version.artefact_sha256:
        raise CorruptError(f"the artefact of {version.ref} does not match its checksum", hint="restore it")
    return size


def _digest_header(sha256: str) -> str:
    return f"sha-256=:{base64.b64encode(bytes.fromhex(sha256)).decode()}:"
