"""How far the churn rate behind a calibrated probability is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from axiom.maths import checks
from axiom.maths.metrics.probability import reliability

if TYPE_CHECKING:
    from axiom.maths.arrays import ArrayLike, FloatArray

_LEAST_ROWS = 50  # a rate of fewer rows says little about its bin
_MOST_BINS = 20
_QUANTILES = (0.05, 0.5, 0.95)
_PRIOR = 0.5  # Jeffreys


@dataclass(frozen=True, eq=False)
class ReliabilityBand:
    """5, 50 and 95 % limits of the churn rate of customers with a given calibrated probability.

    Rows the model never saw are cut into equal-count bins of their probability. What is known of a bin's churn rate
    after k churners among n rows is Beta(k + ½, n − k + ½) (Jeffreys; Brown, Cai & DasGupta 2001). Between bin centres
    the limits are interpolated, beyond the outermost ones they stay.

    The band is about the *rate* among such customers at the time of those rows. It does not say which of them churn,
    and knows no drift after that time. Where the model is miscalibrated the probability itself may lie outside.

    Attributes:
        centre: mean probability of each bin, ascending, shape (b,).
        rows: rows of each bin, shape (b,).
        p05: 5 % limit at each centre, non-decreasing, shape (b,).
        p50: median, non-decreasing, p05 <= p50 <= p95, shape (b,).
        p95: 95 % limit, non-decreasing, shape (b,).
    """

    centre: FloatArray
    rows: FloatArray
    p05: FloatArray
    p50: FloatArray
    p95: FloatArray

    @classmethod
    def fit(cls, y: ArrayLike, p: ArrayLike) -> Self:
        """The band of outcomes y in {0, 1} and calibrated probabilities p, shape (n,).

        Up to 20 bins of at least 50 rows each; fewer than 100 rows make one bin. Sampling may put a bin above its
        right-hand neighbour. Medians are then pooled (isotonic regression); limits are moved outwards only, so that
        being monotone never makes the band look surer than its bins are.

        Raises:
            ValueError: y not 0/1, p outside [0, 1], lengths differ, NaN or empty.
        """
        from scipy.optimize import isotonic_regression  # loaded late: a scorer that only reads never needs it
        from scipy.stats import beta

        labels, prob = checks.predictions(y, p)
        curve = reliability(labels, prob, bins=int(np.clip(labels.size // _LEAST_ROWS, 1, _MOST_BINS)))
        churned = curve.observed * curve.weight
        low, middle, high = (
            np.asarray(beta.ppf(q, churned + _PRIOR, curve.weight - churned + _PRIOR)) for q in _QUANTILES
        )
        return cls(
            centre=curve.predicted,
            rows=curve.weight,
            p05=np.minimum.accumulate(low[::-1])[::-1],
            p50=isotonic_regression(middle, weights=curve.weight).x,
            p95=np.maximum.accumulate(high),
        )

    def interval(self, p: ArrayLike) -> tuple[FloatArray, FloatArray, FloatArray]:
        """(p05, p50, p95) of the churn rate among customers with probability p, each of p's shape, in [0, 1].

        NaN, where a model could say nothing, stays NaN.
        """
        at = np.asarray(p, dtype=np.float64)
        unknown = np.isnan(at)
        low, middle, high = (
            np.where(unknown, np.nan, np.interp(at, self.centre, limit)) for limit in (self.p05, self.p50, self.p95)
        )
        return low, middle, high
