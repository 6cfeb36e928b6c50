"""Feature sets and the immutable datasets of the lake."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Query

from axiom.errors import NotFoundError
from axiom.serve.platform.admission import With
from axiom.serve.platform.wire import Id, JsonObject, Listed, Paged, Shown, cut

if TYPE_CHECKING:
    from axiom.lake import Manifest

router = APIRouter(tags=["datasets"])
Kind = Literal["features", "labels", "scores"]
_BULKY = ("definitions", "batches", "audit")


class Dataset(Shown):
    """An immutable dataset."""

    kind: Kind
    id: str
    rows: int
    size: int
    files: int
    columns: int
    created_at: datetime
    properties: JsonObject


class DatasetInFull(Dataset):
    """An immutable dataset with its columns and what it was made from."""

    inputs: list[str]
    columns_and_types: dict[str, str]
    code_version: str
    paths: list[str]


class FeatureSet(Shown):
    """A version of a feature set: the hash of its definitions. Several live side by side."""

    name: str
    version: str
    datasets: int
    rows: int
    columns: int
    newest_dataset: str
    first_built_at: datetime
    last_built_at: datetime


class FeatureSetInFull(FeatureSet):
    """A version of a feature set with its definitions, its columns and the audit of its newest dataset."""

    definitions: JsonObject
    columns_and_types: dict[str, str]
    audit: list[Any]


@router.get("/api/datasets")
def list_datasets(
    known: With,
    part: Paged,
    kind: Annotated[Kind, Query()] = "features",
    sort: Annotated[Literal["created_at", "-created_at"], Query()] = "-created_at",
) -> Listed[Dataset]:
    """Datasets of a kind, newest first."""
    found = known.workspace.lake.datasets(kind)
    ordered = found if sort == "created_at" else found[::-1]
    return Listed[Dataset].model_validate(cut([Dataset.model_validate(_facts(one)) for one in ordered], part))


@router.get("/api/datasets/{kind}/{dataset_id}")
def show(kind: Kind, dataset_id: Id, known: With) -> DatasetInFull:
    """One dataset."""
    found = known.workspace.lake.dataset(kind, dataset_id)
    manifest = found.manifest
    facts = {**_facts(manifest), "properties": dict(manifest.properties)}
    more = {
        "inputs": list(manifest.inputs),
        "columns_and_types": manifest.schema,
        "code_version": manifest.code_version,
    }
    return DatasetInFull.model_validate({**facts, **more, "paths": [file.path for file in manifest.files]})


@router.get("/api/feature-sets")
def list_feature_sets(known: With, part: Paged) -> Listed[FeatureSet]:
    """Every version of every feature set that something was built with, last built first."""
    groups = _by_version(known.workspace.lake.datasets("features"))
    rows = sorted(
        (_feature_set(found) for found in groups.values()), key=lambda row: row["last_built_at"], reverse=True
    )
    return Listed[FeatureSet].model_validate(cut([FeatureSet.model_validate(row) for row in rows], part))


@router.get("/api/feature-sets/{version}")
def show_feature_set(version: Id, known: With) -> FeatureSetInFull:
    """One version of a feature set."""
    found = _by_version(known.workspace.lake.datasets("features")).get(version)
    if found is None:
        raise NotFoundError(f"there is no feature set of version {version!r}", hint="GET /api/feature-sets shows them")
    newest = found[-1]
    more = {
        "definitions": newest.properties.get("definitions") or {},
        "columns_and_types": newest.schema,
        "audit": list(newest.properties.get("audit") or []),
    }
    return FeatureSetInFull.model_validate({**_feature_set(found), **more})


def _facts(manifest: Manifest) -> dict[str, Any]:
    return {
        "kind": manifest.kind,
        "id": manifest.id,
        "rows": manifest.rows,
        "size": manifest.size,
        "files": len(manifest.files),
        "columns": len(manifest.schema),
        "created_at": manifest.created_at,
        "properties": {name: value for name, value in manifest.properties.items() if name not in _BULKY},
    }


def _by_version(manifests: list[Manifest]) -> dict[str, list[Manifest]]:
    found: dict[str, list[Manifest]] = {}
    for manifest in manifests:
        found.setdefault(str(manifest.properties.get("feature_set_version", "")), []).append(manifest)
    return found


def _feature_set(manifests: list[Manifest]) -> dict[str, Any]:
    newest = manifests[-1]
    return {
        "name": str(newest.properties.get("feature_set", "")),
        "version": str(newest.properties.get("feature_set_version", "")),
        "datasets": len(manifests),
        "rows": sum(manifest.rows for manifest in manifests),
        "columns": len(newest.schema),
        "newest_dataset": newest.id,
        "first_built_at": manifests[0].created_at,
        "last_built_at": newest.created_at,
    }
