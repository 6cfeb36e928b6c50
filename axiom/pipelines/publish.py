"""Stages that hand scores on: make a score set the current one, write one as a file."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from axiom.errors import NotFoundError
from axiom.lake import Dataset
from axiom.pipelines.online import try_to_publish
from axiom.pipelines.score import plan_of, publish_set
from axiom.pipelines.tracking import tracked

if TYPE_CHECKING:
    from datetime import datetime

    from axiom.lake import Manifest
    from axiom.pipelines.workspace import Workspace


@dataclass(frozen=True)
class PublishReport:
    """What became current.

    Attributes:
        score_set: its id.
        as_of: what its scores speak about.
        rows: customers.
        published: False where a set of a later time is current already; it stays.
        warnings: why the online store was not filled.
    """

    score_set: str
    as_of: datetime
    rows: int
    published: bool
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class ExportReport:
    """What was written.

    Attributes:
        score_set: its id.
        path: below the lake's root.
        rows: customers.
        bytes: size of the file.
    """

    score_set: str
    path: str
    rows: int
    bytes: int


def publish_scores(ws: Workspace, score_set: str | None = None, *, online: bool = True) -> PublishReport:
    """Make a score set the current one. Scores never go back in time: a set older than the current one stays aside.

    Args:
        ws: the workspace.
        score_set: its id; default: the newest one.
        online: whether its features go to the online store as well.

    Raises:
        NotFoundError: there is no such set.
    """
    manifest = _manifest(ws, score_set)
    plan = plan_of(ws, manifest)
    with tracked(ws.db, "publish", plan.id, {"score_set": plan.id}) as attempt:
        with ws.db.reading() as tx:
            current = tx.scores.sets(limit=1)
        newer = bool(current) and current[0].as_of > plan.as_of
        warnings: tuple[str, ...] = ()
        if not newer:
            publish_set(ws, plan, manifest)
            warnings = try_to_publish(ws, plan.features_id, plan.as_of)[1] if online else ()
        attempt.result.update(rows=manifest.rows, published=not newer)
    return PublishReport(plan.id, plan.as_of, manifest.rows, not newer, warnings)


def export_scores(
    ws: Workspace, score_set: str | None = None, *, form: Literal["csv", "parquet"] = "csv"
) -> ExportReport:
    """Write a score set as one file, bucket by bucket; writing it again gives the same file.

    Args:
        ws: the workspace.
        score_set: its id; default: the newest one.
        form: `csv` or `parquet`.

    Raises:
        NotFoundError: there is no such set.
    """
    manifest = _manifest(ws, score_set)
    path = f"exports/scores-{manifest.id}.{form}"
    with (
        tracked(ws.db, "export", f"{manifest.id}.{form}", {"score_set": manifest.id, "format": form}) as attempt,
        tempfile.TemporaryDirectory(prefix="axiom-export-") as folder,
    ):
        file = Path(folder) / Path(path).name
        _write(Dataset(ws.lake.storage, manifest), file, form)
        size = file.stat().st_size
        ws.lake.storage.put(path, file)
        attempt.result.update(path=path, rows=manifest.rows)
    return ExportReport(manifest.id, path, manifest.rows, size)


def _manifest(ws: Workspace, score_set: str | None) -> Manifest:
    if score_set is not None:
        return ws.lake.dataset("scores", score_set).manifest
    found = ws.lake.datasets("scores")
    if not found:
        raise NotFoundError("nothing was scored", hint="run `axiom score` first")
    return found[-1]


def _write(scores: Dataset, file: Path, form: str) -> None:
    import pyarrow.csv as pacsv
    import pyarrow.parquet as pq

    parts = (scores.read(bucket=part.bucket) for part in scores.manifest.files if part.rows)
    first = next(parts)
    with pacsv.CSVWriter(file, first.schema) if form == "csv" else pq.ParquetWriter(file, first.schema) as writer:
        writer.write_table(first)
        for table in parts:
            writer.write_table(table.cast(first.schema))
