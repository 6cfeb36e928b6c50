"""Second moments that merge: mean and squared deviations of parts give those of the whole, without cancellation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from axiom.maths.arrays import FloatArray


@dataclass(frozen=True)
class Moments:
    """Count, means and sums of products of deviations of pairs (x, y), of any common shape.

    Source: Chan, Golub & LeVeque (1979), Updating formulae and a pairwise algorithm for computing sample variances.
    """

    n: FloatArray
    mean_x: FloatArray
    mean_y: FloatArray
    s_xx: FloatArray
    s_xy: FloatArray

    @classmethod
    def none(cls, shape: tuple[int, ...]) -> Moments:
        """Of no pairs at all."""
        zero = np.zeros(shape)
        return cls(zero, zero, zero, zero, zero)

    def __add__(self, other: Moments) -> Moments:
        n = self.n + other.n
        share = other.n / np.maximum(n, 1.0)
        d_x, d_y = other.mean_x - self.mean_x, other.mean_y - self.mean_y
        weight = self.n * share
        return Moments(
            n,
            self.mean_x + d_x * share,
            self.mean_y + d_y * share,
            self.s_xx + other.s_xx + d_x * d_x * weight,
            self.s_xy + other.s_xy + d_x * d_y * weight,
        )

    def __getitem__(self, index: int) -> Moments:
        return Moments(self.n[index], self.mean_x[index], self.mean_y[index], self.s_xx[index], self.s_xy[index])

    @property
    def std_x(self) -> FloatArray:
        """Sample standard deviation of x, with n - 1; NaN below two pairs."""
        return np.where(self.n > 1, np.sqrt(self.s_xx / np.maximum(self.n - 1, 1)), np.nan)

    def slope(self, spread: float) -> FloatArray:
        """Least-squares slope of y on x; NaN where the standard deviation of x is not above `spread`."""
        steep = self.s_xx > spread * spread * np.maximum(self.n, 1)
        return np.where(steep, self.s_xy / np.where(steep, self.s_xx, 1.0), np.nan)


def grouped(group: npt.NDArray[np.signedinteger], x: FloatArray, y: FloatArray, groups: int) -> Moments:
    """Moments of each of `groups` groups.

    Args:
        group: n group numbers in [0, groups).
        x: n values.
        y: n values.
        groups: how many groups there are.
    """

    def total(values: FloatArray) -> FloatArray:
        return np.bincount(group, values, groups).astype(np.float64)

    n = np.bincount(group, minlength=groups).astype(np.float64)
    size = np.maximum(n, 1)
    mean_x, mean_y = total(x) / size, total(y) / size
    d_x, d_y = x - mean_x[group], y - mean_y[group]
    return Moments(n, mean_x, mean_y, total(d_x * d_x), total(d_x * d_y))
