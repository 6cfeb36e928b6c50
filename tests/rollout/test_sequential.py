from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad

from axiom.maths.sequential import (
    boundary,
    concordance,
    log_mixture,
    mixture_rho,
    running_mean,
    sequential_mean,
    split_differences,
)

ALPHA = 0.1
ROUNDS = 400
LENGTH = 1500
# Three standard deviations of a rate of ALPHA over so many simulations.
TOLERANCE = 3 * (ALPHA * (1 - ALPHA) / ROUNDS) ** 0.5


def ever_rejects(x: np.ndarray, predicted: np.ndarray, mean: float, scale: float, tuned_to: float) -> bool:
    """Whether the interval misses `mean` at any sample size: a look after every observation."""
    sums = np.abs(np.cumsum(x) - mean * np.arange(1, len(x) + 1))
    times = np.cumsum((x - predicted) ** 2)
    rho = mixture_rho(tuned_to, ALPHA / 2)
    return bool((log_mixture(sums, times, scale=scale, rho=rho) > np.log(2 / ALPHA)).any())


def split(rng: np.random.Generator, share: float, better: float = 0.0) -> np.ndarray:
    canary = rng.random(LENGTH) < share
    loss = np.clip(rng.beta(0.6, 2.0, LENGTH) - better * canary, 0, 1)
    return split_differences(loss, canary, np.full(LENGTH, share), most=1.0)


@pytest.mark.parametrize("law", ["rare", "even", "split a tenth", "split in halves", "pairs"])
def test_looking_after_every_observation_is_wrong_no_more_often_than_declared(law: str) -> None:
    rng, wrong = np.random.default_rng(7), 0
    for _ in range(ROUNDS):
        if law in ("rare", "even"):
            mean = 0.05 if law == "rare" else 0.5
            x = (rng.random(LENGTH) < mean).astype(float)
            wrong += ever_rejects(x, running_mean(x, 0.5), mean, 1.0, 200 * mean * (1 - mean))
        elif law == "pairs":
            x = rng.normal(0, 0.05, LENGTH).clip(-1, 1)
            wrong += ever_rejects(x, np.zeros(LENGTH), 0.0, 1.0, 0.5)
        else:
            share = 0.1 if law == "split a tenth" else 0.5
            wrong += ever_rejects(split(rng, share), np.zeros(LENGTH), 0.0, 1 / share, 50 / share)
    assert wrong / ROUNDS <= ALPHA + TOLERANCE


def test_a_usual_interval_would_be_wrong_far_more_often() -> None:
    rng, wrong = np.random.default_rng(7), 0
    n = np.arange(1, LENGTH + 1)
    for _ in range(ROUNDS):
        x = rng.normal(0, 0.05, LENGTH)
        z = np.abs(np.cumsum(x)) / (0.05 * np.sqrt(n))
        wrong += bool((z[30:] > stats.norm.ppf(1 - ALPHA / 2)).any())
    assert wrong / ROUNDS > 3 * ALPHA


def test_a_real_difference_is_found() -> None:
    rng = np.random.default_rng(3)
    found = sum(ever_rejects(split(rng, 0.5, better=0.15), np.zeros(LENGTH), 0.0, 2.0, 100.0) for _ in range(100))
    assert found >= 95


def test_the_interval_holds_the_mean_and_narrows() -> None:
    x = (np.random.default_rng(1).random(20_000) < 0.3).astype(float)
    found = [sequential_mean(x[:n], scale=1.0, alpha=0.05, tuned_to=100) for n in (100, 1000, 20_000)]
    widths = [one.high - one.low for one in found]
    assert all(one.low < 0.3 < one.high for one in found)
    assert widths[0] > widths[1] > widths[2]
    assert widths[2] < 0.03


def test_the_mixture_is_the_integral_that_it_stands_for() -> None:
    s, v, c, rho = 1.7, 2.3, 0.8, 1.1

    def density(u: float) -> float:
        return float(u ** (rho / c**2 - 1) * np.exp(-u * rho / c**2))

    def term(u: float) -> float:
        rate = (1 - u) / c
        psi = (-np.log(u) - (1 - u)) / c**2
        return float(np.exp(rate * s - psi * v)) * density(u)

    expected = quad(term, 0, 1)[0] / quad(density, 0, 1)[0]
    assert log_mixture(s, v, scale=c, rho=rho) == pytest.approx(np.log(expected), rel=1e-6)


@pytest.mark.parametrize("scale", [0.01, 1.0, 70.0])
def test_the_boundary_is_where_the_mixture_reaches_one_over_alpha(scale: float) -> None:
    times = np.array([0.0, 0.1, 5.0, 1e3, 1e6])
    s = boundary(times, scale=scale, alpha=0.025, tuned_to=10.0)
    value = log_mixture(s, times, scale=scale, rho=mixture_rho(10.0, 0.025))
    assert value == pytest.approx(np.full(5, np.log(40)), abs=1e-5)
    assert (np.diff(s) > 0).all()


def test_split_differences_are_right_on_average_whatever_the_share() -> None:
    rng = np.random.default_rng(5)
    n = 200_000
    share = np.where(np.arange(n) < n // 2, 0.1, 0.4)
    canary = rng.random(n) < share
    trend = np.linspace(0.1, 0.6, n)  # customers who come later are harder: a plain difference of means is off
    loss = trend + 0.05 * canary
    z = split_differences(loss, canary, share, most=1.0)
    assert z.mean() == pytest.approx(0.05, abs=4 * z.std() / n**0.5)
    assert abs(loss[canary].mean() - loss[~canary].mean() - 0.05) > 0.05


def test_concordance_averages_to_kendalls_tau() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=60_000)
    y = x + rng.normal(size=60_000)
    assert concordance(x, y).mean() == pytest.approx(stats.kendalltau(x[:3000], y[:3000]).statistic, abs=0.03)


def test_concordance_counts_ties_and_leaves_the_odd_one_out() -> None:
    found = concordance([1, 2, 2, 1, 3, 3, 4, 4, 9], [1, 2, 1, 2, 3, 3, 1, 2, 9])
    assert found.tolist() == [1.0, -1.0, 1.0, 0.0]


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: sequential_mean([], scale=1, alpha=0.1, tuned_to=1), "at least one row"),
        (lambda: sequential_mean([0.5, np.nan], scale=1, alpha=0.1, tuned_to=1), "finite"),
        (lambda: sequential_mean([0.5, 3.0], scale=1, alpha=0.1, tuned_to=1), "scale must bound every deviation"),
        (lambda: sequential_mean([0.5], scale=1, alpha=2.5, tuned_to=1), "alpha must lie strictly"),
        (lambda: sequential_mean([0.5], scale=1, alpha=0.1, tuned_to=0), "tuned_to must be positive"),
        (lambda: log_mixture(1.0, 1.0, scale=0, rho=1), "scale and rho must be positive"),
        (lambda: boundary([-1.0], scale=1, alpha=0.1, tuned_to=1), "v must not be negative"),
        (lambda: split_differences([0.5], np.array([True]), [1.0], most=1), "share must lie strictly"),
        (lambda: split_differences([1.5], np.array([True]), [0.5], most=1), "loss must be at most 1"),
        (lambda: concordance([1.0], [1.0]), "at least two units"),
    ],
)
def test_what_makes_no_sense_is_refused(call: object, line: str) -> None:
    with pytest.raises(ValueError, match=line):
        call()  # type: ignore[operator]
