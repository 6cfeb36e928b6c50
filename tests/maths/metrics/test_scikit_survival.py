"""Survival metrics against scikit-survival."""

from __future__ import annotations

import numpy as np
import pytest
from sksurv.metrics import brier_score, concordance_index_censored, integrated_brier_score
from sksurv.nonparametric import kaplan_meier_estimator
from sksurv.util import Surv

from axiom.maths.survival import concordance_index, ipcw_brier, kaplan_meier

TIMES = np.array([2.0, 5.0, 9.0, 14.0, 20.0])


@pytest.fixture(params=[0, 1, 2])
def followed(request: pytest.FixtureRequest) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Continuous durations, events and a risk with ties of 400 customers, about half of them censored."""
    rng = np.random.default_rng(request.param)
    risk = np.round(rng.standard_normal(400), 1)
    churn, end = rng.exponential(15 * np.exp(-0.8 * risk)), rng.uniform(1, 40, 400)
    return np.minimum(churn, end), churn < end, risk


def test_the_brier_score_under_censoring(followed: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    durations, events, risk = followed
    survival = np.exp(-np.outer(np.exp(0.8 * risk), TIMES / 15))
    observed = Surv.from_arrays(events, durations)
    ours = ipcw_brier(durations, events, survival, TIMES)
    np.testing.assert_allclose(ours.score, brier_score(observed, observed, survival, TIMES)[1], rtol=1e-10)
    assert ours.integrated == pytest.approx(integrated_brier_score(observed, observed, survival, TIMES), rel=1e-10)


def test_concordance(followed: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    durations, events, risk = followed
    assert concordance_index(durations, events, risk) == pytest.approx(
        concordance_index_censored(events, durations, risk)[0], abs=1e-12
    )


def test_kaplan_meier(followed: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    durations, events, _ = followed
    weekly = np.ceil(durations)
    times, survival = kaplan_meier_estimator(events, weekly)
    ours = kaplan_meier(weekly, events)
    at = np.searchsorted(ours.times, times, side="right") - 1
    np.testing.assert_allclose(np.where(at >= 0, ours.survival[np.maximum(at, 0)], 1.0), survival, atol=1e-12)
