"""The predictions of BG/NBD and MBG/NBD, from the laws of `geometric_law` and the sums of `geometric_walk`."""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from axiom.clv import geometric_law
from axiom.clv import geometric_walk as walk
from axiom.clv.base import TransactionModel
from axiom.clv.geometric_discount import discounted
from axiom.clv.geometric_law import Law
from axiom.clv.inputs import check_histories, check_horizon, distinct_rows, numbers
from axiom.clv.predictive import check_counts, check_probabilities, check_rate

if TYPE_CHECKING:
    from axiom.maths.arrays import ArrayLike, FloatArray, IntArray


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
        return (rows.alive * geometric_law.pmf(rows.law, rows.t, count) + np.where(count > 0, 0.0, rows.gone)).reshape(
            rows.form
        )

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
        if walk.by_need(law, horizon)[2] < horizon.size:
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
        if parameter_draws:
            return super().purchase_quantile(q, t, x, t_x, T, parameter_draws=parameter_draws, seed=seed)
        levels = check_probabilities(q)
        rows = self._rows(x, t_x, T, check_horizon(t))
        law, horizon, which = rows.laws()
        _, order, light = walk.by_need(law, horizon)
        place = np.empty(order.size, dtype=np.int64)
        place[order] = np.arange(order.size)
        customers = np.argsort(place[which], kind="stable")
        found = np.empty((levels.size, which.size), dtype=np.int64)
        ends = np.searchsorted(place[which][customers], np.append(np.arange(0, light, walk.BLOCK), light))
        for start, (low, high) in zip(range(0, light, walk.BLOCK), pairwise(ends), strict=True):
            some, block = customers[low:high], order[start : min(start + walk.BLOCK, light)]
            found[:, some] = walk.quantile(
                law.rows(block), horizon[block], rows.alive[some], place[which[some]] - start, 1.0 - levels.ravel()
            )
        heavy = customers[ends[-1] :]
        if heavy.size:
            others = (column[heavy] for column in rows.columns)
            found[:, heavy] = TransactionModel.purchase_quantile(self.rows(heavy), levels.ravel(), *others)
        return found.reshape(levels.shape + rows.form)

    def discounted_purchases(
        self, rate: float, x: ArrayLike = 0.0, t_x: ArrayLike = 0.0, T: ArrayLike = 0.0
    ) -> FloatArray:
        """DERT; see `Predictive.discounted_purchases` and `axiom.clv.geometric_discount`."""
        check_rate(rate)
        rows = self._rows(x, t_x, T, np.zeros(()))
        law, _, which = rows.laws()
        return (rows.alive * discounted(law, rate)[which]).reshape(rows.form)

    def _rows(self, x: ArrayLike, t_x: ArrayLike, T: ArrayLike, t: FloatArray, *more: FloatArray) -> Rows:
        t_, x_, t_x_, T_, *rest = np.broadcast_arrays(t, *check_histories(x, t_x, T), *more)
        columns = (t_.ravel(), x_.ravel(), t_x_.ravel(), T_.ravel())
        theta = self._fitted_theta()
        if theta.ndim > 1 and theta.shape[1] != t_.size:
            raise ValueError(f"this model has the parameters of {theta.shape[1]} customers, not of {t_.size}")
        return Rows(theta, self.first_coins, t_.shape, columns, tuple(column.ravel() for column in rest))
