"""Predictive intervals of fitted models cover what simulated customers go on to do."""

from __future__ import annotations

import numpy as np
import pytest

from axiom.clv import BetaGeo, GammaGamma, ModifiedBetaGeo

PARAMS = {"r": 0.6, "alpha": 5.0, "a": 0.8, "b": 2.4}
HORIZON = 26.0
SPEND = {"p": 4.0, "q": 3.5, "gamma": 20.0}


def future(population, simulate, kind, first: int, n: int, seed: int):
    """Histories of n customers, what they buy next, and the generator for more."""
    rng = np.random.default_rng(seed)
    people = population(rng, PARAMS, np.ceil(rng.uniform(20, 52, n)), first)
    later = simulate(rng, people.rate, people.dropout, np.full(n, HORIZON))
    return people, np.where(people.alive, later.x, 0.0), rng


def check_coverage(pit: np.ndarray) -> None:
    """Central intervals of 80, 90 and 95 % hold that share of customers, within half a point."""
    for level in (0.8, 0.9, 0.95):
        inside = np.abs(pit - 0.5) < level / 2
        assert inside.mean() == pytest.approx(level, abs=0.005)


@pytest.mark.parametrize(("kind", "first"), [(BetaGeo, 0), (ModifiedBetaGeo, 1)])
def test_purchase_intervals_cover(kind, first, population, simulate) -> None:
    people, bought, rng = future(population, simulate, kind, first, 100_000, seed=5)
    model = kind().fit(*people.history)
    mass = model.purchase_pmf(bought, HORIZON, *people.history)
    below = 1.0 - model.tail(bought, HORIZON, *people.history)
    # Counts are discrete: the randomised transform spreads each count over its own probability.
    check_coverage(below + rng.random(bought.size) * mass)
    total = model.expected_purchases(HORIZON, *people.history).sum()
    assert total == pytest.approx(bought.sum(), rel=0.02)


def test_money_intervals_cover(population, simulate) -> None:
    people, bought, rng = future(population, simulate, BetaGeo, 0, 60_000, seed=6)
    scale = rng.gamma(SPEND["q"], 1 / SPEND["gamma"], bought.size)
    mean_spend = rng.gamma(SPEND["p"] * np.maximum(people.x, 1)) / scale / np.maximum(people.x, 1)
    spent = np.where(bought > 0, rng.gamma(SPEND["p"] * np.maximum(bought, 1)) / scale, 0.0)
    model, spend = BetaGeo().fit(*people.history), GammaGamma().fit(people.x, mean_spend)
    reached = spend.value_cdf(spent, model, HORIZON, *people.history, mean_spend)
    check_coverage(np.where(bought > 0, reached, rng.random(bought.size) * reached))
    total = spend.expected_value(model, HORIZON, *people.history, mean_spend).sum()
    assert total == pytest.approx(spent.sum(), rel=0.02)


def test_intervals_of_few_customers_need_the_uncertainty_of_their_parameters(population, simulate) -> None:
    """With 60 customers, mixing over the posterior covers better than plugging the estimates in."""
    away = {0: [], 40: []}
    for seed in range(25):
        rng = np.random.default_rng(100 + seed)
        people = population(rng, PARAMS, np.full(60, 20.0))
        later = simulate(rng, people.rate, people.dropout, np.full(60, HORIZON))
        bought = np.where(people.alive, later.x, 0.0)
        model = BetaGeo().fit(*people.history)
        for draws, levels in away.items():
            models = model.draws(draws, seed) if draws else [model]
            mass = np.mean([m.purchase_pmf(bought, HORIZON, *people.history) for m in models], axis=0)
            levels.append(np.log(mass).mean())
    assert np.mean(away[40]) > np.mean(away[0]) - 0.002
