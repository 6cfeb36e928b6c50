"""What each covariate adds to the log hazard of one customer: exact, because a Cox model is linear there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from axiom.training.explain import Contributions

if TYPE_CHECKING:
    import pyarrow as pa

    from axiom.training.survival_model import SurvivalModel


def cox_contributions(model: SurvivalModel, X: pa.Table) -> Contributions:
    """(z - mean)·coefficient of every covariate, counted with the raw feature it comes from.

    The scale is the log hazard of churn relative to the mean training row of the same stratum, base 0. Where the event
    is the return of a customer the signs are turned: what makes a return likelier keeps churn away.

    Args:
        model: fitted.
        X: features, n rows.

    Raises:
        BadInputError: a feature is missing or has another type than in training.
    """
    names = model.encoder.layout.names
    encoded = model.encoder.transform(model.encoder.layout.matrix(X))[:, model.columns]
    sign = -1.0 if model.outcome == "return" else 1.0
    terms = sign * (encoded - model.mean) * model.coefficients
    values = np.zeros((len(terms), len(names)))
    for term, column in enumerate(model.columns):
        values[:, model.encoder.source[column]] += terms[:, term]
    return Contributions(tuple(names), 0.0, values, "log-hazard")
