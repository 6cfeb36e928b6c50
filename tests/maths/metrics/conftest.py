"""Small seeded samples shared by the metric tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Scored(NamedTuple):
    y: NDArray[np.float64]
    p: NDArray[np.float64]
    weights: NDArray[np.float64]


class Followed(NamedTuple):
    x: NDArray[np.float64]
    durations: NDArray[np.float64]
    events: NDArray[np.bool_]
    weights: NDArray[np.float64]


@pytest.fixture
def scored() -> Scored:
    """600 calibrated predictions, rounded so that scores tie."""
    rng = np.random.default_rng(7)
    p = np.round(rng.beta(2, 4, 600), 2).clip(0.01, 0.99)
    return Scored((rng.random(600) < p).astype(float), p, rng.uniform(0.2, 3.0, 600))


@pytest.fixture
def followed() -> Followed:
    """300 customers, three covariates, weekly times with ties, 40 % censored."""
    rng = np.random.default_rng(11)
    x = rng.standard_normal((300, 3)) * [1.0, 5.0, 0.1] + [0.0, 50.0, 3.0]
    risk = x @ np.array([0.5, -0.1, 4.0]) + 5 - 12
    churn, end = rng.exponential(20 * np.exp(-risk)), rng.uniform(5, 60, 300)
    return Followed(x, np.ceil(np.minimum(churn, end)), churn < end, rng.uniform(0.5, 2.0, 300))
