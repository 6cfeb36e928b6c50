"""Models of every kind on one simulated company, and the vectors of a store that lays them out in its own way."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from scipy.special import expit

from axiom.maths.calibration import Identity, Isotonic, Platt
from axiom.scoring.compiled import CompiledChurn
from axiom.scoring.online.vectors import VectorLayout
from axiom.training.actions import load_actions
from axiom.training.catalogue import CATALOGUE, estimator
from axiom.training.catalogue.layout import Layout
from axiom.training.churn_model import ChurnModel
from axiom.training.survival_fit import SurvivalOptions, fit_cox
from axiom.training.survival_table import SurvivalTable
from axiom.training.table import ChurnTable

if TYPE_CHECKING:
    from axiom.maths.arrays import FloatArray
    from axiom.scoring.compiled import BoundChurn
    from axiom.training.survival_model import SurvivalModel

SMALL: dict[str, dict[str, Any]] = {
    "random_forest": {"trees": 20},
    "rf_pca": {"trees": 20},
    "gradient_boosting": {"trees": 20},
    "lightgbm": {"trees": 30},
    "xgboost": {"trees": 20},
    "rbf_svm": {"max_rows": 300},
    "svm_pca": {"max_rows": 300},
    "agglomerative": {"max_rows": 300},
    "mlp": {"units": 4, "max_iter": 400, "learning_rate": 0.01},
}
CALIBRATORS = (Identity(), Platt(1.2, -0.1), Isotonic((0.1, 0.4, 0.9), (0.05, 0.5, 0.8)))
FEATURE_SET = "abc123"


def rows(n: int, seed: int, regions: tuple[str, ...]) -> pa.Table:
    """Features with heavy tails, missing values and categories."""
    rng = np.random.default_rng(seed)
    return pa.table(
        {
            "txn_days_since_last": rng.exponential(20, n),
            "tickets": rng.poisson(0.6, n).astype(float),
            "spend": np.exp(rng.normal(4.0, 1.0, n)),
            "region": pa.array([None if rng.random() < 0.05 else region for region in rng.choice(regions, n)]),
            "nps": pa.array(rng.normal(size=n), mask=rng.random(n) < 0.3),
        }
    )


def labelled(n: int = 400, seed: int = 2) -> ChurnTable:
    X = rows(n, seed, ("north", "south", "west"))
    p = expit(-1.5 + 0.06 * (X["txn_days_since_last"].to_numpy() - 20) + 0.5 * X["tickets"].to_numpy())
    return ChurnTable(
        as_of=np.full(n, np.datetime64("2024-07-01", "us")),
        customer_id=np.array([f"c{i}" for i in range(n)], dtype=object),
        X=X,
        churned=np.random.default_rng(seed).random(n) < p,
    )


@dataclass(frozen=True, eq=False)
class Bench:
    """A model, vectors of a store that it is bound to, and the same rows as a table."""

    model: ChurnModel | SurvivalModel
    bound: BoundChurn
    vectors: FloatArray
    X: pa.Table


def stored(X: pa.Table, feature_set: str) -> tuple[VectorLayout, FloatArray]:
    """The rows as a store holds them: other columns too, another order, categories under other codes."""
    table = X.append_column("zeta", pa.array(np.arange(X.num_rows, dtype=float))).select(
        ["zeta", *reversed(X.column_names)]
    )
    levels = {"region": ("west", "east", "south", "north")} if "region" in X.column_names else {}
    levels |= {"plan": ("silver", "gold", "free", "basic")} if "plan" in X.column_names else {}
    layout = VectorLayout(Layout(tuple(table.column_names), levels), feature_set)
    return layout, layout.layout.matrix(table)


@pytest.fixture(scope="session")
def fresh() -> pa.Table:
    """Rows nobody trained on, some far outside, some of a region nobody has seen."""
    X = rows(60, 3, ("north", "south", "west", "east"))
    spend = X["spend"].to_numpy().copy()
    spend[:3] = (0.0, -50.0, 1e9)
    return X.set_column(X.column_names.index("spend"), "spend", pa.array(spend))


@pytest.fixture(scope="session")
def models() -> dict[str, ChurnModel]:
    """Every entry of the catalogue, with each kind of calibrator in turn; two of them with class weights undone."""

    table, found = labelled(), {}
    for place, name in enumerate(CATALOGUE):
        fitted = estimator(name, **SMALL.get(name, {})).fit(table)
        if name in ("lightgbm", "logistic"):
            fitted = replace(fitted, shift=-0.4)
        found[name] = ChurnModel(fitted, CALIBRATORS[place % 3], 0.3, 30.0, FEATURE_SET)
    return found


@pytest.fixture(scope="session", params=list(CATALOGUE))
def bench(request: pytest.FixtureRequest, models: dict[str, ChurnModel], fresh: pa.Table) -> Bench:
    """Each entry of the catalogue, bound to a store's layout."""
    return benched(models[request.param], fresh)


def benched(model: ChurnModel | SurvivalModel, X: pa.Table) -> Bench:
    layout, vectors = stored(X, model.feature_set)
    bound = CompiledChurn("churn@1", model).bind(layout, load_actions())
    return Bench(model, bound, vectors, X)


@pytest.fixture(scope="session")
def linear(models: dict[str, ChurnModel], fresh: pa.Table) -> Bench:
    return benched(models["logistic"], fresh)


def cox(outcome: str = "churn", clock: str = "", strata: tuple[str, ...] = ()) -> SurvivalModel:
    rng = np.random.default_rng(5)
    n = 300
    tickets, plan = rng.normal(size=n), rng.choice(["gold", "basic", "free"], n)
    time = rng.exponential(1 / (0.06 * np.exp(0.7 * tickets - 0.5 * (plan == "gold"))))
    end = rng.uniform(8, 24, n)
    as_of = np.full(n, "NaT" if clock else "2024-07-01", dtype="datetime64[us]")
    who = np.array([f"c{i}" for i in range(n)], dtype=object)
    X = pa.table({"tickets": tickets, "plan": plan, "noise": rng.normal(size=n)})
    table = SurvivalTable(X, np.minimum(time, end), time < end, who, as_of, outcome, clock=clock)  # type: ignore[arg-type]
    return fit_cox(table, SurvivalOptions(strata=strata, draws=100), horizon=6.0, feature_set=FEATURE_SET).model


@pytest.fixture(scope="session")
def people() -> pa.Table:
    """Rows for Cox models, with a plan nobody has seen."""
    rng = np.random.default_rng(6)
    plans = rng.choice(["gold", "basic", "free", "silver"], 40)
    return pa.table(
        {"tickets": rng.normal(size=40), "plan": plans, "noise": rng.normal(size=40), "months": rng.uniform(0, 3, 40)}
    )


COX = {"churn": {}, "return": {"outcome": "return"}, "strata": {"strata": ("plan",)}, "clock": {"clock": "months"}}


@pytest.fixture(scope="session", params=list(COX))
def cox_bench(request: pytest.FixtureRequest, people: pa.Table) -> Bench:
    """Cox models of each form."""
    return benched(cox(**COX[request.param]), people)


@pytest.fixture(scope="session")
def clocked(people: pa.Table) -> Bench:
    return benched(cox(clock="months"), people)
