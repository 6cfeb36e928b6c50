"""Survival models of static tables: fitted to all rows, judged out of fold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from axiom.errors import BadInputError
from axiom.training.baselines import BASE_RATE
from axiom.training.calibrate import stratified_folds
from axiom.training.survival_assemble import assemble_report, forecast_of, without_covariates
from axiom.training.survival_fit import SurvivalOptions, check_events, fit_cox
from axiom.training.survival_judge import Forecast, grid_to, survival_metrics
from axiom.training.survival_report import SurvivalResult
from axiom.training.survival_table import growing_with_time

if TYPE_CHECKING:
    from axiom.training.survival_assemble import Metrics
    from axiom.training.survival_table import SurvivalTable

FOLDS = 5


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
    check_events(table, learnt_from=1 - 1 / FOLDS)
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
    report = assemble_report(
        fit,
        options,
        table,
        forecast,
        p,
        horizon,
        verdict=_verdict(metrics, baseline),
        judged_on=f"{FOLDS} folds drawn at random; rows have no times, so the numbers say nothing about the future",
        windows={},
        slices={"table": table},
        metrics=metrics,
        baselines={BASE_RATE: baseline},
        comparisons={},
        warnings=(*notes, *_growing(table), *fit.warnings),
    )
    return SurvivalResult(fit.model, report)


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
        other = without_covariates(rest, unseen, horizon)
        plain[fold], plainly[fold] = other.survival, other.expected
    return Forecast(risk, survival, times, expected), Forecast(np.zeros(len(table)), plain, times, plainly)


def _verdict(metrics: Metrics, baseline: Metrics) -> str:
    rank, ours, theirs = metrics["concordance"], metrics["integrated_brier"], baseline["integrated_brier"]
    if rank is None or ours is None or theirs is None:
        return "too few comparable rows to judge the model out of fold."
    better = "beat" if rank.low > 0.5 and ours.value < theirs.value else "did not beat"
    return (
        f"cox_ph {better} Kaplan-Meier alone out of fold: concordance {rank.value:.3f} "
        f"[{rank.low:.3f}, {rank.high:.3f}], integrated Brier {ours.value:.4f} against {theirs.value:.4f}."
    )


def _growing(table: SurvivalTable) -> list[str]:
    return [
        f"{name!r} moves with the duration itself (rank correlation {rank:+.2f}): was it known when the clock started? "
        f"If not, leave it out with --drop {name}"
        for name, rank in growing_with_time(table).items()
    ]
