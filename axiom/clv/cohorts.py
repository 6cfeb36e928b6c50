"""A model per cohort, partially pooled towards the population by empirical Bayes.

The working parameters of cohort c are Normal(theta of the population, diag(tau²)). tau is estimated by EM with Laplace
approximations: E finds the mode and covariance V_c of each cohort, M sets tau² to the mean of (mode - population)² +
diag V_c (Dempster, Laird & Rubin 1977). One imaginary cohort keeps tau from collapsing to 0. So small cohorts stay near
the population and large ones speak for themselves; a cohort in which nobody repeats is no problem.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from axiom.clv.base import TransactionModel
from axiom.clv.inputs import Totals, check_population, compress
from axiom.clv.newton import GaussianPrior, Optimum, maximise

if TYPE_CHECKING:
    import numpy.typing as npt

    from axiom.clv.inputs import Table
    from axiom.maths.arrays import ArrayLike, FloatArray

Model = TypeVar("Model", bound=TransactionModel)

# The imaginary cohort: this far from the population on the working (log) scale.
_LEAST_SPREAD = 0.1
_START_SPREAD = 0.5
_SETTLED = 1e-2
_MOST_ROUNDS = 50


@dataclass(frozen=True)
class CohortFit(Generic[Model]):
    """Cohort models and what they share.

    Attributes:
        population: The model of all customers together.
        cohorts: Cohort labels in order, shape (c,).
        models: The model of each cohort, in the same order.
        spread: Estimated sd tau of each working parameter between cohorts, shape (k,).
        settled: Whether EM came to rest and all cohort fits converged.
    """

    population: Model
    cohorts: npt.NDArray[Any]
    models: tuple[Model, ...]
    spread: FloatArray
    settled: bool

    def model_of(self, cohort: object) -> Model:
        """The model of a cohort; the population model for one that was not seen."""
        place = np.flatnonzero(self.cohorts == cohort)
        return self.models[place[0]] if place.size else self.population


def fit_cohorts(
    model: Model,
    cohorts: ArrayLike,
    x: ArrayLike,
    t_x: ArrayLike,
    T: ArrayLike,
    weights: ArrayLike | None = None,
) -> CohortFit[Model]:
    """Fit a model to the population and to each cohort.

    Args:
        model: An unfitted purchase model; it becomes the population model.
        cohorts: Label of each customer (month of first purchase, channel, ...), shape (n,).
        x: Repeat purchases, shape (n,).
        t_x: Time of the last purchase, shape (n,).
        T: Age, shape (n,).
        weights: Positive, shape (n,).

    Returns:
        The population model and one model per cohort.

    Raises:
        ValueError: As `TransactionModel.fit`; or labels do not match customers, or there are fewer than two cohorts.
    """
    columns = check_population(x, t_x, T, weights)
    labels, which = np.unique(np.asarray(cohorts), return_inverse=True)
    if np.shape(cohorts) != columns[0].shape:
        raise ValueError(f"cohorts must have one label per customer, not the shape {np.shape(cohorts)}")
    if labels.size < 2:
        raise ValueError("pooling needs at least two cohorts; fit the model itself otherwise")
    whole = compress(*columns)
    model.fit_sums(lambda theta: model.objective(theta, whole), Totals.of(whole))
    tables = [compress(*(column[which == i] for column in columns)) for i in range(labels.size)]
    starts = [model.theta_] * labels.size
    spread, settled = np.full(model.theta_.size, _START_SPREAD), False
    for _ in range(_MOST_ROUNDS):
        prior = GaussianPrior(model.theta_, spread)
        ends = [_climb(model, prior, table, start) for table, start in zip(tables, starts, strict=True)]
        starts = [end.theta for end in ends]
        deviations = [np.square(end.theta - model.theta_) + np.diag(np.linalg.inv(-end.hessian)) for end in ends]
        before, spread = spread, np.sqrt((_LEAST_SPREAD**2 + np.sum(deviations, axis=0)) / (labels.size + 1))
        settled = bool(np.all(np.abs(spread - before) <= _SETTLED * before))
        if settled:
            break
    models = tuple(_cohort_model(model, prior, table, end) for table, end in zip(tables, ends, strict=True))
    return CohortFit(model, labels, models, spread, settled and all(end.converged for end in ends))


def _climb(model: TransactionModel, prior: GaussianPrior, table: Table, start: FloatArray) -> Optimum:
    return maximise(prior.added_to(lambda theta: model.objective(theta, table)), start)


def _cohort_model(model: Model, prior: GaussianPrior, table: Table, end: Optimum) -> Model:
    cohort = model.at(end.theta)
    cohort.theta_covariance_ = np.asarray(np.linalg.inv(-end.hessian), dtype=np.float64)
    cohort.log_likelihood_ = end.value - prior.terms(end.theta)[0]
    cohort.converged_, cohort.n_iter_ = end.converged, end.n_iter
    cohort.customers_ = float(table.weight.sum())
    return cohort
