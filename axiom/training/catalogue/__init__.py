"""The catalogue of churn models behind one interface: `estimator(name, **params).fit(table)` gives a `FittedModel`."""

from __future__ import annotations

from typing import Any

from axiom.errors import MisuseError
from axiom.training.catalogue.bayes import NAIVE_BAYES, BayesScorer
from axiom.training.catalogue.booster import LIGHTGBM, BoosterScorer
from axiom.training.catalogue.encoder import Encoder
from axiom.training.catalogue.forests import DECISION_TREE, GRADIENT_BOOSTING, RANDOM_FOREST, XGBOOST
from axiom.training.catalogue.groups import AGGLOMERATIVE, KMEANS, GroupScorer
from axiom.training.catalogue.layout import Layout
from axiom.training.catalogue.linear import LOGISTIC, LinearScorer
from axiom.training.catalogue.margins import LINEAR_SVM, PERCEPTRON, RBF_SVM, KernelScorer
from axiom.training.catalogue.model import Entry, Estimator, FittedModel, Scorer
from axiom.training.catalogue.neural import MLP, MlpScorer
from axiom.training.catalogue.projected import RF_PCA, SVM_PCA, ProjectedScorer
from axiom.training.catalogue.purchases import PurchaseColumn
from axiom.training.catalogue.trees import TreeScorer

_ENTRIES = (
    *(LOGISTIC, NAIVE_BAYES, DECISION_TREE, KMEANS, AGGLOMERATIVE, PERCEPTRON, LINEAR_SVM, SVM_PCA, RANDOM_FOREST),
    *(RF_PCA, GRADIENT_BOOSTING, LIGHTGBM, XGBOOST, RBF_SVM, MLP),
)
_SCORERS = (LinearScorer, TreeScorer, BoosterScorer, KernelScorer, BayesScorer, MlpScorer, GroupScorer, ProjectedScorer)

CATALOGUE: dict[str, Entry] = {entry.name: entry for entry in sorted(_ENTRIES, key=lambda entry: entry.rank)}
AUTO = ("logistic", "random_forest", "lightgbm")
"""What `--model auto` compares."""

__all__ = ["AUTO", "CATALOGUE", "Entry", "Estimator", "FittedModel", "Scorer", "estimator", "resolve", "storable"]


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


def resolve(names: tuple[str, ...]) -> tuple[str, ...]:
    """Names of entries, each once, with `auto` spelt out.

    Raises:
        MisuseError: unknown entry.
    """
    spelt = [entry for name in names for entry in (AUTO if name == "auto" else (name,))]
    for name in spelt:
        estimator(name)
    return tuple(dict.fromkeys(spelt))


def storable() -> tuple[type, ...]:
    """Every class that a stored model may consist of."""
    return (FittedModel, Encoder, Layout, PurchaseColumn, *_SCORERS)
