"""240 simulated populations over a grid of parameters, ages and sizes, and what the fits say of them."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy.stats import chi2

from axiom.clv import BetaGeo, ModifiedBetaGeo
from axiom.clv.inputs import check_population, compress

GRID = [
    ({"r": r, "alpha": r / rate, "a": a, "b": b}, age, n)
    for r, rate, a, b, age, n in product(
        (0.2, 1.0, 4.0), (0.02, 0.1), (0.2, 1.0), (0.5, 3.0, 12.0, 40.0, 120.0), (30.0, 100.0), (500, 3000)
    )
]


@pytest.fixture(scope="module", params=[(BetaGeo, 0), (ModifiedBetaGeo, 1)], ids=["BG", "MBG"])
def fits(request, population):
    """(model, truth as theta, twice the log likelihood ratio of the fit to the truth) of each population."""
    kind, first = request.param
    found = []
    for seed, (params, age, n) in enumerate(GRID):
        rng = np.random.default_rng(seed)
        people = population(rng, params, np.ceil(rng.uniform(0.3, 1.0, n) * age), first)
        model = kind().fit(*people.history)
        truth = model.working(params)
        table = compress(*check_population(*people.history))
        found.append((model, truth, 2 * (model.log_likelihood_ - model.objective(truth, table)[0])))
    return found


def test_all_240_populations_converge(fits) -> None:
    assert len(fits) == 240
    assert all(model.converged_ for model, _, _ in fits)
    assert max(model.n_iter_ for model, _, _ in fits) < 40


def test_the_truth_is_within_sampling_error_of_the_fit(fits) -> None:
    """Twice the log likelihood ratio is chi-squared with 4 degrees of freedom, less where the prior holds a ridge."""
    ratios = np.array([ratio for _, _, ratio in fits])
    assert ratios.max() < chi2.ppf(1 - 1e-5, 4)
    assert np.mean(ratios > chi2.ppf(0.95, 4)) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 240)
    assert 3.0 < ratios.mean() < 4.6


def test_no_fit_stops_below_the_truth(fits) -> None:
    """With the prior counted in, the truth is never likelier than the fit: no lesser maximum was taken."""
    for model, truth, ratio in fits:
        prior = model.prior(None)
        assert 0.5 * ratio + prior.terms(model.theta_)[0] >= prior.terms(truth)[0] - 1e-6
        assert ratio > -1.0


def test_laplace_intervals_on_the_log_scale_cover(population) -> None:
    params, inside = {"r": 0.24, "alpha": 4.4, "a": 0.8, "b": 2.4}, []
    for seed in range(300):
        rng = np.random.default_rng(1_000 + seed)
        people = population(rng, params, np.ceil(rng.uniform(27.0, 39.0, 500)))
        model = BetaGeo().fit(*people.history)
        away = model.log_natural(model.theta_) - np.log(list(params.values()))
        inside.append(away @ np.linalg.solve(model.covariance_, away) < chi2.ppf(0.95, 4))
    assert abs(np.mean(inside) - 0.95) < 3 * np.sqrt(0.95 * 0.05 / 300)
