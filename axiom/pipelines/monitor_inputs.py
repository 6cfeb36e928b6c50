"""What the monitor compares: score sets, the champion, rows of gold; memory is bounded however large the base is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, reduce
from operator import or_
from typing import TYPE_CHECKING

import numpy as np

from axiom.errors import BadInputError, NotFoundError
from axiom.pipelines.subjects import churn_model
from axiom.pipelines.train import trained_on_in

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import pyarrow as pa

    from axiom.db import ScoreSet
    from axiom.lake import Dataset
    from axiom.maths.arrays import FloatArray
    from axiom.pipelines.subjects import AnyChurnModel, Subject
    from axiom.pipelines.workspace import Workspace

ENOUGH = 200_000
"""Rows of a dataset that are compared at most, up to one bucket more."""
_SETS = 1000


@dataclass(frozen=True)
class ScoreSets:
    """Published score sets up to a moment: one a cut-off, the one published last, latest cut-off first."""

    ws: Workspace
    at: datetime

    @cached_property
    def found(self) -> tuple[ScoreSet, ...]:
        """All of them."""
        with self.ws.db.reading() as tx:
            sets = tx.scores.sets(_SETS)
        newest: dict[datetime, ScoreSet] = {}
        for one in sets:  # the one published last comes first
            if one.as_of <= self.at:
                newest.setdefault(one.as_of, one)
        return tuple(newest[as_of] for as_of in sorted(newest, reverse=True))

    @property
    def current(self) -> ScoreSet:
        """The latest one.

        Raises:
            NotFoundError: nothing was scored.
        """
        if not self.found:
            raise NotFoundError(f"nothing was scored up to {self.at:%Y-%m-%d %H:%M} UTC: run `axiom score`")
        return self.found[0]

    def before(self, kind: str) -> ScoreSet:
        """The one before the latest, by the same version of a model.

        Raises:
            NotFoundError: there is none, or another version made it.
        """
        now = self.current
        if len(self.found) == 1:
            raise NotFoundError(f"there is no score set before that of {now.as_of:%Y-%m-%d}")
        then, by = self.found[1], now.models.get(kind)
        if by is None:
            raise NotFoundError(f"the score set of {now.as_of:%Y-%m-%d} holds no {kind} scores")
        if then.models.get(kind) != by:
            told = f"{then.models.get(kind) or 'nobody'} made that of {then.as_of:%Y-%m-%d}, {by} that of"
            raise NotFoundError(f"two versions cannot be told from a change: {told} {now.as_of:%Y-%m-%d}")
        return then

    def values(self, one: ScoreSet, column: str) -> FloatArray:
        """A column of a score set, without what is not known.

        Raises:
            NotFoundError: its dataset is gone.
        """
        dataset = self.ws.lake.dataset("scores", one.id)
        values = sampled(dataset, [column])[column].to_numpy().astype(np.float64)
        return np.asarray(values[np.isfinite(values)])


@dataclass(frozen=True)
class Champion:
    """The champion of a churn model with the rows of gold that it comes from."""

    ws: Workspace
    subject: Subject

    @cached_property
    def model(self) -> AnyChurnModel:
        """The predictor inside."""
        return churn_model(self.subject)

    @cached_property
    def gold(self) -> Dataset:
        """The features that it was trained on.

        Raises:
            NotFoundError: its artefact does not say which, or they were cleaned up.
        """
        origin = trained_on_in(self.subject.files)
        if origin is None or not origin.features:
            raise NotFoundError(f"the artefact of {self.subject.ref} does not say which rows it was trained on")
        return self.ws.lake.dataset("features", origin.features[0])

    @property
    def training_cutoffs(self) -> tuple[datetime, ...]:
        """Cut-offs that it was fitted on."""
        return self.subject.version.card.training_window.train_as_ofs

    @property
    def judged_cutoffs(self) -> tuple[datetime, ...]:
        """Cut-offs that it was judged at: its scores there are not flattered by having learnt from them."""
        window = self.subject.version.card.training_window
        return window.holdout_as_ofs or window.calibration_as_ofs or window.train_as_ofs

    def features_of(self, one: ScoreSet) -> Dataset:
        """The features that a score set was made from.

        Raises:
            NotFoundError: they were cleaned up.
            BadInputError: they are of another version than it was trained on.
        """
        scores = self.ws.lake.dataset("scores", one.id)
        found = self.ws.lake.dataset("features", str(scores.manifest.properties["features"]))
        self.subject.check_features(str(found.manifest.properties["feature_set_version"]))
        return found


def sampled(
    dataset: Dataset, columns: Sequence[str], as_ofs: Sequence[datetime] = (), *, enough: int = ENOUGH
) -> pa.Table:
    """Rows of enough buckets: customers are spread over them by a hash, so a bucket is a random sample.

    Args:
        dataset: features or scores.
        columns: which.
        as_ofs: only rows of these cut-offs; empty: all.
        enough: no further bucket is read once there are so many rows.

    Raises:
        BadInputError: there is no such row.
    """
    import pyarrow as pa
    import pyarrow.dataset as pads

    wanted = [pads.field("as_of") == as_of for as_of in as_ofs]
    rows, parts = 0, []
    for file in sorted(dataset.manifest.files, key=lambda file: file.bucket):
        if rows >= enough:
            break
        if file.rows:
            found = dataset.read(columns, bucket=file.bucket, row_filter=reduce(or_, wanted) if wanted else None)
            parts.append(found)
            rows += found.num_rows
    if not rows:
        of = f" of {', '.join(f'{as_of:%Y-%m-%d}' for as_of in as_ofs)}" if as_ofs else ""
        raise BadInputError(f"{dataset.manifest.kind} {dataset.manifest.id} holds no rows{of}")
    return pa.concat_tables(parts, promote_options="default")
