"""Every prediction against high-precision arithmetic, over ranges no data set will exceed."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from axiom.clv.pareto_nbd import ParetoNBD

TOLERANCE = 1e-9
# No shrinking: each comparison costs a high-precision quadrature.
slowly = settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def log_range(low, high):
    return st.floats(np.log(low), np.log(high)).map(lambda y: float(np.exp(y)))


@st.composite
def cases(draw):
    """A population, a history and a horizon: heterogeneity from wild to nil, rates from one in ten years to daily."""
    r, s = draw(log_range(0.02, 1e8)), draw(log_range(0.02, 1e8))
    alpha = r / draw(log_range(2e-3, 7.0))
    beta = alpha if draw(st.booleans()) else s / draw(log_range(2e-4, 7.0))
    T = draw(log_range(1.0, 500.0))
    x = draw(st.sampled_from([0, 0, 1, 2, 7, 40, 300, 2000]))
    t_x = 0.0 if x == 0 else T * draw(st.floats(0.01, 1.0))
    return {"r": r, "alpha": alpha, "s": s, "beta": beta}, (x, t_x, T), draw(log_range(0.5, 500.0))


HEAVY_BUYER = ({"r": 0.5533, "alpha": 10.578, "s": 0.6061, "beta": 11.656}, (2000, 38.0, 38.86), 39.0)
SAME_AGE = ({"r": 1.0, "alpha": 7.0, "s": 1.0, "beta": 7.0}, (3, 11.0, 30.0), 20.0)
NO_HETEROGENEITY = ({"r": 1e12, "alpha": 4e12, "s": 1e12, "beta": 5e13}, (9, 20.0, 30.0), 25.0)
NEVER_LATE = ({"r": 0.3, "alpha": 5.0, "s": 0.4, "beta": 9.0}, (4, 30.0, 30.0), 10.0)


def on_hard_cases(test):
    for case in (HEAVY_BUYER, SAME_AGE, NO_HETEROGENEITY, NEVER_LATE):
        test = example(case)(test)
    return slowly(given(cases())(test))


def assert_close(got, wanted):
    # Below the smallest normal double there are no digits left to compare.
    if wanted > 1e-300:
        assert abs(mp.mpf(float(got)) / wanted - 1) <= TOLERANCE
    else:
        assert got <= 1e-300


@on_hard_cases
def test_p_alive_now_and_later_is_exact(exact, case):
    params, (x, t_x, T), t = case
    model, reference = ParetoNBD.from_params(params), exact(params)
    now = reference.alive(x, t_x, T)
    assert_close(model.probability_alive(x, t_x, T), now)
    assert_close(model.probability_alive(x, t_x, T, t), now * reference.survival(mp.mpf(T), mp.mpf(t)))


@on_hard_cases
def test_expected_and_discounted_purchases_are_exact(exact, case):
    params, (x, t_x, T), t = case
    model, reference = ParetoNBD.from_params(params), exact(params)
    now = reference.alive(x, t_x, T)
    with mp.workdps(60):
        mean = reference.mean_if_alive(mp.mpf(t), x, mp.mpf(T))
    assert_close(model.expected_purchases(t, x, t_x, T), now * mean)
    assert_close(model.discounted_purchases(0.1 / t, x, t_x, T), now * reference.discounted_if_alive(0.1 / t, x, T))


@on_hard_cases
def test_the_distribution_of_purchases_is_exact_in_its_body_and_in_its_tail(exact, case):
    params, (x, t_x, T), t = case
    model, reference = ParetoNBD.from_params(params), exact(params)
    now = reference.alive(x, t_x, T)
    typical = float(reference.rate(x, mp.mpf(T))) * t
    for n in {1, 1 + int(typical), 3 + int(3 * typical)}:
        assert_close(model.tail(n, t, x, t_x, T), now * reference.tail_if_alive(n, t, x, T))
        assert_close(model.purchase_pmf(n, t, x, t_x, T), now * reference.pmf_if_alive(n, t, x, T))
    none = now * reference.pmf_if_alive(0, t, x, T) + (1 - now)
    assert_close(model.purchase_pmf(0, t, x, t_x, T), none)


@pytest.mark.parametrize("x", [0, 1, 7, 100])
@pytest.mark.parametrize(("r", "alpha", "s", "beta"), [(0.55, 10.6, 0.61, 11.7), (2.0, 5.0, 1.0, 5.0), (9, 20, 4, 90)])
def test_p_alive_is_the_ratio_of_the_two_hypergeometric_functions_of_the_paper(exact, r, alpha, s, beta, x):
    params = {"r": r, "alpha": alpha, "s": s, "beta": beta}
    t_x, T = (20.0 if x else 0.0), 39.0
    with mp.workdps(80):
        whole, alive = exact(params).likelihood(x, t_x, T)
    assert_close(ParetoNBD.from_params(params).probability_alive(x, t_x, T), alive / whole)


def test_dert_is_the_confluent_hypergeometric_function_of_the_paper():
    params = {"r": 0.5533, "alpha": 10.578, "s": 0.6061, "beta": 11.656}
    model = ParetoNBD.from_params(params)
    rate, end = mp.log(1.15) / mp.mpf("52.1775"), params["beta"] + 38.86
    life = end * mp.hyperu(1, 2 - params["s"], rate * end)
    expected = float(model.probability_alive(2, 30.43, 38.86)) * (0.5533 + 2) / (10.578 + 38.86) * life
    assert_close(model.discounted_purchases(float(rate), 2, 30.43, 38.86), expected)


@pytest.mark.parametrize("case", [HEAVY_BUYER, SAME_AGE, NEVER_LATE])
def test_probabilities_tails_and_the_mean_tell_one_story(case):
    params, (x, t_x, T), t = case
    model = ParetoNBD.from_params(params)
    # Far enough for these three: the tail beyond is below 1e-12.
    n = np.arange(6000)
    pmf, tail = model.purchase_pmf(n, t, x, t_x, T), model.tail(n, t, x, t_x, T)
    np.testing.assert_allclose(pmf[::-1].cumsum()[::-1], tail, rtol=0, atol=1e-11)
    np.testing.assert_allclose(tail[1:].sum(), model.expected_purchases(t, x, t_x, T), rtol=1e-9)
    np.testing.assert_allclose(1.0 - tail[1:4], model.purchase_cdf(n[:3], t, x, t_x, T), rtol=1e-12)


def test_nothing_can_happen_in_no_time():
    model = ParetoNBD.from_params(HEAVY_BUYER[0])
    history = (2, 30.43, 38.86)
    assert model.expected_purchases(0.0, *history) == 0.0
    np.testing.assert_array_equal(model.tail([-1, 0, 1, 5], 0.0, *history), [1.0, 1.0, 0.0, 0.0])
    np.testing.assert_allclose(model.purchase_pmf([0, 1], 0.0, *history), [1.0, 0.0], rtol=1e-15)
