"""CDNOW from the wheel of `lifetimes` (a test dependency, not imported), and simulated populations."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Customers:
    """Histories, shape (n,) each; `alive`, `rate` and `dropout` are the truth where it was simulated."""

    x: np.ndarray
    t_x: np.ndarray
    T: np.ndarray
    mean_spend: np.ndarray | None = None
    rate: np.ndarray | None = None
    dropout: np.ndarray | None = None
    alive: np.ndarray | None = None

    @property
    def history(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self.x, self.t_x, self.T


@dataclass(frozen=True)
class Transactions:
    """One row per transaction."""

    customer: np.ndarray
    day: np.ndarray
    amount: np.ndarray


def _dataset(name: str) -> Path:
    spec = find_spec("lifetimes")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "datasets" / name


def _days(stamps: np.ndarray) -> np.ndarray:
    whole = stamps.astype(np.int64)
    months = (whole // 10_000 - 1970) * 12 + whole // 100 % 100 - 1
    return months.astype("datetime64[M]").astype("datetime64[D]") + (whole % 100 - 1)


@pytest.fixture(scope="session")
def cdnow() -> Customers:
    """The published summary of the 1/10 sample: weeks 1-39 of 1997, times in weeks."""
    table = np.loadtxt(_dataset("cdnow_customers_summary_with_transactions.csv"), delimiter=",", skiprows=1)
    return Customers(*table.T[1:4], mean_spend=table[:, 4])


@pytest.fixture(scope="session")
def cdnow_sample() -> Transactions:
    """Transactions of the 1/10 sample to June 1998."""
    table = np.loadtxt(_dataset("CDNOW_sample.txt"))
    return Transactions(table[:, 1].astype(int), _days(table[:, 2]), table[:, 4])


@pytest.fixture(scope="session")
def cdnow_full() -> Transactions:
    """Transactions of all 23,570 customers to June 1998."""
    table = np.loadtxt(_dataset("CDNOW_master.txt"), skiprows=1)
    return Transactions(table[:, 0].astype(int), _days(table[:, 1]), table[:, 3])


def _simulate(
    rng: np.random.Generator, rate: np.ndarray, dropout: np.ndarray, T: np.ndarray, first: int = 0
) -> Customers:
    """Customers with given rates and dropout probabilities; `first` = 1 tosses at the first purchase too."""
    n = T.size
    x, t_x, now = np.zeros(n), np.zeros(n), np.zeros(n)
    alive = rng.random(n) >= dropout if first else np.ones(n, dtype=bool)
    buying = np.flatnonzero(alive)
    while buying.size:
        now[buying] += rng.exponential(size=buying.size) / rate[buying]
        buying = buying[now[buying] <= T[buying]]
        x[buying] += 1
        t_x[buying] = now[buying]
        stays = rng.random(buying.size) >= dropout[buying]
        alive[buying[~stays]] = False
        buying = buying[stays]
    return Customers(x, t_x, T, rate=rate, dropout=dropout, alive=alive)


@pytest.fixture(scope="session")
def simulate() -> Callable[..., Customers]:
    return _simulate


@pytest.fixture(scope="session")
def population() -> Callable[..., Customers]:
    """BG/NBD (first = 0) or MBG/NBD (first = 1) customers from natural parameters."""

    def draw(rng: np.random.Generator, params: dict[str, float], T: np.ndarray, first: int = 0) -> Customers:
        rate = rng.gamma(params["r"], 1.0 / params["alpha"], T.size)
        return _simulate(rng, rate, rng.beta(params["a"], params["b"], T.size), T, first)

    return draw
