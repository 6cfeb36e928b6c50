"""Exact Shapley values of one row: what `training.explain` and `training.explain_cox` compute of many."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from axiom.errors import MisuseError
from axiom.scoring.compiled_booster import CONTRIBUTIONS, OneRowBooster
from axiom.training.catalogue.booster import BoosterScorer
from axiom.training.catalogue.linear import LinearScorer
from axiom.training.catalogue.trees import TreeScorer
from axiom.training.survival_model import SurvivalModel

if TYPE_CHECKING:
    from collections.abc import Callable

    from axiom.maths.arrays import FloatArray, IntArray
    from axiom.training.catalogue import FittedModel
    from axiom.training.churn_model import ChurnModel

Shapley: TypeAlias = "Callable[[FloatArray], tuple[float, FloatArray]]"


def explainable(model: ChurnModel | SurvivalModel) -> bool:
    """Whether a model has exact Shapley values."""
    known = LinearScorer | BoosterScorer | TreeScorer
    return isinstance(model, SurvivalModel) or isinstance(model.model.scorer, known)


def one_row_shapley(model: ChurnModel | SurvivalModel) -> tuple[Shapley, str]:
    """A function from an encoded row, shape (k,), to the base and the raw features' Shapley values; and their scale.

    Raises:
        MisuseError: the model is neither linear nor made of trees.
    """
    if isinstance(model, SurvivalModel):
        return _cox(model), "log-hazard"
    encoded, scale = _encoded(model.model)
    source, features = model.model.encoder.source, len(model.features)
    shift = model.model.shift if scale == "log-odds" else 0.0

    def shapley(z: FloatArray) -> tuple[float, FloatArray]:
        base, values = encoded(z)
        return base + shift, _summed(source, values, features)

    return shapley, scale


def _encoded(model: FittedModel) -> tuple[Shapley, str]:
    scorer = model.scorer
    if isinstance(scorer, LinearScorer):
        centre, coefficients = scorer.centre, scorer.coefficients
        base = float(centre @ coefficients + scorer.intercept)
        return lambda z: (base, (z - centre) * coefficients), "log-odds"
    if isinstance(scorer, BoosterScorer):
        booster = OneRowBooster(scorer.text, len(model.encoder.names), CONTRIBUTIONS)

        def contributions(z: FloatArray) -> tuple[float, FloatArray]:
            found = booster.many(z)
            return float(found[-1]), found[:-1]

        return contributions, "log-odds"
    if isinstance(scorer, TreeScorer):
        explainer = scorer.explainer
        mean = explainer.base
        return lambda z: (mean, explainer.values(z[None, :])[0]), (
            "log-odds" if scorer.link == "logit" else "probability"
        )
    raise MisuseError(
        f"{model.name} has no exact Shapley values: it is neither linear nor made of trees",
        hint="use permutation importance and partial dependence, or train a linear or tree model",
    )


def _cox(model: SurvivalModel) -> Shapley:
    columns, mean, features = model.columns, model.mean, len(model.features)
    source = model.encoder.source[columns]
    signed = -1.0 if model.outcome == "return" else 1.0
    coefficients = model.coefficients
    return lambda z: (0.0, _summed(source, signed * (z.take(columns) - mean) * coefficients, features))


def _summed(source: IntArray, values: FloatArray, features: int) -> FloatArray:
    """Encoded columns count with the feature they come from."""
    return np.asarray(np.bincount(source, values, features), dtype=np.float64)
