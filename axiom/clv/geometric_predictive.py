"""The predictions of BG/NBD and MBG/NBD, from the laws of `geometric_law` and the sums of `geometric_walk`."""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from axiom.clv import geometric_law
from axiom.clv import geometric_walk as walk
from axiom.clv.base import TransactionModel
from axiom.clv.geometric_discount import discounted
from axiom.clv.geometric_law import Law
from axiom.clv.inputs import check_histories, check_horizon, distinct_rows, numbers
from axiom.clv.predictive import check_counts, check_probabilities, check_rate, smallest_counts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from axiom.maths.arrays import ArrayLike, FloatArray, IntArray

_DRAWN_AT_ONCE = 20_000
_WALKED_AT_ONCE = 32_768


@dataclass(frozen=True)
class Rows:
    """The arguments of a prediction, broadcast to one shape and flattened.

    Attributes:
        theta: Working parameters, (4,) or (4, n).
        first: Coins tossed at the first purchase.
        form: Shape of the answer.
        columns: (t, x, t_x, T), each (n,).
        more: Further arguments, each (n,).
    """

    theta: FloatArray
    first: int
    form: tuple[int, ...]
    columns: tuple[FloatArray, FloatArray, FloatArray, FloatArray]
    more: tuple[FloatArray, ...]

    @property
    def t(self) -> FloatArray:
        """Horizons."""
        return self.columns[0]

    @property
    def alive(self) -> FloatArray:
        """P(alive now)."""
        return self._alive_and_gone[0]

    @property
    def gone(self) -> FloatArray:
        """1 - P(alive now)."""
        return self._alive_and_gone[1]

    @property
    def law(self) -> Law:
        """The law of each row."""
        _, x, _, T = self.columns
        return Law.of(self.theta, x, T, self.first)

    def laws(self) -> tuple[Law, FloatArray, IntArray]:
        """The distinct laws, their horizons, and which one each row follows."""
        t, x, _, T = self.columns
        personal = self.theta.ndim > 1
        rows, which = distinct_rows(x, T, t, *self.theta if personal else ())
        theta = self.theta[:, rows] if personal else self.theta
        return Law.of(theta, x[rows], T[rows], self.first), t[rows], which

    @cached_property
    def _alive_and_gone(self) -> tuple[FloatArray, FloatArray]:
        return geometric_law.alive_and_gone(self.theta, *self.columns[1:], self.first)


