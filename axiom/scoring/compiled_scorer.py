"""One row through the parts of a churn model: scorer, calibrator and band, each prepared for scalars."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from scipy.special import expit, logit

from axiom.maths.calibration import Identity, Isotonic, Platt
from axiom.maths.checks import EPS
from axiom.scoring.compiled_booster import NORMAL, RAW, OneRowBooster
from axiom.training.catalogue.booster import BoosterScorer
from axiom.training.catalogue.trees import TreeScorer

if TYPE_CHECKING:
    from collections.abc import Callable

    from axiom.maths.arrays import FloatArray
    from axiom.maths.calibration import Calibrator, ReliabilityBand
    from axiom.training.catalogue.model import FittedModel, RowScorer, Scorer

    Map: TypeAlias = Callable[[float], float]


def one_row(scorer: Scorer, columns: int) -> RowScorer:
    """A function from one encoded row, shape (k,), to P(churn); trees of every library run in LightGBM's code.

    Args:
        scorer: fitted.
        columns: k.
    """
    if isinstance(scorer, BoosterScorer):
        return OneRowBooster(scorer.text, columns, NORMAL).one
    if isinstance(scorer, TreeScorer):
        return _trees(scorer, columns)
    return scorer.one_row()


def _trees(scorer: TreeScorer, columns: int) -> RowScorer:
    from axiom.training.catalogue.lightgbm_text import to_booster

    margin = OneRowBooster(to_booster(scorer).model_to_string().encode(), columns, RAW).one
    base, rounded = scorer.base, scorer.rounded
    if scorer.link == "logit":
        return lambda z: float(expit(margin(rounded(z)) + base))
    return lambda z: min(max(margin(rounded(z)) + base, 0.0), 1.0)


def raw_of_many(model: FittedModel, M: FloatArray) -> FloatArray:
    """`FittedModel.predict_matrix`, LightGBM in one thread: replicas share the cores, where its threads would wait.

    Args:
        model: fitted.
        M: raw rows, shape (n, p).

    Returns:
        P(churn), shape (n,).
    """
    if not isinstance(model.scorer, BoosterScorer) or not len(M):
        return model.predict_matrix(M)
    p = np.asarray(model.scorer.booster.predict(model.encoder.transform(M), num_threads=1))
    return shifted(p, model.shift) if model.shift else p


def shifted(p: Any, shift: float) -> Any:
    """Odds times exp(shift); see `FittedModel.shift`."""
    odds = float(np.exp(shift))
    return p * odds / (1.0 - p + p * odds)


def calibration(calibrator: Calibrator) -> Map:
    """The calibrator for one probability within [0, 1]."""
    if isinstance(calibrator, Identity):
        return lambda p: min(max(p, EPS), 1.0 - EPS)
    if isinstance(calibrator, Platt):
        slope, intercept = calibrator.slope, calibrator.intercept

        def platt(p: float) -> float:
            eta = intercept + slope * float(logit(min(max(p, EPS), 1.0 - EPS)))
            return min(max(float(expit(eta)), EPS), 1.0 - EPS)

        return platt
    if isinstance(calibrator, Isotonic):
        inputs, outputs = np.array(calibrator.inputs), np.array(calibrator.outputs)
        return lambda p: float(np.interp(p, inputs, outputs))
    return lambda p: float(calibrator.predict([p])[0])


def limits(band: ReliabilityBand | None) -> Callable[[float], tuple[Any, Any, Any]]:
    """The band at one probability, (None, None, None) where there is none."""
    if band is None:
        return lambda _: (None, None, None)
    centre, low, middle, high = band.centre, band.p05, band.p50, band.p95
    return lambda p: (
        float(np.interp(p, centre, low)),
        float(np.interp(p, centre, middle)),
        float(np.interp(p, centre, high)),
    )
