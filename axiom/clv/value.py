"""Money: the predictive distribution of what a customer will spend, from a purchase model and a spend model.

With Y future purchases and a posterior scale (gamma + S)/ν, the spend W given Y = n is beta-prime, so

    P(W <= w) = P(Y = 0) + Σ_{n>=1} P(Y = n) I_{w/(w + gamma + S)}(p n, q + p x)
    E[W] = E[Y] E[z | z̄, x]

W/(gamma + S) depends on the history of purchases only: customers are grouped by it, whatever they spent.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Self

import numpy as np

from axiom.clv.inputs import check_histories, check_horizon, distinct_rows, numbers
from axiom.clv.predictive import check_probabilities
from axiom.clv.spend import check_spend
from axiom.clv.value_grid import relative_quantiles
from axiom.clv.value_mixture import Components, components, quantile

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import TypeAlias

    from axiom.clv.base import TransactionModel
    from axiom.maths.arrays import ArrayLike, FloatArray, IntArray

    Pairs: TypeAlias = Sequence[tuple[TransactionModel, "ValuePredictive"]]

# Mass of very many purchases that may be left out, relative to what is asked for.
_IGNORED = 1e-12
_COMPONENTS_AT_ONCE = 200_000
_COMPONENTS_AT_LEAST = 20.0


class ValuePredictive(ABC):
    """Value of the purchases in (T, T + t] of customers with known x, t_x, T and mean spend.

    In every method `model` is a fitted purchase model, the other arguments broadcast against each other, times share
    the unit of `model` and money that of this fit. `mean_spend` is ignored where x = 0. All raise ValueError for input
    that breaks a rule of `check_histories` or `check_spend`, a negative t, or a probability outside (0, 1).
    """

    @abstractmethod
    def expected_spend(self, x: ArrayLike, mean_spend: ArrayLike) -> FloatArray:
        """E[value of one future purchase]."""

    @abstractmethod
    def spend_law(self, x: FloatArray, mean_spend: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        """(p, q + p x, gamma + S) of checked customers: shape per purchase, posterior shape and posterior scale."""

    @abstractmethod
    def rows(self, which: IntArray) -> Self:
        """The model of some customers, if every customer has parameters of their own."""

    @abstractmethod
    def draws(self, count: int, seed: int) -> list[Self]:
        """Models whose parameters are drawn from the Laplace posterior."""

    def expected_value(
        self, model: TransactionModel, t: ArrayLike, x: ArrayLike, t_x: ArrayLike, T: ArrayLike, mean_spend: ArrayLike
    ) -> FloatArray:
        """E[W] in (T, T + t]."""
        return np.asarray(model.expected_purchases(t, x, t_x, T) * self.expected_spend(x, mean_spend))

    def expected_value_between(
        self,
        model: TransactionModel,
        t_1: ArrayLike,
        t_2: ArrayLike,
        x: ArrayLike,
        t_x: ArrayLike,
        T: ArrayLike,
        mean_spend: ArrayLike,
    ) -> FloatArray:
        """Expected value of the purchases in (T + t_1, T + t_2]."""
        purchases = model.expected_purchases_between(t_1, t_2, x, t_x, T)
        return np.asarray(purchases * self.expected_spend(x, mean_spend))

    def discounted_value(
        self, rate: float, model: TransactionModel, x: ArrayLike, t_x: ArrayLike, T: ArrayLike, mean_spend: ArrayLike
    ) -> FloatArray:
        """Discounted expected residual value, E[z] · DERT; `rate` as in `Predictive.discounted_purchases`."""
        return np.asarray(model.discounted_purchases(rate, x, t_x, T) * self.expected_spend(x, mean_spend))

    def value_cdf(
        self,
        w: ArrayLike,
        model: TransactionModel,
        t: ArrayLike,
        x: ArrayLike,
        t_x: ArrayLike,
        T: ArrayLike,
        mean_spend: ArrayLike,
        *,
        parameter_draws: int = 0,
        seed: int = 0,
    ) -> FloatArray:
        """P(W <= w) for any finite w; draws as in `value_quantile`."""
        asked = numbers(w, "w")
        form, (t_, x_, t_x_, T_, z_, money) = _flat(t, x, t_x, T, mean_spend, asked)
        out = np.empty(money.size)
        pairs = self._pairs(model, parameter_draws, seed)
        with np.errstate(divide="ignore"):
            log_w = np.log(np.maximum(money, 0.0))
        for rows in _chunks(model, t_, x_, t_x_, T_, parameter_draws):
            nothing, mixture = _mixture(pairs, _IGNORED, rows, t_, x_, t_x_, T_, z_)
            out[rows] = np.where(money[rows] < 0, 0.0, nothing + mixture.cdf(log_w[rows]))
        return out.reshape(form)

    def value_quantile(
        self,
        q: ArrayLike,
        model: TransactionModel,
        t: ArrayLike,
        x: ArrayLike,
        t_x: ArrayLike,
        T: ArrayLike,
        mean_spend: ArrayLike,
        *,
        parameter_draws: int = 0,
        seed: int = 0,
    ) -> FloatArray:
        """Smallest w with P(W <= w) >= q; 0 where P(no purchase) >= q.

        Args:
            q: Probabilities in (0, 1), a scalar or shape (m,).
            model: Fitted purchase model.
            t: Horizon.
            x: Repeat purchases.
            t_x: Time of the last purchase.
            T: Age.
            mean_spend: Mean value of the repeat purchases.
            parameter_draws: 0 plugs the estimates in; k > 0 mixes over k pairs of draws from the Laplace posteriors of
                both models. The work is k times that of customers who all differ.
            seed: Of these draws.

        Returns:
            The common shape for a scalar q, otherwise (m, *that shape).
        """
        levels = check_probabilities(q)
        form, (t_, x_, t_x_, T_, z_) = _flat(t, x, t_x, T, mean_spend)
        pairs = self._pairs(model, parameter_draws, seed)
        if parameter_draws:
            found = _mixed_quantiles(pairs, levels.ravel(), t_, x_, t_x_, T_, z_)
        else:
            # One scale for all: the quantile is that of W/(gamma + S), which few histories share out, times gamma + S.
            rows, which = distinct_rows(x_, t_x_, T_, t_, *model.own())
            p, rest, scale = self.spend_law(x_, z_)
            columns = t_[rows], x_[rows], t_x_[rows], T_[rows]
            found = relative_quantiles(model.rows(rows), p, rest[rows], levels.ravel(), columns)[:, which] * scale
        return found.reshape(levels.shape + form)

    def _pairs(self, model: TransactionModel, parameter_draws: int, seed: int) -> list[tuple[TransactionModel, Self]]:
        if not parameter_draws:
            return [(model, self)]
        # Two seeds from one: the estimates of the two models are independent.
        first, second = np.random.SeedSequence(seed).generate_state(2)
        return list(
            zip(model.draws(parameter_draws, int(first)), self.draws(parameter_draws, int(second)), strict=True)
        )


def _mixed_quantiles(
    pairs: Pairs, levels: FloatArray, t: FloatArray, x: FloatArray, t_x: FloatArray, T: FloatArray, z: FloatArray
) -> FloatArray:
    """Quantiles (k, n) of W under a mixture of models."""
    out = np.empty((levels.size, x.size))
    # Finer than the noise of any number of draws.
    beyond = 1e-5 * (1.0 - levels.max())
    for rows in _chunks(pairs[0][0], t, x, t_x, T, len(pairs)):
        nothing, mixture = _mixture(pairs, beyond, rows, t, x, t_x, T, z)
        for i, level in enumerate(levels):
            out[i, rows] = np.exp(quantile(mixture, level - nothing))
    return out


def _mixture(
    pairs: Pairs,
    beyond: float,
    rows: IntArray,
    t: FloatArray,
    x: FloatArray,
    t_x: FloatArray,
    T: FloatArray,
    z: FloatArray,
) -> tuple[FloatArray, Components]:
    """P(Y = 0) of some rows, and the components of their law of W for Y > 0, averaged over pairs of models."""
    some = t[rows], x[rows], t_x[rows], T[rows]
    tables = [model.rows(rows).purchase_table(beyond, *some) for model, _ in pairs]
    nothing = np.mean([table[0] for table in tables], axis=0)
    return nothing, components(tables, [spend.rows(rows).spend_law(x[rows], z[rows]) for _, spend in pairs])


def _flat(
    t: ArrayLike, x: ArrayLike, t_x: ArrayLike, T: ArrayLike, mean_spend: ArrayLike, *more: FloatArray
) -> tuple[tuple[int, ...], list[FloatArray]]:
    """The common shape of checked arguments, and each of them broadcast to it and flattened."""
    x_, t_x_, T_ = check_histories(x, t_x, T)
    _, z = check_spend(x_, mean_spend)
    columns = np.broadcast_arrays(check_horizon(t), x_, t_x_, T_, z, *more)
    return columns[0].shape, [column.ravel() for column in columns]


def _chunks(
    model: TransactionModel, t: FloatArray, x: FloatArray, t_x: FloatArray, T: FloatArray, copies: int
) -> Iterator[IntArray]:
    """Customers in groups that buy about equally often and have about as many components together."""
    mean = model.expected_purchases(t, x, t_x, T)
    order = np.argsort(mean)
    size = max(copies, 1) * (_COMPONENTS_AT_LEAST + 4.0 * mean[order])
    group = (np.cumsum(size) // _COMPONENTS_AT_ONCE).astype(np.int64)
    if order.size:
        yield from np.split(order, np.flatnonzero(np.diff(group)) + 1)
