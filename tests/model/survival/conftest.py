"""Classic tables as files, and simulated customers whose true hazards are known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest

from axiom.training.definition import ChurnDefinition
from axiom.training.survival_table import SurvivalRows, SurvivalTable
from axiom.training.table import ChurnTable
from axiom.training.tables import ChurnRows

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HORIZON = 30
END = datetime(2024, 7, 1, tzinfo=UTC)


def classic(name: str, folder: Path) -> Path:
    from lifelines import datasets

    path = folder / f"{name}.csv"
    getattr(datasets, f"load_{name}")().to_csv(path, index=False)
    return path


@pytest.fixture(scope="session")
def rossi(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recidivism: `week`, `arrest` and seven covariates; 432 rows."""
    return classic("rossi", tmp_path_factory.mktemp("classic"))


@pytest.fixture(scope="session")
def waltons(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fruit flies: `T`, `E`, `group`; 163 rows."""
    return classic("waltons", tmp_path_factory.mktemp("classic"))


def static_table(n: int = 400, seed: int = 0, longest: float = 24.0) -> SurvivalTable:
    """Months to churn: hazard .06·exp(0.7·tickets − 0.5·[plan = gold]), observed up to a random month."""
    rng = np.random.default_rng(seed)
    tickets, plan = rng.normal(size=n), rng.choice(["gold", "basic", "free"], n, p=[0.3, 0.5, 0.2])
    churn = rng.exponential(1 / (0.06 * np.exp(0.7 * tickets - 0.5 * (plan == "gold"))))
    end = rng.uniform(3, longest, n)
    X = pa.table({"tickets": tickets, "plan": plan, "noise": rng.normal(size=n)})
    return SurvivalTable(
        X,
        np.minimum(churn, end),
        churn < end,
        np.array([f"c{i}" for i in range(n)], dtype=object),
        np.full(n, "NaT", dtype="datetime64[us]"),
        clock="months",
        unit="months",
    )


def lake_rows(customers: int = 300, cutoffs: int = 5, seed: int = 1, outcome: str = "churn") -> SurvivalRows:
    """Rows of `customers` at `cutoffs` as-ofs 30 days apart, the last one at END, followed to END + 40 days."""
    rng = np.random.default_rng(seed)
    n = customers * cutoffs
    back = np.repeat(np.arange(cutoffs), customers) * 30
    as_of = np.datetime64(END.replace(tzinfo=None), "us") - back.astype("timedelta64[D]")
    who = np.array([f"c{i:04d}" for i in np.tile(np.arange(customers), cutoffs)], dtype=object)
    usage = np.tile(rng.normal(size=customers), cutoffs) + 0.3 * rng.normal(size=n)
    time = rng.exponential(1 / (0.02 * np.exp(0.8 * usage)))
    seen = back + 40.0
    X = pa.table({"usage": usage, "region": rng.choice(["north", "south"], n), "noise": rng.normal(size=n)})
    event = time < seen
    came = event & (time < HORIZON)
    table = SurvivalTable(X, np.where(event, time, seen), event, who, as_of, outcome)  # type: ignore[arg-type]
    churned = came if outcome == "churn" else ~came
    labelled = ChurnTable(as_of, who, X, churned)
    return SurvivalRows(table, ChurnRows(labelled, ChurnDefinition("cancellation")))


@pytest.fixture(scope="session")
def months() -> Callable[..., SurvivalTable]:
    return static_table


@pytest.fixture(scope="session")
def at_cutoffs() -> Callable[..., SurvivalRows]:
    return lake_rows


@pytest.fixture(scope="session")
def horizon() -> timedelta:
    return timedelta(days=HORIZON)
