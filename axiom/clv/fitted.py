"""What every fitted model of this package shares: parameters and their uncertainty, a summary, and storage as JSON."""

from __future__ import annotations

import json
import warnings
from abc import ABC, abstractmethod
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from scipy.special import ndtri

from axiom.clv.newton import GaussianPrior, Objective, Optimum, maximise

if TYPE_CHECKING:
    from collections.abc import Mapping

    from axiom.maths.arrays import FloatArray, IntArray

FORMAT_VERSION = 1


class FittedModel(ABC):
    """A model with positive parameters. The constructor stores, `fit` learns.

    It lives in two coordinate systems: *natural* parameters, which papers print (`params_`), and *working* parameters
    theta, unbounded and regular, in which it is fitted. Data carry the user's unit (of time or money) throughout; a
    change of unit is a mere shift of theta.

    Args:
        prior_sd: Standard deviation of the weak Gaussian prior on the unit-free working parameters; infinity gives
            plain maximum likelihood, which may have no maximum.

    After `fit`:
        params_: Natural parameters by name.
        covariance_: Laplace covariance of the **logarithms** of the natural parameters, shape (k, k).
        standard_errors_: Of the natural parameters (delta method), by name.
        theta_, theta_covariance_: The working parameters and their Laplace covariance.
        log_likelihood_: Log likelihood of the data in the user's unit, without the prior.
        converged_: Whether the fit truly ended at a maximum.
        n_iter_: Newton steps taken.
        customers_: Sum of weights it was fitted to.
    """

    name: ClassVar[str]
    parameter_names: ClassVar[tuple[str, ...]]
    # A maximum whose working parameters are all known better than this is taken without trying further starts.
    clear_sd: ClassVar[float] = 0.0

    theta_: FloatArray
    theta_covariance_: FloatArray
    log_likelihood_: float
    converged_: bool
    n_iter_: int
    customers_: float

    def __init__(self, prior_sd: float = 4.0) -> None:
        """Store the setting; `fit` checks it."""
        self.prior_sd = prior_sd

    def names(self) -> tuple[str, ...]:
        """Names of the natural parameters of this fit."""
        return self.parameter_names

    @abstractmethod
    def log_natural(self, theta: FloatArray) -> FloatArray:
        """Logarithms of the natural parameters, shape (k,), in the order of `names()`."""

    @abstractmethod
    def log_natural_jacobian(self, theta: FloatArray) -> FloatArray:
        """Derivative of `log_natural`: row = natural parameter, column = working parameter, shape (k, k)."""

    @abstractmethod
    def working(self, params: Mapping[str, float]) -> FloatArray:
        """Theta of natural parameters, shape (k,)."""

    def _learn(self, objective: Objective, prior: GaussianPrior, start: FloatArray, customers: float) -> Self:
        if not self.prior_sd > 0:
            raise ValueError(f"prior_sd must be positive, not {self.prior_sd}")
        ends: list[Optimum] = []
        for row in np.atleast_2d(start):
            ends.append(maximise(prior.added_to(objective), row))
            if ends[-1].converged and _largest_sd(ends[-1]) < self.clear_sd:
                break
        # Of two starts that reached one summit the first counts, whatever the rounding of their last steps.
        best = max(ends, key=lambda end: (end.converged, round(end.value, 6)))
        self.theta_ = best.theta
        self.theta_covariance_ = np.asarray(np.linalg.pinv(-best.hessian, hermitian=True), dtype=np.float64)
        self.log_likelihood_ = best.value - prior.terms(best.theta)[0]
        self.converged_ = best.converged
        self.n_iter_ = best.n_iter
        self.customers_ = customers
        if not best.converged:
            warnings.warn(
                f"{self.name} did not converge in {best.n_iter} steps; do not use its predictions",
                UserWarning,
                stacklevel=4,
            )
        return self

    @classmethod
    def from_params(cls, params: Mapping[str, float]) -> Self:
        """A model with known natural parameters, not learnt from data; it predicts but has no uncertainty.

        Raises:
            ValueError: A parameter is missing, unknown, not finite or not positive.
        """
        model = cls()
        model.theta_ = model.checked_working(params)
        model.theta_covariance_ = np.zeros((len(params), len(params)))
        model.log_likelihood_, model.converged_, model.n_iter_, model.customers_ = 0.0, True, 0, 0.0
        return model

    def checked_working(self, params: Mapping[str, float]) -> FloatArray:
        """Theta of natural parameters given by a user; errors as `from_params`."""
        if set(params) != set(self.names()):
            expected = ", ".join(self.names())
            raise ValueError(f"{self.name} has the parameters {expected}, not {', '.join(params)}")
        for name, value in params.items():
            if not 0 < value < np.inf:
                raise ValueError(f"parameter {name} must be positive and finite, not {value}")
        return self.working(params)

    @property
    def params_(self) -> dict[str, float]:
        """Natural parameters by name."""
        values = np.exp(self.log_natural(self._shared_theta()))
        return dict(zip(self.names(), values.tolist(), strict=True))

    @property
    def covariance_(self) -> FloatArray:
        """Laplace covariance of the logarithms of the natural parameters, shape (k, k)."""
        jacobian = self.log_natural_jacobian(self._shared_theta())
        return np.asarray(jacobian @ self.theta_covariance_ @ jacobian.T)

    @property
    def standard_errors_(self) -> dict[str, float]:
        """Standard errors of the natural parameters by the delta method."""
        spread = np.sqrt(np.diag(self.covariance_))
        return {name: value * float(sd) for (name, value), sd in zip(self.params_.items(), spread, strict=True)}

    def confidence_intervals(self, level: float = 0.95) -> dict[str, tuple[float, float]]:
        """Intervals of the natural parameters, symmetric on the log scale (where the Laplace approximation holds best).

        Args:
            level: Coverage, in (0, 1).
        """
        if not 0 < level < 1:
            raise ValueError(f"level must lie in (0, 1), not {level}")
        half = float(ndtri(0.5 + level / 2)) * np.sqrt(np.diag(self.covariance_))
        return {
            name: (value * float(np.exp(-h)), value * float(np.exp(h)))
            for (name, value), h in zip(self.params_.items(), half, strict=True)
        }

    def draws(self, count: int, seed: int) -> list[Self]:
        """Models whose parameters are drawn from the Laplace posterior.

        Args:
            count: How many, > 0.
            seed: Of the generator; the same seed gives the same models.

        Returns:
            `count` models with other `theta_` and no uncertainty of their own.

        Raises:
            ValueError: `count` is not positive.
        """
        if count < 1:
            raise ValueError(f"parameter_draws must be positive, not {count}")
        theta = self._fitted_theta()
        factor = _root(self.theta_covariance_)
        noise = np.random.default_rng(seed).standard_normal((count, theta.size))
        return [self.at(theta + factor @ row) for row in noise]

    def at(self, theta: FloatArray) -> Self:
        """A copy of this model with working parameters `theta` and no parameter uncertainty."""
        model = copy(self)
        model.theta_ = theta
        model.theta_covariance_ = np.zeros_like(self.theta_covariance_)
        return model

    def rows(self, which: IntArray) -> Self:
        """The model of some customers, where every customer has parameters of their own; itself otherwise."""
        return self if self.theta_.ndim == 1 else self.at(self.theta_[:, which])

    def own(self) -> list[FloatArray]:
        """What differs between customers in the model itself, one array (n,) each; nothing as a rule."""
        return [] if self.theta_.ndim == 1 else list(self.theta_)

    def summary(self) -> str:
        """The fit as a small table for people."""
        errors, intervals = self.standard_errors_, self.confidence_intervals()
        width = max(8, *(len(name) for name in errors))
        state = "converged" if self.converged_ else "NOT CONVERGED"
        fit = f"{self.customers_:.0f} customers, log likelihood {self.log_likelihood_:.4f}"
        lines = [
            f"{self.name}: {fit}, {state} in {self.n_iter_} steps",
            f"{'':>{width}}{'estimate':>14}{'std. error':>14}{'2.5 %':>14}{'97.5 %':>14}",
        ]
        for name, value in self.params_.items():
            low, high = intervals[name]
            lines.append(f"{name:>{width}}{value:>14.6g}{errors[name]:>14.6g}{low:>14.6g}{high:>14.6g}")
        return "\n".join(lines)

    def to_json(self) -> str:
        """The fitted model as JSON (format version, model name, parameters, covariance, how the fit went)."""
        return json.dumps(
            self._settings()
            | {
                "format": FORMAT_VERSION,
                "model": self.name,
                "params": self.params_,
                "theta": self._shared_theta().tolist(),
                "theta_covariance": self.theta_covariance_.tolist(),
                "log_likelihood": self.log_likelihood_,
                "converged": self.converged_,
                "n_iter": self.n_iter_,
                "customers": self.customers_,
            },
            indent=2,
            allow_nan=False,
        )

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The model that `to_json` wrote.

        Raises:
            ValueError: The text is not JSON of this format version and this model.
        """
        stored = read_stored(text, cls.name)
        model = cls()
        try:
            model._restore(stored)
            model.theta_ = np.asarray(stored["theta"], dtype=np.float64)
            model.theta_covariance_ = np.asarray(stored["theta_covariance"], dtype=np.float64)
            model.log_likelihood_ = float(stored["log_likelihood"])
            model.converged_ = bool(stored["converged"])
            model.n_iter_ = int(stored["n_iter"])
            model.customers_ = float(stored["customers"])
            size = len(model.names())
        except (KeyError, TypeError) as error:
            raise ValueError(f"the stored {cls.name} is incomplete: {error!r}") from None
        if model.theta_.shape != (size,) or model.theta_covariance_.shape != (size, size):
            raise ValueError(f"the stored {cls.name} has {model.theta_.size} working parameters, not {size}")
        return model

    def _settings(self) -> dict[str, Any]:
        """What `to_json` stores besides the fit itself."""
        return {"prior_sd": self.prior_sd if np.isfinite(self.prior_sd) else None}

    def _restore(self, stored: dict[str, Any]) -> None:
        """Take back what `_settings` gave."""
        self.prior_sd = np.inf if stored["prior_sd"] is None else float(stored["prior_sd"])

    def save(self, path: str | Path) -> None:
        """Write `to_json` to a file."""
        Path(path).write_text(self.to_json() + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a file that `save` wrote; see `from_json`."""
        return cls.from_json(Path(path).read_text(encoding="utf-8"))

    def _fitted_theta(self) -> FloatArray:
        try:
            return self.theta_
        except AttributeError:
            raise ValueError(f"this {self.name} model is not fitted; call fit first") from None

    def _shared_theta(self) -> FloatArray:
        theta = self._fitted_theta()
        if theta.ndim > 1:
            raise ValueError("these customers have parameters of their own: ask the regression they came from")
        return theta


def read_stored(text: str, name: str) -> dict[str, Any]:
    """Parse stored JSON and check whose it is.

    Raises:
        ValueError: Not JSON, another format version, or another model.
    """
    try:
        stored = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"a stored model must be JSON: {error}") from None
    if not isinstance(stored, dict) or stored.get("format") != FORMAT_VERSION:
        raise ValueError(f"this is not a stored model of format {FORMAT_VERSION}")
    if stored.get("model") != name:
        raise ValueError(f"this file holds the model {stored.get('model')!r}, not {name!r}")
    return stored


def _largest_sd(end: Optimum) -> float:
    return float(1.0 / np.sqrt(np.linalg.eigvalsh(-end.hessian)[0]))


def _root(covariance: FloatArray) -> FloatArray:
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))
