"""Explanations: exact, additive, pointing the right way, leading to an action."""

from __future__ import annotations

from itertools import combinations
from math import factorial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from scipy.special import expit, logit

from axiom.errors import BadInputError, MisuseError, NotFoundError
from axiom.training.actions import load_actions
from axiom.training.catalogue import estimator
from axiom.training.churn_model import ChurnModel
from axiom.training.explain import contributions, partial_dependence, permutation_importance, reasons
from axiom.training.treeshap import TreeExplainer

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta
    from pathlib import Path

    from axiom.training.catalogue import FittedModel
    from axiom.training.catalogue.trees import TreeScorer
    from axiom.training.table import ChurnTable

SETTINGS: dict[str, dict[str, Any]] = {
    "logistic": {},
    "decision_tree": {"min_rows": 10},
    "random_forest": {"trees": 10},
    "gradient_boosting": {"trees": 15},
    "lightgbm": {"trees": 20, "num_leaves": 15},
    "xgboost": {"trees": 15},
}


@pytest.fixture(scope="module")
def training(company: Callable[..., ChurnTable]) -> ChurnTable:
    return company(customers=500, cutoffs=1, seed=21)


@pytest.fixture(scope="module")
def models(training: ChurnTable) -> dict[str, FittedModel]:
    return {name: estimator(name, **settings).fit(training) for name, settings in SETTINGS.items()}


def calibrated(model: FittedModel) -> ChurnModel:
    from axiom.maths.calibration import Platt

    return ChurnModel(model, Platt(0.9, 0.1), 0.5, 30.0)


def expectation(trees: TreeScorer, node: int, z: np.ndarray, known: frozenset[int]) -> float:
    """E[tree | features in `known`], straight from the definition of path-dependent TreeSHAP."""
    left, right = int(trees.left[node]), int(trees.right[node])
    if left == node:
        return float(trees.value[node])
    feature = int(trees.feature[node])
    if feature in known:
        missing = np.isnan(z[feature])
        goes_left = bool(trees.missing_left[node]) if missing else z[feature] <= trees.threshold[node]
        return expectation(trees, left if goes_left else right, z, known)
    share = trees.cover[left] / trees.cover[node]
    return share * expectation(trees, left, z, known) + (1 - share) * expectation(trees, right, z, known)


def brute_force(trees: TreeScorer, z: np.ndarray) -> np.ndarray:
    """Shapley values by summing over all subsets of features."""
    p = len(z)

    def value(known: frozenset[int]) -> float:
        return sum(expectation(trees, int(root), z, known) for root in trees.roots)

    phi = np.zeros(p)
    for j in range(p):
        others = [i for i in range(p) if i != j]
        for size in range(p):
            weight = factorial(size) * factorial(p - size - 1) / factorial(p)
            for subset in combinations(others, size):
                known = frozenset(subset)
                phi[j] += weight * (value(known | {j}) - value(known))
    return phi


def test_tree_contributions_are_the_shapley_values_of_the_definition(training: ChurnTable) -> None:
    small = training.with_X(training.X.select(["days_idle", "tickets", "nps"]))
    model = estimator("gradient_boosting", trees=3, max_leaves=6).fit(small)
    explainer = TreeExplainer.of(model.scorer)  # type: ignore[arg-type]
    Z = model.encode(small.X)[:6]
    assert np.isnan(Z).any()
    expected = np.stack([brute_force(model.scorer, z) for z in Z])  # type: ignore[arg-type]
    np.testing.assert_allclose(explainer.values(Z), expected, rtol=0, atol=1e-12)


def test_our_treeshap_gives_what_lightgbm_gives(models: dict[str, FittedModel], training: ChurnTable) -> None:
    model = models["lightgbm"]
    Z = model.encode(training.X)[:50]
    explainer = model.scorer.trees.explainer  # type: ignore[attr-defined]
    expected = model.scorer.booster.predict(Z, pred_contrib=True)  # type: ignore[attr-defined]
    np.testing.assert_allclose(explainer.values(Z), expected[:, :-1], rtol=0, atol=1e-12)
    assert explainer.base == pytest.approx(expected[0, -1], abs=1e-12)


@pytest.mark.parametrize("name", SETTINGS)
def test_contributions_add_up_to_what_the_model_says(
    name: str, models: dict[str, FittedModel], training: ChurnTable
) -> None:
    explained = contributions(models[name], training.X)
    total = explained.base + explained.values.sum(axis=1)
    said = expit(total) if explained.scale == "log-odds" else total
    np.testing.assert_allclose(said, models[name].predict_proba(training.X), rtol=0, atol=1e-9)
    assert explained.features == training.features


def test_class_weights_shift_the_base_of_the_explanation(training: ChurnTable) -> None:
    from dataclasses import replace

    model = replace(estimator("logistic").fit(training), shift=-1.3)
    explained = contributions(model, training.X)
    total = explained.base + explained.values.sum(axis=1)
    np.testing.assert_allclose(total, logit(model.predict_proba(training.X)), atol=1e-9)


@pytest.mark.parametrize("name", SETTINGS)
def test_what_drives_the_truth_ranks_above_noise(
    name: str, models: dict[str, FittedModel], training: ChurnTable
) -> None:
    ranking = list(contributions(models[name], training.X).importance())
    assert ranking[0] == "days_idle"
    assert ranking.index("tickets") < ranking.index("nps")


