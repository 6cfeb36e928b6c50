"""One trial: a model with its hyper-parameters, judged fold by fold on the very folds that a training compares on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from axiom.errors import BadInputError, MisuseError
from axiom.training.catalogue import resolve
from axiom.training.fits import FitWork, Job
from axiom.training.guards import check_slice, check_unique
from axiom.training.selection import model_loss
from axiom.training.splits import day, rolling_folds, temporal_split

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime, timedelta

    from axiom.maths.arrays import FloatArray, IntArray
    from axiom.training.options import ChurnOptions
    from axiom.training.splits import Fold
    from axiom.training.table import ChurnTable

REFERENCE = "logistic"
NOT_JUDGED = 1e6
"""Excess loss of a trial that could not be fitted."""
_VALIDATE = "validate"
# Iterations that change the loss in its fifth digit cost minutes on a large table; the final training does them all.
_IN_A_TRIAL: Mapping[str, Mapping[str, Any]] = {"logistic": {"max_iter": 200}}


@dataclass(frozen=True)
class Step:
    """How a trial stands after a fold.

    Attributes:
        folds: folds judged so far, oldest first.
        excess: mean log loss over them minus that of logistic regression with default settings on the same rows: lower
            is better, and trials that were stopped after different folds can be compared.
        log_loss: mean log loss over them.
        failed: why the trial could not be judged; "" where it could.
    """

    folds: int
    excess: float
    log_loss: float
    failed: str = ""


@dataclass(frozen=True, eq=False)
class TuneWork:
    """The data of a search and what every trial does with them. Travels to the workers once.

    Attributes:
        table: labelled rows.
        options: of the training; `models` and `params` are what is searched.
        folds: name -> rows to learn from and rows to judge on, oldest first.
        reference: mean log loss of the reference in each fold.
        warnings: in full sentences.
    """

    table: ChurnTable
    options: ChurnOptions
    folds: dict[str, tuple[IntArray, IntArray]]
    reference: tuple[float, ...]
    warnings: tuple[str, ...] = ()

    def trial(self, model: str, params: Mapping[str, Any]) -> Iterator[Step]:
        """Judge a model fold by fold.

        Raises:
            MisuseError: unknown model or hyper-parameter.
        """
        losses: list[float] = []
        for count, fold in enumerate(self.folds, start=1):
            rows = self.folds[fold]
            try:
                losses.append(float(fold_losses(self.table, self.options, rows, fold, model, params).mean()))
            except BadInputError as error:
                yield Step(count, NOT_JUDGED, NOT_JUDGED, error.message)
                return
            mean = float(np.mean(losses))
            yield Step(count, mean - float(np.mean(self.reference[:count])), mean)


def plan_work(table: ChurnTable, horizon: timedelta, options: ChurnOptions, until: datetime | None = None) -> TuneWork:
    """The folds of a training with these options, and the loss of the reference in each.

    Args:
        table: labelled rows.
        horizon: length of the label window.
        options: of the training.
        until: compare at every cut-off whose label is complete by then instead, see `rolling_folds`.

    Raises:
        BadInputError: no fold to compare on before the holdout, or a slice that cannot be learnt from.
        MisuseError: an unknown model, or a table without times.
    """
    if table.static:
        raise MisuseError("the table has no times to tune on", hint="a search needs cut-offs; build them from the lake")
    options = replace(options, models=resolve(options.models))
    check_unique(table)
    folds, notes = folds_of(table, horizon, options, until)
    reference = [fold_losses(table, options, rows, name, REFERENCE, {}) for name, rows in folds.items()]
    if len(folds) == 1:
        notes = (*notes, "there is one fold only, so no trial can be stopped early")
    return TuneWork(table, options, folds, tuple(float(loss.mean()) for loss in reference), notes)


def folds_of(
    table: ChurnTable, horizon: timedelta, options: ChurnOptions, until: datetime | None = None
) -> tuple[dict[str, tuple[IntArray, IntArray]], tuple[str, ...]]:
    """Fold -> rows to learn from and to judge on, oldest first, and what had to be left out.

    The same folds that `train_churn` compares models on, unless `until` asks for `rolling_folds`; folds whose training
    rows are of one class are left out.

    Raises:
        BadInputError: there is no fold before the holdout.
    """
    compared, training, holdout, warnings = _compared(table, horizon, options, until)
    if training:
        rows = _rows_at(table, training)
        check_slice(f"the training slice ({', '.join(map(day, training))})", table.churned[rows])
    folds, notes = {}, list(warnings)
    for fold in compared:
        train, validate = _rows_at(table, fold.train), _rows_at(table, [fold.validate])
        churned = table.churned[train]
        if churned.all() or not churned.any():
            notes.append(f"fold {fold.name} is left out: its {len(train)} rows to learn from are of one class")
        else:
            folds[fold.name] = (train, validate)
    if not folds:
        raise BadInputError(
            f"there is nothing to tune on before the holdout {day(holdout)}: no cut-off to compare models at",
            hint="compare at a shorter horizon (--fold-horizon), build earlier cut-offs (--back), or train with the "
            "defaults",
        )
    return folds, tuple(notes)


def _compared(
    table: ChurnTable, horizon: timedelta, options: ChurnOptions, until: datetime | None
) -> tuple[Sequence[Fold], Sequence[datetime], datetime, Sequence[str]]:
    """Folds, the cut-offs that are learnt from in all, the holdout, and warnings."""
    how: dict[str, Any] = {"scheme": options.scheme, "window": options.window, "max_folds": options.max_folds}
    if until is not None:
        folds = rolling_folds(table.cutoffs, horizon, until, **how)
        return folds, sorted({time for fold in folds for time in fold.train}), until, ()
    split = temporal_split(table.cutoffs, horizon, calibrate=options.calibration != "none", **how)
    return split.comparisons, split.training, split.holdout, split.warnings


def fold_losses(
    table: ChurnTable,
    options: ChurnOptions,
    rows: tuple[IntArray, IntArray],
    fold: str,
    model: str,
    params: Mapping[str, Any],
) -> FloatArray:
    """Log loss of each judged row of a fold, as a training would count it, shape (n,)."""
    train, validate = rows
    settings = {**_IN_A_TRIAL.get(model, {}), **params}
    work = FitWork(table, replace(options, models=(model,), params={model: settings}))
    fitted = work(Job(model, f"fold {fold}", train, {_VALIDATE: validate}))
    return model_loss(table.churned[validate], fitted.p[_VALIDATE], options.calibration)


def _rows_at(table: ChurnTable, cutoffs: Iterable[datetime]) -> IntArray:
    wanted = np.array([np.datetime64(time.replace(tzinfo=None), "us") for time in cutoffs], dtype="datetime64[us]")
    return np.flatnonzero(np.isin(table.as_of, wanted))
