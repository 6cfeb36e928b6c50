"""BG/NBD and MBG/NBD with static covariates on the purchase rate and on dropout.

Customer i with covariates z_i (rate) and w_i (dropout) has

    ln mu_i = ln mu + β'z_i             so alpha_i = alpha exp(-β'z_i): exp(β) are ratios of purchase rates
    logit phi_i = logit phi + γ'w_i     so a_i/b_i = (a/b) exp(γ'w_i): exp(γ) are odds ratios of dropout

with u = 1/r and s = 1/(a+b) common to all. The rate part is that of Fader & Hardie (2007, "Incorporating time-invariant
covariates into the Pareto/NBD and BG/NBD models"). They give a and b coefficients of their own; here one coefficient
moves the mean dropout and the heterogeneity stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from axiom.clv.beta_geo import BLOCK, BetaGeo
from axiom.clv.geometric import coin_terms, history_terms, rate_terms
from axiom.clv.inputs import Table, Totals, check_learnable, check_population, distinct_rows
from axiom.clv.modified_beta_geo import ModifiedBetaGeo
from axiom.clv.regression import Regression, check_design, covariate_names, standardised

if TYPE_CHECKING:
    from collections.abc import Sequence

    from axiom.clv.newton import Terms
    from axiom.maths.arrays import ArrayLike, FloatArray, IntArray

_PAIRS = list(zip(*np.triu_indices(4), strict=True))


@dataclass(frozen=True)
class CovariateTable:
    """Customers with covariates: a table, and designs of shape (n, k) and (n, l)."""

    table: Table
    rate: FloatArray
    dropout: FloatArray


class BetaGeoRegression(Regression):
    """BG/NBD with covariates. Working parameters: (ln mu, ln u, logit phi, ln s) at covariates 0, then β and γ."""

    name: ClassVar[str] = "beta-geo-regression"
    parameter_names: ClassVar[tuple[str, ...]] = BetaGeo.parameter_names

    def baseline(self) -> BetaGeo:
        """BG/NBD."""
        return BetaGeo(self.prior_sd)

    def fit(
        self,
        x: ArrayLike,
        t_x: ArrayLike,
        T: ArrayLike,
        *,
        rate: ArrayLike | None = None,
        dropout: ArrayLike | None = None,
        weights: ArrayLike | None = None,
        rate_names: Sequence[str] | None = None,
        dropout_names: Sequence[str] | None = None,
    ) -> Self:
        """Learn parameters and effects; the weak prior is on the effect of one standard deviation of each covariate.

        Args:
            x: Repeat purchases, shape (n,).
            t_x: Time of the last purchase, shape (n,).
            T: Age, shape (n,).
            rate: Covariates of the purchase rate, shape (n, k) or (n,); None for none.
            dropout: Covariates of dropout, shape (n, l) or (n,); None for none.
            weights: Positive, shape (n,).
            rate_names: Names of the columns of `rate`; numbers by default.
            dropout_names: Names of the columns of `dropout`.

        Returns:
            The model itself.

        Raises:
            ValueError: As `TransactionModel.fit`; no covariates; one is missing, constant or misshapen; or names do not
                match columns.
        """
        columns = check_population(x, t_x, T, weights)
        z, w = check_design(rate, columns[0].size, "rate"), check_design(dropout, columns[0].size, "dropout")
        names = covariate_names(rate_names, z.shape[1], "rate") + covariate_names(dropout_names, w.shape[1], "dropout")
        if not names:
            raise ValueError("a regression needs a covariate of rate or of dropout; use the plain model otherwise")
        z, back_z = standardised(z, "rate")
        w, back_w = standardised(w, "dropout")
        shard = _compressed(*columns, z, w)
        totals = Totals.of(shard.table)
        check_learnable(totals)
        baseline = self.baseline()
        self.covariate_names_ = names
        self._learn(
            lambda theta: self.objective(theta, shard),
            self.with_effects(baseline.prior(totals)),
            np.pad(np.atleast_2d(baseline.initial(totals)), ((0, 0), (0, len(names)))),
            totals.customers,
        )
        back = np.eye(self.theta_.size)
        rate_place, _, dropout_place, _ = _places(z.shape[1], w.shape[1])
        back[np.ix_(rate_place, rate_place)], back[np.ix_(dropout_place, dropout_place)] = back_z, back_w
        self.theta_, self.theta_covariance_ = back @ self.theta_, back @ self.theta_covariance_ @ back.T
        return self

    def objective(self, theta: FloatArray, shard: CovariateTable) -> Terms:
        """Log likelihood of a shard, gradient and Hessian in theta, no prior; shards add up."""
        table, first = shard.table, self.baseline().first_coins
        reached = np.bincount(table.x.astype(np.int64), weights=table.weight)
        buys = reached[::-1].cumsum()[::-1][1:]
        rate, rate_g, rate_h = rate_terms(theta[1], np.arange(buys.size, dtype=np.float64))
        f, g, H = float(buys @ rate), np.zeros(theta.size), np.zeros((theta.size, theta.size))
        g[1], H[1, 1] = buys @ rate_g, buys @ rate_h
        places = _places(shard.rate.shape[1], shard.dropout.shape[1])
        for start in range(0, table.x.size, BLOCK):
            rows = slice(start, start + BLOCK)
            designs = _designs(shard.rate[rows], shard.dropout[rows])
            value, gradient, hessian = _row_terms(_personal(theta, designs, places), table, rows, first)
            weight = table.weight[rows]
            f += float(weight @ value)
            for design, place, slope in zip(designs, places, gradient, strict=True):
                g[place] += design.T @ (weight * slope)
            for (i, j), curve in zip(_PAIRS, hessian, strict=True):
                block = designs[i].T @ ((weight * curve)[:, None] * designs[j])
                H[np.ix_(places[i], places[j])] += block
                if i != j:
                    H[np.ix_(places[j], places[i])] += block.T
        return f, g, H

    def customers(self, rate: ArrayLike | None = None, dropout: ArrayLike | None = None) -> BetaGeo:
        """A purchase model of given customers, each with parameters of their own.

        Args:
            rate: Covariates of the purchase rate as in `fit`, shape (n, k) or (n,).
            dropout: Covariates of dropout, shape (n, l) or (n,).

        Returns:
            A model whose predictions take the histories of these n customers, in this order.

        Raises:
            ValueError: The model is not fitted, or the covariates are not those of the fit.
        """
        theta = self._fitted_theta()
        size = np.atleast_1d(np.asarray(dropout if rate is None else rate)).shape[0]
        z, w = check_design(rate, size, "rate"), check_design(dropout, size, "dropout")
        parts = [name.removeprefix("ratio(").split(".")[0] for name in self.covariate_names_]
        counts = [parts.count("rate"), parts.count("dropout")]
        if [z.shape[1], w.shape[1]] != counts:
            raise ValueError(f"the model has {counts} covariates of rate and dropout, not {[z.shape[1], w.shape[1]]}")
        return self._people(_personal(theta, _designs(z, w), _places(*counts)), z, w)

    def _people(self, theta: FloatArray, z: FloatArray, w: FloatArray) -> BetaGeo:
        return PersonalBetaGeo(self, theta, z, w)


class ModifiedBetaGeoRegression(BetaGeoRegression):
    """MBG/NBD with covariates."""

    name: ClassVar[str] = "modified-beta-geo-regression"

    def baseline(self) -> BetaGeo:
        """MBG/NBD."""
        return ModifiedBetaGeo(self.prior_sd)

    def _people(self, theta: FloatArray, z: FloatArray, w: FloatArray) -> BetaGeo:
        return PersonalModifiedBetaGeo(self, theta, z, w)


class PersonalBetaGeo(BetaGeo):
    """BG/NBD of given customers with parameters of their own, from `BetaGeoRegression.customers`."""

    def __init__(self, regression: BetaGeoRegression, theta: FloatArray, z: FloatArray, w: FloatArray) -> None:
        super().__init__(regression.prior_sd)
        self.theta_ = theta
        self._regression, self._z, self._w = regression, z, w

    def rows(self, which: IntArray) -> Self:
        """The model of some of the customers."""
        return type(self)(self._regression, self.theta_[:, which], self._z[which], self._w[which])

    def draws(self, count: int, seed: int) -> list[Self]:
        """Models of the same customers from the posterior of the regression."""
        places = _places(self._z.shape[1], self._w.shape[1])
        designs = _designs(self._z, self._w)
        return [
            type(self)(drawn, _personal(drawn.theta_, designs, places), self._z, self._w)
            for drawn in self._regression.draws(count, seed)
        ]


class PersonalModifiedBetaGeo(PersonalBetaGeo, ModifiedBetaGeo):
    """MBG/NBD of given customers with parameters of their own."""


def _compressed(
    x: FloatArray, t_x: FloatArray, T: FloatArray, weights: FloatArray, z: FloatArray, w: FloatArray
) -> CovariateTable:
    """Identical customers grouped, the most frequent first, so that loops over coins end early in most blocks."""
    rows, inverse = distinct_rows(-x, t_x, T, *z.T, *w.T)
    counts = np.bincount(inverse, weights=weights).astype(np.float64)
    order = np.argsort(-x[rows], kind="stable")
    rows, counts = rows[order], counts[order]
    return CovariateTable(Table(x[rows], t_x[rows], T[rows], counts), z[rows], w[rows])


def _places(k: int, count: int) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    """For each of ln mu, ln u, logit phi and ln s: where its parameters are in theta."""
    base, effects = np.arange(4), np.arange(4, 4 + k + count)
    return np.append(base[0], effects[:k]), base[1:2], np.append(base[2], effects[k:]), base[3:]


def _designs(z: FloatArray, w: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """What these parameters are multiplied with, (n, .) each."""
    one = np.ones((len(z), 1))
    return np.hstack([one, z]), one, np.hstack([one, w]), one


def _personal(theta: FloatArray, designs: Sequence[FloatArray], places: Sequence[IntArray]) -> FloatArray:
    """Theta of each customer, (4, n)."""
    return np.stack([design @ theta[place] for design, place in zip(designs, places, strict=True)])


def _row_terms(
    personal: FloatArray, table: Table, rows: slice, first: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """As `history_terms`, plus the products over dropout coins and mu^x, which now differ between customers."""
    x = table.x[rows]
    value, gradient, hessian = history_terms(personal, x, table.t_x[rows], table.T[rows], first)
    value += x * personal[0]
    gradient[0] += x
    coins = x + first
    order = np.argsort(-coins, kind="stable")
    for j in range(int(coins.max())):
        some = order[: np.searchsorted(-coins[order], -j)]
        coin, coin_g, coin_h = coin_terms(personal[2, some], personal[3, some], np.asarray(float(j)))
        value[some] += coin
        gradient[2:, some] += coin_g
        hessian[7:, some] += coin_h
    return value, gradient, hessian
