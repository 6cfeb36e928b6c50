"""Train churn models: compare on temporal folds, fit, calibrate on a later slice, judge on a still later holdout."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from axiom.engine import InlineEngine
from axiom.errors import MisuseError
from axiom.training.assemble import Judged, assemble
from axiom.training.baselines import BASE_RATE, PURCHASES, with_baseline
from axiom.training.calibrate import fit_calibrator
from axiom.training.catalogue import resolve
from axiom.training.churn_model import ChurnModel
from axiom.training.fits import FINAL, Fitted, FitWork, Job
from axiom.training.guards import check_slice, check_unique
from axiom.training.judge import choose_threshold
from axiom.training.options import ChurnOptions
from axiom.training.selection import fold_loss, model_loss, rungs, select, settled
from axiom.training.splits import Fold, TemporalSplit, day, temporal_split
from axiom.training.weights import check_values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from axiom.engine import Engine
    from axiom.maths.arrays import FloatArray, IntArray
    from axiom.training.churn_report import ChurnResult
    from axiom.training.table import ChurnTable

__all__ = ["ChurnModel", "ChurnOptions", "train_churn"]

_CALIBRATION, _HOLDOUT, _VALIDATE = "calibration", "holdout", "validate"


def train_churn(
    table: ChurnTable,
    horizon: timedelta,
    options: ChurnOptions = ChurnOptions(),  # noqa: B008 - frozen
    *,
    engine: Engine | None = None,
    feature_set: str = "",
    on_plan: Callable[[int], None] | None = None,
    on_done: Callable[[], None] | None = None,
) -> ChurnResult:
    """Train every model of the options, keep the best by the declared rule, and report.

    Args:
        table: labelled rows at several cut-offs.
        horizon: length of the label window.
        options: what to train and how.
        engine: runs the fits; default: in this process.
        feature_set: version of the feature set, kept with the model.
        on_plan: told once how many fits there will be.
        on_done: called as each fit finishes.

    Raises:
        BadInputError: no room for a training slice, too few rows, a single class in training or holdout, features that
            cannot be used; the message names the column or the fold.
        MisuseError: a table without times, or without the values that value weights and costs need.
    """
    if table.static:
        raise MisuseError("the table has no times", hint="train it with `--table FILE --target COLUMN`")
    options = replace(options, models=resolve(options.models))
    check_unique(table)
    check_values(table, options)
    plan = _Plan.of(table, horizon, options)
    jobs = plan.jobs(options)
    if on_plan is not None:
        on_plan(len(jobs))
    fitted = (engine or InlineEngine()).map_tasks(FitWork(table, options), jobs, on_done=on_done)
    return _conclude(table, plan, fitted, options, feature_set)


@dataclass(frozen=True, eq=False)
class _Plan:
    """Rows of each slice and fold, checked."""

    split: TemporalSplit
    training: IntArray
    calibration: IntArray
    holdout: IntArray
    folds: dict[str, tuple[IntArray, IntArray]]
    warnings: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, table: ChurnTable, horizon: timedelta, options: ChurnOptions) -> _Plan:
        split = temporal_split(
            table.cutoffs,
            horizon,
            scheme=options.scheme,
            window=options.window,
            max_folds=options.max_folds,
            calibrate=options.calibration != "none",
        )
        training, holdout = _rows_at(table, split.training), _rows_at(table, [split.holdout])
        calibration = _rows_at(table, [split.calibration] if split.calibration else [])
        check_slice(f"the training slice ({', '.join(map(day, split.training))})", table.churned[training])
        check_slice(f"the holdout {day(split.holdout)}", table.churned[holdout], rows=20, of_a_class=2)
        plan = cls(split, training, calibration, holdout, {}, list(split.warnings))
        for fold in split.comparisons:
            plan._add(table, fold)
        return plan

    def _add(self, table: ChurnTable, fold: Fold) -> None:
        train, validate = _rows_at(table, fold.train), _rows_at(table, [fold.validate])
        churned = table.churned[train]
        if churned.all() or not churned.any():
            told = "churned" if churned.any() else "stayed"
            self.warnings.append(f"fold {fold.name} is left out: all {len(train)} rows to learn from {told}")
        else:
            self.folds[fold.name] = (train, validate)

    def jobs(self, options: ChurnOptions) -> list[Job]:
        """Every fold and the final fit for every model on every rung of its ladder."""
        tried = [(model, rung) for model in options.models for rung in rungs(model, options, len(self.folds))]
        final = {_CALIBRATION: self.calibration, _HOLDOUT: self.holdout}
        return [
            *(
                Job(model, f"fold {fold}", train, {_VALIDATE: validate}, rung)
                for model, rung in tried
                for fold, (train, validate) in self.folds.items()
            ),
            *(Job(model, FINAL, self.training, final, rung) for model, rung in tried),
        ]


def _rows_at(table: ChurnTable, cutoffs: Iterable[datetime]) -> IntArray:
    wanted = np.array([np.datetime64(time.replace(tzinfo=None), "us") for time in cutoffs], dtype="datetime64[us]")
    return np.flatnonzero(np.isin(table.as_of, wanted))


def _conclude(
    table: ChurnTable, plan: _Plan, fitted: list[Fitted], options: ChurnOptions, feature_set: str
) -> ChurnResult:
    y = table.churned
    baselines, notes = _baselines(table, plan)
    losses: dict[str, dict[str, FloatArray]] = {name: {} for name in (*options.models, *baselines)}
    judged = {name: Judged.baseline(p[plan.holdout], float(y[plan.training].mean())) for name, p in baselines.items()}
    found = settled(
        fitted, lambda done: model_loss(y[done.job.predict[_VALIDATE]], done.p[_VALIDATE], options.calibration)
    )
    for done, loss in found:
        if loss is not None:
            losses[done.job.model][done.job.fold.removeprefix("fold ")] = loss
        else:
            judged[done.job.model] = _calibrated(table, plan, done, options)
    for name, p in baselines.items():
        for fold, (_, validate) in plan.folds.items():
            losses[name][fold] = fold_loss(y[validate], p[validate])
    selection = select(options.models, losses, options.level)
    return assemble(
        table=table,
        slices={"training": plan.training, _CALIBRATION: plan.calibration, _HOLDOUT: plan.holdout},
        judged=judged,
        selection=selection,
        options=options,
        horizon_days=plan.split.horizon / timedelta(days=1),
        windows=plan.split.windows(),
        folds={fold.name: [time.isoformat() for time in fold.train] for fold in plan.split.comparisons},
        warnings=[*plan.warnings, *notes],
        feature_set=feature_set,
    )


def _baselines(table: ChurnTable, plan: _Plan) -> tuple[dict[str, FloatArray], tuple[str, ...]]:
    """Baseline -> probability of every row of the table."""
    p, notes = with_baseline(table, plan.split.horizon / timedelta(days=1))
    rate = np.full(len(table), table.churned[plan.training].mean())
    return ({PURCHASES: p} if p is not None else {}) | {BASE_RATE: rate}, notes


def _calibrated(table: ChurnTable, plan: _Plan, done: Fitted, options: ChurnOptions) -> Judged:
    y = table.churned[plan.calibration]
    calibrator, notes = fit_calibrator(y, done.p[_CALIBRATION], options.calibration if len(y) else "none")
    if len(y):
        value = table.value[plan.calibration] if table.value is not None else None
        p = calibrator.predict(done.p[_CALIBRATION])
        threshold, why = choose_threshold(y, p, value, options.costs, judged=True)
    else:
        threshold, why = choose_threshold(table.churned[plan.training], np.zeros(0), None, None, judged=False)
    return Judged(
        p=calibrator.predict(done.p[_HOLDOUT]),
        threshold=threshold,
        threshold_rule=why,
        model=done.model,
        calibrator=calibrator,
        warnings=(*done.warnings, *notes),
    )
