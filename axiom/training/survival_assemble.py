"""From forecasts on unseen rows to the survival report; shared by trainings at cut-offs and on tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from axiom.maths.survival import kaplan_meier
from axiom.training.survival_judge import Forecast, calibration_at_horizon, grid_to, risk_groups
from axiom.training.survival_report import SurvivalReport

if TYPE_CHECKING:
    from axiom.maths.arrays import FloatArray
    from axiom.maths.intervals import MetricValue
    from axiom.training.churn_report import Comparison
    from axiom.training.survival_fit import CoxFit, SurvivalOptions
    from axiom.training.survival_model import SurvivalModel
    from axiom.training.survival_table import SurvivalTable

Metrics: TypeAlias = "dict[str, MetricValue | None]"
_PER_SD = "A hazard ratio is per standard deviation (of asinh for heavy-tailed numbers)."
_PER_UNIT = "A hazard ratio is per unit of the covariate."
_ROBUST = " Standard errors are grouped by customer."


def forecast_of(model: SurvivalModel, table: SurvivalTable, horizon: float) -> Forecast:
    """What a model says about rows from the start of their clock."""
    times = grid_to(horizon)
    # The hazard gathered by the horizon ranks customers of different strata too, and does not saturate as S does.
    risk = model.cumulative_hazard(table.X, np.full(len(table), times[-1]))
    expected = model.cumulative_hazard(table.X, np.minimum(table.duration, times[-1]))
    return Forecast(risk, model.survival(table.X, times), times, expected)


def without_covariates(learnt: SurvivalTable, judged: SurvivalTable, horizon: float) -> Forecast:
    """What Kaplan-Meier alone says: the same about everybody."""
    times = grid_to(horizon)
    curve = kaplan_meier(learnt.duration, learnt.event)
    hazard = np.cumsum(curve.events / np.maximum(curve.at_risk, 1.0))
    ends = np.minimum(judged.duration, times[-1])
    expected = hazard[np.searchsorted(curve.times, ends, side="right") - 1]
    survival = np.broadcast_to(curve.at(times), (len(judged), len(times)))
    return Forecast(np.zeros(len(judged)), survival, times, expected)


def assemble_report(
    fit: CoxFit,
    options: SurvivalOptions,
    judged: SurvivalTable,
    forecast: Forecast,
    p: FloatArray,
    horizon: float,
    *,
    verdict: str,
    judged_on: str,
    windows: dict[str, list[str]],
    slices: dict[str, SurvivalTable],
    metrics: Metrics,
    baselines: dict[str, Metrics],
    comparisons: dict[str, Comparison],
    warnings: tuple[str, ...],
) -> SurvivalReport:
    """Put everything together.

    Args:
        fit: the fitted model.
        options: of the training.
        judged: rows the model never saw, or was kept from.
        forecast: what was said about them.
        p: P(churn within the horizon) of them, shape (n,).
        horizon: in the unit of the table.
        verdict: whether it beat its baseline, in words.
        judged_on: how the judged rows were kept apart, in words.
        windows: slice -> cut-offs.
        slices: name -> rows, those it learnt from first.
        metrics: of the model on the judged rows.
        baselines: name -> the same of what it had to beat.
        comparisons: name -> paired tests.
        warnings: so far.
    """
    learnt = next(iter(slices.values()))
    repeated = len(np.unique(learnt.customer_id.astype(str))) < len(learnt)
    groups = risk_groups(judged, forecast, options.level)
    return SurvivalReport(
        verdict=verdict,
        outcome=judged.outcome,
        horizon=horizon,
        unit=judged.unit,
        judged_on=judged_on,
        windows=windows,
        rows={name: len(table) for name, table in slices.items()},
        events={name: int(table.event.sum()) for name, table in slices.items()},
        terms=fit.terms,
        per=(_PER_SD if options.scale else _PER_UNIT) + (_ROBUST if repeated else ""),
        strata=fit.model.strata.names,
        ridge=fit.ridge,
        converged=fit.converged,
        log_likelihood=fit.log_likelihood,
        log_likelihood_null=fit.log_likelihood_null,
        proportionality=fit.proportionality,
        metrics=metrics,
        baselines=baselines,
        comparisons=comparisons,
        calibration=calibration_at_horizon(judged, p, horizon, options.level),
        groups=groups,
        medians=_medians(fit.model, judged, forecast),
        warnings=tuple(dict.fromkeys((*warnings, *_off(metrics, judged)))),
        level=options.level,
    )


def _medians(model: SurvivalModel, judged: SurvivalTable, forecast: Forecast) -> dict[str, float | None]:
    """Median over each quarter by risk of the predicted median times."""
    times = model.time_to_event(judged.X, elapsed=0.0)
    names = ("lowest risk", "second quarter", "third quarter", "highest risk")
    parts = np.array_split(np.argsort(forecast.risk, kind="stable"), len(names))
    middles = [float(np.median(times[rows])) for rows in parts]
    return {name: m if np.isfinite(m) else None for name, m in zip(names, middles, strict=True)}


def _off(metrics: Metrics, judged: SurvivalTable) -> list[str]:
    ratio = metrics.get("observed_over_expected")
    if ratio is None or ratio.low <= 1 <= ratio.high or len(judged) < 50:
        return []
    told = f"{ratio.value:.2f} [{ratio.low:.2f}, {ratio.high:.2f}]"
    return [f"miscalibrated at the horizon: {told} times as many events came as were expected"]
