"""One customer at a time the models say what they say of many, over wide ranges of parameters and histories."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from axiom.clv import BetaGeo, GammaGamma, ModifiedBetaGeo, ParetoNBD
from axiom.clv.one_customer import OneCustomer
from axiom.clv.one_spend import log_quantiles
from axiom.clv.value_mixture import components
from axiom.training.clv.model import ClvModel
from axiom.training.clv.probabilistic import FittedProbabilistic
from axiom.training.clv.rows import RfmArrays

if TYPE_CHECKING:
    from axiom.clv.base import TransactionModel

LEVELS = (0.05, 0.5, 0.95)
NAMES = {BetaGeo: "bg_nbd", ModifiedBetaGeo: "mbg_nbd", ParetoNBD: "pareto_nbd"}


def log_uniform(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(math.log(low), math.log(high)).map(math.exp)


@st.composite
def purchase_models(draw: st.DrawFn) -> TransactionModel:
    """Populations that buy once in three years to daily, as unequal as may be, and leave soon, late or never."""
    family = draw(st.sampled_from(list(NAMES)))
    r, mean_gap = draw(log_uniform(0.05, 50.0)), draw(log_uniform(1.0, 1000.0))
    first, second = draw(log_uniform(0.05, 50.0)), draw(log_uniform(0.1, 500.0))
    names = ("r", "alpha", "s", "beta") if family is ParetoNBD else ("r", "alpha", "a", "b")
    scale = mean_gap if family is ParetoNBD else 1.0
    return family.from_params(dict(zip(names, (r, r * mean_gap, first, second * scale), strict=True)))


@st.composite
def histories(draw: st.DrawFn) -> tuple[float, float, float, float]:
    T = float(draw(st.integers(0, 1500)))
    x = float(draw(st.integers(0, 80))) if T else 0.0
    t_x = float(draw(st.integers(1, int(T)))) if x else 0.0
    return x, t_x, T, draw(log_uniform(0.01, 1e6)) if x else math.nan


spenders = st.builds(
    lambda p, q, gamma: GammaGamma.from_params({"p": p, "q": 1.0 + q, "gamma": gamma}),
    log_uniform(0.3, 40.0),
    log_uniform(0.1, 20.0),
    log_uniform(0.1, 1e4),
)


@settings(max_examples=150, deadline=None)
@given(model=purchase_models(), spend=spenders, history=histories(), t=st.integers(1, 730))
def test_one_customer_has_the_forecast_of_the_batch(
    model: TransactionModel, spend: GammaGamma, history: tuple[float, float, float, float], t: int
) -> None:
    found = OneCustomer(model, spend, float(t), LEVELS).outlook(*history)
    assume(found is not None)
    rfm = RfmArrays(*(np.array([value]) for value in history))
    batch = ClvModel(NAMES[type(model)], FittedProbabilistic("", model, spend), t).predict(rfm)
    assert found[:4] == pytest.approx(
        (batch.p_alive[0], batch.expected_purchases[0], batch.p_no_purchase[0], batch.clv_mean[0]), rel=1e-9, abs=1e-12
    )
    some = 1.0 - batch.p_no_purchase[0]
    for level, one, many in zip(LEVELS, found.quantiles, batch.clv_quantiles[:, 0], strict=True):
        inner = (level - batch.p_no_purchase[0]) / some if some > 0 else -1.0
        # Where the level all but equals P(no purchase), the quantile hangs on the last digits of that.
        if inner > 1e-6 or one == 0.0:
            assert one == pytest.approx(many, rel=1e-6, abs=1e-9)


@settings(max_examples=100, deadline=None)
@given(
    p=log_uniform(0.2, 200.0),
    rest=log_uniform(1.05, 5000.0),
    mass=st.lists(log_uniform(1e-9, 1.0), min_size=1, max_size=150),
    level=st.floats(1e-9, 1.0 - 1e-9),
)
@example(p=200.0, rest=5000.0, mass=[1.0, 1.0], level=0.5)  # prices hardly vary: the law is a staircase
@example(p=0.05, rest=1.05, mass=[1.0], level=1e-9)
def test_quantiles_of_spend_solve_the_law(p: float, rest: float, mass: list[float], level: float) -> None:
    (log_v,) = log_quantiles(np.array(mass), p, rest, [level])
    table = np.array([0.0, *mass])[:, None] / math.fsum(mass)
    law = components([table], [(p, np.array([rest]), np.ones(1))])
    around = [float(law.cdf(np.array([log_v + step]))[0]) for step in (-1e-6, 0.0, 1e-6)]
    # On a flat piece of the law any point will do: the level must lie within a hair of the solution.
    assert around[0] - 1e-12 <= level <= around[2] + 1e-12 or around[1] == pytest.approx(level, rel=1e-6)


@pytest.mark.parametrize("family", list(NAMES))
def test_those_who_never_repeated_get_the_population_mean(family: type[TransactionModel]) -> None:
    second = "beta" if family is ParetoNBD else "b"
    first = "s" if family is ParetoNBD else "a"
    model = family.from_params({"r": 0.5, "alpha": 10.0, first: 0.6, second: 12.0})
    spend = GammaGamma.from_params({"p": 6.0, "q": 4.0, "gamma": 15.0})
    one = OneCustomer(model, spend, 30.0, LEVELS)
    said = one.outlook(0.0, 0.0, 20.0, math.nan)
    assert said.mean == pytest.approx(said.expected_purchases * 30.0)
    assert one.outlook(0.0, 0.0, 0.0, 5.0).quantiles[0] == 0.0
    unknown, usual = one.outlook(3.0, 10.0, 20.0, math.nan), one.outlook(3.0, 10.0, 20.0, 30.0)
    assert (unknown.mean, *unknown.quantiles) == pytest.approx((usual.mean, *usual.quantiles))


def test_a_level_below_the_chance_of_nothing_is_worth_nothing() -> None:
    model = BetaGeo.from_params({"r": 0.2, "alpha": 30.0, "a": 0.8, "b": 2.4})
    spend = GammaGamma.from_params({"p": 6.0, "q": 4.0, "gamma": 15.0})
    said = OneCustomer(model, spend, 30.0, LEVELS).outlook(1.0, 5.0, 300.0, 20.0)
    assert said.p_no_purchase > 0.95
    assert said.quantiles == (0.0, 0.0, 0.0)


def test_without_amounts_there_is_no_money() -> None:
    model = BetaGeo.from_params({"r": 0.2, "alpha": 30.0, "a": 0.8, "b": 2.4})
    said = OneCustomer(model, None, 30.0, LEVELS).outlook(1.0, 5.0, 30.0, math.nan)
    assert said.mean is None
    assert said.quantiles is None


def test_hundreds_of_purchases_are_left_to_the_batch_path() -> None:
    busy = {"r": 900.0, "alpha": 1.0}
    for family, rest in ((BetaGeo, {"a": 1.0, "b": 50.0}), (ParetoNBD, {"s": 1.0, "beta": 50.0})):
        model = family.from_params(busy | rest)
        assert OneCustomer(model, None, 100.0, LEVELS).outlook(5.0, 10.0, 20.0, 1.0) is None


@pytest.mark.parametrize(
    ("history", "said"),
    [
        ((1.5, 1.0, 2.0), "whole number"),
        ((-1.0, 0.0, 2.0), "x >= 0"),
        ((1.0, 3.0, 2.0), "t_x <= T"),
        ((1.0, 0.0, 2.0), "0 exactly where x is"),
        ((0.0, 1.0, 2.0), "0 exactly where x is"),
        ((math.inf, 1.0, 2.0), "finite"),
        ((1.0, 1.0, math.inf), "finite"),
        ((1.0, math.nan, 2.0), "finite"),
    ],
)
def test_a_history_that_cannot_be_is_refused(history: tuple[float, float, float], said: str) -> None:
    model = BetaGeo.from_params({"r": 0.2, "alpha": 30.0, "a": 0.8, "b": 2.4})
    with pytest.raises(ValueError, match=said):
        OneCustomer(model, None, 30.0, LEVELS).outlook(*history, 1.0)
