"""Gold: the features and labels of one bucket at all cut-offs, written as two datasets."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from axiom.features.kernel import compute_both

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from axiom.features.labels import LabelSpec
    from axiom.features.plan import Plan
    from axiom.lake import DatasetWriter, FileEntry, Lake, Snapshot

FORMAT = 1
"""Part of every dataset's name: raise it when the same definitions would give other values."""


@dataclass(frozen=True)
class BuildJob:
    """What one build computes. Picklable; every bucket is computed from it alone.

    Attributes:
        lake: where silver is and gold goes.
        plan: the compiled feature set.
        snapshots: entity -> what silver held when the build was asked for.
        as_ofs: cut-offs in microseconds since 1970, ascending.
        labels: which labels, or None for features alone.
    """

    lake: Lake
    plan: Plan
    snapshots: Mapping[str, Snapshot]
    as_ofs: tuple[int, ...]
    labels: LabelSpec | None = None

    @property
    def features_id(self) -> str:
        """Names the features: the same definitions, data and cut-offs always give the same dataset."""
        return self._id("features", {})

    @property
    def labels_id(self) -> str:
        """Names the labels, likewise."""
        stages = [asdict(cohort) for cohort in self.plan.feature_set.lifecycle]
        return self._id("labels", {"lifecycle": stages, **({} if self.labels is None else asdict(self.labels))})

    def _id(self, kind: str, more: Mapping[str, Any]) -> str:
        facts = {"format": FORMAT, "kind": kind, "as_ofs": self.as_ofs, "inputs": self.inputs, **more}
        if kind == "features":
            facts["feature_set"] = self.plan.feature_set.version
        digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
        return f"{self.plan.feature_set.version}-{digest}" if kind == "features" else digest

    @property
    def inputs(self) -> tuple[str, ...]:
        """The silver snapshots it reads, as `entity:id`."""
        return tuple(f"{entity}:{snapshot.id}" for entity, snapshot in sorted(self.snapshots.items()))

    def features_writer(self) -> DatasetWriter:
        """The features dataset."""
        return self.lake.writer("features", self.features_id, inputs=self.inputs, properties=self._properties())

    def labels_writer(self) -> DatasetWriter:
        """The labels dataset."""
        spec = {} if self.labels is None else asdict(self.labels)
        return self.lake.writer(
            "labels", self.labels_id, inputs=self.inputs, properties={**self._properties(), "spec": spec}
        )

    def _properties(self) -> dict[str, Any]:
        feature_set = self.plan.feature_set
        return {
            "as_ofs": list(self.as_ofs),
            "feature_set": feature_set.name,
            "feature_set_version": feature_set.version,
            "definitions": feature_set.to_dict(),
            "batches": {entity: list(snapshot.batch_ids) for entity, snapshot in self.snapshots.items()},
        }


@dataclass(frozen=True)
class BuiltBucket:
    """The receipts of one bucket."""

    features: FileEntry
    labels: FileEntry | None


def build_bucket(job: BuildJob, bucket: int) -> BuiltBucket:
    """Compute one bucket and write its parts; parts that an earlier, killed run finished are kept."""
    part = f"bucket-{bucket:04d}.parquet"
    features, labels = job.features_writer(), job.labels_writer()
    done = features.done(part), None if job.labels is None else labels.done(part)
    if done[0] is not None and (job.labels is None or done[1] is not None):
        return BuiltBucket(done[0], done[1])
    tables = {entity: job.snapshots[entity].read(bucket, columns) for entity, columns in job.plan.reads.items()}
    rows, targets = compute_both(job.plan, tables, job.as_ofs, job.labels)
    written = features.write(part, rows, bucket=bucket, row_groups=_row_groups(rows, job.as_ofs))
    if targets is None:
        return BuiltBucket(written, None)
    return BuiltBucket(written, labels.write(part, targets, bucket=bucket, row_groups=_row_groups(targets, job.as_ofs)))


def _row_groups(rows: pa.Table, as_ofs: tuple[int, ...]) -> list[int]:
    """One row group a cut-off, so that a reader of one cut-off skips all others."""
    import numpy as np
    import pyarrow as pa

    times = rows["as_of"].cast(pa.int64()).to_numpy()
    edges = np.append(np.searchsorted(times, as_ofs), len(times))
    return [int(count) for count in np.diff(edges) if count]
