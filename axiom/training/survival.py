"""Train survival models: Cox at the cut-offs of the lake."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from axiom.maths.calibration import ReliabilityBand
from axiom.training.baselines import BASE_RATE, PURCHASES, TITLES
from axiom.training.card import environment, metric_fields
from axiom.training.guards import check_slice, leakage_warnings, leaking_features
from axiom.training.judge import compare, judge
from axiom.training.options import ChurnOptions
from axiom.training.splits import day, temporal_split
from axiom.training.survival_assemble import assemble_report, forecast_of, without_covariates
from axiom.training.survival_fit import SurvivalOptions, check_events, fit_cox
from axiom.training.survival_judge import survival_metrics
from axiom.training.survival_report import SurvivalReport, SurvivalResult
from axiom.training.survival_table import censored_at

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from axiom.maths.arrays import FloatArray, IntArray
    from axiom.training.churn_report import Comparison
    from axiom.training.splits import TemporalSplit
    from axiom.training.survival_assemble import Metrics
    from axiom.training.survival_table import SurvivalRows
    from axiom.training.table import TimeArray

__all__ = ["SurvivalOptions", "train_survival"]


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
    metrics: Metrics = {
        **survival_metrics(judged, forecast, level=options.level, seed=options.seed),
        **judge(y, p, settings, rate),
    }
    rivals = _rivals(rows, holdout, rate)
    plain = without_covariates(learnt, judged, days)
    baselines: dict[str, Metrics] = {name: judge(y, q, settings, rate) for name, q in rivals.items()}
    baselines[BASE_RATE] |= survival_metrics(judged, plain, level=options.level, seed=options.seed)
    comparisons = {name: compare(y, p, name, q, options.level) for name, q in rivals.items()}
    report = assemble_report(
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
        warnings=(*_split_warnings(split), *rows.churn.notes, *_leaks(rows, training, metrics), *fit.warnings),
    )
    used = rows.churn.table.rows(np.sort(np.concatenate([training, holdout])))
    model = replace(fit.model, band=ReliabilityBand.fit(y, p))
    return SurvivalResult(model, report, _card(report, int(days), used.data_hash()))


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


def _leaks(rows: SurvivalRows, training: IntArray, metrics: Metrics) -> list[str]:
    auc = metrics["auc"]
    aucs = {"cox_ph": auc.value} if auc is not None else {}
    return leakage_warnings(leaking_features(rows.churn.table.rows(training)), aucs)


def _split_warnings(split: TemporalSplit) -> tuple[str, ...]:
    """Of the split, only what concerns a model that is neither compared nor calibrated."""
    return tuple(warning for warning in split.warnings if "cross-validation" not in warning)


def _times(cutoffs: Iterable[datetime]) -> TimeArray:
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
