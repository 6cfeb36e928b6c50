"""The catalogue of churn models behind one interface: `estimator(name, **params).fit(table)` gives a `FittedModel`."""

from __future__ import annotations

from typing import Any

from axiom.errors import MisuseError
from axiom.training.catalogue.booster import LIGHTGBM, BoosterScorer
from axiom.training.catalogue.encoder import Encoder
from axiom.training.catalogue.layout import Layout
from axiom.training.catalogue.linear import LOGISTIC, LinearScorer
from axiom.training.catalogue.model import Entry, Estimator, FittedModel, Scorer
from axiom.training.catalogue.trees import TreeScorer

CATALOGUE: dict[str, Entry] = {entry.name: entry for entry in (LOGISTIC, LIGHTGBM)}

__all__ = ["CATALOGUE", "Entry", "Estimator", "FittedModel", "Scorer", "estimator", "storable"]


def estimator(name: str, *, seed: int = 0, **params: Any) -> Estimator:
    """An entry of the catalogue with some hyper-parameters set and the others at their defaults.

    Raises:
        MisuseError: unknown entry or hyper-parameter.
    """
    if name not in CATALOGUE:
        raise MisuseError(f"unknown model {name!r}", hint=f"one of {', '.join(CATALOGUE)}")
    entry = CATALOGUE[name]
    unknown = sorted(set(params) - set(entry.defaults))
    if unknown:
        raise MisuseError(
            f"{name} has no hyper-parameter {', '.join(unknown)}", hint=f"it has {', '.join(entry.defaults)}"
        )
    return Estimator(entry, {**entry.defaults, **params}, seed)


def storable() -> tuple[type, ...]:
    """Every class that a stored model may consist of."""
    return (FittedModel, Encoder, Layout, LinearScorer, BoosterScorer, TreeScorer)
