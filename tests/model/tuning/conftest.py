"""A simulated company with enough cut-offs for three folds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest
from scipy.special import expit

from axiom.training.options import ChurnOptions
from axiom.training.table import ChurnTable
from axiom.training.tuning.work import TuneWork, plan_work

if TYPE_CHECKING:
    from collections.abc import Callable

HORIZON = timedelta(days=30)
END = datetime(2024, 7, 1, tzinfo=UTC)


def simulate(customers: int = 200, cutoffs: int = 6, seed: int = 1) -> ChurnTable:
    """Churn is logistic in days idle; tickets are noise."""
    rng = np.random.default_rng(seed)
    n = customers * cutoffs
    idle = rng.exponential(20, n)
    back = np.repeat(np.arange(cutoffs), customers)
    return ChurnTable(
        as_of=np.datetime64(END.replace(tzinfo=None), "us") - (30 * back).astype("timedelta64[D]"),
        customer_id=np.array([f"c{i:04d}" for i in np.tile(np.arange(customers), cutoffs)], dtype=object),
        X=pa.table({"idle": idle, "tickets": rng.poisson(1.0, n).astype(float)}),
        churned=rng.random(n) < expit(-1.5 + 0.07 * (idle - 15)),
        baseline=np.clip(rng.random(n), 0.05, 0.95),
    )


@pytest.fixture(scope="session")
def company() -> Callable[..., ChurnTable]:
    return simulate


@pytest.fixture(scope="session")
def horizon() -> timedelta:
    return HORIZON


@pytest.fixture(scope="session")
def options() -> ChurnOptions:
    return ChurnOptions(models=("logistic", "naive_bayes", "decision_tree"), draws=100, seed=7)


@pytest.fixture(scope="session")
def work(options: ChurnOptions) -> TuneWork:
    return plan_work(simulate(), HORIZON, options)
