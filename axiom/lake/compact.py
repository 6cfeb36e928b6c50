"""Compaction: many small files of a bucket become one; and clean-up of what no commit names."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from axiom.contracts import ENTITIES
from axiom.errors import ConflictError
from axiom.lake.manifest import FileEntry, Manifest
from axiom.lake.silver import plain_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from axiom.lake.lake import Lake
    from axiom.lake.silver import Snapshot

_DAY = timedelta(days=1)
_DATASET_ROOTS = ("bronze", "quarantine", "gold")
_DATASET_DEPTH = 3


def compact(
    lake: Lake, entity: str, *, max_files: int = 8, on_progress: Callable[[str, int, int], None] | None = None
) -> Manifest | None:
    """Rewrite every bucket that has more than `max_files` files into one file, and commit that in place of its batches.

    What readers see stays the same, row by row, and so does the snapshot's id. A crash leaves everything as it was; the
    old files stay until `clean` finds that nobody can be reading them any more.

    Args:
        lake: where.
        entity: which silver table.
        max_files: a bucket with more files than this is rewritten.
        on_progress: told (phase, buckets done, buckets).

    Returns:
        The new commit; None where no bucket has too many files.

    Raises:
        ConflictError: another compaction or an erasure replaced the same batches meanwhile.
    """
    silver = lake.silver(entity)
    snapshot = silver.snapshot()
    crowded = [bucket for bucket in range(lake.buckets) if len(snapshot.files(bucket)) > max_files]
    if not crowded:
        return None
    name = _name(snapshot, crowded)
    rewritten: list[FileEntry] = []
    for bucket in crowded:
        rewritten.append(_rewrite(lake, snapshot, bucket, silver.part(name, bucket)))
        if on_progress is not None:
            on_progress("compact", len(rewritten), len(crowded))
    kept = [file for commit in snapshot.commits for file in commit.files if file.bucket not in crowded]
    manifest = _manifest(snapshot, name, [*rewritten, *kept])
    live = {commit.id for commit in silver.snapshot().commits}
    if gone := sorted(set(manifest.properties["replaces"]) - live):
        raise ConflictError(f"{', '.join(gone)} of {entity} was replaced meanwhile", hint="compact again")
    silver.commit(manifest)
    return manifest


def clean(lake: Lake, *, older_than: timedelta = _DAY, now: datetime | None = None) -> list[str]:
    """Delete what no commit names and nobody can be using: leftovers of crashes, files that compaction replaced.

    Args:
        lake: where.
        older_than: files younger than this are left alone; something may be about to commit or still read them.
        now: default: the time it is.

    Returns:
        The deleted paths, sorted.
    """
    before = (now or datetime.now(UTC)) - older_than
    written = lake.storage.modified("")
    old = {path for path, time in written.items() if time < before}
    doomed = {path for path in old if path.rpartition("/")[2].startswith(".")}
    for entity in ENTITIES:
        doomed |= _silver_leftovers(lake, entity, written, before) & old
    doomed |= _dataset_leftovers(written, old)
    for path in sorted(doomed):
        lake.storage.delete(path)
    return sorted(doomed)


def _name(snapshot: Snapshot, buckets: Iterable[int]) -> str:
    """The same files have the same name, so that two compactions at once write the same commit."""
    parts = ["compact", *sorted(commit.id for commit in snapshot.commits), *map(str, buckets)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _rewrite(lake: Lake, snapshot: Snapshot, bucket: int, path: str) -> FileEntry:
    table = plain_text(snapshot.read(bucket))
    size, digest = lake.storage.write_parquet(path, table)
    files = snapshot.files(bucket)
    low = min((file.min_time for file in files if file.min_time is not None), default=None)
    high = max((file.max_time for file in files if file.max_time is not None), default=None)
    return FileEntry(path, table.num_rows, size, digest, bucket, low, high)


def _manifest(snapshot: Snapshot, name: str, files: Iterable[FileEntry]) -> Manifest:
    commits = snapshot.commits
    merged = [facts for commit in commits for facts in commit.properties.get("merged", [_facts(commit)])]
    return Manifest(
        kind=f"silver/{snapshot.entity}",
        id=name,
        schema=snapshot.columns,
        files=tuple(sorted(files, key=lambda file: file.path)),
        inputs=tuple(commit.id for commit in commits),
        properties={
            "replaces": [commit.id for commit in commits],
            "batches": list(snapshot.batch_ids),
            "sources": sorted({facts["source"] for facts in merged if facts["source"]}),
            "merged": merged,
            "compacted_at": datetime.now(UTC).isoformat(),
        },
        # Not later than a batch that is committed while this runs: equal rows keep the order of their batches.
        created_at=max(commit.created_at for commit in commits),
    )


def _facts(commit: Manifest) -> dict[str, Any]:
    """What later questions need to know of a batch after it was merged."""
    names = ("source", "counts", "refused_by", "arrived_at")
    return {"id": commit.id, **{name: commit.properties.get(name) for name in names}}


def _silver_leftovers(lake: Lake, entity: str, written: dict[str, datetime], before: datetime) -> set[str]:
    """Files of no commit, and those of commits that were replaced long enough ago."""
    history = lake.silver(entity).history()
    folder = f"silver/{entity}"
    replaced_long_ago = {
        name
        for commit in history
        for name in commit.properties.get("replaces", ())
        if written.get(f"{folder}/_commits/{commit.id}.json", before) < before
    }
    needed = {file.path for commit in history if commit.id not in replaced_long_ago for file in commit.files}
    return {path for path in written if path.startswith(f"{folder}/bucket=") and path not in needed}


def _dataset_leftovers(written: dict[str, datetime], old: set[str]) -> set[str]:
    """Files of datasets that have no manifest, and in which nothing has been written lately."""
    folders: dict[str, set[str]] = {}
    for path in written:
        parts = path.split("/")
        if parts[0] in _DATASET_ROOTS and len(parts) > _DATASET_DEPTH:
            folders.setdefault("/".join(parts[:_DATASET_DEPTH]), set()).add(path)
    dead = (paths for folder, paths in folders.items() if f"{folder}/_manifest.json" not in paths and paths <= old)
    return {path for paths in dead for path in paths}
