"""Does a covariate's effect change with tenure? Grambsch and Therneau's test on scaled Schoenfeld residuals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy import special

from axiom.maths import checks
from axiom.maths.survival.kaplan_meier import checked_durations, kaplan_meier
from axiom.maths.survival.partial_likelihood import RiskSets

if TYPE_CHECKING:
    from axiom.maths.arrays import ArrayLike, BoolArray, FloatArray
    from axiom.maths.survival.cox import CoxPH

Transform = Literal["km", "rank", "identity", "log"]


@dataclass(frozen=True)
class ProportionalityTest:
    """Chi-square (1 degree of freedom) and p-value per covariate (p,), and of all together (p degrees).

    A small p-value says that the hazard ratio of the covariate changes with tenure: stratify by it or split time.
    """

    names: tuple[str, ...]
    statistic: FloatArray
    p_value: FloatArray
    global_statistic: float
    global_p_value: float


def proportionality_test(
    model: CoxPH,
    x: ArrayLike,
    durations: ArrayLike,
    events: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    strata: ArrayLike | None = None,
    transform: Transform = "km",
) -> ProportionalityTest:
    """Test the fitted `model` on its training rows (Grambsch & Therneau 1994, Biometrika 81, 515-526).

    With r the Schoenfeld residuals of the d events (covariates minus their mean over the risk set, Efron ties), V the
    covariance of β and g the centred transformed event times, the statistics are

        (Σ g·d·(V r)_j)² / (d·V_jj·Σ g²)      and      d·(Σ g r)ᵀ V (Σ g r) / Σ g²

    the approximation of lifelines and of R's survival before version 3.

    Args:
        model: fitted on these same rows.
        x: (n, p) covariates.
        durations: (n,).
        events: (n,).
        weights: as in the fit.
        strata: as in the fit.
        transform: "km" (1 − Kaplan-Meier, robust to outlying times; R's default), "rank" (ties share their mean rank),
            "identity" or "log".

    Raises:
        ValueError: all events at one time, "log" of a time 0, an unknown transform, or what `CoxPH.fit` refuses.
    """
    t, e, w = checked_durations(durations, events, weights)
    table = checks.matrix("x", x)
    checks.same_length(x=table, durations=t)
    model.log_partial_hazard(table[:1])
    codes = model.stratum_codes(strata, t.size)
    times = _transformed(t, e, w, transform)
    g = times - times.mean()
    if np.ptp(times) == 0:
        raise ValueError("durations must hold at least two distinct event times to see a trend")
    residuals = np.zeros(table.shape)
    for code in range(len(model.strata_)):
        rows = np.flatnonzero((codes == code) & (w > 0))
        residuals[rows] = _schoenfeld(table[rows] - model.mean_, t[rows], e[rows], w[rows], model.coefficients_)
    trend = g @ residuals[e]
    scale = e.sum() / float(g @ g)
    scaled = model.covariance_ @ trend
    statistic = scale * scaled**2 / np.diag(model.covariance_)
    overall = float(scale * trend @ scaled)
    return ProportionalityTest(
        model.names_,
        statistic,
        special.chdtrc(1, statistic),
        overall,
        float(special.chdtrc(len(model.names_), overall)),
    )


def _schoenfeld(x: FloatArray, t: FloatArray, e: BoolArray, w: FloatArray, beta: FloatArray) -> FloatArray:
    """Residuals (n, p); zero for rows without an event."""
    residuals = np.zeros(x.shape)
    sets = RiskSets.build(x, t, e, w)
    if sets is not None:
        group = np.searchsorted(-sets.times, -t[e])
        residuals[e] = x[e] - sets.mean_covariates(beta)[group]
    return residuals


def _transformed(t: FloatArray, e: BoolArray, w: FloatArray, transform: Transform) -> FloatArray:
    times = t[e]
    if transform == "identity":
        return times
    if transform == "log":
        if times.min() <= 0:
            raise ValueError("transform 'log' needs event times above 0")
        return np.log(times)
    if transform == "rank":
        _, index, count = np.unique(times, return_inverse=True, return_counts=True)
        return np.asarray((np.cumsum(count) - (count - 1) / 2)[index])
    if transform == "km":
        return 1 - kaplan_meier(t, e, w).at(times)
    raise ValueError(f"transform must be km, rank, identity or log, got {transform!r}")
