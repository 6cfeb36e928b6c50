"""Models that give a margin, turned into probabilities by Platt's sigmoid: SVMs and the perceptron.

The sigmoid is fitted to margins that inner folds give for rows they did not see (Platt 1999); a customer's rows stay on
one side of each inner fold. Linear machines then are one `LinearScorer`, an RBF machine keeps its support vectors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit

from axiom.training.catalogue.linear import LinearScorer, linear_scorer, noted_convergence
from axiom.training.catalogue.model import Entry, FitData, Scorer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from axiom.maths.arrays import FloatArray

_CHUNK = 4_000_000  # (row, support vector) pairs held at once


@dataclass(frozen=True, eq=False)
class KernelScorer(Scorer):
    """P = 1 / (1 + exp(-(slope·f + offset))), f = Σ_j dual_j·exp(-gamma·|z - s_j|²) + intercept.

    Attributes:
        support: support vectors s, shape (m, k).
        dual: their coefficients, shape (m,).
        intercept: of the margin f.
        gamma: of the RBF kernel.
        slope: of the sigmoid.
        offset: of the sigmoid.
    """

    support: FloatArray
    dual: FloatArray
    intercept: float
    gamma: float
    slope: float
    offset: float

    def probability(self, Z: FloatArray) -> FloatArray:
        """See `Scorer.probability`."""
        step = max(1, _CHUNK // len(self.support))
        parts = [self._margin(Z[i : i + step]) for i in range(0, len(Z), step)]
        return np.asarray(expit(self.slope * np.concatenate([np.zeros(0), *parts]) + self.offset))

    def _margin(self, Z: FloatArray) -> FloatArray:
        squares = (Z**2).sum(axis=1)[:, None] + (self.support**2).sum(axis=1) - 2.0 * (Z @ self.support.T)
        return np.asarray(np.exp(-self.gamma * np.clip(squares, 0.0, None)) @ self.dual + self.intercept)


def with_sigmoid(data: FitData, machine: Any, name: str) -> tuple[Any, float, float]:
    """Fit a scikit-learn machine and its sigmoid. Returns the machine, and slope and offset of the sigmoid."""
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.model_selection import StratifiedGroupKFold

    folds = list(StratifiedGroupKFold(n_splits=3).split(data.Z, data.y, data.groups))
    model = CalibratedClassifierCV(machine, method="sigmoid", cv=folds, ensemble=False)
    with noted_convergence(data, name, "raise max_iter, or lower C"):
        model.fit(data.Z, data.y, sample_weight=data.w)
    (fitted,) = model.calibrated_classifiers_
    (sigmoid,) = fitted.calibrators
    return fitted.estimator, -float(sigmoid.a_), -float(sigmoid.b_)


def _linear(data: FitData, machine: Any, name: str) -> LinearScorer:
    fitted, slope, offset = with_sigmoid(data, machine, name)
    return linear_scorer(data, slope * fitted.coef_[0], float(slope * fitted.intercept_[0] + offset))


def _fit_linear_svm(data: FitData, params: Mapping[str, Any]) -> LinearScorer:
    from sklearn.svm import LinearSVC

    machine = LinearSVC(C=params["C"], max_iter=params["max_iter"], dual="auto", random_state=data.seed)
    return _linear(data, machine, "linear_svm")


def _fit_perceptron(data: FitData, params: Mapping[str, Any]) -> LinearScorer:
    from sklearn.linear_model import SGDClassifier

    # The averaged perceptron (Freund & Schapire 1999): the last weights alone depend on the last rows seen.
    machine = SGDClassifier(
        loss="perceptron",
        learning_rate="constant",
        eta0=1.0,
        average=True,
        alpha=params["alpha"],
        max_iter=params["max_iter"],
        random_state=data.seed,
    )
    return _linear(data, machine, "perceptron")


def fit_rbf_svm(data: FitData, params: Mapping[str, Any]) -> KernelScorer:
    """Fit an SVM with an RBF kernel; beyond `max_rows` rows, to a sample, because its cost grows with their square."""
    from sklearn.svm import SVC

    data = data.sample(params["max_rows"], "rbf_svm")
    gamma = params["gamma"] / (data.Z.shape[1] * max(float(data.Z.var()), 1e-12))
    machine, slope, offset = with_sigmoid(data, SVC(C=params["C"], gamma=gamma, cache_size=200), "rbf_svm")
    return KernelScorer(
        np.ascontiguousarray(machine.support_vectors_),
        np.ascontiguousarray(machine.dual_coef_[0]),
        float(machine.intercept_[0]),
        float(gamma),
        slope,
        offset,
    )


LINEAR_SVM = Entry(
    "linear_svm",
    "linear SVM",
    6,
    _fit_linear_svm,
    defaults={"C": 0.01, "max_iter": 5000},
    space={"C": {"type": "float", "low": 1e-4, "high": 10.0, "log": True}},
)
RBF_SVM = Entry(
    "rbf_svm",
    "SVM with RBF kernel",
    13,
    fit_rbf_svm,
    defaults={"C": 1.0, "gamma": 0.05, "max_rows": 5000},
    space={
        "C": {"type": "float", "low": 1e-2, "high": 100.0, "log": True},
        "gamma": {"type": "float", "low": 1e-3, "high": 1.0, "log": True},
    },
)
PERCEPTRON = Entry(
    "perceptron",
    "averaged perceptron",
    5,
    _fit_perceptron,
    defaults={"alpha": 1e-3, "max_iter": 1000},
    space={"alpha": {"type": "float", "low": 1e-5, "high": 1e-1, "log": True}},
)
