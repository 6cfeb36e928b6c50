"""Cox's proportional hazards model: which customers leave sooner, and when."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from scipy import special

from axiom.maths import checks
from axiom.maths.intervals import MetricValue
from axiom.maths.intervals.values import z_of
from axiom.maths.survival.kaplan_meier import checked_durations
from axiom.maths.survival.newton import maximise, penalised, undetermined
from axiom.maths.survival.partial_likelihood import RiskSets

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from axiom.maths.arrays import ArrayLike, FloatArray, IntArray

_FLAT = 1e4  # standard error, in units of 1/√events on standardised x, beyond which data say nothing
_PLAIN = (
    "ridge",
    "names_",
    "strata_",
    "last_time_",
    "log_likelihood_",
    "log_likelihood_null_",
    "n_",
    "n_events_",
    "n_iter_",
    "converged_",
)
_ARRAYS = ("mean_", "coefficients_", "covariance_")


@dataclass(frozen=True)
class CoxTerm:
    """One row of the summary: coefficient, its standard error, hazard ratio e^β with limits, Wald z and p-value."""

    name: str
    coefficient: float
    standard_error: float
    hazard_ratio: MetricValue
    z: float
    p_value: float


class CoxPH:
    """Hazard h(t | x) = h_s(t)·exp((x − x̄)·β) with one free baseline h_s per stratum (Cox 1972, Efron ties 1977).

    The baseline is Breslow's estimate at β, for a customer with mean covariates x̄. Coefficients, standard errors,
    baseline and predictions equal those of lifelines (`CoxPHFitter`, Efron ties, run to convergence) to 1e-6.

    Args:
        ridge: L2 penalty n·ridge/2·Σβ² on standardised covariates (lifelines' `penalizer`), >= 0. A small one, such as
            0.01, gives finite coefficients under perfect separation.

    Attributes after `fit`:
        names_: covariate names. mean_ (p,): x̄. coefficients_, standard_errors_ (p,); covariance_ (p, p).
        log_likelihood_, log_likelihood_null_: partial, without penalty, at β and at 0.
        strata_: stratum labels. baselines_: per stratum (event times, cumulative baseline hazard), ascending.
        last_time_: longest observed duration per stratum; survival beyond it is held flat: check horizons against it.
        n_, n_events_, n_iter_, converged_.
    """

    def __init__(self, ridge: float = 0.0) -> None:
        if not (math.isfinite(ridge) and ridge >= 0):
            raise ValueError(f"ridge must be a finite number >= 0, got {ridge}")
        self.ridge = float(ridge)

    def fit(
        self,
        x: ArrayLike,
        durations: ArrayLike,
        events: ArrayLike,
        *,
        weights: ArrayLike | None = None,
        strata: ArrayLike | None = None,
        names: Sequence[str] | None = None,
    ) -> Self:
        """Maximise Efron's partial likelihood by Newton with step halving.

        Args:
            x: (n, p) covariates, finite.
            durations: (n,) tenure at churn or at the end of observation, >= 0.
            events: (n,) 1 = churned, 0 = still a customer.
            weights: (n,) optional, >= 0; rows of weight 0 are left out. Under ties a weight of 2 is close to, but not
                exactly, two equal rows, as in lifelines and R.
            strata: (n,) optional labels; each label has its own baseline hazard.
            names: p names for messages and the summary; default x0, x1, …

        Warns:
            RuntimeWarning: a coefficient that data leave undetermined (perfect separation, near collinearity), named,
                or no convergence; `converged_` is then False.

        Raises:
            ValueError: no event; a constant or linearly dependent column, named; NaN, empty, lengths that differ,
                negative durations or bad weights.
        """
        table = checks.matrix("x", x)
        t, e, w = checked_durations(durations, events, weights)
        checks.same_length(x=table, durations=t)
        labels, stratum = _strata(strata, t.size)
        self.names_ = _names(names, table.shape[1])
        used = w > 0
        if not e[used].any():
            raise ValueError("events must hold at least one 1: without events there is no hazard to model")
        if not used.all():
            table, t, e, w, stratum = table[used], t[used], e[used], w[used], stratum[used]
        self.n_, self.n_events_ = int(t.size), int(e.sum())
        self.mean_ = table.mean(axis=0)
        scale = self._scale(table)
        standard = (table - self.mean_) / scale
        members = [np.flatnonzero(stratum == code) for code in range(labels.size)]
        sets = [RiskSets.build(standard[rows], t[rows], e[rows], w[rows]) for rows in members]
        beta = self._maximise([s for s in sets if s is not None], scale)
        self.strata_ = tuple(labels.tolist())
        self.baselines_ = tuple(_baseline(s, beta) for s in sets)
        self.last_time_ = tuple(float(t[rows].max(initial=0.0)) for rows in members)
        return self

    def summary(self, level: float = 0.95) -> tuple[CoxTerm, ...]:
        """Coefficients with hazard ratios and Wald limits; a hazard ratio is per unit of the covariate."""
        z_level, terms = z_of(level), []
        for name, b, se in zip(self.names_, self.coefficients_.tolist(), self.standard_errors_.tolist(), strict=True):
            ratio = MetricValue(_exp(b), _exp(b - z_level * se), _exp(b + z_level * se))
            terms.append(CoxTerm(name, b, se, ratio, b / se, float(2 * special.ndtr(-abs(b / se)))))
        return tuple(terms)

    def log_partial_hazard(self, x: ArrayLike) -> FloatArray:
        """(x − x̄)·β (n,), the log hazard relative to a customer with mean covariates.

        Raises:
            ValueError: another number of columns than fitted, NaN or empty.
        """
        table = checks.matrix("x", x)
        if table.shape[1] != len(self.names_):
            raise ValueError(f"x must have the {len(self.names_)} columns of the fit, got {table.shape[1]}")
        return np.asarray((table - self.mean_) @ self.coefficients_)

    def survival(self, x: ArrayLike, times: ArrayLike, *, strata: ArrayLike | None = None) -> FloatArray:
        """P(T > t | x) of shape (n, m) for n customers at m times >= 0; flat beyond the stratum's last event.

        Raises:
            ValueError: negative times, strata missing, unknown or not fitted, or what `log_partial_hazard` refuses.
        """
        asked, risk = checks.non_negative("times", times), self.log_partial_hazard(x)
        codes = self.stratum_codes(strata, risk.size)
        baseline = np.array([_step(curve, asked) for curve in self.baselines_])
        return np.asarray(np.exp(-_relative(risk)[:, None] * baseline[codes]))

    def churn_probability(
        self, x: ArrayLike, horizon: ArrayLike, tenure: ArrayLike = 0.0, *, strata: ArrayLike | None = None
    ) -> FloatArray:
        """P(T <= tenure + horizon | T > tenure, x), shape (n,): churn within the horizon of a customer still here.

        Args:
            x: (n, p) covariates.
            horizon: time ahead, >= 0; one number or (n,).
            tenure: time since the start of the relation, >= 0; one number or (n,).
            strata: (n,) labels, when the model has strata.

        Raises:
            ValueError: as `survival`, or lengths that differ.
        """
        risk = self.log_partial_hazard(x)
        since, ahead = _per_row("tenure", tenure, risk.size), _per_row("horizon", horizon, risk.size)
        codes = self.stratum_codes(strata, risk.size)
        added = self._baseline_at(since + ahead, codes) - self._baseline_at(since, codes)
        return np.asarray(-np.expm1(-_relative(risk) * added))

    def conditional_survival(
        self, x: ArrayLike, horizon: ArrayLike, tenure: ArrayLike, *, strata: ArrayLike | None = None
    ) -> FloatArray:
        """P(T > tenure + horizon | T > tenure, x) = S(tenure + horizon)/S(tenure); see `churn_probability`."""
        return 1 - self.churn_probability(x, horizon, tenure, strata=strata)

    def churn_time(
        self, x: ArrayLike, share_gone: float = 0.5, tenure: ArrayLike = 0.0, *, strata: ArrayLike | None = None
    ) -> FloatArray:
        """Tenure (n,) by which `share_gone` of such customers, here at `tenure`, have left; 0.5 is the median.

        Infinity where the curve does not fall so far within the observed time.

        Raises:
            ValueError: share outside (0, 1), or as `churn_probability`.
        """
        left = -math.log1p(-checks.fraction("share_gone", share_gone))
        risk = self.log_partial_hazard(x)
        codes = self.stratum_codes(strata, risk.size)
        target = self._baseline_at(_per_row("tenure", tenure, risk.size), codes) + left / _relative(risk)
        result = np.empty(risk.size)
        for code, (times, hazard) in enumerate(self.baselines_):
            rows = codes == code
            reached = np.searchsorted(hazard * (1 + 1e-12), target[rows])  # equality may be missed by rounding
            result[rows] = np.append(times, np.inf)[reached]
        return result

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values from which `from_dict` restores the fitted model; grows with the event times."""
        state = {name: getattr(self, name) for name in _PLAIN}
        arrays = {name: getattr(self, name).tolist() for name in _ARRAYS}
        baselines = [[times.tolist(), hazard.tolist()] for times, hazard in self.baselines_]
        return {"kind": "cox", **state, **arrays, "baselines_": baselines}

    @classmethod
    def from_dict(cls, state: dict[str, Any]) -> Self:
        """Restore from `to_dict`.

        Raises:
            ValueError: a missing value.
        """
        try:
            model = cls(state["ridge"])
            for name in _PLAIN:
                value = state[name]
                setattr(model, name, tuple(value) if isinstance(value, list) else value)
            for name in _ARRAYS:
                setattr(model, name, np.array(state[name], dtype=np.float64))
            model.baselines_ = tuple(
                (np.array(t, dtype=float), np.array(h, dtype=float)) for t, h in state["baselines_"]
            )
        except KeyError as error:
            raise ValueError(f"stored Cox model lacks {error}") from error
        model.standard_errors_ = np.sqrt(np.diag(model.covariance_))
        return model

    def _scale(self, table: FloatArray) -> FloatArray:
        scale = table.std(axis=0, ddof=1) if self.n_ > 1 else np.zeros(table.shape[1])
        constant = scale <= 1e-12 * np.abs(self.mean_)
        if constant.any():
            raise ValueError(f"x must not hold constant columns: {self._named(np.flatnonzero(constant))}")
        return np.asarray(scale)

    def _maximise(self, sets: list[RiskSets], scale: FloatArray) -> FloatArray:
        penalty = self.ridge * self.n_
        start = penalised(sets, np.zeros(scale.size), penalty)
        if not self.ridge:
            lost = undetermined(start, self.n_events_)
            if lost:
                raise ValueError(
                    "x must not hold columns that depend linearly on the others or never vary among customers at risk: "
                    + self._named(lost)
                )
        found = maximise(sets, start, penalty)
        error = np.sqrt(np.diag(found.covariance))
        flat = np.flatnonzero(error * math.sqrt(self.n_events_) > _FLAT)
        if flat.size:
            warnings.warn(
                f"data leave the coefficient of {self._named(flat)} undetermined (perfect separation or near "
                "collinearity): drop the column or set ridge",
                RuntimeWarning,
                stacklevel=3,
            )
        elif not found.converged:
            warnings.warn(f"Cox model did not converge in {found.n_iter} steps", RuntimeWarning, stacklevel=3)
        self.coefficients_, self.covariance_ = found.beta / scale, found.covariance / np.outer(scale, scale)
        self.standard_errors_ = np.sqrt(np.diag(self.covariance_))
        self.log_likelihood_, self.log_likelihood_null_ = found.value, found.null_value
        self.n_iter_, self.converged_ = found.n_iter, found.converged and not flat.size
        return found.beta

    def _named(self, columns: Iterable[int]) -> str:
        return ", ".join(self.names_[column] for column in columns)

    def stratum_codes(self, strata: ArrayLike | None, n: int) -> IntArray:
        """Position (n,) of each label in `strata_`. ValueError: labels missing, unknown, or of another length."""
        if strata is None:
            if len(self.strata_) > 1:
                raise ValueError("strata must be given: the model has a baseline per stratum")
            return np.zeros(n, dtype=np.int64)
        labels, index = _strata(strata, n)
        known = {label: code for code, label in enumerate(self.strata_)}
        unknown = [label for label in labels.tolist() if label not in known]
        if unknown:
            raise ValueError(f"strata must be among those of the fit {list(self.strata_)}, got {unknown}")
        return np.array([known[label] for label in labels.tolist()])[index]

    def _baseline_at(self, times: FloatArray, codes: IntArray) -> FloatArray:
        hazard = np.empty(times.size)
        for code, curve in enumerate(self.baselines_):
            rows = codes == code
            hazard[rows] = _step(curve, times[rows])
        return hazard


def _strata(strata: ArrayLike | None, n: int) -> tuple[NDArray[Any], IntArray]:
    if strata is None:
        return np.array(["all"]), np.zeros(n, dtype=np.int64)
    return checks.groups("strata", strata, n)


def _names(names: Sequence[str] | None, p: int) -> tuple[str, ...]:
    if names is None:
        return tuple(f"x{i}" for i in range(p))
    if len(names) != p:
        raise ValueError(f"names must have one entry per column: {p} columns, {len(names)} names")
    return tuple(names)


def _baseline(sets: RiskSets | None, beta: FloatArray) -> tuple[FloatArray, FloatArray]:
    if sets is None:
        return np.empty(0), np.empty(0)
    return sets.times[::-1].copy(), np.cumsum(sets.baseline_hazard(beta)[::-1])


def _step(curve: tuple[FloatArray, FloatArray], times: FloatArray) -> FloatArray:
    return np.asarray(np.concatenate(([0.0], curve[1]))[np.searchsorted(curve[0], times, side="right")])


def _per_row(name: str, value: ArrayLike, n: int) -> FloatArray:
    if np.ndim(value) == 0:
        return checks.non_negative(name, np.full(n, value))
    values = checks.non_negative(name, value)
    if values.size != n:
        raise ValueError(f"{name} must be one number or one per row: {n} rows, {values.size} values")
    return values


def _exp(value: float) -> float:
    return float(_relative(np.array(value)))


def _relative(log_hazard: FloatArray) -> FloatArray:
    # e^±700 is as good as infinity or 0, yet stays a number in products with 0 and in JSON.
    return np.asarray(np.exp(np.clip(log_hazard, -700.0, 700.0)))
