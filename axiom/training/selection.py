"""Which model is kept: mean log loss over the folds, and a near-tie goes to the simpler one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from axiom.maths.intervals import MetricValue, normal_interval
from axiom.maths.metrics import log_losses
from axiom.training.calibrate import cross_fitted
from axiom.training.catalogue import CATALOGUE
from axiom.training.fits import FINAL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from axiom.maths.arrays import BoolArray, FloatArray
    from axiom.training.fits import Fitted
    from axiom.training.options import Calibration, ChurnOptions

RULE = (
    "lowest mean log loss over the folds, of probabilities calibrated across the rows of each fold; a simpler model is "
    "preferred when its loss is within one standard error of the difference to the lowest"
)
NO_RULE = "nothing to compare on before the holdout: the simplest model that was asked for"
_FLOOR = 1e-4  # votes of 0 and 1 would otherwise decide by a handful of rows


@dataclass(frozen=True)
class Selection:
    """The choice.

    Attributes:
        champion: the model that is kept.
        rule: how it was chosen.
        losses: model -> mean log loss over the folds with its interval; empty where there are no folds.
        fold_losses: model -> fold -> mean log loss.
    """

    champion: str
    rule: str
    losses: dict[str, MetricValue]
    fold_losses: dict[str, dict[str, float]]


def fold_loss(y: BoolArray, p: FloatArray) -> FloatArray:
    """Log loss of each row of a fold, shape (n,); p is kept 1e-4 away from 0 and 1."""
    return log_losses(y, np.clip(p, _FLOOR, 1 - _FLOOR))


def model_loss(y: BoolArray, p: FloatArray, calibration: Calibration) -> FloatArray:
    """Log loss of each row of a fold as the model would be used: calibrated, unless no calibration was asked for.

    By cross-fitted Platt scaling, so that a model is not judged by a bias that its calibration takes away.
    """
    return fold_loss(y, p if calibration == "none" else cross_fitted(y, p, "platt"))


def select(models: tuple[str, ...], losses: Mapping[str, Mapping[str, FloatArray]], level: float) -> Selection:
    """Choose among models judged on identical folds.

    Args:
        models: the candidates.
        losses: model -> fold -> log loss of each row, the same rows for every model; may hold baselines too.
        level: confidence level of the reported losses.
    """
    by_rank = sorted(models, key=lambda name: CATALOGUE[name].rank)
    if not any(losses.values()):
        return Selection(by_rank[0], NO_RULE if len(models) > 1 else "the only model that was asked for", {}, {})
    means = {name: normal_interval(*_mean(list(folds.values())), level) for name, folds in losses.items()}
    fold_means = {name: {fold: float(rows.mean()) for fold, rows in folds.items()} for name, folds in losses.items()}
    lowest = min(models, key=lambda name: means[name].value)
    for name in by_rank:
        gap, error = _mean([losses[name][fold] - losses[lowest][fold] for fold in losses[lowest]])
        if gap <= error:
            return Selection(name, RULE, means, fold_means)
    raise AssertionError("the lowest loss is within its own error")


def rungs(model: str, options: ChurnOptions, folds: int) -> list[dict[str, Any]]:
    """The settings of a model to try: its ladder, unless the options name the value or there are no folds."""
    ladder = CATALOGUE[model].ladder
    if ladder is None or not folds or ladder[0] in options.params.get(model, {}):
        return [{}]
    return [{ladder[0]: value} for value in ladder[1]]


def settled(fitted: list[Fitted], loss: Callable[[Fitted], FloatArray]) -> list[tuple[Fitted, FloatArray | None]]:
    """The fits of the rung that is kept of each model, folds with the loss of each row, the final fit with None.

    Kept is the first rung whose mean loss is within one standard error of the lowest: the lower the rung the stronger
    the penalty, so that a tie goes to the model that promises less about times it has not seen (the one-standard-error
    rule of Breiman et al. 1984).

    Args:
        fitted: every fit of every model and rung.
        loss: of a fold's rows; the same rows on every rung.
    """
    rows = [(done, None if done.job.fold == FINAL else loss(done)) for done in fitted]
    kept: list[tuple[Fitted, FloatArray | None]] = []
    for model in dict.fromkeys(done.job.model for done in fitted):
        rungs_of: dict[str, list[tuple[Fitted, FloatArray | None]]] = {}
        for row in rows:
            if row[0].job.model == model:
                rungs_of.setdefault(repr(row[0].job.params), []).append(row)
        folds = [[found for _, found in rung if found is not None] for rung in rungs_of.values()]
        kept += list(rungs_of.values())[_first_near_lowest(folds)]
    return kept


def _first_near_lowest(rungs_of: list[list[FloatArray]]) -> int:
    if not rungs_of[0]:
        return 0
    lowest = min(rungs_of, key=lambda folds: _mean(folds)[0])
    gaps = (_mean([one - other for one, other in zip(folds, lowest, strict=True)]) for folds in rungs_of)
    return next(place for place, (gap, error) in enumerate(gaps) if gap <= error)


def _mean(folds: list[FloatArray]) -> tuple[float, float]:
    """Mean over the folds, and the larger of its error from rows within folds and from folds among each other."""
    means = np.array([rows.mean() for rows in folds])
    within = math.sqrt(sum(rows.var(ddof=1) / len(rows) if len(rows) > 1 else 0.0 for rows in folds)) / len(folds)
    between = float(means.std(ddof=1)) / math.sqrt(len(folds)) if len(folds) > 1 else 0.0
    return float(means.mean()), max(within, between)
