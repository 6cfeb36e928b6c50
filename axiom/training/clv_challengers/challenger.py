"""A machine-learned candidate: means learnt on past origins, made into distributions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from axiom.training.clv.probabilistic import Probabilistic
from axiom.training.clv.rows import whole_days
from axiom.training.clv_challengers.design import Reader
from axiom.training.clv_challengers.family import Family, Head, Lesson
from axiom.training.clv_challengers.fitted import FittedChallenger
from axiom.training.clv_challengers.labelled import MIN_BUYERS, SMALLEST_MEAN, Labelled
from axiom.training.clv_challengers.law import Spread

if TYPE_CHECKING:
    from collections.abc import Mapping

    from axiom.maths.arrays import FloatArray, IntArray
    from axiom.training.clv.candidate import Known, Space
    from axiom.training.clv_challengers.family import Value

_FOLDS = 3


@dataclass(frozen=True)
class Challenger:
    """A candidate of one family.

    It learns E[purchases] (and, some families, E[spend]) from every past origin whose outcomes are known. The law
    around the mean is learnt from predictions for customers who were left out of the fit. P(alive), the offset and the
    value of one purchase come from the probabilistic model `base`, fitted anew at every origin.

    Attributes:
        family: what it is.
        params: all hyper-parameters.
    """

    family: Family
    params: Mapping[str, Value]

    @classmethod
    def of(cls, family: Family, **params: Any) -> Self:
        """With some hyper-parameters set and the others at their defaults.

        Raises:
            TypeError: an unknown hyper-parameter, or a value of another kind.
            ValueError: a value out of range.
        """
        return cls(family, family.settings(params))

    @property
    def name(self) -> str:
        """See `Candidate.name`."""
        return self.family.name

    @property
    def title(self) -> str:
        """See `Candidate.title`."""
        return self.family.title

    @property
    def rank(self) -> int:
        """See `Candidate.rank`."""
        return self.family.rank

    @property
    def space(self) -> Space:
        """See `Candidate.space`."""
        return self.family.space

    def fit(self, known: Known) -> FittedChallenger:
        """Learn from the past origins.

        Raises:
            BadInputError: no origin's label window had ended, fewer than 50 rows or 10 buyers in all of them, or no
                column varies.
            ValueError: the base cannot be fitted at the cut-off.
            MisuseError: the family's library is not installed.
        """
        days = whole_days(known.horizon)
        rows = Labelled.of(known, self.family, Probabilistic(str(self.params["base"])), days)
        reader, told = Reader.learn(rows.table, self.family)
        Z = reader.read(rows.table)
        lesson = Lesson(Z, self.family.factors, rows.purchases, rows.offset, self.params, known.seed)
        base = Probabilistic(str(self.params["base"])).fit_rfm(known.now.rfm)
        return FittedChallenger(
            family=self.family,
            params=dict(self.params),
            days=days,
            reader=reader,
            head=self.family.fit(lesson),
            spread=Spread.fit(rows.purchases, self._left_out(lesson, rows.folds(_FOLDS)), rows.p_alive),
            money=self._money(lesson, rows) if base.has_spend else None,
            base=base,
            rows=len(rows.purchases),
            origins=rows.origins,
            told=(*rows.told, *told),
        )

    def _left_out(self, lesson: Lesson, folds: IntArray) -> FloatArray:
        """Means of each customer by a fit without that customer."""
        means = np.empty(len(lesson.y))
        for fold in range(_FOLDS):
            out = folds == fold
            head = self.family.fit(replace(lesson, Z=lesson.Z[~out], y=lesson.y[~out], offset=lesson.offset[~out]))
            means[out] = head.predict(lesson.Z[out], lesson.offset[out])
        return np.maximum(means, SMALLEST_MEAN)

    def _money(self, lesson: Lesson, rows: Labelled) -> Head | None:
        """A head for spend; None where the family has none or too few spent."""
        if not self.family.learns_spend or (rows.spend > 0).sum() < MIN_BUYERS:
            return None
        known = np.isfinite(rows.spend)
        return self.family.fit(
            replace(lesson, Z=lesson.Z[known], y=rows.spend[known], offset=np.zeros(int(known.sum())))
        )

    def load(self, files: Mapping[str, bytes]) -> FittedChallenger:
        """See `Candidate.load`.

        Raises:
            CorruptError: a file is missing or damaged.
            ValueError: the files are another family's.
        """
        return FittedChallenger.from_files(self.family, files)
