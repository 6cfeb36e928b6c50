"""Logistic regression, stored as its coefficients."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit

from axiom.training.catalogue.model import Entry, FitData, RowScorer, Scorer
from axiom.training.catalogue.sparse_logistic import fit_sparse_logistic

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from axiom.maths.arrays import FloatArray

_MOST_COLUMNS = 500  # cross products of more columns cost more than they save
_SAGA_ITERATIONS = 200
_WAY_OUT = "raise max_iter, or lower C"


@dataclass(frozen=True, eq=False)
class LinearScorer(Scorer):
    """P = 1 / (1 + exp(-(Z·coefficients + intercept))).

    Attributes:
        coefficients: log-odds per unit of each encoded column, shape (k,).
        intercept: log-odds at zero.
        centre: mean of the training rows, from which contributions are counted, shape (k,).
    """

    coefficients: FloatArray
    intercept: float
    centre: FloatArray

    def margin(self, Z: FloatArray) -> FloatArray:
        """Log-odds of encoded rows, shape (n,)."""
        return np.asarray(Z @ self.coefficients + self.intercept)

    def probability(self, Z: FloatArray) -> FloatArray:
        """See `Scorer.probability`."""
        return np.asarray(expit(self.margin(Z)))

    def one_row(self) -> RowScorer:
        """See `Scorer.one_row`."""
        coefficients, intercept = self.coefficients, self.intercept
        return lambda z: float(expit(z @ coefficients + intercept))


def linear_scorer(data: FitData, coefficients: FloatArray, intercept: float) -> LinearScorer:
    """A scorer that counts contributions from the mean training row."""
    return LinearScorer(
        np.ascontiguousarray(coefficients, dtype=float), intercept, np.average(data.Z, axis=0, weights=data.w)
    )


@contextmanager
def noted_convergence(data: FitData, name: str, way_out: str) -> Iterator[None]:
    """Turn scikit-learn's warning that a fit did not converge into a note of the model."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        yield
    if any(issubclass(warning.category, ConvergenceWarning) for warning in caught):
        data.notes.append(f"{name}: the fit did not converge; {way_out}")


def _fit(data: FitData, params: Mapping[str, Any]) -> LinearScorer:
    from sklearn.linear_model import LogisticRegression

    ratio = {"l2": 0.0, "l1": 1.0, "elasticnet": params["l1_ratio"]}[params["penalty"]]
    if ratio and data.Z.shape[1] <= _MOST_COLUMNS:
        coefficients, intercept, converged = fit_sparse_logistic(
            data.Z, data.y, data.w, C=params["C"], l1_ratio=ratio, max_iter=params["max_iter"]
        )
        if not converged:
            data.notes.append(f"logistic: the fit did not converge; {_WAY_OUT}")
    else:
        # liblinear would penalise the intercept; saga is the only other solver for L1, and slow: it stops early.
        model = LogisticRegression(
            C=params["C"],
            l1_ratio=ratio,
            solver="saga" if ratio else "lbfgs",
            max_iter=min(params["max_iter"], _SAGA_ITERATIONS) if ratio else params["max_iter"],
            tol=1e-3 if ratio else 1e-6,
            random_state=data.seed,
        )
        with noted_convergence(data, "logistic", _WAY_OUT):
            model.fit(data.Z, data.y, sample_weight=data.w)
        coefficients, intercept = model.coef_[0], float(model.intercept_[0])
    _note_separation(data, coefficients, intercept)
    return linear_scorer(data, coefficients, intercept)


def _note_separation(data: FitData, coefficients: FloatArray, intercept: float) -> None:
    margin = data.Z @ coefficients + intercept
    if np.min(margin[data.y]) > np.max(margin[~data.y]):
        top = data.names[int(np.argmax(np.abs(coefficients)))]
        data.notes.append(
            f"logistic: the training rows are separated perfectly (largest coefficient: {top!r}); coefficients "
            "are held finite by the penalty alone. Look for a column that knows the label"
        )


LOGISTIC = Entry(
    "logistic",
    "logistic regression",
    0,
    _fit,
    defaults={"penalty": "l2", "C": 0.1, "l1_ratio": 0.5, "max_iter": 2000},
    space={
        "penalty": {"type": "choice", "values": ["l2", "l1", "elasticnet"]},
        "C": {"type": "float", "low": 1e-4, "high": 10.0, "log": True},
        "l1_ratio": {"type": "float", "low": 0.1, "high": 0.9},
    },
    ladder=("C", (0.001, 0.003, 0.01, 0.1, 1.0)),
)
