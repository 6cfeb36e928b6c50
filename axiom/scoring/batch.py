"""Score the whole base, bucket by bucket, into one immutable dataset."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from axiom.scoring.loading import scorer_from

if TYPE_CHECKING:
    from axiom.lake import DatasetWriter, FileEntry, Lake
    from axiom.scoring.loading import ModelFiles

FORMAT = 1


@dataclass(frozen=True)
class ScorePlan:
    """What one scoring run does. Picklable; every bucket is scored from it alone.

    Attributes:
        lake: where features are and scores go.
        features_id: id of the committed features dataset.
        as_of: cut-off of the rows to score.
        churn: the churn model's files, or None.
        clv: the CLV model's files, or None.
    """

    lake: Lake
    features_id: str
    as_of: datetime
    churn: ModelFiles | None
    clv: ModelFiles | None

    @property
    def id(self) -> str:
        """Names the result: the same features, cut-off and models always give the same dataset."""
        parts = [f"format={FORMAT}", self.features_id, self.as_of.isoformat()]
        parts += [f"{model.version}:{model.sha256}" if model else "-" for model in (self.churn, self.clv)]
        return f"{self.as_of:%Y%m%d}-{hashlib.sha256('|'.join(parts).encode()).hexdigest()[:16]}"

    @property
    def models(self) -> dict[str, str | None]:
        """`name@version` of both models."""
        return {"churn": self.churn.version if self.churn else None, "clv": self.clv.version if self.clv else None}

    @property
    def writer(self) -> DatasetWriter:
        """The dataset the run writes."""
        models = [model for model in (self.churn, self.clv) if model]
        return self.lake.writer(
            "scores",
            self.id,
            inputs=(self.features_id, *(model.version for model in models)),
            properties={"as_of": self.as_of.isoformat(), "models": self.models, "features": self.features_id},
        )


def score_bucket(plan: ScorePlan, bucket: int) -> FileEntry:
    """Score one bucket and write its part; a part that an earlier, killed run finished is kept."""
    import pyarrow.dataset as pads

    part = f"bucket-{bucket:04d}.parquet"
    writer = plan.writer
    done = writer.done(part)
    if done is not None:
        return done
    scorer = scorer_from(plan.churn, plan.clv)
    features = plan.lake.dataset("features", plan.features_id)
    rows = features.read(scorer.columns, bucket=bucket, row_filter=pads.field("as_of") == plan.as_of)
    scores = scorer.score(rows, as_of=plan.as_of, scored_at=datetime.now(UTC))
    return writer.write(part, scores, bucket=bucket)
