"""What regressions on static covariates share: checked design matrices, names, priors and coordinates.

A regression has the working parameters of its model at covariates 0, followed by coefficients. A coefficient acts on a
logarithm or on log odds, so its exponential is a ratio, positive like the other natural parameters: `params_` shows
`ratio(name)`, and the covariance of logarithms is that of the coefficients themselves.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np

from axiom.clv.fitted import FittedModel
from axiom.clv.inputs import numbers
from axiom.clv.newton import GaussianPrior

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from axiom.maths.arrays import ArrayLike, FloatArray


class Regression(FittedModel):
    """A model whose parameters depend on static covariates.

    After `fit`, besides the attributes of `FittedModel`:
        coefficients_: Effects by name, on the log or log-odds scale.
    """

    covariate_names_: tuple[str, ...]

    @abstractmethod
    def baseline(self) -> FittedModel:
        """The model without covariates whose coordinates the first parameters are."""

    def names(self) -> tuple[str, ...]:
        """Names of the natural parameters, then of the ratios."""
        return (*self.parameter_names, *self.covariate_names_)

    @property
    def coefficients_(self) -> dict[str, float]:
        """Effects by name, on the log or log-odds scale."""
        effects = self._fitted_theta()[len(self.parameter_names) :]
        return dict(zip(self.covariate_names_, effects.tolist(), strict=True))

    def log_natural(self, theta: FloatArray) -> FloatArray:
        """Logarithms of the natural parameters at covariates 0, then the coefficients."""
        k = len(self.parameter_names)
        return np.concatenate([self.baseline().log_natural(theta[:k]), theta[k:]])

    def log_natural_jacobian(self, theta: FloatArray) -> FloatArray:
        """Derivative of `log_natural`."""
        k = len(self.parameter_names)
        jacobian = np.eye(theta.size)
        jacobian[:k, :k] = self.baseline().log_natural_jacobian(theta[:k])
        return jacobian

    def working(self, params: Mapping[str, float]) -> FloatArray:
        """Theta of natural parameters and ratios."""
        own = self.baseline().working({name: params[name] for name in self.parameter_names})
        return np.concatenate([own, np.log([params[name] for name in self.covariate_names_])])

    def with_effects(self, prior: GaussianPrior) -> GaussianPrior:
        """A prior of the baseline, and sd `prior_sd` on the effect of one standard deviation of each covariate."""
        zeros = np.zeros(len(self.covariate_names_))
        return GaussianPrior(np.append(prior.mean, zeros), np.append(prior.sd, zeros + self.prior_sd))

    def _settings(self) -> dict[str, Any]:
        return super()._settings() | {"covariates": list(self.covariate_names_)}

    def _restore(self, stored: dict[str, Any]) -> None:
        super()._restore(stored)
        self.covariate_names_ = tuple(stored["covariates"])


def check_design(covariates: ArrayLike | None, size: int, name: str) -> FloatArray:
    """A design matrix (size, k) of finite numbers; None means no covariates.

    Raises:
        ValueError: Another shape, a missing value, or no row.
    """
    if covariates is None:
        return np.zeros((size, 0))
    design = numbers(covariates, name)
    design = design[:, None] if design.ndim == 1 else design
    if design.ndim != 2 or design.shape[0] != size:
        raise ValueError(f"{name} must have one row per customer ({size}), not the shape {design.shape}")
    return design


def standardised(design: FloatArray, name: str) -> tuple[FloatArray, FloatArray]:
    """Covariates with mean 0 and sd 1, and the matrix (1 + k, 1 + k) that takes (intercept, effects) back.

    Raises:
        ValueError: A covariate is the same for all customers.
    """
    constant = np.flatnonzero(np.ptp(design, axis=0) == 0)
    if constant.size:
        raise ValueError(f"a covariate must vary between customers; columns {constant.tolist()} of {name} do not")
    mean, spread = design.mean(axis=0), design.std(axis=0)
    back = np.diag(np.append(1.0, 1.0 / spread))
    back[0, 1:] = -mean / spread
    return (design - mean) / spread, back


def covariate_names(given: Sequence[str] | None, count: int, name: str) -> tuple[str, ...]:
    """Names of ratios: `ratio(name.column)`.

    Raises:
        ValueError: Not as many names as columns, or a name twice.
    """
    columns = [str(i) for i in range(count)] if given is None else list(given)
    if len(columns) != count or len(set(columns)) != count:
        raise ValueError(f"{name} has {count} columns, so it needs as many different names, not {columns}")
    return tuple(f"ratio({name}.{column})" for column in columns)
