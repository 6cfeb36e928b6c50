"""Why a model says what it says: exact Shapley values, permutation importance, partial dependence, reasons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from axiom.errors import MisuseError
from axiom.maths.intervals import MetricValue, mean_interval
from axiom.training.catalogue.booster import BoosterScorer
from axiom.training.catalogue.linear import LinearScorer
from axiom.training.catalogue.trees import TreeScorer
from axiom.training.selection import fold_loss

if TYPE_CHECKING:
    import pyarrow as pa

    from axiom.maths.arrays import FloatArray, IntArray
    from axiom.training.actions import ActionMap
    from axiom.training.catalogue import FittedModel
    from axiom.training.churn_model import ChurnModel
    from axiom.training.table import ChurnTable


@dataclass(frozen=True, eq=False)
class Contributions:
    """Exact Shapley values. `base` and a row of `values` add up to what the model says, on its own scale.

    Attributes:
        features: raw feature of each column, length p.
        base: what the model says of the mean training row (linear) or on average (trees).
        values: shape (n, p); positive raises the risk.
        scale: `log-odds` or `probability`.
    """

    features: tuple[str, ...]
    base: float
    values: FloatArray
    scale: str

    def importance(self) -> dict[str, float]:
        """Mean absolute contribution of each feature, largest first."""
        mean = np.abs(self.values).mean(axis=0)
        return {self.features[j]: float(mean[j]) for j in np.argsort(-mean, kind="stable")}


@dataclass(frozen=True)
class Importance:
    """How much worse the log loss gets when a feature's values are shuffled over the rows."""

    feature: str
    increase: MetricValue


@dataclass(frozen=True, eq=False)
class PartialDependence:
    """Mean prediction when a feature is set to a value in every row.

    Attributes:
        feature: its name.
        values: what it is set to, shape (g,): numbers, or names of categories.
        mean: mean P(churn), shape (g,).
        low: 10 % of the rows lie below, shape (g,).
        high: 10 % of the rows lie above, shape (g,).
    """

    feature: str
    values: tuple[float | str, ...]
    mean: FloatArray
    low: FloatArray
    high: FloatArray


@dataclass(frozen=True)
class Reason:
    """A feature that raises one customer's risk.

    Attributes:
        feature: its name.
        value: of this customer; None where it is missing.
        contribution: to the log-odds or the probability, > 0.
        driver: what is going on, "" where the action map has no name for it.
        action: what to do about it, likewise.
    """

    feature: str
    value: float | str | None
    contribution: float
    driver: str
    action: str


def contributions(model: FittedModel, X: pa.Table) -> Contributions:
    """Exact Shapley values of each raw feature: indicators and one-hot columns count with the feature they come from.

    Linear models: coefficient times distance from the mean training row. Trees: path-dependent TreeSHAP. The values
    explain the model before calibration, which keeps the order of customers.

    Raises:
        MisuseError: the model is neither linear nor made of trees.
        BadInputError: the features do not fit the model.
    """
    Z = model.encode(X)
    base, encoded, scale = _encoded_contributions(model, Z)
    values = np.zeros((len(Z), len(model.features)))
    for column, feature in enumerate(model.encoder.source):
        values[:, feature] += encoded[:, column]
    return Contributions(model.features, base + (model.shift if scale == "log-odds" else 0.0), values, scale)


def _encoded_contributions(model: FittedModel, Z: FloatArray) -> tuple[float, FloatArray, str]:
    scorer = model.scorer
    if isinstance(scorer, LinearScorer):
        base = float(scorer.centre @ scorer.coefficients + scorer.intercept)
        return base, (Z - scorer.centre) * scorer.coefficients, "log-odds"
    if isinstance(scorer, BoosterScorer):
        values = np.asarray(scorer.booster.predict(Z, pred_contrib=True))
        return float(values[0, -1]), values[:, :-1], "log-odds"
    if isinstance(scorer, TreeScorer):
        return (
            scorer.explainer.base,
            scorer.explainer.values(Z),
            "log-odds" if scorer.link == "logit" else "probability",
        )
    raise MisuseError(
        f"{model.name} has no exact Shapley values: it is neither linear nor made of trees",
        hint="use permutation importance and partial dependence, or train a linear or tree model",
    )


