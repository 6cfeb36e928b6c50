"""Risk groups: customers that are alike, each group with the churn rate that was observed in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from axiom.training.catalogue.model import Entry, FitData, Scorer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from axiom.maths.arrays import FloatArray, IntArray

_PRIOR_ROWS = 10.0  # a group's rate is pulled to the overall rate as if so many more rows had it


@dataclass(frozen=True, eq=False)
class GroupScorer(Scorer):
    """P = churn rate of the group whose centre is nearest.

    Attributes:
        centres: shape (g, k).
        rates: smoothed churn rate of each group, shape (g,), ascending.
        observed: churn rate of its training rows, shape (g,).
        rows: training weight in it, shape (g,).
    """

    centres: FloatArray
    rates: FloatArray
    observed: FloatArray
    rows: FloatArray

    def group(self, Z: FloatArray) -> IntArray:
        """The group of each row, shape (n,); 0 has the lowest risk."""
        return nearest(Z, self.centres)

    def probability(self, Z: FloatArray) -> FloatArray:
        """See `Scorer.probability`."""
        return self.rates[self.group(Z)]


def nearest(Z: FloatArray, centres: FloatArray) -> IntArray:
    """Index of the nearest centre of each row, shape (n,)."""
    return np.asarray(np.argmin((centres**2).sum(axis=1) - 2.0 * (Z @ centres.T), axis=1))


def _scorer(data: FitData, centres: FloatArray) -> GroupScorer:
    group = nearest(data.Z, centres)
    rows = np.bincount(group, weights=data.w, minlength=len(centres)).astype(np.float64)
    churned = np.bincount(group, weights=data.w * data.y, minlength=len(centres))
    overall = float(np.average(data.y, weights=data.w))
    rates = (churned + _PRIOR_ROWS * overall) / (rows + _PRIOR_ROWS)
    observed = np.divide(churned, rows, out=np.full(len(rows), overall), where=rows > 0)
    order = np.argsort(rates, kind="stable")
    return GroupScorer(centres[order], rates[order], observed[order], rows[order])


def _fit_kmeans(data: FitData, params: Mapping[str, Any]) -> GroupScorer:
    from sklearn.cluster import KMeans

    count = min(params["groups"], len(np.unique(data.Z, axis=0)))
    model = KMeans(n_clusters=count, n_init=4, random_state=data.seed).fit(data.Z, sample_weight=data.w)
    return _scorer(data, np.ascontiguousarray(model.cluster_centers_))


def _fit_agglomerative(data: FitData, params: Mapping[str, Any]) -> GroupScorer:
    from sklearn.cluster import AgglomerativeClustering

    sample = data.sample(params["max_rows"], "agglomerative")
    count = min(params["groups"], len(sample.Z))
    labels = AgglomerativeClustering(n_clusters=count, linkage="ward").fit_predict(sample.Z)
    return _scorer(data, np.stack([sample.Z[labels == g].mean(axis=0) for g in range(count)]))


_GROUPS = {"groups": {"type": "int", "low": 4, "high": 40}}
KMEANS = Entry("kmeans", "k-means risk groups", 3, _fit_kmeans, defaults={"groups": 12}, space=_GROUPS)
AGGLOMERATIVE = Entry(
    "agglomerative",
    "agglomerative risk groups",
    4,
    _fit_agglomerative,
    defaults={"groups": 12, "max_rows": 2000},
    space=_GROUPS,
)
