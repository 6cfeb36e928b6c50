"""Train survival models: Cox at cut-offs of the lake, or on a static table with durations and events."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from axiom.errors import BadInputError
from axiom.maths.survival import kaplan_meier
from axiom.training.baselines import BASE_RATE, PURCHASES, TITLES
from axiom.training.calibrate import stratified_folds
from axiom.training.card import environment, metric_fields
from axiom.training.guards import check_slice
from axiom.training.judge import compare, judge
from axiom.training.options import ChurnOptions
from axiom.training.splits import day, temporal_split
from axiom.training.survival_fit import CoxFit, SurvivalOptions, check_events, fit_cox
from axiom.training.survival_judge import (
    Forecast,
    calibration_at_horizon,
    grid_to,
    risk_groups,
    survival_metrics,
)
from axiom.training.survival_report import SurvivalReport, SurvivalResult
from axiom.training.survival_table import censored_at, growing_with_time

if TYPE_CHECKING:
    from axiom.maths.arrays import BoolArray, FloatArray, IntArray
    from axiom.maths.intervals import MetricValue
    from axiom.training.churn_report import Comparison
    from axiom.training.splits import TemporalSplit
    from axiom.training.survival_model import SurvivalModel
    from axiom.training.survival_table import SurvivalRows, SurvivalTable

__all__ = ["SurvivalOptions", "train_survival", "train_survival_static"]

FOLDS = 5
_PER_SD = "A hazard ratio is per standard deviation (of asinh for heavy-tailed numbers)."
_PER_UNIT = "A hazard ratio is per unit of the covariate."
_ROBUST = " Standard errors are grouped by customer."
Metrics = dict[str, "MetricValue | None"]


def train_survival(
    rows: SurvivalRows, horizon: timedelta, options: SurvivalOptions | None = None, *, feature_set: str = ""
) -> SurvivalResult:
    """Fit at the earlier cut-offs, judge at the latest one.

    Training rows lie a horizon or more before the holdout, as for every churn model, and are followed up to the holdout
    and no further: whatever came later is unknown to the fit.

    Args:
        rows: durations and labels at several cut-offs.
        horizon: length of the label window, whole days.
        options: strata, penalty, scaling, intervals.
        feature_set: version of the feature set, kept with the model.

    Raises:
        BadInputError: no room for training before the holdout, too few rows or events, no usable feature.
    """
    options = options or SurvivalOptions()
    days = horizon / timedelta(days=1)
    split = temporal_split(rows.churn.table.cutoffs, horizon, calibrate=False)
    training = np.flatnonzero(np.isin(rows.table.as_of, _times(split.training)))
    holdout = np.flatnonzero(np.isin(rows.table.as_of, _times([split.holdout])))
    y = rows.churn.table.churned[holdout]
    check_slice(f"the holdout {day(split.holdout)}", y, rows=20, of_a_class=2)
    learnt = censored_at(rows.table.rows(training), split.holdout)
    check_events(learnt, f"the training slice ({', '.join(map(day, split.training))})")
    rate = float(rows.churn.table.churned[training].mean())
    fit = fit_cox(learnt, options, horizon=days, threshold=rate, feature_set=feature_set)
    judged = rows.table.rows(holdout)
    p = fit.model.predict_proba(judged.X)
    settings = ChurnOptions(level=options.level, draws=options.draws, seed=options.seed)
    forecast = forecast_of(fit.model, judged, days)
    metrics = _all_metrics(judged, forecast, y, p, settings, rate)
    rivals = _rivals(rows, holdout, rate)
    plain = _without_covariates(learnt, judged, days)
    baselines: dict[str, Metrics] = {name: judge(y, q, settings, rate) for name, q in rivals.items()}
    baselines[BASE_RATE] |= survival_metrics(judged, plain, level=options.level, seed=options.seed)
    comparisons = {name: compare(y, p, name, q, options.level) for name, q in rivals.items()}
    report = _report(
        fit,
        options,
        judged,
        forecast,
        p,
        days,
        verdict=_verdict(comparisons),
        judged_on=f"customers at the holdout {day(split.holdout)}, after the fit",
        windows=split.windows(),
        slices={"training": learnt, "holdout": judged},
        metrics=metrics,
        baselines=baselines,
        comparisons=comparisons,
        warnings=(*_split_warnings(split), *rows.churn.notes, *fit.warnings),
    )
    used = rows.churn.table.rows(np.sort(np.concatenate([training, holdout])))
    return SurvivalResult(fit.model, report, _card(report, int(days), used.data_hash()))


def train_survival_static(
    table: SurvivalTable,
    horizon: float | None = None,
    options: SurvivalOptions | None = None,
    *,
    notes: tuple[str, ...] = (),
) -> SurvivalResult:
    """Fit to all rows of a static table; judge out of fold by 5-fold cross-validation.

    Args:
        table: as `read_survival_table` gives it.
        horizon: time ahead that churn is judged at, in the unit of the durations; default: the median event time.
        options: strata, penalty, scaling, intervals.
        notes: what reading the table had to say.

    Raises:
        BadInputError: too few rows or events, no usable feature, or a horizon beyond all durations.
    """
    options = options or SurvivalOptions(scale=False)
    check_events(table)
    horizon = float(np.median(table.duration[table.event])) if horizon is None else horizon
    if not 0 < horizon < table.duration.max():
        raise BadInputError(
            f"the horizon {horizon:g} must lie between 0 and the longest duration, {table.duration.max():g}",
            hint="give --horizon in the unit of the duration",
        )
    share = float(table.event.mean())
    fit = fit_cox(table, options, horizon=horizon, threshold=share)
    forecast, plain = _out_of_fold(table, horizon, options, share)
    p = 1.0 - forecast.survival[:, -1]
    metrics = survival_metrics(table, forecast, level=options.level, seed=options.seed)
    baseline = survival_metrics(table, plain, level=options.level, seed=options.seed)
    report = _report(
        fit,
        options,
        table,
        forecast,
        p,
        horizon,
        verdict=_static_verdict(metrics, baseline),
        judged_on=f"{FOLDS} folds drawn at random; rows have no times, so the numbers say nothing about the future",
        windows={},
        slices={"table": table},
        metrics=metrics,
        baselines={BASE_RATE: baseline},
        comparisons={},
        warnings=(*notes, *_growing(table), *fit.warnings),
    )
    return SurvivalResult(fit.model, report)


def forecast_of(model: SurvivalModel, table: SurvivalTable, horizon: float) -> Forecast:
    """What a model says about rows from the start of their clock."""
    times = grid_to(horizon)
    survival = model.survival(table.X, times)
    # The hazard gathered by the horizon ranks customers of different strata too, and does not saturate as S does.
    with np.errstate(divide="ignore"):
        risk = -np.log(survival[:, -1])
    expected = model.cumulative_hazard(table.X, np.minimum(table.duration, times[-1]))
    return Forecast(np.minimum(risk, np.finfo(float).max), survival, times, expected)


def _out_of_fold(
    table: SurvivalTable, horizon: float, options: SurvivalOptions, threshold: float
) -> tuple[Forecast, Forecast]:
    """Forecasts of rows by fits to the other folds: with covariates, and Kaplan-Meier alone."""
    times = grid_to(horizon)
    survival, plain = np.empty((len(table), len(times))), np.empty((len(table), len(times)))
    risk, expected, plainly = (np.empty(len(table)) for _ in range(3))
    for fold in stratified_folds(table.event, FOLDS, options.seed):
        rest, unseen = table.rows(np.setdiff1d(np.arange(len(table)), fold)), table.rows(fold)
        one = forecast_of(fit_cox(rest, options, horizon=horizon, threshold=threshold).model, unseen, horizon)
        survival[fold], risk[fold], expected[fold] = one.survival, one.risk, one.expected
        other = _without_covariates(rest, unseen, horizon)
        plain[fold], plainly[fold] = other.survival, other.expected
    return Forecast(risk, survival, times, expected), Forecast(np.zeros(len(table)), plain, times, plainly)


def _without_covariates(learnt: SurvivalTable, judged: SurvivalTable, horizon: float) -> Forecast:
    times = grid_to(horizon)
    curve = kaplan_meier(learnt.duration, learnt.event)
    hazard = np.cumsum(curve.events / np.maximum(curve.at_risk, 1.0))
    ends = np.minimum(judged.duration, times[-1])
    expected = hazard[np.searchsorted(curve.times, ends, side="right") - 1]
    survival = np.broadcast_to(curve.at(times), (len(judged), len(times)))
    return Forecast(np.zeros(len(judged)), survival, times, expected)


def _all_metrics(
    judged: SurvivalTable, forecast: Forecast, y: BoolArray, p: FloatArray, settings: ChurnOptions, threshold: float
) -> Metrics:
    return {
        **survival_metrics(judged, forecast, level=settings.level, seed=settings.seed),
        **judge(y, p, settings, threshold),
    }


def _rivals(rows: SurvivalRows, holdout: IntArray, rate: float) -> dict[str, FloatArray]:
    """P(churn) of the baselines on the holdout: the purchase model where churn is about purchases, and the rate."""
    purchases = rows.churn.table.baseline
    found = {} if purchases is None else {PURCHASES: purchases[holdout]}
    return {**found, BASE_RATE: np.full(len(holdout), rate)}


def _verdict(comparisons: dict[str, Comparison]) -> str:
    name, one = next(iter(comparisons.items()))
    gap, p = one.auc.difference, one.auc.p_value
    told = f"AUC {gap.value:+.4f} [{gap.low:+.4f}, {gap.high:+.4f}], " + (f"p = {p:.2g}" if p >= 1e-6 else "p < 1e-6")
    verb = "beat" if one.beaten else "did not beat"
    return f"cox_ph {verb} the baseline {TITLES[name]} on the holdout: {told} (paired DeLong)."


def _static_verdict(metrics: Metrics, baseline: Metrics) -> str:
    rank, ours, theirs = metrics["concordance"], metrics["integrated_brier"], baseline["integrated_brier"]
    if rank is None or ours is None or theirs is None:
        return "too few comparable rows to judge the model out of fold."
    better = "beat" if rank.low > 0.5 and ours.value < theirs.value else "did not beat"
    return (
        f"cox_ph {better} Kaplan-Meier alone out of fold: concordance {rank.value:.3f} "
        f"[{rank.low:.3f}, {rank.high:.3f}], integrated Brier {ours.value:.4f} against {theirs.value:.4f}."
    )


def _report(
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


def _growing(table: SurvivalTable) -> list[str]:
    return [
        f"{name!r} moves with the duration itself (rank correlation {rank:+.2f}): was it known when the clock started? "
        f"If not, leave it out with --drop {name}"
        for name, rank in growing_with_time(table).items()
    ]


def _split_warnings(split: TemporalSplit) -> tuple[str, ...]:
    """Of the split, only what concerns a model that is neither compared nor calibrated."""
    return tuple(warning for warning in split.warnings if "cross-validation" not in warning)


def _times(cutoffs: Any) -> Any:
    return np.array([np.datetime64(time.replace(tzinfo=None), "us") for time in cutoffs], dtype="datetime64[us]")


def _card(report: SurvivalReport, horizon: int, data_hash: str) -> dict[str, Any]:
    return {
        "kind": "churn",
        "model_type": "cox_ph",
        "training_window": {
            "horizon_days": horizon,
            "train_as_ofs": report.windows["training"],
            "calibration_as_ofs": report.windows["calibration"],
            "holdout_as_ofs": report.windows["holdout"],
        },
        "data_hash": data_hash,
        "rows": report.rows,
        "metrics": metric_fields(report.metrics, report.level),
        "calibration": {"method": "none", "proportionality": _tested(report)},
        "baselines": {name: metric_fields(metrics, report.level) for name, metrics in report.baselines.items()},
        "environment": environment(),
        "notes": "\n".join((report.verdict, *report.warnings)),
    }


def _tested(report: SurvivalReport) -> dict[str, Any] | None:
    """The test of proportionality as the card keeps it; the report holds every covariate."""
    tested = report.proportionality
    if tested is None:
        return None
    pairs = sorted(zip(tested.p_value.tolist(), tested.names, strict=True))
    return {
        "chi_square": tested.global_statistic,
        "degrees_of_freedom": len(tested.names),
        "p_value": tested.global_p_value,
        "covariates_below_5_percent": {name: p for p, name in pairs if p < 0.05},
    }