def reasons(
    explained: Contributions, X: pa.Table, actions: ActionMap, *, most: int = 3, smallest: float = 0.0
) -> list[tuple[Reason, ...]]:
    """For each row the features that raise its risk most.

    Args:
        explained: contributions of these rows.
        X: the rows.
        actions: driver and action of each feature.
        most: reasons for each row.
        smallest: contributions at or below are no reason.
    """
    columns = {name: X.column(name) for name in explained.features}
    found = []
    for row, values in enumerate(explained.values):
        order = np.argsort(-values, kind="stable")[:most]
        found.append(tuple(_reason(explained, columns, actions, row, int(j)) for j in order if values[j] > smallest))
    return found


def _reason(explained: Contributions, columns: dict[str, Any], actions: ActionMap, row: int, j: int) -> Reason:
    feature = explained.features[j]
    value = columns[feature][row].as_py()
    driver = actions.of(feature)
    return Reason(
        feature,
        None if isinstance(value, float) and np.isnan(value) else value,
        float(explained.values[row, j]),
        driver.driver if driver else "",
        driver.action if driver else "",
    )


def permutation_importance(
    model: ChurnModel, table: ChurnTable, *, repeats: int = 5, most_rows: int = 5000, seed: int = 0, level: float = 0.95
) -> list[Importance]:
    """Increase of the log loss when a feature is shuffled over the holdout, with its interval, largest first.

    A row's increase is averaged over the repeats; the interval is that of the mean over rows. Features that the model
    does not use are left out.

    Args:
        model: calibrated.
        table: rows that it never saw.
        repeats: shuffles of each feature.
        most_rows: beyond this a random sample of the rows is taken.
        seed: of shuffles and sample.
        level: confidence level.
    """
    rng = np.random.default_rng(seed)
    if len(table) > most_rows:
        table = table.rows(np.sort(rng.choice(len(table), most_rows, replace=False)))
    M = model.model.encoder.layout.matrix(table.X)
    before = fold_loss(table.churned, _predict(model, M))
    found = []
    for feature in _used(model):
        increase = np.zeros(len(M))
        shuffled = M.copy()
        for _ in range(repeats):
            shuffled[:, feature] = rng.permutation(M[:, feature])
            increase += fold_loss(table.churned, _predict(model, shuffled)) - before
        found.append(Importance(model.features[feature], mean_interval(increase / repeats, level=level)))
    return sorted(found, key=lambda one: -one.increase.value)


def partial_dependence(
    model: ChurnModel, X: pa.Table, feature: str, *, points: int = 20, most_rows: int = 2000, seed: int = 0
) -> PartialDependence:
    """Mean prediction over the rows as one feature takes the values of its own quantiles, or each of its categories.

    Raises:
        MisuseError: the model has no such feature, or it is missing throughout.
    """
    if feature not in model.features:
        raise MisuseError(f"the model has no feature {feature!r}", hint=f"it has {', '.join(model.features[:20])}")
    layout = model.model.encoder.layout
    j, M = model.features.index(feature), layout.matrix(X)
    if len(M) > most_rows:
        M = M[np.random.default_rng(seed).choice(len(M), most_rows, replace=False)]
    known = M[~np.isnan(M[:, j]), j]
    if not len(known):
        raise MisuseError(f"feature {feature!r} is missing in every row")
    levels = layout.levels.get(feature)
    grid = np.arange(float(len(levels))) if levels else np.unique(np.quantile(known, np.linspace(0.0, 1.0, points)))
    p = np.empty((len(grid), len(M)))
    for place, value in enumerate(grid):
        M[:, j] = value
        p[place] = _predict(model, M)
    low, high = np.quantile(p, [0.1, 0.9], axis=1)
    return PartialDependence(feature, levels or tuple(map(float, grid)), p.mean(axis=1), low, high)


def _used(model: ChurnModel) -> IntArray:
    return np.unique(model.model.encoder.source)


def _predict(model: ChurnModel, M: FloatArray) -> FloatArray:
    return model.calibrator.predict(model.model.predict_matrix(M))
