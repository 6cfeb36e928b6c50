"""Models behind a principal component analysis."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from axiom.training.catalogue.forests import RANDOM_FOREST, fit_forest
from axiom.training.catalogue.margins import RBF_SVM, fit_rbf_svm
from axiom.training.catalogue.model import Entry, FitData, Scorer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from axiom.maths.arrays import FloatArray


@dataclass(frozen=True, eq=False)
class ProjectedScorer(Scorer):
    """A scorer of principal components (Z - mean)·components.

    Attributes:
        mean: of the training rows, shape (k,).
        components: shape (k, c).
        inner: scores the components.
    """

    mean: FloatArray
    components: FloatArray
    inner: Scorer

    def probability(self, Z: FloatArray) -> FloatArray:
        """See `Scorer.probability`."""
        return self.inner.probability((Z - self.mean) @ self.components)


def _behind_pca(
    fit: Callable[[FitData, Mapping[str, Any]], Scorer],
) -> Callable[[FitData, Mapping[str, Any]], ProjectedScorer]:
    def fit_projected(data: FitData, params: Mapping[str, Any]) -> ProjectedScorer:
        from sklearn.decomposition import PCA

        pca = PCA(n_components=params["variance"], svd_solver="full").fit(data.Z)
        components = np.ascontiguousarray(pca.components_.T)
        names = tuple(f"component {i + 1}" for i in range(components.shape[1]))
        inside = replace(data, Z=(data.Z - pca.mean_) @ components, names=names)
        return ProjectedScorer(pca.mean_, components, fit(inside, params))

    return fit_projected


_VARIANCE = {"variance": {"type": "float", "low": 0.5, "high": 0.99}}

RF_PCA = Entry(
    "rf_pca",
    "random forest on principal components",
    9,
    _behind_pca(fit_forest),
    defaults={**RANDOM_FOREST.defaults, "variance": 0.9},
    space={**RANDOM_FOREST.space, **_VARIANCE},
)
SVM_PCA = Entry(
    "svm_pca",
    "RBF SVM on principal components",
    7,
    _behind_pca(fit_rbf_svm),
    defaults={**RBF_SVM.defaults, "variance": 0.9},
    space={**RBF_SVM.space, **_VARIANCE},
)
