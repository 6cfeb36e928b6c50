"""Predictions that follow from four primitives: P(alive), P(Y >= n), E[Y] and discounted purchases."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Self

import numpy as np

from axiom.clv.inputs import check_histories, check_horizon, numbers, refuse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from axiom.maths.arrays import ArrayLike, FloatArray, IntArray

_MOST_PURCHASES = 2**40


class Predictive(ABC):
    """Predictive distribution of Y, the purchases in (T, T + t], given x, t_x and T.

    In every method the arguments broadcast against each other, times share the unit of the fit, and leaving out
    x, t_x and T means a new customer at the first purchase. All raise ValueError for input that breaks a rule of
    `check_histories`, a negative or non-finite t, or a probability outside its range.
    """

    @abstractmethod
    def probability_alive(
        self, x: ArrayLike = 0.0, t_x: ArrayLike = 0.0, T: ArrayLike = 0.0, t: ArrayLike = 0.0
    ) -> FloatArray:
        """P(still a customer at T + t), given the history up to T only."""

    @abstractmethod
    def tail(
        self, n: ArrayLike, t: ArrayLike, x: ArrayLike = 0.0, t_x: ArrayLike = 0.0, T: ArrayLike = 0.0
    ) -> FloatArray:
        """P(Y >= n), exactly 1 for n <= 0; accurate in relative terms however small it is."""

    @abstractmethod
    def expected_purchases(
        self, t: ArrayLike, x: ArrayLike = 0.0, t_x: ArrayLike = 0.0, T: ArrayLike = 0.0
    ) -> FloatArray:
        """E[Y]."""

    @abstractmethod
    def discounted_purchases(
        self, rate: float, x: ArrayLike = 0.0, t_x: ArrayLike = 0.0, T: ArrayLike = 0.0
    ) -> FloatArray:
        """DERT: expected future purchases over an infinite horizon, each discounted by exp(-rate * time from now).

        Args:
            rate: Continuous discount rate per unit of time, > 0, e.g. ln(1.15) / 52.1775 per week for 15 % a year.
            x: Repeat purchases.
            t_x: Time of the last purchase.
            T: Age.
        """

    @abstractmethod
    def rows(self, which: IntArray) -> Self:
        """The model of some customers, if every customer has parameters of their own."""

    @abstractmethod
    def _models(self, parameter_draws: int, seed: int) -> Sequence[Self]:
        """The models a prediction mixes: itself, or draws from the posterior of its parameters."""

    def purchase_pmf(
        self, n: ArrayLike, t: ArrayLike, x: ArrayLike = 0.0, t_x: ArrayLike = 0.0, T: ArrayLike = 0.0
    ) -> FloatArray:
        """P(Y = n) for whole n >= 0."""
        count = check_counts(n)
        return np.asarray(self.tail(count, t, x, t_x, T) - self.tail(count + 1, t, x, t_x, T))

    def purchase_table(self, beyond: float, t: FloatArray, x: FloatArray, t_x: FloatArray, T: FloatArray) -> FloatArray:
        """P(Y = n) for n = 0, ..., N, with P(Y > N) <= `beyond` for every customer.

        Args:
            beyond: Mass that may be left out, in (0, 1).
            t: Checked horizons, shape (n,).
            x: Checked repeat purchases, shape (n,).
            t_x: Checked times of the last purchase, shape (n,).
            T: Checked ages, shape (n,).

        Returns:
            Shape (N + 1, n); the columns sum to at least 1 - `beyond`.
        """
        last = _smallest_count([self], beyond, (t, x, t_x, T)).max(initial=0)
        return self.purchase_pmf(np.arange(last + 1)[:, None], t, x, t_x, T)

    def purchase_cdf(
        self, n: ArrayLike, t: ArrayLike, x: ArrayLike = 0.0, t_x: ArrayLike = 0.0, T: ArrayLike = 0.0
    ) -> FloatArray:
        """P(Y <= n) for whole n >= 0."""
        return 1.0 - self.tail(check_counts(n) + 1, t, x, t_x, T)

    def purchase_quantile(
        self,
        q: ArrayLike,
        t: ArrayLike,
        x: ArrayLike = 0.0,
        t_x: ArrayLike = 0.0,
        T: ArrayLike = 0.0,
        *,
        parameter_draws: int = 0,
        seed: int = 0,
    ) -> IntArray:
        """Smallest n with P(Y <= n) >= q.

        Args:
            q: Probabilities in (0, 1), a scalar or shape (m,).
            t: Horizon.
            x: Repeat purchases.
            t_x: Time of the last purchase.
            T: Age.
            parameter_draws: 0 plugs the estimates in; k > 0 mixes over k draws from the Laplace posterior.
            seed: Of these draws.

        Returns:
            Whole numbers: the common shape of t, x, t_x, T for a scalar q, otherwise (m, *that shape).
        """
        levels = check_probabilities(q)
        t_, x_, t_x_, T_ = np.broadcast_arrays(check_horizon(t), *check_histories(x, t_x, T))
        models = self._models(parameter_draws, seed)
        rows = [row.ravel() for row in (t_, x_, t_x_, T_)]
        return smallest_counts(models, levels.ravel(), rows).reshape(levels.shape + t_.shape)

    def expected_purchases_between(
        self, t_1: ArrayLike, t_2: ArrayLike, x: ArrayLike = 0.0, t_x: ArrayLike = 0.0, T: ArrayLike = 0.0
    ) -> FloatArray:
        """Expected purchases in (T + t_1, T + t_2], given the history up to T; 0 <= t_1 <= t_2."""
        start, end = np.broadcast_arrays(check_horizon(t_1, "t_1"), check_horizon(t_2, "t_2"))
        refuse(start > end, "t_1 must not be after t_2")
        return np.asarray(self.expected_purchases(end, x, t_x, T) - self.expected_purchases(start, x, t_x, T))

    def next_purchase_probability(
        self, t: ArrayLike, x: ArrayLike = 0.0, t_x: ArrayLike = 0.0, T: ArrayLike = 0.0
    ) -> FloatArray:
        """P(the next purchase comes within t); its limit for large t is below 1, as some never buy again."""
        return self.tail(1, t, x, t_x, T)

    def next_purchase_quantile(
        self, q: ArrayLike, x: ArrayLike = 0.0, t_x: ArrayLike = 0.0, T: ArrayLike = 0.0
    ) -> FloatArray:
        """The time within which the next purchase comes with probability q; infinite if it never reaches q.

        Args:
            q: Probability in (0, 1), broadcast against the history.
            x: Repeat purchases.
            t_x: Time of the last purchase.
            T: Age.
        """
        level, x_, t_x_, T_ = np.broadcast_arrays(check_probabilities(q), *check_histories(x, t_x, T))
        high = np.ones(level.shape)
        low = np.zeros(level.shape)
        for _ in range(200):
            short = self.next_purchase_probability(high, x_, t_x_, T_) < level
            if not short.any():
                break
            low, high = np.where(short, high, low), np.where(short, 2.0 * high, high)
        for _ in range(60):
            middle = 0.5 * (low + high)
            short = self.next_purchase_probability(middle, x_, t_x_, T_) < level
            low, high = np.where(short, middle, low), np.where(short, high, middle)
        return np.where(self.next_purchase_probability(high, x_, t_x_, T_) < level, np.inf, high)


def check_probabilities(q: ArrayLike) -> FloatArray:
    """Probabilities strictly between 0 and 1, as float64."""
    levels = numbers(q, "q")
    refuse((levels <= 0) | (levels >= 1), "q (probability) must lie in (0, 1)")
    return levels


def check_rate(rate: float) -> None:
    """Refuse a discount rate that is not positive and finite: without one, the sum over all time may be infinite."""
    if not 0.0 < rate < np.inf:
        raise ValueError(f"rate (continuous discount rate per unit of time) must be positive and finite, not {rate}")


def check_counts(n: ArrayLike) -> FloatArray:
    """Whole numbers >= 0, as float64."""
    counts = numbers(n, "n")
    refuse((counts < 0) | (counts != np.floor(counts)), "n (purchases) must be whole and not negative")
    return counts


def smallest_counts(models: Sequence[Predictive], levels: FloatArray, rows: Sequence[FloatArray]) -> IntArray:
    """Quantiles (k, n) of the mean over models of the law of Y, for checked (t, x, t_x, T) of shape (n,) each."""
    return np.stack([_smallest_count(models, 1.0 - level, rows) for level in levels])


def _smallest_count(models: Sequence[Predictive], beyond: float, rows: Sequence[FloatArray]) -> IntArray:
    """Smallest n with mean over models of P(Y >= n + 1) <= beyond, by doubling and then halving the bracket."""

    def enough(n: IntArray, active: IntArray) -> IntArray:
        some = [row[active] for row in rows]
        mass = sum(model.rows(active).tail(n + 1, *some) for model in models) / len(models)
        return np.asarray(mass <= beyond)

    size = rows[0].size
    low, high = np.full(size, -1, dtype=np.int64), np.zeros(size, dtype=np.int64)
    active = np.arange(size)
    while active.size:
        done = enough(high[active], active) | (high[active] >= _MOST_PURCHASES)
        active = active[~done]
        low[active], high[active] = high[active], 2 * high[active] + 1
    active = np.flatnonzero(high - low > 1)
    while active.size:
        middle = (low[active] + high[active]) // 2
        done = enough(middle, active)
        high[active[done]], low[active[~done]] = middle[done], middle[~done]
        active = active[high[active] - low[active] > 1]
    return high
