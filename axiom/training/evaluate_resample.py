"""Intervals and paired differences of the ranking metrics by the bootstrap, over rows or over customers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from axiom.maths.intervals import MetricValue, PairedTest, bootstrap_draws
from axiom.maths.metrics import ScoreTable

if TYPE_CHECKING:
    from collections.abc import Callable

    from axiom.maths.arrays import BoolArray, FloatArray, IntArray
    from axiom.training.evaluate import EvaluationOptions

TOP_SHARE = 0.1
RANKING = ("pr_auc", "precision", "recall", "f1", "precision_at_10", "lift_at_10", "ece")
_CELLS = 10_000_000  # rows x resamples: beyond it fewer resamples are drawn, never below 200
_RARE = 25  # a resample loses a class of so many rows with a probability of e⁻²⁵


@dataclass(frozen=True, eq=False)
class Resampler:
    """Draws customers with all their rows; where each has one row, that is drawing rows.

    Attributes:
        y: churned, shape (n,).
        customer: number of each row's customer, 0 to k - 1, shape (n,).
        options: level, draws and seed.
    """

    y: BoolArray
    customer: IntArray
    options: EvaluationOptions

    def intervals(self, p: FloatArray, threshold: float) -> dict[str, MetricValue | None]:
        """Every metric of `RANKING` with percentile limits; None where a resample loses a class."""
        table = ScoreTable.from_rows(self.y, p)
        drawn = self._draw(lambda weights: ranking_metrics(table.reweight(weights), threshold))
        return dict.fromkeys(RANKING) if drawn is None else {name: drawn.value(i) for i, name in enumerate(RANKING)}

    def differences(
        self, one: tuple[FloatArray, float], other: tuple[FloatArray, float]
    ) -> dict[str, PairedTest | None]:
        """The metrics of (probabilities, threshold) `one` - `other`, both on the same resamples.

        p = 2·min(P*(d <= 0), P*(d >= 0)), one draw added to each so that it is never 0 (Davison & Hinkley 1997, 4.11).
        """
        tables = (ScoreTable.from_rows(self.y, one[0]), ScoreTable.from_rows(self.y, other[0]))

        def statistic(weights: FloatArray) -> FloatArray:
            mine, theirs = (table.reweight(weights) for table in tables)
            return ranking_metrics(mine, one[1]) - ranking_metrics(theirs, other[1])

        drawn = self._draw(statistic)
        return dict.fromkeys(RANKING) if drawn is None else {name: drawn.test(i) for i, name in enumerate(RANKING)}

    def _draw(self, statistic: Callable[[FloatArray], FloatArray]) -> _Drawn | None:
        rows, units = len(self.y), int(self.customer.max()) + 1
        # Fixing the class sizes hides the churn rate's own uncertainty: only where a resample could lose a class.
        strata = None
        if min(self.y.sum(), (~self.y).sum()) < _RARE:
            strata = np.bincount(self.customer, weights=self.y, minlength=units) > 0
        try:
            sample = bootstrap_draws(
                lambda counts: statistic(counts[:, self.customer]),
                units,
                draws=min(self.options.draws, max(200, _CELLS // rows)),
                seed=self.options.seed,
                strata=strata,
            )
            return _Drawn(statistic(np.ones((1, rows)))[0], sample, self.options.level)
        except ValueError:
            return None


@dataclass(frozen=True, eq=False)
class _Drawn:
    """Values on the rows themselves, shape (k,), and on every resample, shape (draws, k)."""

    values: FloatArray
    sample: FloatArray
    level: float

    def value(self, i: int) -> MetricValue:
        tail = 0.5 - self.level / 2
        low, high = np.quantile(self.sample[:, i], [tail, 1 - tail])
        return MetricValue.enclosing(self.values[i], low, high)

    def test(self, i: int) -> PairedTest:
        draws = self.sample[:, i]
        smaller = min(np.count_nonzero(draws <= 0), np.count_nonzero(draws >= 0))
        return PairedTest(self.value(i), min(1.0, 2 * (smaller + 1) / (len(draws) + 1)))


def ranking_metrics(table: ScoreTable, threshold: float) -> FloatArray:
    """The metrics of `RANKING` in their order, shape (draws, 7).

    Raises:
        ValueError: no positive.
    """
    confusion, positives, negatives = table.confusion(threshold), *table.class_weights()
    found = table.recall_at(TOP_SHARE)
    metrics = (
        table.pr_auc(),
        confusion.precision,
        confusion.recall,
        confusion.f1,
        found * positives / (TOP_SHARE * (positives + negatives)),
        found / TOP_SHARE,
        table.calibration_error(),
    )
    return np.stack([np.atleast_1d(metric) for metric in metrics], axis=-1)
