"""Bins that a baseline defines and later samples are counted in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from axiom.maths import checks

if TYPE_CHECKING:
    from axiom.maths.arrays import ArrayLike, FloatArray


@dataclass(frozen=True, eq=False)
class Bins:
    """Quantile bins of a baseline, or one bin a value where it has few of them.

    Attributes:
        points: ascending and distinct, shape (k,): upper ends of all bins but the last, or the values themselves.
        discrete: whether `points` are values; then a last bin holds every other value.
    """

    points: FloatArray
    discrete: bool

    @classmethod
    def fit(cls, values: ArrayLike, bins: int = 10) -> Bins:
        """Bins with about equal shares of `values` (n,).

        A baseline of at most `bins` distinct values gets one bin for each: with quantile bins a constant that becomes
        another constant could stay inside its bin unseen.

        Raises:
            ValueError: fewer than two bins, or what `checks.vector` refuses.
        """
        if bins < 2:
            raise ValueError(f"bins must be at least 2, got {bins}")
        array = checks.vector("values", values)
        distinct = np.unique(array)
        if distinct.size <= bins:
            return cls(distinct, discrete=True)
        # Ends are values that occur, so that ties fall as a whole into one bin.
        ends = np.quantile(array, np.arange(1, bins) / bins, method="inverted_cdf")
        return cls(np.unique(ends), discrete=False)

    def count(self, values: ArrayLike) -> FloatArray:
        """Rows of `values` (n,) in each bin, shape (k + 1,).

        Raises:
            ValueError: what `checks.vector` refuses.
        """
        array = checks.vector("values", values)
        place = np.searchsorted(self.points, array, side="left")
        if self.discrete:
            known = self.points[np.minimum(place, self.points.size - 1)] == array
            place = np.where(known, place, self.points.size)
        return np.bincount(place, minlength=self.points.size + 1).astype(np.float64)
