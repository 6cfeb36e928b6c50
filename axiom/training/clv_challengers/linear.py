"""Least squares: one predictor, all of them, and polynomials of the RFM summary."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING

import numpy as np

from axiom.training.clv.candidate import Span
from axiom.training.clv_challengers.design import FRESHNESS, MONEY, PACE, YOUTH
from axiom.training.clv_challengers.family import BASE, Family, Lesson, Param

if TYPE_CHECKING:
    from axiom.maths.arrays import FloatArray

# A straight line goes below zero, purchases do not: means stop at this share of the average outcome.
_FLOOR = 0.02


@dataclass(frozen=True, eq=False)
class LinearHead:
    """mean = scale · max(intercept + ((Z, P(Z)) - centre) · slopes, floor), P the products of some columns.

    Attributes:
        factors: columns at the start of Z whose products of 2 to `degree` factors are added.
        degree: 1 adds none.
        centre: subtracted from each column, shape (k,).
        slopes: shape (k,).
        intercept: mean at the centre.
        floor: smallest mean, > 0.
        scale: makes the total of the training rows right again.
    """

    factors: int
    degree: int
    centre: FloatArray
    slopes: FloatArray
    intercept: float
    floor: float
    scale: float

    def predict(self, Z: FloatArray, offset: FloatArray) -> FloatArray:  # noqa: ARG002 - no log scale, no offset
        """See `Head.predict`."""
        columns = _with_products(Z, self.factors, self.degree) - self.centre
        return self.scale * np.maximum(self.intercept + columns @ self.slopes, self.floor)


def fit_linear(lesson: Lesson) -> LinearHead:
    """Ridge regression: min mean (y - b - Zβ)² + l2 Σ (sd_j β_j)², the penalty free of units."""
    degree = int(lesson.params.get("degree", 1))
    columns = _with_products(lesson.Z, lesson.factors, degree)
    centre, intercept = columns.mean(axis=0), float(lesson.y.mean())
    sd = columns.std(axis=0)
    scaled = (columns - centre) / np.where(sd > 0, sd, 1.0)
    gram = scaled.T @ scaled / len(scaled) + float(lesson.params["l2"]) * np.eye(len(centre))
    slopes = np.linalg.solve(gram, scaled.T @ (lesson.y - intercept) / len(scaled)) / np.where(sd > 0, sd, 1.0)
    floor = _FLOOR * intercept
    total = np.maximum(intercept + (columns - centre) @ slopes, floor).sum()
    return LinearHead(lesson.factors, degree, centre, slopes, intercept, floor, float(lesson.y.sum() / total))


def _with_products(Z: FloatArray, factors: int, degree: int) -> FloatArray:
    products = [
        Z[:, chosen].prod(axis=1)
        for power in range(2, degree + 1)
        for chosen in combinations_with_replacement(range(factors), power)
    ]
    return np.column_stack([Z, *products])


_RAW = (PACE, FRESHNESS, YOUTH, MONEY)
_L2 = Param(1e-3, 1e-9, 1e6, span=Span(1e-6, 1.0, log=True))

LINEAR = Family(
    "linear",
    "Linear regression on the past rate and its money",
    20,
    fit_linear,
    {"l2": Param(1e-6, 1e-9, 1e6), "base": BASE},
    raw=(PACE, MONEY),
    others=False,
    linear=True,
    learns_spend=True,
)
MULTIPLE = Family(
    "multiple",
    "Multiple regression",
    21,
    fit_linear,
    {"l2": _L2, "base": BASE},
    raw=_RAW,
    linear=True,
    learns_spend=True,
)
POLYNOMIAL = Family(
    "polynomial",
    "Polynomial regression",
    22,
    fit_linear,
    {"degree": Param(2, 1, 4, span=Span(2, 3, whole=True)), "l2": _L2, "base": BASE},
    raw=_RAW,
    factors=3,
    linear=True,
    learns_spend=True,
)
