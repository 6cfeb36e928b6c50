"""A shop whose customers obey BG/NBD and Gamma-Gamma exactly, seen at any cut-off."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest

from axiom.lake import Lake, Storage
from axiom.training.clv import Origin, RfmArrays, Snapshot
from axiom.training.clv.distributed import RfmOfFeatures

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import pyarrow as pa

    from axiom.maths.arrays import FloatArray

START = datetime(2024, 1, 1, tzinfo=UTC)
MOST = 60


@dataclass(frozen=True)
class Shop:
    """Times in days since `START`; `times` holds the first purchase and the repeats, infinite after death."""

    times: FloatArray
    amounts: FloatArray

    @classmethod
    def open(cls, customers: int = 1500, seed: int = 1, arrivals: float = 150.0) -> Shop:
        rng = np.random.default_rng(seed)
        rate = rng.gamma(0.8, 1 / 30.0, customers)[:, None]
        dropout = rng.beta(0.9, 3.0, customers)[:, None]
        born = np.sort(rng.uniform(0, arrivals, customers))[:, None]
        gaps = rng.exponential(1 / np.maximum(rate, 1e-9), (customers, MOST))
        dead = np.cumsum(rng.random((customers, MOST)) < dropout, axis=1) > 0
        # The coin after repeat purchase k decides on repeat k + 1.
        gone = np.column_stack([np.zeros((customers, 1), bool), dead[:, :-1]])
        repeats = np.where(gone, np.inf, born + np.cumsum(gaps, axis=1))
        scale = rng.gamma(3.7, 1 / 15.0, customers)[:, None]
        amounts = rng.gamma(6.2, 1 / scale, (customers, MOST + 1))
        return cls(np.column_stack([born, repeats]), amounts)

    def at(self, day: float, horizon: int, *, money: bool = True) -> Origin:
        before = self.times < day
        seen = np.flatnonzero(before[:, 0])
        before, times, amounts = before[seen], self.times[seen], self.amounts[seen]
        x = before.sum(axis=1) - 1.0
        last = np.where(before, times, -np.inf).max(axis=1)
        spent = np.where(before, amounts, 0.0)[:, 1:].sum(axis=1)
        mean = np.divide(spent, x, out=np.full(x.size, np.nan), where=x > 0)
        ahead = (times >= day) & (times < day + horizon)
        born = times[:, 0]
        rfm = RfmArrays(x, last - born, day - born, mean if money else np.full(x.size, np.nan))
        spend = np.where(ahead, amounts, 0.0).sum(axis=1) if money else None
        names = np.array([f"c{number:05d}" for number in seen], dtype=object)
        return Origin(START + timedelta(days=day), names, rfm, ahead.sum(axis=1).astype(float), spend)

    def now(self, day: float) -> Snapshot:
        return self.at(day, 1).snapshot


@pytest.fixture(scope="session")
def open_shop() -> Callable[..., Shop]:
    return Shop.open


@pytest.fixture(scope="session")
def shop() -> Shop:
    return Shop.open()


@pytest.fixture(scope="session")
def origins(shop: Shop) -> list[Origin]:
    """Three origins 60 days apart, each labelled over 60 days."""
    return [shop.at(day, 60) for day in (120, 180, 240)]


@pytest.fixture
def features_of() -> Callable[..., RfmOfFeatures]:
    """Write bucket tables as a features dataset, and read its RFM columns."""

    def write(folder: Path, tables: Mapping[int, pa.Table], as_of: datetime) -> RfmOfFeatures:
        lake = Lake.create(Storage(str(folder / "lake")), buckets=5, currency="EUR")
        writer = lake.writer("features", "test")
        parts = [writer.write(f"bucket-{b:04d}.parquet", table, bucket=b) for b, table in tables.items()]
        writer.commit(parts)
        return RfmOfFeatures(lake, "test", as_of)

    return write
