"""The interface of purchase models, and how they are fitted: in one process, or as sums over shards."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Self

from axiom.clv.fitted import FittedModel
from axiom.clv.inputs import Table, Totals, check_learnable, check_population, compress
from axiom.clv.predictive import Predictive

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from axiom.clv.newton import GaussianPrior, Objective, Terms
    from axiom.maths.arrays import ArrayLike, FloatArray


class TransactionModel(FittedModel, Predictive, ABC):
    """A buy-till-you-die model of repeat purchases. A change of the unit of time is a mere shift of theta."""

    @abstractmethod
    def objective(self, theta: FloatArray, shard: Table) -> Terms:
        """Log likelihood of one shard, its gradient (k,) and Hessian (k, k) in theta, no prior; shards add up."""

    @abstractmethod
    def initial(self, totals: Totals) -> FloatArray:
        """A start for theta, shape (k,), from the totals of all shards; or several, (m, k): the best end wins."""

    @abstractmethod
    def prior(self, totals: Totals) -> GaussianPrior:
        """The weak prior that keeps ridges of the likelihood finite."""

    def fit(
        self,
        x: ArrayLike,
        t_x: ArrayLike,
        T: ArrayLike,
        weights: ArrayLike | None = None,
        start: Mapping[str, float] | None = None,
    ) -> Self:
        """Learn the parameters by maximum likelihood with a weak prior. Identical rows are grouped first.

        Args:
            x: Repeat purchases, whole numbers, shape (n,).
            t_x: Time of the last purchase since the first, shape (n,), any unit.
            T: Age since the first purchase, same unit, shape (n,).
            weights: Positive, shape (n,); 2 means two such customers.
            start: Natural parameters to start from, e.g. `previous.params_` (a warm start).

        Returns:
            The model itself.

        Raises:
            ValueError: The input breaks a rule of `check_population` or `check_learnable`.

        Warns:
            UserWarning: The fit did not converge (`converged_` is False then), all customers are identical, or T = 0.
        """
        table = compress(*check_population(x, t_x, T, weights))
        return self.fit_sums(lambda theta: self.objective(theta, table), Totals.of(table), start=start)

    def fit_sums(
        self,
        objective: Objective,
        totals: Totals,
        *,
        start: Mapping[str, float] | None = None,
    ) -> Self:
        """Learn from an objective that is already a sum over shards, wherever these live.

        Args:
            objective: theta -> sum over shards of `self.objective(theta, shard)`.
            totals: Sum of `Totals.of(shard)`.
            start: Natural parameters to start from.

        Returns:
            The model itself.

        Raises:
            ValueError: The totals break a rule of `check_learnable`, or `prior_sd` is not positive.
        """
        check_learnable(totals)
        theta = self.initial(totals) if start is None else self.checked_working(start)
        return self._learn(objective, self.prior(totals), theta, totals.customers)

    def _models(self, parameter_draws: int, seed: int) -> Sequence[Self]:
        return self.draws(parameter_draws, seed) if parameter_draws else [self]
