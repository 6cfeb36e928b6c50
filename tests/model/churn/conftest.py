"""A simulated company whose true churn probabilities are known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest
from scipy.special import expit

from axiom.training.table import ChurnTable

if TYPE_CHECKING:
    from collections.abc import Callable

HORIZON = timedelta(days=30)
END = datetime(2024, 7, 1, tzinfo=UTC)


def true_probability(X: pa.Table) -> np.ndarray:
    """The truth that labels are drawn from: linear in the log-odds, so that logistic regression can recover it."""
    idle, tickets = X.column("days_idle").to_numpy(), X.column("tickets").to_numpy()
    region = np.array(X.column("region").to_pylist())
    return expit(-1.5 + 0.06 * (idle - 20.0) + 0.5 * tickets + np.where(region == "north", 0.8, 0.0))


def simulate(customers: int = 300, cutoffs: int = 5, every: timedelta = HORIZON, seed: int = 1) -> ChurnTable:
    """Rows of `customers` at `cutoffs` as-ofs, `every` apart, the last one at END."""
    rng = np.random.default_rng(seed)
    rows = customers * cutoffs
    tenure = rng.uniform(40, 400, rows)
    idle = np.minimum(rng.exponential(20, rows), tenure - 1)
    x = rng.poisson(2.0, rows).astype(float)
    X = pa.table(
        {
            "days_idle": idle,
            "tickets": rng.poisson(0.6, rows).astype(float),
            "spend": np.exp(rng.normal(4.0, 1.0, rows)),
            "region": pa.array(rng.choice(["north", "south", "west"], rows)).dictionary_encode(),
            "nps": np.where(rng.random(rows) < 0.3, np.nan, rng.normal(size=rows)),
        }
    )
    as_of = np.repeat([np.datetime64((END - k * every).replace(tzinfo=None), "us") for k in range(cutoffs)], customers)
    return ChurnTable(
        as_of=as_of,
        customer_id=np.array([f"c{i:04d}" for i in np.tile(np.arange(customers), cutoffs)], dtype=object),
        X=X,
        churned=rng.random(rows) < true_probability(X),
        x=x,
        t_x=np.where(x > 0, tenure - idle, 0.0),
        T=tenure,
        value=X.column("spend").to_numpy(),
        cohort=np.where(tenure < 150, "new", "established").astype(object),
    )


@pytest.fixture(scope="session")
def company() -> Callable[..., ChurnTable]:
    return simulate


@pytest.fixture(scope="session")
def table(company: Callable[..., ChurnTable]) -> ChurnTable:
    return company()


@pytest.fixture(scope="session")
def horizon() -> timedelta:
    return HORIZON


@pytest.fixture(scope="session")
def truth() -> Callable[[pa.Table], np.ndarray]:
    return true_probability