def test_a_model_without_exact_values_says_what_to_use(training: ChurnTable) -> None:
    with pytest.raises(MisuseError, match="naive_bayes has no exact Shapley values") as error:
        contributions(estimator("naive_bayes").fit(training), training.X)
    assert "permutation importance" in error.value.hint


def test_shuffling_a_driver_hurts_and_shuffling_noise_does_not(
    models: dict[str, FittedModel], company: Callable[..., ChurnTable]
) -> None:
    found = permutation_importance(calibrated(models["logistic"]), company(customers=800, cutoffs=1, seed=22))
    by_name = {one.feature: one.increase for one in found}
    assert found[0].feature == "days_idle"
    assert by_name["days_idle"].low > 0
    assert by_name["tickets"].low > 0
    assert by_name["nps"].low < 0.005
    assert [one.increase.value for one in found] == sorted((one.increase.value for one in found), reverse=True)


def test_features_that_a_model_dropped_have_no_importance(training: ChurnTable) -> None:
    constant = training.with_X(training.X.append_column("always", pa.array(np.ones(len(training)))))
    model = calibrated(estimator("logistic").fit(constant))
    assert "always" not in {one.feature for one in permutation_importance(model, constant, repeats=1)}


def test_partial_dependence_follows_the_truth(models: dict[str, FittedModel], training: ChurnTable) -> None:
    model = calibrated(models["logistic"])
    idle = partial_dependence(model, training.X, "days_idle", points=8)
    assert (np.diff(idle.mean) > 0).all()
    assert (idle.low <= idle.mean).all()
    assert (idle.mean <= idle.high).all()
    region = partial_dependence(model, training.X, "region")
    assert region.values == ("north", "south", "west")
    assert region.mean[0] == region.mean.max()


def test_partial_dependence_of_nothing_is_refused(models: dict[str, FittedModel], training: ChurnTable) -> None:
    model = calibrated(models["logistic"])
    with pytest.raises(MisuseError, match="no feature 'mood'"):
        partial_dependence(model, training.X, "mood")
    empty = training.X.set_column(0, "days_idle", pa.array(np.full(len(training), np.nan)))
    with pytest.raises(MisuseError, match="missing in every row"):
        partial_dependence(model, empty, "days_idle")


def test_reasons_name_what_raises_the_risk_and_what_to_do(models: dict[str, FittedModel], training: ChurnTable) -> None:
    columns = {"days_idle": [90.0, 1.0], "tickets": [6.0, 0.0], "spend": [50.0, 50.0], "region": ["north", "south"]}
    X = pa.table({**columns, "nps": [None, 0.0]}, schema=training.X.schema.set(3, pa.field("region", pa.string())))
    risky, safe = reasons(contributions(models["logistic"], X), X, load_actions(), most=2)
    assert {reason.feature for reason in risky} == {"days_idle", "tickets"}
    tickets = next(reason for reason in risky if reason.feature == "tickets")
    assert (tickets.value, tickets.driver) == (6.0, "tickets rising")
    assert "support check" in tickets.action
    assert all(reason.contribution > 0 for reason in (*risky, *safe))
    assert not {"days_idle", "tickets", "region"} & {reason.feature for reason in safe}


@pytest.mark.parametrize(
    ("feature", "driver"),
    [
        ("login_trend_30d", "usage falling"),
        ("onboarding_share", "low adoption"),
        ("support_tickets_60d", "tickets rising"),
        ("days_to_renewal", "renewal near"),
        ("SPEND_90D", "spending less"),
    ],
)
def test_the_packaged_map_knows_the_usual_features(feature: str, driver: str) -> None:
    found = load_actions().of(feature)
    assert found is not None
    assert found.driver == driver


def test_the_map_can_be_edited(tmp_path: Path) -> None:
    path = tmp_path / "actions.yaml"
    path.write_text("drivers:\n  - driver: cold\n    features: ['temp*']\n    action: bring a blanket\n")
    actions = load_actions(path)
    found = actions.of("Temperature")
    assert found is not None
    assert found.action == "bring a blanket"
    assert actions.of("tickets") is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("drivers: [", "is no YAML"),
        ("- a\n", "one list called `drivers`"),
        ("drivers:\n  - driver: x\n    action: y\n", "driver 1: it must have exactly the keys"),
        ("drivers:\n  - {driver: x, action: y, features: tickets}\n", r"driver 1 \(x\): `features` must be a list"),
    ],
)
def test_a_broken_map_is_refused_with_the_place(text: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "actions.yaml"
    path.write_text(text)
    with pytest.raises(BadInputError, match=told):
        load_actions(path)


def test_a_missing_map_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        load_actions(tmp_path / "none.yaml")


def test_explanations_of_a_trained_model_travel_with_the_artefact(table: ChurnTable, horizon: timedelta) -> None:
    from axiom.training.churn import train_churn
    from axiom.training.options import ChurnOptions

    options = ChurnOptions(models=("random_forest",), params={"random_forest": {"trees": 10}}, draws=100)
    result = train_churn(table, horizon, options)
    again = ChurnModel.from_files(result.files)
    here, there = (contributions(model.model, table.X.slice(0, 5)) for model in (result.model, again))
    np.testing.assert_array_equal(here.values, there.values)
