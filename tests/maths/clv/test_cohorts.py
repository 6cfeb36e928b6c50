"""Cohort models with partial pooling: between the population and each cohort on its own, and better than either."""

from __future__ import annotations

import numpy as np
import pytest

from axiom.clv import BetaGeo, ModifiedBetaGeo, fit_cohorts

BASE = np.array([np.log(0.12), 0.3, -1.0, -0.7])


def draw(population, kind, first: int, spread: float, seed: int = 1):
    """Six small and six large cohorts around BASE."""
    rng = np.random.default_rng(seed)
    thetas, people, labels = BASE + spread * rng.normal(size=(12, 4)), [], []
    for i, theta in enumerate(thetas):
        params = dict(zip(kind.parameter_names, np.exp(kind().log_natural(theta)), strict=True))
        T = np.ceil(rng.uniform(20, 50, 200 if i < 6 else 2_000))
        people.append(population(rng, params, T, first).history)
        labels += [f"cohort {i:02d}"] * T.size
    return thetas, np.array(labels), tuple(np.concatenate(column) for column in zip(*people, strict=True))


@pytest.mark.parametrize(("kind", "first"), [(BetaGeo, 0), (ModifiedBetaGeo, 1)])
@pytest.mark.parametrize("spread", [0.1, 0.4])
def test_pooling_beats_one_model_for_all_and_one_model_each(kind, first, spread, population) -> None:
    thetas, labels, history = draw(population, kind, first, spread)
    fit = fit_cohorts(kind(), labels, *history)
    assert fit.settled
    alone = [kind().fit(*(column[labels == label] for column in history)).theta_ for label in fit.cohorts]
    error = [
        np.sqrt(np.mean(np.square(estimate - thetas)))
        for estimate in ([model.theta_ for model in fit.models], alone, fit.population.theta_)
    ]
    assert error[0] < 0.9 * error[1]
    assert error[0] < 0.95 * error[2]


def test_the_spread_between_cohorts_is_estimated(population) -> None:
    _, labels, history = draw(population, BetaGeo, 0, 0.4)
    assert fit_cohorts(BetaGeo(), labels, *history).spread == pytest.approx([0.4] * 4, abs=0.15)


def test_equal_cohorts_stay_near_the_population(population) -> None:
    _, labels, history = draw(population, BetaGeo, 0, 0.0)
    fit = fit_cohorts(BetaGeo(), labels, *history)
    assert (fit.spread < 0.1).all()
    for model in fit.models:
        np.testing.assert_allclose(model.theta_, fit.population.theta_, atol=0.2)


def test_a_cohort_in_which_nobody_repeats_borrows_from_the_others(population) -> None:
    _, labels, history = draw(population, BetaGeo, 0, 0.2)
    labels, silent = np.append(labels, ["silent"] * 5), np.zeros(5)
    with_them = [
        np.append(column, extra) for column, extra in zip(history, (silent, silent, silent + 9.0), strict=True)
    ]
    fit = fit_cohorts(BetaGeo(), labels, *with_them)
    model = fit.model_of("silent")
    assert model.converged_
    assert model.customers_ == 5
    assert 0 < model.expected_purchases(10.0) < fit.population.expected_purchases(10.0)


def test_an_unknown_cohort_gets_the_population(population) -> None:
    _, labels, history = draw(population, BetaGeo, 0, 0.2)
    fit = fit_cohorts(BetaGeo(), labels, *history)
    assert fit.model_of("next month") is fit.population
    assert fit.model_of("cohort 03") is fit.models[3]
    assert fit.models[3].standard_errors_["r"] > fit.population.standard_errors_["r"]


def test_weights_count_in_cohorts_too(population) -> None:
    _, labels, history = draw(population, BetaGeo, 0, 0.3)
    few = np.arange(labels.size) % 8 == 0
    labels, history = labels[few], tuple(column[few] for column in history)
    heavy = fit_cohorts(BetaGeo(), labels, *history, weights=np.full(labels.size, 2.0))
    twice = fit_cohorts(BetaGeo(), np.tile(labels, 2), *(np.tile(column, 2) for column in history))
    for one, other in zip(heavy.models, twice.models, strict=True):
        np.testing.assert_allclose(one.theta_, other.theta_, atol=1e-6)


@pytest.mark.parametrize(
    ("labels", "message"),
    [(["a", "a", "a", "a"], "at least two cohorts"), (["a", "b"], "one label per customer")],
)
def test_bad_cohorts_are_refused(labels, message) -> None:
    with pytest.raises(ValueError, match=message):
        fit_cohorts(BetaGeo(), labels, [0, 2, 5, 1], [0.0, 3.0, 9.0, 4.0], [10.0, 10.0, 10.0, 8.0])
