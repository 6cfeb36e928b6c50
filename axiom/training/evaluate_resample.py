"""Intervals and paired differences of the ranking metrics by the bootstrap, over rows or over customers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from axiom.maths.intervals import MetricValue, PairedTest, bootstrap, paired_bootstrap
from axiom.maths.metrics import ScoreTable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from axiom.maths.arrays import BoolArray, FloatArray, IntArray
    from axiom.training.evaluate import EvaluationOptions

TOP_SHARE = 0.1
_CELLS = 20_000_000  # rows x resamples: beyond it fewer resamples are drawn, never below 200
_RARE = 25  # a resample loses a class of so many rows with a probability of e⁻²⁵

RANKING: Mapping[str, Callable[[ScoreTable, float], FloatArray]] = {
    "pr_auc": lambda table, _: table.pr_auc(),
    "precision": lambda table, threshold: table.confusion(threshold).precision,
    "recall": lambda table, threshold: table.confusion(threshold).recall,
    "f1": lambda table, threshold: table.confusion(threshold).f1,
    "precision_at_10": lambda table, _: table.precision_at(TOP_SHARE),
    "lift_at_10": lambda table, _: table.lift_at(TOP_SHARE),
    "ece": lambda table, _: table.calibration_error(),
}


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

    def interval(self, metric: str, p: FloatArray, threshold: float) -> MetricValue | None:
        """A ranking metric with percentile limits; None where a resample loses a class."""
        statistic = self._statistic(metric, p, threshold)
        try:
            return bootstrap(statistic, self._units, level=self.options.level, **self._drawing)
        except ValueError:
            return None

    def difference(
        self, metric: str, one: tuple[FloatArray, float], other: tuple[FloatArray, float]
    ) -> PairedTest | None:
        """The metric of (probabilities, threshold) `one` - `other`, both on the same resamples."""
        statistics = (self._statistic(metric, *one), self._statistic(metric, *other))
        try:
            return paired_bootstrap(*statistics, self._units, level=self.options.level, **self._drawing)
        except ValueError:
            return None

    def _statistic(self, metric: str, p: FloatArray, threshold: float) -> Callable[[FloatArray], FloatArray]:
        table, measure = ScoreTable.from_rows(self.y, p), RANKING[metric]
        return lambda counts: np.atleast_1d(measure(table.reweight(counts[:, self.customer]), threshold))

    @property
    def _units(self) -> int:
        return int(self.customer.max()) + 1

    @property
    def _drawing(self) -> dict[str, Any]:
        draws = min(self.options.draws, max(200, _CELLS // len(self.y)))
        # Fixing the class sizes hides the churn rate's own uncertainty: only where a resample could lose a class.
        strata = None
        if min(self.y.sum(), (~self.y).sum()) < _RARE:
            strata = np.bincount(self.customer, weights=self.y, minlength=self._units) > 0
        return {"draws": draws, "seed": self.options.seed, "strata": strata}
