"""The numbers a model is judged by, each with its interval."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from axiom.maths.intervals import (
    MetricValue,
    bootstrap_draws,
    delong_interval,
    delong_test,
    mean_interval,
    paired_mean,
)
from axiom.maths.metrics import ScoreTable, calibration_line, log_losses, reliability, squared_errors
from axiom.maths.profit import RetentionCosts, break_even_probability, expected_contact_profit, profit_curve
from axiom.training.churn_report import Comparison, ReliabilityBin

if TYPE_CHECKING:
    from collections.abc import Callable

    from axiom.maths.arrays import BoolArray, FloatArray
    from axiom.training.options import ChurnOptions

_CELLS = 20_000_000  # rows x resamples: beyond it fewer resamples are drawn, never below 200
_RARE = 25  # a resample loses a class of so many rows with a probability of e⁻²⁵
TOP_SHARE = 0.1


def judge(
    y: BoolArray, p: FloatArray, options: ChurnOptions, threshold: float, value: FloatArray | None = None
) -> dict[str, MetricValue | None]:
    """Metrics of calibrated probabilities, None where one is undefined (for example a slope of constant predictions).

    `auc` (DeLong), `pr_auc`, `precision`, `recall`, `f1` (at the threshold), `precision_at_10`, `lift_at_10`, `ece`
    (bootstrap), `brier`, `log_loss` (t interval), `calibration_slope`, `calibration_intercept`,
    `calibration_in_the_large` (Wald); with costs and values also `profit_per_customer` of contacting from the threshold
    on and `profit_by_customer` of contacting those whose own expected profit is positive, both over all customers (t
    interval).

    Args:
        y: churned, shape (n,), at least two rows of each class.
        p: P(churn), shape (n,).
        options: level, resamples and seed.
        threshold: contact from this probability on.
        value: what each customer is worth, shape (n,).
    """
    metrics: dict[str, MetricValue | None] = {
        "auc": delong_interval(y, p, options.level),
        **_resampled(y, p, options, threshold),
        "brier": mean_interval(squared_errors(y, p), level=options.level),
        "log_loss": mean_interval(log_losses(y, p), level=options.level),
    }
    if options.costs is not None and value is not None:
        outcome = expected_contact_profit(y.astype(float), options.costs, worth(value))
        for name, contacted in (
            ("profit_per_customer", p >= threshold),
            ("profit_by_customer", expected_contact_profit(p, options.costs, worth(value)) > 0),
        ):
            metrics[name] = mean_interval(np.where(contacted, outcome, 0.0), level=options.level)
    try:
        line = calibration_line(y, p, level=options.level)
    except ValueError:  # one common prediction, or a perfect separation: there is no line
        return metrics | dict.fromkeys(_LINE)
    return metrics | dict(zip(_LINE, (line.slope, line.intercept, line.in_the_large), strict=True))


_LINE = ("calibration_slope", "calibration_intercept", "calibration_in_the_large")
_RESAMPLED: dict[str, Callable[[ScoreTable, float], FloatArray]] = {
    "pr_auc": lambda table, _: table.pr_auc(),
    "precision": lambda table, threshold: table.confusion(threshold).precision,
    "recall": lambda table, threshold: table.confusion(threshold).recall,
    "f1": lambda table, threshold: table.confusion(threshold).f1,
    "precision_at_10": lambda table, _: table.precision_at(TOP_SHARE),
    "lift_at_10": lambda table, _: table.lift_at(TOP_SHARE),
    "ece": lambda table, _: table.calibration_error(),
}


def _resampled(y: BoolArray, p: FloatArray, options: ChurnOptions, threshold: float) -> dict[str, MetricValue]:
    table = ScoreTable.from_rows(y, p)

    def all_metrics(weights: FloatArray) -> FloatArray:
        resample = table.reweight(weights)
        return np.stack([np.atleast_1d(metric(resample, threshold)) for metric in _RESAMPLED.values()], axis=-1)

    draws = min(options.draws, max(200, _CELLS // len(y)))
    # Fixing the class sizes hides the churn rate's own uncertainty: only where a resample could lose a class.
    strata = y if min(y.sum(), (~y).sum()) < _RARE else None
    sample = bootstrap_draws(all_metrics, len(y), draws=draws, seed=options.seed, strata=strata)
    values = all_metrics(np.ones((1, len(y))))[0]
    tail = 0.5 - options.level / 2
    low, high = np.quantile(sample, [tail, 1 - tail], axis=0)
    return {name: MetricValue.enclosing(values[i], low[i], high[i]) for i, name in enumerate(_RESAMPLED)}


def judge_cohorts(
    y: BoolArray, p: FloatArray, cohort: np.ndarray[tuple[int], np.dtype[np.object_]], options: ChurnOptions
) -> dict[str, dict[str, MetricValue | None]]:
    """Per cohort: `churn_rate`, `mean_prediction`, `brier` and, where both classes occur twice, `auc` and `pr_auc`."""
    out: dict[str, dict[str, MetricValue | None]] = {}
    for name in sorted({str(value) for value in cohort}):
        rows = cohort.astype(str) == name
        labels, predicted = y[rows], p[rows]
        enough = len(labels) >= 2
        both = min(labels.sum(), (~labels).sum()) >= 2
        out[name] = {
            "churn_rate": mean_interval(labels.astype(float), level=options.level) if enough else None,
            "mean_prediction": mean_interval(predicted, level=options.level) if enough else None,
            "brier": mean_interval(squared_errors(labels, predicted), level=options.level) if enough else None,
            "auc": delong_interval(labels, predicted, options.level) if both else None,
            "pr_auc": _resampled(labels, predicted, options, 0.5)["pr_auc"] if both else None,
        }
    return out


def compare(y: BoolArray, p: FloatArray, baseline: str, p_baseline: FloatArray, level: float) -> Comparison:
    """A model against the baseline on the same rows: DeLong on the AUC, paired t on the Brier score."""
    auc = delong_test(y, p, p_baseline, level)
    brier = paired_mean(squared_errors(y, p), squared_errors(y, p_baseline), level=level)
    return Comparison(baseline, auc, brier, auc.difference.low > 0)


def reliability_bins(y: BoolArray, p: FloatArray, level: float, bins: int = 10) -> tuple[ReliabilityBin, ...]:
    """The reliability curve as rows."""
    curve = reliability(y, p, bins, level=level)
    columns = (curve.weight, curve.predicted, curve.observed, curve.low, curve.high)
    return tuple(ReliabilityBin(*map(float, row)) for row in zip(*columns, strict=True))


def worth(value: FloatArray) -> FloatArray:
    """What can be lost with each customer: a value that is negative or unknown counts as nothing."""
    return np.clip(np.nan_to_num(value), 0.0, None)


def choose_threshold(
    y: BoolArray, p: FloatArray, value: FloatArray | None, costs: RetentionCosts | None, *, judged: bool
) -> tuple[float, str]:
    """From which probability on a customer is contacted, and why, in words.

    One threshold serves all values alike. Where contacting by each customer's own break-even earned more on these rows,
    the words say so; `judge` gives the profit of both on the holdout.

    Args:
        y: churned, on the calibration slice; on the training slice where there is none.
        p: P(churn) on the same rows.
        value: what each customer is worth, needed with costs.
        costs: the cost/benefit table, or None.
        judged: whether the rows are later than the training.
    """
    if not judged:
        rate = float(y.mean())
        return rate, f"no calibration slice to set it on: the churn rate of the training rows, {rate:.3f}"
    if costs is None:
        table = ScoreTable.from_rows(y, p)
        hits, taken = np.cumsum(table.positives), np.cumsum(table.positives + table.negatives)
        best = int(np.argmax(2 * hits / (taken + table.positives.sum())))
        return float(table.scores[best]), "highest F1 on the calibration slice (no costs were given)"
    values = worth(np.zeros(len(y)) if value is None else value)
    curve = profit_curve(y, p, costs, values)
    pays = expected_contact_profit(p, costs, values) > 0
    own = float(expected_contact_profit(y.astype(float), costs, values)[pays].sum())
    better = f". Better where values are known: contact whose own expected profit is positive, {own:,.2f} there"
    told = better if own > max(curve.best_profit, 0.0) else ""
    if curve.best_profit > 0:
        why = f"highest profit on the calibration slice, {curve.best_profit:,.2f} in all"
        return curve.best_threshold, why + told
    typical = float(np.median(values))
    return (
        break_even_probability(costs, typical),
        f"no single threshold paid on the calibration slice: break-even of a median customer{told}",
    )
