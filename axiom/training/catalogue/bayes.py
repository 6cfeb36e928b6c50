"""Gaussian naive Bayes, stored as means and variances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit

from axiom.training.catalogue.model import Entry, FitData, Scorer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from axiom.maths.arrays import FloatArray


@dataclass(frozen=True, eq=False)
class BayesScorer(Scorer):
    """Odds = prior odds times the ratio of independent normal densities, column by column.

    Attributes:
        mean: of stayed and churned rows, shape (2, k).
        variance: likewise.
        log_prior: shape (2,).
    """

    mean: FloatArray
    variance: FloatArray
    log_prior: FloatArray

    def probability(self, Z: FloatArray) -> FloatArray:
        """See `Scorer.probability`."""
        stayed, churned = (self._log_likelihood(Z, c) for c in (0, 1))
        return np.asarray(expit(churned - stayed))

    def _log_likelihood(self, Z: FloatArray, c: int) -> FloatArray:
        squares = ((Z - self.mean[c]) ** 2 / self.variance[c]).sum(axis=1)
        return np.asarray(self.log_prior[c] - 0.5 * (np.log(2.0 * np.pi * self.variance[c]).sum() + squares))


def _fit(data: FitData, params: Mapping[str, Any]) -> BayesScorer:
    from sklearn.naive_bayes import GaussianNB

    model = GaussianNB(var_smoothing=params["smoothing"]).fit(data.Z, data.y, sample_weight=data.w)
    return BayesScorer(model.theta_, model.var_, np.log(model.class_prior_))


NAIVE_BAYES = Entry(
    "naive_bayes",
    "naive Bayes",
    1,
    _fit,
    defaults={"smoothing": 1e-2},
    space={"smoothing": {"type": "float", "low": 1e-6, "high": 1.0, "log": True}},
)
