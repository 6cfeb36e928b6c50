"""A simulated shop: buyers who drop out, and a feature that the purchase history does not tell at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from axiom.training.clv.candidate import Known
from axiom.training.clv.rows import Origin, RfmArrays

HORIZON = timedelta(days=60)
START = datetime(2023, 1, 1, tzinfo=UTC)
CUTOFFS = (120, 180, 240, 300)


@dataclass(frozen=True)
class Shop:
    """Purchase days and values of each customer, day 0 = START."""

    days: list[np.ndarray]
    value: list[np.ndarray]
    keen: np.ndarray

    def origin(self, cutoff: int, *, featured: bool = True) -> Origin:
        seen = [i for i, days in enumerate(self.days) if days[0] < cutoff]
        rows = [self._row(i, cutoff) for i in seen]
        x, t_x, T, mean_spend, purchases, spend = (np.array(column) for column in zip(*rows, strict=True))
        features = pa.table(
            {
                "visits": self.keen[seen],
                "channel": pa.array(["web" if i % 3 else "shop" for i in seen]).dictionary_encode(),
                "nps": np.where(np.arange(len(seen)) % 4 == 0, np.nan, np.arange(len(seen)) % 11.0),
            }
        )
        return Origin(
            START + timedelta(days=cutoff),
            np.array([f"c{i:04d}" for i in seen], dtype=object),
            RfmArrays(x, t_x, T, mean_spend),
            purchases,
            spend,
            features if featured else None,
        )

    def _row(self, i, cutoff):
        days, value = self.days[i], self.value[i]
        past, coming = days < cutoff, (days >= cutoff) & (days < cutoff + HORIZON.days)
        before = days[past]
        spent = value[past][1:]
        return (
            float(len(before) - 1),
            float(before[-1] - before[0]),
            float(cutoff - before[0]),
            float(spent.mean()) if len(spent) else np.nan,
            float(coming.sum()),
            float(value[coming].sum()),
        )


def open_shop(customers=600, seed=1):
    """Rates are Gamma times e^keen; each purchase is the last one with a chance of its own."""
    rng = np.random.default_rng(seed)
    keen = rng.normal(0.0, 0.8, customers)
    shop = Shop([], [], keen)
    for i in range(customers):
        rate = rng.gamma(2.0, 1 / 80.0) * np.exp(keen[i])
        drop = rng.beta(1.0, 9.0)
        day, days = float(rng.integers(0, 110)), []
        while day < CUTOFFS[-1] + HORIZON.days:
            days.append(int(day))
            if rng.random() < drop:
                break
            day += max(1.0, rng.exponential(1 / rate))
        shop.days.append(np.array(days))
        shop.value.append(rng.gamma(4.0, rng.gamma(5.0, 3.0) / 4.0, len(days)))
    return shop


@pytest.fixture(scope="session")
def horizon():
    return HORIZON


@pytest.fixture(scope="session")
def shop():
    return open_shop()


@pytest.fixture(scope="session")
def known(shop):
    """What is known at the last cut-off."""
    return Known(
        shop.origin(CUTOFFS[-1]).snapshot, tuple(shop.origin(cutoff) for cutoff in CUTOFFS[:-1]), HORIZON, seed=3
    )


@pytest.fixture(scope="session")
def future(shop):
    """The last cut-off with its outcomes."""
    return shop.origin(CUTOFFS[-1])