class GeometricPredictive(TransactionModel, ABC):
    """Predictions of a model with `theta_` and `first_coins`."""

    first_coins: ClassVar[int]

    def probability_alive(
        self, x: ArrayLike = 0.0, t_x: ArrayLike = 0.0, T: ArrayLike = 0.0, t: ArrayLike = 0.0
    ) -> FloatArray:
        """P(alive at T + t); for BG/NBD it is 1 now for every customer with x = 0."""
        rows = self._rows(x, t_x, T, check_horizon(t))
        law, horizon, which = rows.laws()
        return (rows.alive * walk.survival(law, horizon)[which]).reshape(rows.form)

    def tail(
        self, n: ArrayLike, t: ArrayLike, x: ArrayLike = 0.0, t_x: ArrayLike = 0.0, T: ArrayLike = 0.0
    ) -> FloatArray:
        """P(Y >= n), 1 for n <= 0; see `axiom.clv.geometric_law`."""
        rows = self._rows(x, t_x, T, check_horizon(t), numbers(n, "n"))
        (count,) = rows.more
        some = rows.alive * geometric_law.tail(rows.law, rows.t, np.maximum(count, 1.0))
        return np.where(count > 0, some, 1.0).reshape(rows.form)

    def purchase_pmf(
        self, n: ArrayLike, t: ArrayLike, x: ArrayLike = 0.0, t_x: ArrayLike = 0.0, T: ArrayLike = 0.0
    ) -> FloatArray:
        """P(Y = n) for whole n >= 0, accurate in relative terms however small it is."""
        rows = self._rows(x, t_x, T, check_horizon(t), check_counts(n))
        (count,) = rows.more
        mass = rows.alive * geometric_law.pmf(rows.law, rows.t, count)
        return (mass + np.where(count > 0, 0.0, rows.gone)).reshape(rows.form)

    def expected_purchases(
        self, t: ArrayLike, x: ArrayLike = 0.0, t_x: ArrayLike = 0.0, T: ArrayLike = 0.0
    ) -> FloatArray:
        """E[Y]; see `axiom.clv.geometric_law`."""
        rows = self._rows(x, t_x, T, check_horizon(t))
        law, horizon, which = rows.laws()
        return (rows.alive * walk.expected(law, horizon)[which]).reshape(rows.form)

    def purchase_table(self, beyond: float, t: FloatArray, x: FloatArray, t_x: FloatArray, T: FloatArray) -> FloatArray:
        """P(Y = n) for n = 0, ..., N; see `Predictive.purchase_table`."""
        rows = self._rows(x, t_x, T, t)
        law, horizon, which = rows.laws()
        if (walk.terms_needed(law, horizon) > walk.MOST_TERMS).any():
            return super().purchase_table(beyond, t, x, t_x, T)
        table = rows.alive * walk.probabilities(law, horizon, beyond)[:, which]
        table[0] += rows.gone
        return table

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
        """Smallest n with P(Y <= n) >= q; see `Predictive.purchase_quantile`."""
        levels = check_probabilities(q)
        rows = self._rows(x, t_x, T, check_horizon(t))
        models = self._models(parameter_draws, seed)
        # Many models hold their posteriors at once, so they take fewer customers at once.
        size = rows.t.size if len(models) == 1 else _DRAWN_AT_ONCE
        found = [np.empty((levels.size, 0), dtype=np.int64)]
        for start in range(0, rows.t.size, max(size, 1)):
            some = np.arange(start, min(start + size, rows.t.size))
            here = [model.rows(some) for model in models]
            found.append(_quantiles(here, levels.ravel(), [column[some] for column in rows.columns]))
        return np.hstack(found).reshape(levels.shape + rows.form)

    def next_purchase_quantile(
        self, q: ArrayLike, x: ArrayLike = 0.0, t_x: ArrayLike = 0.0, T: ArrayLike = 0.0
    ) -> FloatArray:
        """Solves q = P(alive) (1 - (1 + odds)^-R) for the time; see `Predictive.next_purchase_quantile`."""
        rows = self._rows(x, t_x, T, np.zeros(()), check_probabilities(q))
        (level,) = rows.more
        level = np.minimum(level / rows.alive, 1.0)
        with np.errstate(divide="ignore"):
            odds = np.expm1(-np.log1p(-level) / rows.law.shape)
        return (odds / rows.law.speed).reshape(rows.form)

    def discounted_purchases(
        self, rate: float, x: ArrayLike = 0.0, t_x: ArrayLike = 0.0, T: ArrayLike = 0.0
    ) -> FloatArray:
        """DERT; see `Predictive.discounted_purchases` and `axiom.clv.geometric_discount`."""
        check_rate(rate)
        rows = self._rows(x, t_x, T, np.zeros(()))
        law, _, which = rows.laws()
        return (rows.alive * discounted(law, rate)[which]).reshape(rows.form)

    def walker(self, t: FloatArray, x: FloatArray, t_x: FloatArray, T: FloatArray) -> walk.Walker:
        """What a walk over n needs of checked customers, shape (n,) each."""
        rows = self._rows(x, t_x, T, t)
        law, horizon, which = rows.laws()
        return walk.Walker(law, horizon, rows.alive, which)

    def _rows(self, x: ArrayLike, t_x: ArrayLike, T: ArrayLike, t: FloatArray, *more: FloatArray) -> Rows:
        t_, x_, t_x_, T_, *rest = np.broadcast_arrays(t, *check_histories(x, t_x, T), *more)
        columns = (t_.ravel(), x_.ravel(), t_x_.ravel(), T_.ravel())
        theta = self._fitted_theta()
        if theta.ndim > 1 and theta.shape[1] != t_.size:
            raise ValueError(f"this model has the parameters of {theta.shape[1]} customers, not of {t_.size}")
        return Rows(theta, self.first_coins, t_.shape, columns, tuple(column.ravel() for column in rest))


def _quantiles(models: Sequence[GeometricPredictive], levels: FloatArray, columns: Sequence[FloatArray]) -> IntArray:
    """Quantiles (k, n) of the mean of models, by a walk over n; by the generic search where the walk would be long."""
    t, x, t_x, T = columns
    walkers = [model.walker(t, x, t_x, T) for model in models]
    order, light = walk.by_need(np.max([walker.need() for walker in walkers], axis=0))
    found = np.empty((levels.size, t.size), dtype=np.int64)
    for start in range(0, light, _WALKED_AT_ONCE):
        some = order[start : min(start + _WALKED_AT_ONCE, light)]
        found[:, some] = walk.quantile([walker.of(some) for walker in walkers], 1.0 - levels)
    heavy = order[light:]
    if heavy.size:
        busy = [model.rows(heavy) for model in models]
        found[:, heavy] = smallest_counts(busy, levels, [column[heavy] for column in columns])
    return found
