"""Gamma-Gamma with static covariates on the mean spend.

ln m_i = ln m + β'z_i, so gamma_i = gamma exp(β'z_i) with p and q common to all: exp(β) are ratios of mean spend.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from axiom.clv.gamma_gamma import GammaGamma, spend_objective
from axiom.clv.regression import Regression, check_design, covariate_names, standardised
from axiom.clv.spend import SpendTotals, check_buyers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from axiom.maths.arrays import ArrayLike, FloatArray, IntArray


class GammaGammaRegression(Regression):
    """Gamma-Gamma with covariates. Working parameters: (ln p, ln(q-1), ln m) at covariates 0, then β."""

    name: ClassVar[str] = "gamma-gamma-regression"
    parameter_names: ClassVar[tuple[str, ...]] = GammaGamma.parameter_names

    def baseline(self) -> GammaGamma:
        """Gamma-Gamma."""
        return GammaGamma(self.prior_sd)

    def fit(
        self,
        x: ArrayLike,
        mean_spend: ArrayLike,
        *,
        spend: ArrayLike,
        weights: ArrayLike | None = None,
        spend_names: Sequence[str] | None = None,
    ) -> Self:
        """Learn parameters and effects from repeat buyers.

        Args:
            x: Repeat purchases, shape (n,).
            mean_spend: Mean value of the repeat purchases, > 0 where x > 0, shape (n,).
            spend: Covariates of the mean spend, shape (n, k) or (n,).
            weights: Positive, shape (n,).
            spend_names: Names of the columns of `spend`; numbers by default.

        Returns:
            The model itself.

        Raises:
            ValueError: As `GammaGamma.fit`; or a covariate is missing, misshapen or the same for all repeat buyers.
        """
        buyers = check_buyers(x, mean_spend, weights)
        design = check_design(spend, np.size(x), "spend")[np.asarray(x) > 0]
        totals = SpendTotals.of(buyers)
        baseline = self.baseline()
        baseline.check_learnable(totals)
        self.covariate_names_ = covariate_names(spend_names, design.shape[1], "spend")
        design, own_back = standardised(design, "spend")
        design = np.hstack([np.ones((len(design), 1)), design])
        start = np.append(baseline.initial(totals), np.zeros(design.shape[1] - 1))
        prior = self.with_effects(baseline.prior())
        self._learn(lambda theta: spend_objective(theta, design, buyers), prior, start, totals.buyers)
        back = np.eye(start.size)
        back[2:, 2:] = own_back
        self.theta_, self.theta_covariance_ = back @ self.theta_, back @ self.theta_covariance_ @ back.T
        return self

    def customers(self, spend: ArrayLike) -> GammaGamma:
        """A spend model of given customers, each with a mean of their own.

        Args:
            spend: Covariates as in `fit`, shape (n, k) or (n,).

        Returns:
            A model whose predictions take the histories of these n customers, in this order.

        Raises:
            ValueError: The model is not fitted, or the covariates are not those of the fit.
        """
        z = check_design(spend, len(np.atleast_1d(np.asarray(spend))), "spend")
        if z.shape[1] != len(self.coefficients_):
            raise ValueError(f"the model has {len(self.coefficients_)} covariates of spend, not {z.shape[1]}")
        return PersonalGammaGamma(self, z)


class PersonalGammaGamma(GammaGamma):
    """Gamma-Gamma of given customers with means of their own, from `GammaGammaRegression.customers`."""

    def __init__(self, regression: GammaGammaRegression, z: FloatArray) -> None:
        super().__init__(regression.prior_sd)
        theta = regression.theta_
        self.theta_ = np.stack([np.full(len(z), theta[0]), np.full(len(z), theta[1]), theta[2] + z @ theta[3:]])
        self._regression, self._z = regression, z

    def rows(self, which: IntArray) -> Self:
        """The model of some of the customers."""
        return type(self)(self._regression, self._z[which])

    def draws(self, count: int, seed: int) -> list[Self]:
        """Models of the same customers from the posterior of the regression."""
        return [type(self)(drawn, self._z) for drawn in self._regression.draws(count, seed)]
